//! DB: databases, and schema public.

use super::acl::{openings, revoke};
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::{Object, SchemaId, Securable};
use crate::audit::finding::Severity;
use crate::audit::scene::{Reacher, Scene};
use crate::model::acl::AclKind;
use crate::model::privilege::Privilege;

/// Everybody may connect to this database.
pub(super) static DB01: Rule = Rule {
    id: "DB01",
    title: "PUBLIC may connect",
    severity: Severity::Warning,
    explanation: "Every database is born open: any login of the server connects, reads the catalogs and uses whatever \
                  PUBLIC was left.",
    fix: "Revoke CONNECT from PUBLIC; grant it to one group that the services' roles are in.",
    check: |scene, out| here(scene, out, Privilege::Connect, false),
};

/// Everybody may create temporary objects.
pub(super) static DB02: Rule = Rule {
    id: "DB02",
    title: "PUBLIC may create temporary objects",
    severity: Severity::Warning,
    explanation: "A temporary table shadows an unqualified name in any function whose search_path does not put pg_temp \
                  last, and fills the disk unseen.",
    fix: "Revoke TEMPORARY from PUBLIC; grant it to those that need it.",
    check: |scene, out| here(scene, out, Privilege::Temporary, false),
};

/// A service, or everybody, may create schemas.
pub(super) static DB03: Rule = Rule {
    id: "DB03",
    title: "may create in the database",
    severity: Severity::Error,
    explanation: "CREATE on the database makes schemas that no manifest knows, installs trusted extensions, and makes \
                  publications.",
    fix: "Revoke CREATE on the database.",
    check: |scene, out| here(scene, out, Privilege::Create, true),
};

/// A service's role may connect to another database.
pub(super) static DB04: Rule = Rule {
    id: "DB04",
    title: "may connect to another database",
    severity: Severity::Warning,
    explanation: "The server's other databases are open to every login unless CONNECT was taken from PUBLIC there too: \
                  what they hold, and what their PUBLIC may do, is open to this database's services.",
    fix: "Revoke CONNECT on the other database from PUBLIC.",
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

/// Tells of PUBLIC, told login by login, and of services' roles; an administrator in no service may.
fn tell(scene: &Scene<'_>, out: &mut Sink<'_>, securable: &Securable, privilege: Privilege, roles_too: bool) {
    for entry in scene.facts.acls[securable.acl].entries.iter().filter(|e| e.privileges.contains(privilege)) {
        let reachers: Vec<Option<Reacher>> = match entry.grantee {
            None => public(scene, securable.object),
            Some(role) if !roles_too || role == securable.owner || scene.role(role).superuser => continue,
            Some(role) => {
                let found = scene.reachers(role, None).into_iter();
                found.filter(|r| scene.map.of_role(r.principal).is_some()).map(Some).collect()
            }
        };
        for reacher in reachers {
            let mut draft = Draft::new(scene, reacher.as_ref(), securable.object);
            draft.service = None;
            let who = reacher.as_ref().map_or_else(|| "everybody".to_owned(), |r| scene.name(r.principal));
            if entry.grantee.is_none() && reacher.is_some() {
                draft.path = draft.path.then("public", "PUBLIC");
            }
            draft.path = draft.path.using(privilege, &draft.object);
            draft.message = format!("{who} has {privilege} on {}", draft.object);
            draft.fix = revoke(scene, securable, entry, privilege.into());
            out.add(draft);
        }
    }
}

/// Gives every login, of whatever service; nothing stands for all where they are too many.
fn public(scene: &Scene<'_>, object: Object) -> Vec<Option<Reacher>> {
    let told = scene.public_reachers(object, None);
    if told.iter().any(Option::is_none) {
        return vec![None];
    }
    scene.logins.iter().map(|role| Some(Reacher::itself(*role))).collect()
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
                let mut draft = Draft::new(scene, reacher.as_ref(), securable.object);
                let who = reacher.as_ref().map_or_else(|| "everybody".to_owned(), |r| scene.name(r.principal));
                if entry.grantee.is_none() && reacher.is_some() {
                    draft.path = draft.path.then("public", "PUBLIC");
                }
                draft.path = draft.path.using(Privilege::Create, &draft.object);
                draft.message = format!("{who} may create in schema public");
                draft.fix = revoke(scene, &securable, entry, Privilege::Create.into());
                out.add(draft);
            }
        }
    }
}
