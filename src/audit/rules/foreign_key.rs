//! FKX: foreign keys across the line, as seen by who can use them.

use super::view::{row_users, securable};
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
    let mut found: Vec<(Path, Reacher)> = Vec::new();
    for part in with_partitions(scene, table) {
        for user in row_users(scene, &part) {
            let held = user.held.intersection(privileges);
            let is_told = found.iter().any(|(_, known)| known.principal == user.reacher.principal);
            if held.is_empty() || is_told || !scene.is_foreign(user.reacher.principal, object) {
                continue;
            }
            let path = user.path(scene, &part, held);
            let path = match part.object == table.object {
                true => path,
                false => path.then("partition of", scene.facts.label(table.object)),
            };
            found.push((path, user.reacher));
        }
    }
    if found.is_empty() {
        let owner = Reacher::itself(table.owner);
        let path = scene.path(&owner).using(privileges, scene.facts.label(table.object));
        return vec![(owner, path)];
    }
    found.into_iter().map(|(path, reacher)| (reacher, path)).collect()
}

/// Gives a table and its partitions, however deep: a key of the table is one of theirs.
fn with_partitions(scene: &Scene<'_>, table: &Securable) -> Vec<Securable> {
    let Object::Relation(relation) = table.object else { return Vec::new() };
    let mut all = vec![relation];
    let mut at = 0;
    while let Some(parent) = all.get(at).copied() {
        at += 1;
        let oid = scene.facts.relations[parent as usize].oid;
        let below = scene.facts.inheritance.iter().filter(|link| link.parent == oid);
        let below = below.filter_map(|link| scene.facts.relation(link.child));
        all.extend(below.filter(|child| scene.facts.relations[*child].partition).map(|child| child as u32));
    }
    all.into_iter().filter_map(|relation| securable(scene, relation)).collect()
}

fn oracle(scene: &Scene<'_>, out: &mut Sink<'_>, key: &ForeignKey, from: &Securable, to: Object) {
    let writes = Privileges::of(&[Privilege::Insert, Privilege::Update]);
    for (reacher, path) in strangers(scene, from, writes, to) {
        if scene.declared(reacher.principal, to).contains(Privilege::References) {
            continue;
        }
        let mut draft = Draft::new(scene, Some(&reacher), to);
        let table = scene.facts.label(from.object);
        let who = scene.who(Some(&reacher));
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
            let (table, who) = (scene.facts.label(to.object), scene.who(Some(&reacher)));
            draft.path = passage.lead(scene, path, passage.gives);
            let event = passage.by;
            draft.message =
                format!("{event} on {table} by {who} writes in {} without asking for a privilege there", draft.object);
            draft.fix = drop_key(scene, key, from);
            out.add(draft);
        }
    }
}
