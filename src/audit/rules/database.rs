//! DB: databases, and schema public.

use super::acl::{openings, revoke, taken};
use super::{Draft, Rule, Sink};
use crate::audit::facts::acl::Entry;
use crate::audit::facts::object::{Object, SchemaId, Securable};
use crate::audit::finding::{Finding, Severity};
use crate::audit::remedy::Takes;
use crate::audit::scene::{Reacher, Scene};
use crate::model::acl::AclKind;
use crate::model::privilege::{Privilege, Privileges};

/// Everybody may connect to this database.
pub(super) static DB01: Rule = Rule {
    id: "DB01",
    title: "PUBLIC may connect",
    severity: Severity::Warning,
    explanation: "Every database is born open: any login of the server connects, reads the catalogs and uses whatever \
                  PUBLIC was left. Where PUBLIC may create temporary objects as well, the finding covers both (DB02).",
    fix: "Grant CONNECT to one group that the services' roles are in, and to every other login that uses the database; \
          then revoke it from PUBLIC. `pgcleave apply` does it in this order.",
    check: |scene, out| here(scene, out, Privilege::Connect, false),
};

/// Everybody may create temporary objects.
pub(super) static DB02: Rule = Rule {
    id: "DB02",
    title: "PUBLIC may create temporary objects",
    severity: Severity::Warning,
    explanation: "A temporary table shadows an unqualified name in any function whose search_path does not put pg_temp \
                  last, and fills the disk unseen. Where PUBLIC may connect as well, DB01 covers both.",
    fix: "Grant TEMPORARY to the roles that need it; then revoke it from PUBLIC.",
    check: |scene, out| here(scene, out, Privilege::Temporary, false),
};

/// A service, or everybody, may create schemas.
pub(super) static DB03: Rule = Rule {
    id: "DB03",
    title: "may create in the database",
    severity: Severity::Error,
    explanation: "CREATE on the database makes schemas that no manifest knows, among them the registry's own before \
                  the first apply, installs trusted extensions, and makes publications. Only superusers, the database's \
                  owner and the administrator (declared, connected, or owner of the registry) need it.",
    fix: "Revoke CREATE on the database.",
    check: |scene, out| here(scene, out, Privilege::Create, true),
};

/// A service's role may connect to another database.
pub(super) static DB04: Rule = Rule {
    id: "DB04",
    title: "may connect to another database",
    severity: Severity::Warning,
    explanation: "The server's other databases are open to every login unless CONNECT was taken from PUBLIC there too: \
                  what they hold, and what their PUBLIC may do, is open to this database's services. The databases that \
                  initdb makes (postgres, template1) hold no service's data, and clients expect to connect to them: \
                  information.",
    fix: "Let the owner of the other database decide: its own logins may connect by PUBLIC's right. Grant them CONNECT, \
          then revoke it from PUBLIC.",
    check: elsewhere,
};

/// A service, or everybody, may create in schema public.
pub(super) static DB05: Rule = Rule {
    id: "DB05",
    title: "may create in schema public",
    severity: Severity::Warning,
    explanation: "public is on everybody's search_path: an object planted there is found by other services' unqualified \
                  names. From 15 on PUBLIC lacks CREATE, but upgraded databases keep it.",
    fix: "Revoke CREATE on schema public.",
    check: schema_public,
};

/// The first OID that initdb does not use for a database.
const FIRST_NORMAL_OID: u32 = 16384;

fn databases(scene: &Scene<'_>) -> Vec<(Securable, bool)> {
    let current = &scene.facts.session.database;
    let all = scene.facts.securables().filter_map(|s| match s.object {
        Object::Database(at) => Some((s, &scene.facts.databases[at as usize])),
        _ => None,
    });
    all.filter(|(_, d)| d.allows_connections).map(|(s, d)| (s, d.name.as_str() == current)).collect()
}

fn here(scene: &Scene<'_>, out: &mut Sink<'_>, privilege: Privilege, roles_too: bool) {
    for (securable, _) in databases(scene).into_iter().filter(|(_, current)| *current) {
        tell(scene, out, &securable, privilege, roles_too);
    }
}

fn elsewhere(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (securable, _) in databases(scene).into_iter().filter(|(_, current)| !*current) {
        tell(scene, out, &securable, Privilege::Connect, true);
    }
}

/// Tells whether initdb made a database: `postgres` and the templates.
fn is_made_by_initdb(scene: &Scene<'_>, object: Object) -> bool {
    matches!(object, Object::Database(at) if scene.facts.databases[at as usize].oid < FIRST_NORMAL_OID)
}

fn is_elsewhere(scene: &Scene<'_>, object: Object) -> bool {
    matches!(object, Object::Database(at) if scene.facts.databases[at as usize].name.as_str() != scene.facts.session.database)
}

/// Tells of PUBLIC, once, and of services' roles; of CREATE for all roles but the administrator's.
fn tell(scene: &Scene<'_>, out: &mut Sink<'_>, securable: &Securable, privilege: Privilege, roles_too: bool) {
    let creates = privilege == Privilege::Create;
    for entry in scene.facts.acls[securable.acl].entries.iter().filter(|e| e.privileges.contains(privilege)) {
        let reachers: Vec<Option<Reacher>> = match entry.grantee {
            None => public(scene, roles_too && !creates),
            Some(role) if !roles_too || role == securable.owner || scene.role(role).superuser => continue,
            Some(role) if creates && scene.is_administrator(role) => continue,
            Some(role) => {
                let found = scene.reachers(role, None).into_iter();
                found.filter(|r| creates || scene.map.of_role(r.principal).is_some()).map(Some).collect()
            }
        };
        // one REVOKE ends both
        let with_temporary = !roles_too && privilege == Privilege::Connect;
        let both = Privileges::of(&[Privilege::Connect, Privilege::Temporary]);
        let told = if with_temporary { entry.privileges.intersection(both) } else { privilege.into() };
        for reacher in reachers {
            out.add(draft(scene, securable, entry, reacher.as_ref(), told));
        }
    }
}

fn draft(
    scene: &Scene<'_>,
    securable: &Securable,
    entry: &Entry,
    reacher: Option<&Reacher>,
    privileges: Privileges,
) -> Draft {
    let mut draft = Draft::new(scene, reacher, securable.object);
    draft.service = None;
    let who = scene.who(reacher);
    if entry.grantee.is_none() && reacher.is_some() {
        draft.path = draft.path.then("public", "PUBLIC");
    }
    draft.path = draft.path.using(privileges, &draft.object);
    draft.message = format!("{who} has {privileges} on {}", draft.object);
    draft.fix = revoke(scene, securable, entry, privileges);
    draft.takes = taken(securable, entry, privileges);
    if is_elsewhere(scene, securable.object) {
        draft.takes = Takes::Unknown;
        draft.first =
            Some("its owner must first grant CONNECT to every login of that database, which this audit does not know");
    }
    if entry.grantee.is_some_and(|role| scene.map.is_own_group(role)) {
        draft.takes = Takes::Manifest;
        draft.first = None;
        draft.fix =
            "-- services of both databases are in one group: give each database a role_prefix of its own".to_owned();
    }
    if privileges == Privilege::Connect.into() && is_made_by_initdb(scene, securable.object) {
        draft.severity = Some(Severity::Info);
    }
    draft
}

/// Gives whom PUBLIC's right is open to: every login, or those of services alone; nothing stands for all.
fn public(scene: &Scene<'_>, services_only: bool) -> Vec<Option<Reacher>> {
    let wanted = |role: &&crate::audit::facts::role::RoleId| !services_only || scene.map.of_role(**role).is_some();
    let told: Vec<_> =
        scene.logins.iter().filter(wanted).map(|role| Some(Reacher::itself(*role).by_public())).collect();
    if told.is_empty() { vec![None] } else { told }
}

fn schema_public(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (id, schema) in (0..).map(SchemaId).zip(&scene.facts.schemas).filter(|(_, s)| s.name.as_str() == "public") {
        let securable = Securable {
            object: Object::Schema(id),
            kind: AclKind::Schema,
            acl: schema.acl,
            owner: schema.owner,
            schema: None,
        };
        for entry in scene.facts.acls[schema.acl].entries.iter().filter(|e| e.privileges.contains(Privilege::Create)) {
            if entry.grantee.is_some_and(|g| g == schema.owner || scene.role(g).superuser) {
                continue;
            }
            for reacher in openings(scene, &securable, entry) {
                let mut draft = draft(scene, &securable, entry, reacher.as_ref(), Privilege::Create.into());
                draft.service = scene.service_of(securable.object);
                draft.message = format!("{} may create in schema public", scene.who(reacher.as_ref()));
                out.add(draft);
            }
        }
    }
}

/// Drops the finding of PUBLIC's TEMPORARY on a database where there is one of its CONNECT, which names both.
pub(in crate::audit) fn fold(findings: &mut Vec<Finding>) {
    let is_public = |f: &Finding, rule: &Rule| f.rule == rule.id && f.principal == "PUBLIC";
    let Some(at) = findings.iter().position(|f| is_public(f, &DB02)) else { return };
    let temporary = findings[at].object.clone();
    if findings.iter().any(|f| is_public(f, &DB01) && f.object == temporary) {
        findings.remove(at);
        for finding in findings.iter_mut().filter(|f| is_public(f, &DB01) && f.object == temporary) {
            finding.also.push(DB02.id);
        }
    }
}
