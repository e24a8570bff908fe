//! HYG07: secrets where everybody can read them.

use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::path::Path;
use crate::audit::scene::Scene;

/// A readable catalog holds what looks like a secret.
pub(super) static HYG07: Rule = Rule {
    id: "HYG07",
    title: "secret in a readable catalog",
    severity: Severity::Warning,
    explanation: "Settings of roles and databases, bodies of functions, comments, options of foreign servers and tables, \
                  defaults and view definitions can be read by every login, and are in every dump. The server looks for \
                  passwords, tokens and keys; what it finds is not fetched or shown.",
    fix: "Take the secret out and change it; it has been readable by all.",
    check,
};

fn check(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for secret in &scene.facts.secrets {
        let service = secret.schema.and_then(|s| scene.map.of_schema(s));
        let mut draft = Draft::new(scene, None, Object::Role(RoleId(0)));
        draft.service = service.or_else(|| secret.role.and_then(|role| scene.map.of_role(role)));
        draft.object = match secret.place.as_str() {
            "comment" => format!("comment on {}", secret.label),
            _ => secret.label.clone(),
        };
        draft.path = Path::from("PUBLIC").using("read the catalog", &draft.object);
        draft.message = format!("{} ({}) holds what looks like {}", draft.object, secret.place, secret.pattern);
        draft.fix = match secret.place.as_str() {
            "comment" => format!("comment on {} is null;", secret.label),
            _ => "-- take it out, and change it: every login has been able to read it".to_owned(),
        };
        out.add(draft);
    }
}
