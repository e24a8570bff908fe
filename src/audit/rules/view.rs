//! VIW01–03: views that carry rows over the line.

use std::collections::BTreeSet;

use super::ownership::owner_of;
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::{Object, Securable};
use crate::audit::facts::relation::{KeyAction, Relation, RelationKind};
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::path::Path;
use crate::audit::scene::{Reacher, Scene};
use crate::audit::through::{Base, Checked, bases, bases_for, views_over};
use crate::model::acl::AclKind;
use crate::model::privilege::{Privilege, Privileges};

/// A view passes a foreign table's rows on, by its owner's rights or its user's.
pub(super) static VIW01: Rule = Rule {
    id: "VIW01",
    title: "view bridges the line",
    severity: Severity::Error,
    explanation: "A view reads its tables with its owner's rights, or with its user's where it is security_invoker: \
                  whoever may read the view reads another service's rows, through any number of views. The schema's \
                  USAGE is not asked for on the way. Auto-updatable views pass writes on as well.",
    fix: "Make the view security_invoker, give it to the owner of what it reads, or drop it for a contract.",
    check: |scene, out| bridges(scene, out, Kind::Owned),
};

/// A view owned by a superuser reads a foreign table.
pub(super) static VIW02: Rule = Rule {
    id: "VIW02",
    title: "view owned by a superuser",
    severity: Severity::Error,
    explanation: "A view that a superuser owns reads whatever it names: no access list of the tables behind it counts, nor \
                  that of a catalog such as pg_authid.",
    fix: "Give the view to the service's owner role; then its tables' access lists count again.",
    check: |scene, out| {
        bridges(scene, out, Kind::Superuser);
        super::closed_catalog::readers(scene, out, false);
    },
};

/// A materialized view keeps a copy of a foreign table's rows.
pub(super) static VIW03: Rule = Rule {
    id: "VIW03",
    title: "materialized copy of foreign rows",
    severity: Severity::Error,
    explanation: "A materialized view holds a copy: its readers see the other service's rows even after every grant on \
                  the tables behind it was revoked.",
    fix: "Drop it, or let the other service expose it.",
    check: |scene, out| {
        bridges(scene, out, Kind::Copy);
        super::closed_catalog::readers(scene, out, true);
    },
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Owned,
    Superuser,
    Copy,
}

fn bridges(scene: &Scene<'_>, out: &mut Sink<'_>, kind: Kind) {
    for (at, view) in (0..).zip(&scene.facts.relations).filter(|(_, r)| super::grant::is_view(r.kind)) {
        if !crosses(scene, at, view) {
            continue;
        }
        let Some(securable) = securable(scene, at) else { continue };
        for (reacher, held) in readers(scene, &securable) {
            tell(scene, out, kind, at, view, &reacher, held);
        }
    }
}

/// Tells whether anything behind a view is of another service than the view itself.
fn crosses(scene: &Scene<'_>, at: u32, view: &Relation) -> bool {
    let own = scene.service_of(Object::Relation(at));
    let anyone = Checked::anyone();
    bases(scene, view, anyone).iter().any(|base| scene.service_of(Object::Relation(base.relation)) != own)
}

pub(super) fn securable(scene: &Scene<'_>, at: u32) -> Option<Securable> {
    let row = &scene.facts.relations[at as usize];
    let object = Object::Relation(at);
    Some(Securable { object, kind: AclKind::Relation, acl: row.acl, owner: row.owner, schema: Some(row.schema) })
}

/// Gives everyone who can use a relation by its access list or a column's, with what they hold.
pub(super) fn readers(scene: &Scene<'_>, securable: &Securable) -> Vec<(Reacher, Privileges)> {
    let mut found: Vec<(Reacher, Privileges)> = Vec::new();
    let Object::Relation(at) = securable.object else { return found };
    let oid = scene.facts.relations[at as usize].oid;
    let columns = scene.facts.columns_of(oid).iter().map(|c| c.acl);
    for acl in std::iter::once(securable.acl).chain(columns) {
        for entry in &scene.facts.acls[acl].entries {
            let reachers: Vec<Reacher> = match entry.grantee {
                Some(role) if scene.role(role).superuser || scene.role(role).dangling => continue,
                Some(role) => scene.reachers(role, securable.schema),
                None => everyone(scene, securable),
            };
            for reacher in reachers {
                let same = |r: &Reacher| r.principal == reacher.principal && r.by_public == reacher.by_public;
                match found.iter_mut().find(|(r, _)| same(r)) {
                    Some((_, held)) => *held = held.union(entry.privileges),
                    None => found.push((reacher, entry.privileges)),
                }
            }
        }
    }
    found
}

/// Someone who can use a relation, by its access list or through views of its own service over it.
pub(super) struct User {
    /// Who.
    pub(super) reacher: Reacher,
    /// What with.
    pub(super) held: Privileges,
    /// The view, and what it leads through; nothing for whoever needs none.
    over: Option<(u32, Base)>,
    /// The table above through which its rows are reached; nothing where the relation itself is used.
    above: Option<Above>,
}

/// A table whose use is a use of another one's rows, with no question asked.
#[derive(Clone)]
struct Above {
    table: u32,
    /// The steps down to the one that is meant.
    below: Vec<Below>,
}

/// One step down.
#[derive(Clone)]
enum Below {
    /// To a child, or into a partition.
    Child(u32),
    /// Over a key's action, which does this to the rows of a table.
    Key { words: &'static str, name: String, does: Privileges, to: u32 },
}

impl User {
    /// Gives the way down to the relation.
    pub(super) fn path(&self, scene: &Scene<'_>, securable: &Securable, privileges: Privileges) -> Path {
        let path = scene.path(&self.reacher);
        let table = self.above.as_ref().map_or(securable.object, |above| Object::Relation(above.table));
        let path = match &self.over {
            None => path.using(privileges, scene.facts.label(table)),
            Some((view, base)) => down(scene, path, privileges, *view, base, self.reacher.principal),
        };
        let below = self.above.iter().flat_map(|above| &above.below);
        let label = |at: &u32| scene.facts.label(Object::Relation(*at));
        below.fold(path, |path, step| match step {
            Below::Child(child) => path.then("child, unchecked", label(child)),
            Below::Key { words, name, does, to } => {
                path.then(format!("foreign key, {words}"), name).using(*does, label(to))
            }
        })
    }

    /// Gives what of it is used for these things; whoever comes over a key uses all that is held.
    pub(super) fn used_for(&self, events: Privileges) -> Privileges {
        let over_key = self.above.iter().flat_map(|above| &above.below).any(|step| matches!(step, Below::Key { .. }));
        if over_key { self.held } else { self.held.intersection(events) }
    }

    /// Tells whether a view stands between.
    pub(super) fn needs_view(&self) -> bool {
        self.over.is_some()
    }

    /// Gives as whom the relation is used.
    pub(super) fn acting(&self) -> RoleId {
        self.over.as_ref().and_then(|(_, base)| base.checked_as).unwrap_or(self.reacher.principal)
    }
}

/// Gives everyone who can use a relation, through views of its own service over it too.
pub(super) fn users(scene: &Scene<'_>, securable: &Securable) -> Vec<User> {
    let direct = readers(scene, securable).into_iter();
    let mut found: Vec<User> = direct.map(|(reacher, held)| User { reacher, held, over: None, above: None }).collect();
    let Object::Relation(relation) = securable.object else { return found };
    let own = scene.service_of(securable.object);
    let (mut queue, mut seen) = (views_over(scene, relation), BTreeSet::new());
    while let Some(at) = queue.pop() {
        if scene.service_of(Object::Relation(at)) != own || !seen.insert(at) {
            continue;
        }
        queue.extend(views_over(scene, at));
        let view = &scene.facts.relations[at as usize];
        let Some(over) = self::securable(scene, at) else { continue };
        for (reacher, held) in readers(scene, &over) {
            let known = found.iter().filter(|user| user.reacher.principal == reacher.principal);
            let known = known.fold(Privileges::NONE, |known, user| known.union(user.held));
            let bases = bases_for(scene, view, at, reacher.principal).into_iter();
            let Some(base) = bases.into_iter().find(|base| base.relation == relation && !base.copied) else { continue };
            let held = held.intersection(base.privileges).without(known);
            if !held.is_empty() {
                found.push(User { reacher, held, over: Some((at, base)), above: None });
            }
        }
    }
    found
}

/// What reaches the rows of a child through its parent; an INSERT only those of a partition.
const OF_ROWS: Privileges =
    Privileges::of(&[Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete]);

/// Gives everyone who can use a table's rows: through the table itself, and through those that it is a child of, which
/// ask for nothing here.
pub(super) fn row_users(scene: &Scene<'_>, securable: &Securable) -> Vec<User> {
    let mut found = users(scene, securable);
    let Object::Relation(relation) = securable.object else { return found };
    let mut queue = vec![(relation, vec![Below::Child(relation)], OF_ROWS)];
    let mut seen = BTreeSet::from([relation]);
    while let Some((child, below, through)) = queue.pop() {
        let row = &scene.facts.relations[child as usize];
        let through = if row.partition { through } else { through.without(Privilege::Insert.into()) };
        let parents = scene.facts.inheritance.iter().filter(|link| link.child == row.oid);
        for table in parents.filter_map(|link| scene.facts.relation(link.parent)).map(|at| at as u32) {
            let Some(parent) = self::securable(scene, table).filter(|_| seen.insert(table)) else { continue };
            for user in users(scene, &parent) {
                let known = found.iter().filter(|known| known.reacher.principal == user.reacher.principal);
                let known = known.fold(Privileges::NONE, |known, user| known.union(user.held));
                let held = user.held.intersection(through).without(known);
                if !held.is_empty() {
                    let above = Some(Above { table, below: below.clone() });
                    found.push(User { held, above, ..user });
                }
            }
            queue.push((table, [&[Below::Child(table)], below.as_slice()].concat(), through));
        }
    }
    found
}

/// How many keys' actions are followed, one after the other.
const MOST_KEYS: usize = 8;

/// Gives everyone whose writes do one of these things to a table's rows: by using them, or by a foreign key's action,
/// which asks for nothing and runs as the owner.
pub(super) fn writers(scene: &Scene<'_>, securable: &Securable, events: Privileges) -> Vec<User> {
    let mut found = row_users(scene, securable);
    found.retain(|user| !user.held.intersection(events).is_empty());
    let Object::Relation(relation) = securable.object else { return found };
    let mut queue = vec![(relation, events, Vec::new())];
    let mut seen = BTreeSet::from([relation]);
    while let Some((to, events, below)) = queue.pop() {
        let to_oid = scene.facts.relations[to as usize].oid;
        let keys = scene.facts.foreign_keys.iter().filter(|key| key.enforced && key.from == to_oid);
        for key in keys.filter(|_| below.len() < MOST_KEYS) {
            let Some(from) = scene.facts.relation(key.to).map(|at| at as u32) else { continue };
            for (action, by) in [(key.on_delete, Privilege::Delete), (key.on_update, Privilege::Update)] {
                let does = if action == KeyAction::Cascade { by } else { Privilege::Update };
                if !action.writes() || !events.contains(does) {
                    continue;
                }
                let name = crate::audit::name::shown(&key.name);
                let step = Below::Key { words: action.words(), name, does: does.into(), to };
                let below = [&[step], below.as_slice()].concat();
                let Some(table) = self::securable(scene, from) else { continue };
                for user in row_users(scene, &table).into_iter().filter(|user| user.held.contains(by)) {
                    if found.iter().all(|known| known.reacher.principal != user.reacher.principal) {
                        let mut above = user.above.clone().unwrap_or(Above { table: from, below: Vec::new() });
                        above.below.extend(below.iter().cloned());
                        found.push(User { held: by.into(), above: Some(above), ..user });
                    }
                }
                if seen.insert(from) {
                    queue.push((from, by.into(), below));
                }
            }
        }
    }
    found
}

/// Leads a path from a view down to what is behind it.
pub(in crate::audit) fn down(
    scene: &Scene<'_>,
    path: Path,
    privileges: Privileges,
    view: u32,
    base: &Base,
    invoker: RoleId,
) -> Path {
    let mut path = path.using(privileges, scene.facts.label(Object::Relation(view)));
    for (through, who) in &base.through {
        path = match who {
            Some(role) if scene.role(*role).superuser => {
                path.then("view owner", format!("{} (superuser)", scene.name(*role)))
            }
            Some(role) => path.then("view owner", scene.name(*role)),
            None => path.then("invoker", scene.name(invoker)),
        };
        path = path.using(privileges, scene.facts.label(Object::Relation(*through)));
    }
    path
}

/// Gives the logins that hold a PUBLIC privilege in a schema, its own service's too.
pub(super) fn everyone(scene: &Scene<'_>, securable: &Securable) -> Vec<Reacher> {
    let usable = securable.schema.filter(|s| !scene.usage_is_public(*s)).map(|s| scene.users_of(s));
    let may = |role: &&RoleId| usable.as_ref().is_none_or(|set| set.contains(**role));
    scene.logins.iter().filter(may).map(|role| Reacher::itself(*role).by_public()).collect()
}

fn tell(
    scene: &Scene<'_>,
    out: &mut Sink<'_>,
    kind: Kind,
    at: u32,
    view: &Relation,
    reacher: &Reacher,
    held: Privileges,
) {
    let own = scene.service_of(Object::Relation(at));
    for base in bases_for(scene, view, at, reacher.principal) {
        let object = Object::Relation(base.relation);
        if scene.service_of(object) == own
            || !scene.is_foreign(reacher.principal, object)
            || kind_of(scene, &base) != kind
        {
            continue;
        }
        let privileges = held.intersection(base.privileges).without(scene.declared(reacher.principal, object));
        // whoever holds the view owner's rights anyway needs no view
        let owner = view.owner == reacher.principal && !view.security_invoker;
        if privileges.is_empty() || owner {
            continue;
        }
        out.add(draft(scene, at, view, reacher, &base, privileges, kind));
    }
}

fn kind_of(scene: &Scene<'_>, base: &Base) -> Kind {
    if base.copied {
        return Kind::Copy;
    }
    match base.checked_as {
        Some(role) if scene.role(role).superuser => Kind::Superuser,
        _ => Kind::Owned,
    }
}

fn draft(
    scene: &Scene<'_>,
    at: u32,
    view: &Relation,
    reacher: &Reacher,
    base: &Base,
    privileges: Privileges,
    kind: Kind,
) -> Draft {
    let object = Object::Relation(base.relation);
    let mut draft = Draft::new(scene, Some(reacher), object);
    let label = scene.facts.label(Object::Relation(at));
    draft.path = down(scene, draft.path, privileges, at, base, reacher.principal);
    let verb = if kind == Kind::Copy { "a copy of the rows of" } else { "the rows of" };
    let word = if privileges == Privilege::Select.into() { "reads" } else { "reaches" };
    draft.message = format!("{} {word} {verb} {} through {label}", scene.who(Some(reacher)), draft.object);
    let is_copy = |at: &u32| scene.facts.relations[*at as usize].kind == RelationKind::MaterializedView;
    let copy = std::iter::once(at).chain(base.through.iter().map(|(through, _)| *through)).find(is_copy);
    draft.first = Some("its readers need privileges of their own on what it reads, or another way to it");
    draft.fix = match (kind, copy) {
        (Kind::Copy, Some(copy)) => {
            let cascade = if copy == at { "" } else { " cascade" };
            format!("drop materialized view {}{cascade};", scene.facts.label(Object::Relation(copy)))
        }
        (Kind::Superuser, _) => match scene.map.of_schema(view.schema).and_then(|own| owner_of(scene, own)) {
            Some(owner) => format!("alter view {label} owner to {owner};"),
            None => format!("-- give {label} to a role that is no superuser and may read {}", draft.object),
        },
        _ if view.security_invoker => {
            format!("drop view {label}; -- or revoke what its users hold on {}", draft.object)
        }
        _ if scene.facts.session.major >= 15 => format!("alter view {label} set (security_invoker = true);"),
        _ => format!("drop view {label};"),
    };
    draft
}
