//! REG: the schema in which pgcleave keeps its own records.

use super::{Draft, Rule, Sink};
use crate::audit::facts::object::{Object, SchemaId};
use crate::audit::finding::Severity;
use crate::audit::scene::Scene;

/// The schema `pgcleave` is not the administrator's alone.
pub(super) static REG01: Rule = Rule {
    id: "REG01",
    title: "registry in the wrong hands",
    severity: Severity::Error,
    explanation: "Somebody other than the administrator owns or may change the schema pgcleave, or it holds what \
                  pgcleave did not make. Reading it would run that role's code as the administrator, so no command \
                  reads it: this audit knows no splits.",
    fix: "Revoke or drop what is listed; connect as the administrator that made the registry.",
    check: foreign,
};

fn foreign(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let Some(found) = &scene.facts.foreign_registry else { return };
    let mut schemas = (0..).map(SchemaId).zip(&scene.facts.schemas);
    let Some((id, schema)) = schemas.find(|(_, schema)| schema.name.as_str() == "pgcleave") else { return };
    let mut draft = Draft::new(scene, None, Object::Schema(id));
    draft.principal = Some(schema.owner);
    draft.message = format!("the registry is not trusted: {}", found.listed);
    draft.fix = format!("-- {}", found.fix);
    out.add(draft);
}
