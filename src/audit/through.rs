//! What a view reaches: its tables, checked as its owner or as whoever asks, through any number of views.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::facts::dependency::Class;
use super::facts::object::Object;
use super::facts::relation::{Relation, RelationKind, RuleEvent};
use super::facts::role::RoleId;
use super::scene::Scene;
use crate::model::acl::AclKind;
use crate::model::privilege::{Privilege, Privileges};

/// One relation that is reached through a view.
#[derive(Debug, Clone)]
pub struct Base {
    /// Its position.
    pub relation: u32,
    /// What reaches it: SELECT, and the writes that auto-updatable views pass on.
    pub privileges: Privileges,
    /// Whose rights were asked for; nothing for the invoker's.
    pub checked_as: Option<RoleId>,
    /// The relations on the way, this one last, each with whose rights were asked for.
    pub through: Vec<(u32, Option<RoleId>)>,
    /// Whether a materialized view stands between, so that a copy is read.
    pub copied: bool,
}

/// Who asks, for views that check their user.
#[derive(Debug, Clone, Copy)]
pub struct Checked(Option<RoleId>);

impl Checked {
    /// Takes every check of the invoker for passed.
    #[must_use]
    pub fn anyone() -> Self {
        Self(None)
    }

    /// Asks under this identity.
    #[must_use]
    pub fn by(identity: RoleId) -> Self {
        Self(Some(identity))
    }
}

/// Finds everything behind a view that its checks let through, nearest first.
#[must_use]
pub fn bases(scene: &Scene<'_>, view: &Relation, invoker: Checked) -> Vec<Base> {
    let mut found: Vec<Base> = Vec::new();
    let mut seen = HashSet::new();
    let mut queue = VecDeque::from([None]);
    while let Some(at) = queue.pop_front() {
        let at: Option<usize> = at;
        let (current, from) = match at {
            None => (view, None),
            Some(at) => (&scene.facts.relations[found[at].relation as usize], Some(found[at].clone())),
        };
        for base in step(scene, current, from.as_ref(), invoker) {
            if seen.insert((base.relation, base.copied)) {
                let kind = scene.facts.relations[base.relation as usize].kind;
                found.push(base);
                if matches!(kind, RelationKind::View | RelationKind::MaterializedView) {
                    queue.push_back(Some(found.len() - 1));
                }
            }
        }
    }
    found
}

/// Finds everything behind a view that a session of a role gets to, under any identity that may use the view.
#[must_use]
pub fn bases_for(scene: &Scene<'_>, view: &Relation, relation: u32, role: RoleId) -> Vec<Base> {
    let all = bases(scene, view, Checked::anyone());
    if all.iter().all(|base| base.checked_as.is_some()) {
        return all;
    }
    let mut found: Vec<Base> = Vec::new();
    for identity in scene.graph.identities(role).roles() {
        if held(scene, identity, relation, &[]).is_empty() {
            continue;
        }
        let new = |base: &Base| !found.iter().any(|f| (f.relation, f.copied) == (base.relation, base.copied));
        let more: Vec<Base> = bases(scene, view, Checked::by(identity)).into_iter().filter(new).collect();
        found.extend(more);
    }
    found
}

/// Goes one view further.
fn step(scene: &Scene<'_>, view: &Relation, from: Option<&Base>, invoker: Checked) -> Vec<Base> {
    let copy = view.kind == RelationKind::MaterializedView;
    if copy && !view.populated {
        return Vec::new();
    }
    let copied = copy || from.is_some_and(|f| f.copied);
    let checked_as = if view.security_invoker && !copy { None } else { Some(view.owner) };
    let named = named_by(scene, view);
    let single = named.len() == 1;
    let mut found = Vec::new();
    for (relation, columns) in named {
        let held = |role: RoleId| held(scene, role, relation, &columns);
        let privileges = match (checked_as, invoker.0) {
            _ if copied => Privilege::Select.into(),
            (Some(owner), _) => held(owner),
            (None, None) => AclKind::Relation.all(scene.facts.session.major),
            (None, Some(identity)) => held(identity),
        };
        let passed = if single && !copied { writes(view.updatable) } else { Privileges::NONE };
        let passed = from.map_or(passed, |f| passed.intersection(f.privileges)).union(Privilege::Select.into());
        let privileges = privileges.intersection(passed);
        if privileges.is_empty() {
            continue;
        }
        let mut through = from.map(|f| f.through.clone()).unwrap_or_default();
        through.push((relation, checked_as));
        found.push(Base { relation, privileges, checked_as, through, copied });
    }
    found
}

/// Gives what an auto-updatable view passes on, from the server's bits.
fn writes(bits: u8) -> Privileges {
    let of = |bit: u8, privilege: Privilege| if bits & (1 << bit) == 0 { Privileges::NONE } else { privilege.into() };
    of(2, Privilege::Update).union(of(3, Privilege::Insert)).union(of(4, Privilege::Delete))
}

/// Gives the relations that a view's query names, each with the columns that it uses, from `pg_depend`.
#[must_use]
pub fn named_by(scene: &Scene<'_>, view: &Relation) -> BTreeMap<u32, Vec<i16>> {
    let mut named: BTreeMap<u32, Vec<i16>> = BTreeMap::new();
    for rule in scene.facts.rules_of(view.oid).filter(|r| r.event == RuleEvent::Select) {
        for dependency in scene.facts.dependencies.of(Class::Rule, rule.oid) {
            if dependency.ref_class == Class::Relation
                && dependency.ref_oid != view.oid
                && let Some(relation) = scene.facts.relation(dependency.ref_oid)
            {
                let columns = named.entry(relation as u32).or_default();
                columns.extend((dependency.ref_column != 0).then_some(dependency.ref_column));
            }
        }
    }
    named
}

/// Gives what an identity holds on a relation, where a privilege on all the columns used counts as one on the relation.
#[must_use]
pub fn held(scene: &Scene<'_>, identity: RoleId, relation: u32, columns: &[i16]) -> Privileges {
    let row = &scene.facts.relations[relation as usize];
    let kind = if row.kind == RelationKind::Sequence { AclKind::Sequence } else { AclKind::Relation };
    let whole = scene.held(identity, row.acl, kind);
    let own = scene.facts.columns_of(row.oid);
    if own.is_empty() {
        return whole;
    }
    let on = |number: i16| {
        let column = own.iter().find(|c| c.number == number);
        column.map_or(Privileges::NONE, |c| scene.held(identity, c.acl, AclKind::Column))
    };
    let every = match columns {
        // count(*) names no column: one that may be read is enough
        [] => {
            own.iter().map(|c| scene.held(identity, c.acl, AclKind::Column)).fold(Privileges::NONE, Privileges::union)
        }
        // reading asks for each of them, a write only for those that it sets
        _ => {
            let all = || columns.iter().map(|c| on(*c));
            let read = all().reduce(Privileges::intersection).unwrap_or_default();
            read.union(all().fold(Privileges::NONE, Privileges::union).without(Privilege::Select.into()))
        }
    };
    whole.union(every)
}

/// Gives the relation that a rule belongs to, for everything that depends on a relation by a rule.
#[must_use]
pub fn views_over(scene: &Scene<'_>, relation: u32) -> Vec<u32> {
    let oid = scene.facts.relations[relation as usize].oid;
    let rules = scene.facts.dependencies.on(Class::Relation, oid).filter(|d| d.class == Class::Rule);
    let mut views: Vec<u32> = rules
        .filter_map(|d| scene.facts.rule(d.oid))
        .filter(|rule| rule.event == RuleEvent::Select && rule.relation != oid)
        .filter_map(|rule| scene.facts.relation(rule.relation))
        .map(|at| at as u32)
        .collect();
    views.sort_unstable();
    views.dedup();
    views
}

/// Names a relation for a path.
#[must_use]
pub fn label(scene: &Scene<'_>, relation: u32) -> String {
    scene.facts.label(Object::Relation(relation))
}
