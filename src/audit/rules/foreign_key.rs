//! FKX: foreign keys across the line, as seen by who can use them.

use super::view::{securable, users};
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::{Object, Securable};
use crate::audit::facts::relation::ForeignKey;
use crate::audit::finding::Severity;
use crate::audit::passage::of_key;
use crate::audit::path::Path;
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
    // a key that is not enforced is a word in the catalog only
    for key in scene.facts.foreign_keys.iter().filter(|key| key.enforced) {
        let (Some(from), Some(to)) = (scene.facts.relation(key.from), scene.facts.relation(key.to)) else { continue };
        let Some((from, to)) = securable(scene, from as u32).zip(securable(scene, to as u32)) else { continue };
        if scene.service_of(from.object) == scene.service_of(to.object) {
            continue;
        }
        match cascading {
            true => cascade(scene, out, key, from.object, &to),
            false => oracle(scene, out, key, &from, to.object),
        }
    }
}

fn drop_key(scene: &Scene<'_>, key: &ForeignKey, from: Object) -> String {
    format!("alter table {} drop constraint {};", scene.facts.label(from), crate::audit::name::shown(&key.name))
}

/// Gives everyone who can use a table in one of these ways and is foreign to `object`, else the table's owner.
fn strangers(scene: &Scene<'_>, table: &Securable, privileges: Privileges, object: Object) -> Vec<(Reacher, Path)> {
    let all = users(scene, table).into_iter();
    let all = all.filter(|user| scene.is_foreign(user.reacher.principal, object));
    let using = all.map(|user| (user.held.intersection(privileges), user)).filter(|(held, _)| !held.is_empty());
    let found: Vec<_> = using.map(|(held, user)| (user.path(scene, table, held), user.reacher)).collect();
    if found.is_empty() {
        let owner = Reacher::itself(table.owner);
        let path = scene.path(&owner).using(privileges, scene.facts.label(table.object));
        return vec![(owner, path)];
    }
    found.into_iter().map(|(path, reacher)| (reacher, path)).collect()
}

fn oracle(scene: &Scene<'_>, out: &mut Sink<'_>, key: &ForeignKey, from: &Securable, to: Object) {
    let writes = Privileges::of(&[Privilege::Insert, Privilege::Update]);
    for (reacher, path) in strangers(scene, from, writes, to) {
        if scene.declared(reacher.principal, to).contains(Privilege::References) {
            continue;
        }
        let mut draft = Draft::new(scene, Some(&reacher), to);
        let table = scene.facts.label(from.object);
        let who = scene.name(reacher.principal);
        draft.path = path.then("foreign key", &draft.object);
        draft.message = format!("{who} learns by writing {table} which rows {} has, and holds them", draft.object);
        draft.fix = drop_key(scene, key, from.object);
        out.add(draft);
    }
}

fn cascade(scene: &Scene<'_>, out: &mut Sink<'_>, key: &ForeignKey, from: Object, to: &Securable) {
    for passage in of_key(scene, key) {
        for (reacher, path) in strangers(scene, to, passage.by, from) {
            let mut draft = Draft::new(scene, Some(&reacher), from);
            let (table, who) = (scene.facts.label(to.object), scene.name(reacher.principal));
            draft.path = passage.lead(scene, path, passage.gives);
            let event = passage.by;
            draft.message =
                format!("{event} on {table} by {who} writes in {} without asking for a privilege there", draft.object);
            draft.fix = drop_key(scene, key, from);
            out.add(draft);
        }
    }
}
