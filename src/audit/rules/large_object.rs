//! LOB: large objects, which have no schema that would keep strangers out.

use super::acl::sweep;
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::name::shown;
use crate::audit::path::Path;
use crate::audit::scene::Scene;
use crate::model::acl::AclKind;

/// A large object is granted to a foreign role or to PUBLIC.
pub(super) static LOB01: Rule = Rule {
    id: "LOB01",
    title: "large object granted to a foreign role",
    severity: Severity::Error,
    explanation: "A large object belongs to no schema: a grant on it is all that a stranger needs, and pg_dump of one \
                  schema leaves it behind.",
    fix: "Revoke the privilege; keep the data in a bytea column.",
    check: |scene, out| {
        sweep(scene, |s| s.kind == AclKind::LargeObject, |hit| out.add(hit.draft(scene, hit.privileges)))
    },
};

/// Large objects ignore their access lists.
pub(super) static LOB02: Rule = Rule {
    id: "LOB02",
    title: "large objects ignore access lists",
    severity: Severity::Error,
    explanation: "With lo_compat_privileges on, for all or as one role's setting, every large object is read, written \
                  and removed without a look at its access list.",
    fix: "Set lo_compat_privileges to off.",
    check: compat,
};

fn compat(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let facts = scene.facts;
    let current = &facts.session.database;
    let at = facts.databases.iter().position(|d| d.name.as_str() == current).unwrap_or_default() as u32;
    let tell = |out: &mut Sink<'_>, principal: Option<RoleId>, fix: String| {
        let mut draft = Draft::new(scene, None, Object::Database(at));
        draft.service = None;
        draft.principal = principal;
        let who = principal.map_or_else(|| "PUBLIC".to_owned(), |role| scene.name(role));
        draft.path = Path::from(who).using("all", "all large objects");
        let whose = principal.map_or_else(|| "everybody".to_owned(), |role| scene.name(role));
        draft.message = format!("lo_compat_privileges is on: {whose} reads and writes all large objects");
        draft.fix = fix;
        out.add(draft);
    };
    let mut of_all = facts.session.lo_compat_privileges;
    let on = |value: &str| matches!(value.to_ascii_lowercase().as_str(), "on" | "true" | "yes" | "1");
    for setting in facts.settings.iter().filter(|s| s.name.eq_ignore_ascii_case("lo_compat_privileges") && on(&s.value))
    {
        let here = setting.database.as_ref().is_none_or(|name| name.as_str() == current);
        match setting.role {
            Some(role) if here && !scene.role(role).superuser => {
                let place = setting.database.as_ref().map(|d| format!(" in database {}", shown(d)));
                let fix =
                    format!("alter role {}{} reset lo_compat_privileges;", scene.name(role), place.unwrap_or_default());
                tell(out, Some(role), fix);
            }
            None if here => of_all = true,
            _ => {}
        }
    }
    if of_all {
        let database = facts.label(Object::Database(at));
        tell(out, None, format!("alter {database} set lo_compat_privileges = off;"));
    }
}
