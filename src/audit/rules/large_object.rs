//! LOB: large objects, which have no schema that would keep strangers out.

use super::acl::sweep;
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::finding::Severity;
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
    explanation: "With lo_compat_privileges on, every role reads, writes and removes every large object.",
    fix: "Set lo_compat_privileges to off.",
    check: compat,
};

fn compat(scene: &Scene<'_>, out: &mut Sink<'_>) {
    if !scene.facts.session.lo_compat_privileges {
        return;
    }
    let at = scene.facts.databases.iter().position(|d| d.name.as_str() == scene.facts.session.database);
    let mut draft = Draft::new(scene, None, Object::Database(at.unwrap_or_default() as u32));
    draft.service = None;
    draft.path = Path::from("PUBLIC").using("all", "all large objects");
    draft.message = "lo_compat_privileges is on: everybody reads and writes all large objects".to_owned();
    draft.fix = format!("alter {} set lo_compat_privileges = off;", draft.object);
    out.add(draft);
}
