//! ACC: privileges that were granted across the line.

use super::acl::{Hit, sweep};
use super::{Draft, Rule, Sink};
use crate::audit::facts::acl::Entry;
use crate::audit::facts::object::{Object, Securable};
use crate::audit::facts::relation::RelationKind;
use crate::audit::finding::Severity;
use crate::audit::path::Path;
use crate::audit::remedy::Takes;
use crate::audit::scene::Scene;
use crate::model::acl::AclKind;
use crate::model::privilege::Privilege;

/// A foreign role holds a privilege on a table, view, materialized view or foreign table.
pub(super) static ACC01: Rule = Rule {
    id: "ACC01",
    title: "relation granted to a foreign role",
    severity: Severity::Error,
    explanation: "A role of another service, or of none, holds a privilege on a table, view, materialized view or \
                  foreign table, and may use the schema. REFERENCES is an oracle for rows and blocks deletes; TRIGGER \
                  runs the holder's code as every writer; MAINTAIN takes strong locks.",
    fix: "Revoke it, or declare it: `exposes` in the owner's manifest and `consumes` in the other.",
    check: |scene, out| to_roles(scene, out, |s| s.kind == AclKind::Relation),
};

/// A foreign role holds a privilege on single columns.
pub(super) static ACC02: Rule = Rule {
    id: "ACC02",
    title: "column granted to a foreign role",
    severity: Severity::Error,
    explanation: "A column's own access list opens it to a role of another service. A REVOKE on the table does not take \
                  it away while another grantor stands behind it, and checks that look at tables only do not see it.",
    fix: "Revoke the privilege on the column, or expose a view with just these columns.",
    check: |scene, out| to_roles(scene, out, |s| s.kind == AclKind::Column),
};

/// A foreign role holds a privilege on a sequence.
pub(super) static ACC03: Rule = Rule {
    id: "ACC03",
    title: "sequence granted to a foreign role",
    severity: Severity::Error,
    explanation: "USAGE and UPDATE let another service burn or reset the numbers, SELECT tells how many there were.",
    fix: "Revoke it; a service that needs numbers keeps a sequence of its own.",
    check: |scene, out| to_roles(scene, out, |s| s.kind == AclKind::Sequence),
};

/// A foreign role may execute a routine.
pub(super) static ACC04: Rule = Rule {
    id: "ACC04",
    title: "routine granted to a foreign role",
    severity: Severity::Error,
    explanation: "A role of another service may call a function or procedure. It runs with the caller's rights here; \
                  those that run with their owner's are DEF01.",
    fix: "Revoke EXECUTE, or declare the function in `exposes`.",
    check: |scene, out| to_roles(scene, out, |s| s.kind == AclKind::Routine && !is_definer(scene, s)),
};

/// A foreign role may use a type.
pub(super) static ACC05: Rule = Rule {
    id: "ACC05",
    title: "type granted to a foreign role",
    severity: Severity::Error,
    explanation: "USAGE on a type lets another service build columns and functions on it: from then on the type can \
                  be neither changed nor moved without them.",
    fix: "Revoke USAGE on the type, or declare it in `exposes`.",
    check: |scene, out| to_roles(scene, out, |s| s.kind == AclKind::Type),
};

/// A foreign role may use a schema, or create in it.
pub(super) static ACC06: Rule = Rule {
    id: "ACC06",
    title: "schema granted to a foreign role",
    severity: Severity::Warning,
    explanation: "USAGE opens nothing by itself but arms every other grant in the schema, present and future. CREATE \
                  (an error) lets a stranger plant functions and tables where the service's own code looks names up.",
    fix: "Revoke it; a contract brings the USAGE that it needs.",
    check: schema,
};

/// Everybody holds a privilege.
pub(super) static ACC07: Rule = Rule {
    id: "ACC07",
    title: "granted to PUBLIC",
    severity: Severity::Error,
    explanation: "PUBLIC is every role, now and later. Functions and types are PUBLIC's from birth, even where no \
                  access list is stored, unless a global default privilege of their creator takes that away.",
    fix: "Revoke it from PUBLIC and grant it to the roles that need it.",
    check: public,
};

/// A row security policy names a foreign role.
pub(super) static ACC08: Rule = Rule {
    id: "ACC08",
    title: "policy for a foreign role",
    severity: Severity::Warning,
    explanation: "A row security policy opens rows to a role of another service. It grants nothing by itself, but it \
                  stays behind when the grant is revoked, and opens the rows again with the next one.",
    fix: "Take the role out of the policy (ALTER POLICY … TO), or declare the table in a contract.",
    check: policy,
};

/// A foreign role may grant on, or has granted.
pub(super) static ACC12: Rule = Rule {
    id: "ACC12",
    title: "grant option in foreign hands",
    severity: Severity::Error,
    explanation: "Whoever holds a privilege with grant option passes it on at will. What a stranger has granted, a \
                  REVOKE by the owner leaves standing without a word, since it only takes back what the owner granted.",
    fix: "Revoke the grant option with CASCADE; take back what a stranger granted as that stranger.",
    check: grant_option,
};

fn is_definer(scene: &Scene<'_>, securable: &Securable) -> bool {
    matches!(securable.object, Object::Routine(at) if scene.facts.routines[at as usize].security_definer)
}

fn to_roles(scene: &Scene<'_>, out: &mut Sink<'_>, want: impl Fn(&Securable) -> bool) {
    sweep(
        scene,
        |s| want(s) && !is_system(s),
        |hit| {
            if !hit.is_public() {
                out.add(hit.draft(scene, hit.privileges));
            }
        },
    );
}

fn is_system(securable: &Securable) -> bool {
    matches!(securable.object, Object::SystemGrant(_))
}

fn schema(scene: &Scene<'_>, out: &mut Sink<'_>) {
    sweep(
        scene,
        |s| s.kind == AclKind::Schema && !is_system(s),
        |hit| {
            let create = hit.privileges.contains(Privilege::Create);
            let unmanaged = scene.service_of(hit.securable.object).is_none();
            // CREATE in `public` is DB05
            let public = matches!(hit.securable.object, Object::Schema(at) if scene.facts.schema_row(at).name.as_str() == "public");
            if hit.is_public() || (unmanaged && (!create || public)) {
                return;
            }
            let mut draft = hit.draft(scene, hit.privileges);
            if create && !unmanaged {
                draft.severity = Some(Severity::Error);
            }
            out.add(draft);
        },
    );
}

fn public(scene: &Scene<'_>, out: &mut Sink<'_>) {
    use AclKind::{Column, Relation, Routine, Schema, Sequence, Type};
    let kinds = [Relation, Column, Sequence, Routine, Type, Schema];
    sweep(
        scene,
        |s| kinds.contains(&s.kind) && !is_system(s) && !is_definer(scene, s),
        |hit| {
            let unmanaged = scene.service_of(hit.securable.object).is_none();
            // that everybody may use `public` is how every database begins; CREATE there is DB05
            if hit.is_public() && !(unmanaged && hit.securable.kind == Schema) {
                out.add(public_draft(scene, &hit));
            }
        },
    );
}

fn public_draft(scene: &Scene<'_>, hit: &Hit<'_>) -> Draft {
    let mut draft = hit.draft(scene, hit.privileges);
    if !scene.facts.acls[hit.securable.acl].stored {
        draft.message.push_str(" (it is PUBLIC's by default)");
    }
    draft
}

fn policy(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for policy in &scene.facts.policies {
        let Some(relation) = scene.facts.relation(policy.relation) else { continue };
        let object = Object::Relation(relation as u32);
        for role in &policy.roles {
            if !scene.is_judged(*role) || !scene.is_foreign(*role, object) || !scene.declared(*role, object).is_empty()
            {
                continue;
            }
            let mut draft = Draft::new(scene, None, object);
            let (name, table) = (scene.name(*role), draft.object.clone());
            let shown = crate::audit::name::shown(&policy.name);
            draft.principal = Some(*role);
            draft.path = Path::from(&name).then("policy", format!("{shown} on {table}"));
            draft.message = format!("policy {shown} on {table} is for {name}{}", scene.undeclared());
            let others = policy.roles.iter().filter(|other| *other != role && !scene.role(**other).dangling);
            let others: Vec<_> = others.map(|other| scene.name(*other)).collect();
            draft.fix = match others.is_empty() {
                true => format!("drop policy {shown} on {table};"),
                false => format!("alter policy {shown} on {table} to {};", others.join(", ")),
            };
            if policy.permissive && !others.is_empty() {
                draft.takes = Takes::Holder(*role);
            } else {
                draft.first = Some("rows that it opens are closed to its roles, rows that it hides are shown");
            }
            let row = &scene.facts.relations[relation];
            if scene.held(*role, row.acl, AclKind::Relation).is_empty() {
                draft.severity = Some(Severity::Info);
            }
            out.add(draft);
        }
    }
}

fn grant_option(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for securable in scene.securables().filter(|s| !is_system(s)) {
        let database = matches!(securable.object, Object::Database(_));
        for entry in &scene.facts.acls[securable.acl].entries {
            let granted_by_stranger = entry.grantor != securable.owner
                && scene.is_judged(entry.grantor)
                && scene.is_foreign(entry.grantor, securable.object);
            if database || (!granted_by_stranger && entry.grantable.is_empty()) {
                continue;
            }
            for reacher in super::acl::openings(scene, &securable, entry) {
                let told = if granted_by_stranger { entry.privileges } else { entry.grantable };
                let suspect = super::acl::is_suspect(scene, &securable, entry);
                if !suspect && !granted_by_stranger {
                    continue;
                }
                let hit = Hit { securable: &securable, entry, reacher, privileges: told };
                let mut draft = hit.draft(scene, told);
                draft.message = stranger(scene, &hit, granted_by_stranger, &draft.object);
                if !granted_by_stranger {
                    let words: Vec<_> = told.iter().map(|p| p.keyword()).collect();
                    let from = entry.grantee.map(|g| scene.name(g)).unwrap_or_default();
                    let name = scene.facts.sql_name(securable.object);
                    draft.fix = format!("revoke grant option for {} on {name} from {from} cascade;", words.join(", "));
                    let passed_on = |other: &Entry| Some(other.grantor) == entry.grantee;
                    if scene.facts.acls[securable.acl].entries.iter().any(passed_on) {
                        draft.takes = Takes::Unknown;
                        draft.first =
                            Some("CASCADE also takes what it has granted to others: grant that as the owner first");
                    }
                }
                out.add(draft);
            }
        }
    }
}

fn stranger(scene: &Scene<'_>, hit: &Hit<'_>, granted: bool, object: &str) -> String {
    let who = scene.who(hit.reacher.as_ref());
    let told = hit.privileges;
    if granted {
        let grantor = scene.name(hit.entry.grantor);
        return format!(
            "{who} has {told} on {object} from {grantor}, who does not own it: a REVOKE by the owner leaves it"
        );
    }
    format!("{who} may pass {told} on {object} on to others")
}

/// Tells whether a relation shows rows of others: a view or materialized view.
pub(super) fn is_view(kind: RelationKind) -> bool {
    matches!(kind, RelationKind::View | RelationKind::MaterializedView)
}
