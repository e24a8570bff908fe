//! FKX: foreign keys across the line, as seen by who can use them.

use super::view::{readers, securable};
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::relation::ForeignKey;
use crate::audit::finding::Severity;
use crate::audit::scene::{Reacher, Scene};
use crate::model::privilege::{Privilege, Privileges};

/// A foreign key tells its table's writers which rows a foreign table has.
pub(super) static FKX01: Rule = Rule {
    id: "FKX01",
    title: "foreign key as an oracle",
    severity: Severity::Warning,
    explanation: "Whether a write fails tells whoever may write the referencing table which keys exist in the other \
                  service's table, and every referencing row keeps the other service from deleting its own.",
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
        if scene.service_of(from) == scene.service_of(to) {
            continue;
        }
        match cascading {
            true => cascade(scene, out, key, from, to),
            false => oracle(scene, out, key, from, to),
        }
    }
}

fn drop_key(scene: &Scene<'_>, key: &ForeignKey, from: Object) -> String {
    format!("alter table {} drop constraint {};", scene.facts.label(from), crate::audit::name::shown(&key.name))
}

/// Gives everyone who holds one of the privileges on a table and is foreign to `object`, else the table's owner.
fn users(scene: &Scene<'_>, table: Object, privileges: Privileges, object: Object) -> Vec<(Reacher, Privileges)> {
    let Object::Relation(at) = table else { return Vec::new() };
    let securable = securable(scene, at);
    let all = securable.map(|s| readers(scene, &s)).unwrap_or_default().into_iter();
    let held = all.map(|(reacher, held)| (reacher, held.intersection(privileges)));
    let found: Vec<_> = held.filter(|(r, held)| !held.is_empty() && scene.is_foreign(r.principal, object)).collect();
    let owner = scene.facts.owner_of(table).map(|owner| (Reacher::itself(owner), privileges));
    if found.is_empty() { owner.into_iter().collect() } else { found }
}

fn oracle(scene: &Scene<'_>, out: &mut Sink<'_>, key: &ForeignKey, from: Object, to: Object) {
    let writes = Privileges::of(&[Privilege::Insert, Privilege::Update]);
    for (reacher, held) in users(scene, from, writes, to) {
        if scene.declared(reacher.principal, to).contains(Privilege::References) {
            continue;
        }
        let mut draft = Draft::new(scene, Some(&reacher), to);
        let table = scene.facts.label(from);
        let who = scene.name(reacher.principal);
        draft.path = draft.path.using(held, &table).then("foreign key", &draft.object);
        draft.message = format!("{who} learns by writing {table} which rows {} has, and holds them", draft.object);
        draft.fix = drop_key(scene, key, from);
        out.add(draft);
    }
}

fn cascade(scene: &Scene<'_>, out: &mut Sink<'_>, key: &ForeignKey, from: Object, to: Object) {
    for (action, event) in [(key.on_delete, Privilege::Delete), (key.on_update, Privilege::Update)] {
        if !action.writes() {
            continue;
        }
        for (reacher, held) in users(scene, to, event.into(), from) {
            let mut draft = Draft::new(scene, Some(&reacher), from);
            let (table, who) = (scene.facts.label(to), scene.name(reacher.principal));
            let by = format!("foreign key, {}", action.words());
            draft.path = draft.path.using(held, &table).then(by, &draft.object);
            draft.message =
                format!("{event} on {table} by {who} writes in {} without asking for a privilege there", draft.object);
            draft.fix = drop_key(scene, key, from);
            out.add(draft);
        }
    }
}
