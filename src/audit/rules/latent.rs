//! LAT01: a grant that only the missing USAGE on the schema keeps shut.

use super::acl::{is_suspect, openings, revoke, taken};
use super::{Draft, Rule};
use crate::audit::facts::object::Object;
use crate::audit::finding::Severity;
use crate::audit::path::Path;
use crate::audit::scene::Scene;

/// An object is granted, but nobody foreign may use its schema.
pub(super) static LAT01: Rule = Rule {
    id: "LAT01",
    title: "latent grant",
    severity: Severity::Info,
    explanation: "A privilege on an object is granted to a foreign role or to PUBLIC, who may not use the schema. \
                  Nothing is open today; one GRANT USAGE on the schema opens all of these at once.",
    fix: "Revoke it, so that a later USAGE opens only what it is meant to.",
    check,
};

fn check(scene: &Scene<'_>, out: &mut super::Sink<'_>) {
    for securable in scene.securables().filter(|s| s.schema.is_some() && !matches!(s.object, Object::SystemGrant(_))) {
        if scene.service_of(securable.object).is_none() {
            continue;
        }
        for entry in &scene.facts.acls[securable.acl].entries {
            if !is_suspect(scene, &securable, entry) || !openings(scene, &securable, entry).is_empty() {
                continue;
            }
            let declared = entry.grantee.map(|g| scene.declared(g, securable.object)).unwrap_or_default();
            let privileges = entry.privileges.without(declared);
            if privileges.is_empty() {
                continue;
            }
            let mut draft = Draft::new(scene, None, securable.object);
            let who = entry.grantee.map_or_else(|| "PUBLIC".to_owned(), |g| scene.name(g));
            draft.principal = entry.grantee;
            draft.path = Path::from(&who).using(privileges, &draft.object);
            draft.message = format!("{who} was granted {privileges} on {}, but may not use its schema", draft.object);
            draft.fix = revoke(scene, &securable, entry, privileges);
            draft.takes = taken(&securable, entry, privileges);
            out.add(draft);
        }
    }
}
