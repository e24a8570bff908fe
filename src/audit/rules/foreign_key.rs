//! FKX: foreign keys across the line, as seen by who can use them.

use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::relation::ForeignKey;
use crate::audit::finding::Severity;
use crate::audit::path::Path;
use crate::audit::scene::Scene;

/// A foreign key tells its table's writers which rows a foreign table has.
pub(super) static FKX01: Rule = Rule {
    id: "FKX01",
    title: "foreign key as an oracle",
    severity: Severity::Warning,
    explanation: "Whether an insert fails tells which keys exist in the other service's table, and every referencing \
                  row keeps the other service from deleting its own.",
    fix: "Drop the key; keep the value without it.",
    check: |scene, out| keys(scene, out, false),
};

/// A foreign key's action writes in another service's table.
pub(super) static FKX02: Rule = Rule {
    id: "FKX02",
    title: "cascading write over the line",
    severity: Severity::Error,
    explanation: "ON DELETE and ON UPDATE actions run with the rights of the referencing table's owner: whoever deletes \
                  in the referenced table deletes or changes rows of the other service without any privilege there.",
    fix: "Drop the key, or make it NO ACTION.",
    check: |scene, out| keys(scene, out, true),
};

fn keys(scene: &Scene<'_>, out: &mut Sink<'_>, cascading: bool) {
    for key in &scene.facts.foreign_keys {
        let (Some(from), Some(to)) = (scene.facts.relation(key.from), scene.facts.relation(key.to)) else { continue };
        let (from, to) = (Object::Relation(from as u32), Object::Relation(to as u32));
        let writes = key.on_delete.writes() || key.on_update.writes();
        if scene.service_of(from) == scene.service_of(to) || (cascading && !writes) {
            continue;
        }
        out.add(if cascading { cascade(scene, key, from, to) } else { oracle(scene, key, from, to) });
    }
}

fn drop_key(scene: &Scene<'_>, key: &ForeignKey, from: Object) -> String {
    format!("alter table {} drop constraint {};", scene.facts.label(from), crate::audit::name::shown(&key.name))
}

fn oracle(scene: &Scene<'_>, key: &ForeignKey, from: Object, to: Object) -> Draft {
    let mut draft = Draft::new(scene, None, to);
    draft.principal = scene.facts.owner_of(from);
    let (table, owner) = (scene.facts.label(from), draft.principal.map(|o| scene.name(o)).unwrap_or_default());
    draft.path = Path::from(owner).using("INSERT", &table).then("foreign key", &draft.object);
    draft.message = format!("writers of {table} learn which rows {} has, and hold them", draft.object);
    draft.fix = drop_key(scene, key, from);
    draft
}

fn cascade(scene: &Scene<'_>, key: &ForeignKey, from: Object, to: Object) -> Draft {
    let mut draft = Draft::new(scene, None, from);
    draft.principal = scene.facts.owner_of(to);
    let (table, owner) = (scene.facts.label(to), draft.principal.map(|o| scene.name(o)).unwrap_or_default());
    let action = if key.on_delete.writes() { key.on_delete } else { key.on_update };
    let event = if key.on_delete.writes() { "DELETE" } else { "UPDATE" };
    let by = format!("foreign key, {}", action.words());
    draft.path = Path::from(owner).using(event, &table).then(by, &draft.object);
    draft.message = format!("{event} on {table} writes in {} without asking for a privilege there", draft.object);
    draft.fix = drop_key(scene, key, from);
    draft
}
