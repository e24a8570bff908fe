//! DEF01 and DEF02 by way of what is made with a definer routine: views, defaults, policies, operators, other routines.

use std::collections::{BTreeSet, HashSet};

use super::acl::{revoke, taken};
use super::body::Bodies;
use super::definer::{callers_of, definers, executors, fire, reaches};
use super::view::{row_users, securable, users};
use super::{Draft, Sink};
use crate::audit::facts::acl::Entry;
use crate::audit::facts::dependency::{Class, Dependency};
use crate::audit::facts::object::{Object, Securable};
use crate::audit::facts::relation::{RelationKind, RuleEvent};
use crate::audit::facts::role::RoleId;
use crate::audit::facts::routine::Routine;
use crate::audit::name::shown;
use crate::audit::passage::{DATA, event_of};
use crate::audit::path::Path;
use crate::audit::remedy::Takes;
use crate::audit::scene::{Reacher, Scene};
use crate::audit::services::ServiceId;
use crate::model::acl::AclKind;
use crate::model::privilege::{Privilege, Privileges};

/// What has a column's expressions evaluated.
const WRITES: Privileges = Privileges::of(&[Privilege::Insert, Privilege::Update]);

/// What holds a call: the table or view that it hangs on, the uses that make the call, and the word for it.
struct Carrier {
    relation: u32,
    by: Privileges,
    word: String,
    /// Whether it hangs on the rows, which are reached through a parent table too.
    of_rows: bool,
}

/// Finds the table or view that a dependency on a routine is of.
fn carrier(scene: &Scene<'_>, dependency: &Dependency) -> Option<Carrier> {
    let facts = scene.facts;
    let writes = WRITES;
    let oid = dependency.oid;
    let (relation, by, word, of_rows) = match dependency.class {
        Class::Rule => {
            let rule = facts.rules.iter().find(|r| r.oid == oid && r.enabled)?;
            let word = if rule.event == RuleEvent::Select { "view" } else { "rule" };
            (rule.relation, event_of(rule).into(), word.to_owned(), false)
        }
        Class::Default => {
            let default = facts.defaults.iter().find(|d| d.oid == oid)?;
            let by = if default.generated { writes } else { Privilege::Insert.into() };
            (default.relation, by, format!("default of {}", shown(&default.column)), default.generated)
        }
        Class::Constraint => {
            let check = facts.constraints.iter().find(|c| c.oid == oid)?;
            (check.relation, writes, format!("check {}", shown(&check.name)), true)
        }
        Class::Policy => {
            let policy = facts.policies.iter().find(|p| p.oid == oid)?;
            (policy.relation, DATA, format!("policy {}", shown(&policy.name)), false)
        }
        Class::Trigger => {
            let trigger = facts.triggers.iter().find(|t| t.oid == oid && t.enabled)?;
            (trigger.relation, trigger.events, format!("trigger {}", shown(&trigger.name)), trigger.for_rows)
        }
        Class::Relation => {
            let Some(index) = facts.indexes.iter().find(|i| i.oid == oid) else { return partition_key(scene, oid) };
            (index.relation, writes, format!("index {}", shown(&index.name)), true)
        }
        _ => return None,
    };
    Some(Carrier { relation: facts.relation(relation)? as u32, by, word, of_rows })
}

/// Takes a partitioned table for what its own key's expression hangs on.
fn partition_key(scene: &Scene<'_>, oid: u32) -> Option<Carrier> {
    let relation = scene.facts.relation(oid)?;
    let is_it = scene.facts.relations[relation].kind == RelationKind::PartitionedTable;
    let (by, word) = (WRITES, "partition key".to_owned());
    is_it.then_some(Carrier { relation: relation as u32, by, word, of_rows: true })
}

/// Gives everyone who runs a definer routine by something of another service that calls it, with the way.
///
/// The schema's USAGE is asked for when a name is looked up, which is long past then; EXECUTE still is, of whoever uses
/// the table, view, operator, cast or routine.
pub(super) fn embedded<'s>(scene: &'s Scene<'_>) -> impl Iterator<Item = (RoleId, Draft, &'s Routine)> + 's {
    definers(scene).filter(|(_, routine)| !routine.trigger).flat_map(move |(definer, routine)| {
        let on = scene.facts.dependencies.on(Class::Routine, routine.oid);
        let ways = on.flat_map(|dependency| ways(scene, routine, dependency));
        let told = ways.filter_map(|way| runs(scene, &definer, routine, way));
        told.map(|(who, draft)| (who, draft, routine)).collect::<Vec<_>>()
    })
}

/// A way to something that calls a routine.
struct Way {
    reacher: Reacher,
    path: Path,
    /// What it is.
    what: String,
    /// Whether the routine's EXECUTE is asked for.
    asks: bool,
}

/// Gives everyone who can use what depends on a routine, but for what is of the routine's own service.
fn ways(scene: &Scene<'_>, routine: &Routine, dependency: &Dependency) -> Vec<Way> {
    let own = scene.map.of_role(routine.owner);
    let is_own = |object| own.is_some() && scene.service_of(object) == own;
    if let Some(carrier) = carrier(scene, dependency) {
        let object = Object::Relation(carrier.relation);
        let Some(table) = securable(scene, carrier.relation).filter(|_| !is_own(object)) else { return Vec::new() };
        let all = if carrier.of_rows { row_users(scene, &table) } else { users(scene, &table) };
        let uses = all.into_iter().filter_map(|user| {
            let by = user.held.intersection(carrier.by);
            let path = user.path(scene, &table, by).then(&carrier.word, "");
            (!by.is_empty()).then(|| Way { reacher: user.reacher, path, what: scene.facts.label(object), asks: true })
        });
        return uses.collect();
    }
    if let Some(domain) = domain(scene, dependency) {
        return if is_own(Object::Type(domain)) { Vec::new() } else { domain_ways(scene, dependency, domain) };
    }
    match dependency.class {
        Class::Routine => {
            let Some(at) = scene.facts.routine(dependency.oid) else { return Vec::new() };
            let (object, caller) = (Object::Routine(at as u32), &scene.facts.routines[at]);
            // an aggregate's functions, and what a definer calls, are asked for as its owner
            let left_out = is_own(object) || scene.facts.is_extension_member(object);
            if left_out || caller.kind == 'a' || caller.security_definer {
                return Vec::new();
            }
            let (acl, owner, schema) = (caller.acl, caller.owner, Some(caller.schema));
            let calling = Securable { object, kind: AclKind::Routine, acl, owner, schema };
            let callers = executors(scene, &calling).into_iter().filter_map(|(reacher, draft)| {
                let path = draft.path.then("calls", "");
                reacher.map(|reacher| Way { reacher, path, what: draft.object, asks: true })
            });
            callers.collect()
        }
        Class::Operator => {
            let operator = (0..).zip(&scene.facts.standalone).find(|(_, o)| o.oid == dependency.oid);
            let Some((at, operator)) = operator.filter(|(_, o)| o.class == Class::Operator) else { return Vec::new() };
            let what = scene.facts.label(Object::Standalone(at));
            let usable = scene.users_of(operator.schema);
            let in_sight = scene.usage_is_public(operator.schema);
            let logins = scene.logins.iter().filter(|login| in_sight || usable.contains(**login));
            logins.map(|login| Way::of(scene, *login, &what)).collect()
        }
        Class::Cast => {
            let Some(cast) = scene.facts.casts.iter().find(|cast| cast.oid == dependency.oid) else {
                return Vec::new();
            };
            let what = format!("cast {}", cast.label);
            scene.logins.iter().map(|login| Way::of(scene, *login, &what)).collect()
        }
        Class::OperatorClass => by_operator_class(scene, dependency.oid, is_own),
        _ => Vec::new(),
    }
}

/// Gives everyone who writes where an operator class orders rows: its functions are called with no privilege asked.
fn by_operator_class(scene: &Scene<'_>, class: u32, is_own: impl Fn(Object) -> bool) -> Vec<Way> {
    let mut ways = Vec::new();
    for user_of_class in scene.facts.dependencies.on(Class::OperatorClass, class) {
        let Some(carrier) = carrier(scene, user_of_class) else { continue };
        let object = Object::Relation(carrier.relation);
        let Some(table) = securable(scene, carrier.relation).filter(|_| !is_own(object)) else { continue };
        for user in row_users(scene, &table) {
            let by = user.held.intersection(carrier.by);
            if !by.is_empty() {
                let path = user.path(scene, &table, by).then(&carrier.word, "");
                ways.push(Way { reacher: user.reacher, path, what: scene.facts.label(object), asks: false });
            }
        }
    }
    ways
}

/// Finds the domain whose check or default a dependency on a routine is of.
fn domain(scene: &Scene<'_>, dependency: &Dependency) -> Option<u32> {
    let oid = match dependency.class {
        Class::Constraint => scene.facts.constraints.iter().find(|c| c.oid == dependency.oid)?.domain,
        Class::Type => dependency.oid,
        _ => return None,
    };
    let at = scene.facts.type_(oid)?;
    (scene.facts.types[at].kind == 'd').then_some(at as u32)
}

/// Gives everyone who has a domain's check or default evaluated: by a write to a column of it, or of a domain or type
/// made of it, and a check also by just casting to it.
fn domain_ways(scene: &Scene<'_>, dependency: &Dependency, domain: u32) -> Vec<Way> {
    let facts = scene.facts;
    let is_check = dependency.class == Class::Constraint;
    let what = format!("{} of {}", if is_check { "check" } else { "default" }, facts.label(Object::Type(domain)));
    let (mut ways, mut tables) = (Vec::new(), BTreeSet::new());
    let (mut types, mut seen) = (vec![facts.types[domain as usize].oid], HashSet::new());
    while let Some(oid) = types.pop() {
        if !seen.insert(oid) {
            continue;
        }
        if let Some(at) = facts.type_(oid).filter(|_| is_check) {
            let schema = facts.types[at].schema;
            let (usable, in_sight) = (scene.users_of(schema), scene.usage_is_public(schema));
            let logins = scene.logins.iter().filter(|login| in_sight || usable.contains(**login));
            ways.extend(logins.map(|login| Way::of(scene, *login, &what)));
        }
        types.extend(facts.types.iter().filter(|array| array.element == oid).map(|array| array.oid));
        for by in facts.dependencies.on(Class::Type, oid) {
            match by.class {
                Class::Type => types.push(by.oid),
                Class::Relation if by.column != 0 => {
                    tables.extend(facts.relation(by.oid));
                    types.extend(facts.types.iter().filter(|made| made.composite == by.oid).map(|made| made.oid));
                }
                _ => {}
            }
        }
    }
    let by = if is_check { WRITES } else { Privilege::Insert.into() };
    for table in tables {
        let Some(securable) = securable(scene, table as u32) else { continue };
        let users = row_users(scene, &securable).into_iter().filter(|user| !user.held.intersection(by).is_empty());
        ways.extend(users.map(|user| {
            let path = user.path(scene, &securable, user.held.intersection(by)).then(&what, "");
            Way { reacher: user.reacher, path, what: facts.label(securable.object), asks: true }
        }));
    }
    let mut told = HashSet::new();
    ways.retain(|way| told.insert(way.reacher.principal));
    ways
}

impl Way {
    /// What a login just uses.
    fn of(scene: &Scene<'_>, login: RoleId, what: &str) -> Self {
        let path = Path::from(scene.name(login)).then("uses", what).then("calls", "");
        Self { reacher: Reacher::itself(login).by_public(), path, what: what.to_owned(), asks: true }
    }
}

/// Tells of a way when its user may execute the routine and may not look it up: who may is told as a caller.
fn runs(scene: &Scene<'_>, definer: &Securable, routine: &Routine, way: Way) -> Option<(RoleId, Draft)> {
    let principal = way.reacher.principal;
    let superuser = scene.role(routine.owner).superuser;
    let foreign = superuser || scene.map.of_role(principal) != scene.map.of_role(routine.owner);
    let in_sight = scene.usage_is_public(routine.schema) || scene.users_of(routine.schema).contains(principal);
    let inherited = scene.inherited(principal);
    let opens =
        |e: &&Entry| e.privileges.contains(Privilege::Execute) && e.grantee.is_none_or(|role| inherited.contains(role));
    let entry = scene.facts.acls[definer.acl].entries.iter().find(opens);
    if !foreign || (in_sight && entry.is_some()) {
        return None;
    }
    let mut takes = Takes::Unknown;
    let fix = match entry.filter(|_| way.asks) {
        Some(entry) => {
            takes = taken(definer, entry, Privilege::Execute.into());
            revoke(scene, definer, entry, Privilege::Execute.into())
        }
        None if way.asks => return None,
        None => format!("alter {} security invoker;", scene.facts.sql_name(definer.object)),
    };
    let mut draft = Draft::new(scene, Some(&way.reacher), definer.object);
    draft.by_public &= entry.is_none_or(|entry| entry.grantee.is_none());
    let owner = format!("{}{}", scene.name(routine.owner), if superuser { " (superuser)" } else { "" });
    draft.path = way.path;
    if let Some(call) = draft.path.steps.last_mut() {
        call.to.clone_from(&draft.object);
    }
    draft.path = draft.path.then("definer", &owner);
    draft.message = format!(
        "{} runs {} with the rights of {owner} by {}, though it may not {}",
        scene.name(principal),
        draft.object,
        way.what,
        if way.asks { "use the schema" } else { "call it" }
    );
    draft.fix = fix;
    draft.takes = takes;
    (!draft.declared).then_some((principal, draft))
}

/// Gives everyone of the service itself who has a routine run: by a write that fires it, which asks for no EXECUTE, or by
/// a call.
pub(super) fn runners(
    scene: &Scene<'_>,
    securable: &Securable,
    at: u32,
    own: Option<ServiceId>,
) -> Vec<(Reacher, Draft)> {
    let facts = scene.facts;
    let oid = facts.routines[at as usize].oid;
    let mut found = Vec::new();
    for trigger in facts.triggers.iter().filter(|trigger| trigger.enabled && trigger.function == oid) {
        let table = facts.relation(trigger.relation).and_then(|table| self::securable(scene, table as u32));
        let Some(table) = table else { continue };
        for user in fire(scene, trigger, &table) {
            let by = user.used_for(trigger.events);
            if scene.map.of_role(user.reacher.principal) != own {
                continue;
            }
            let mut way = Draft::new(scene, Some(&user.reacher), securable.object);
            way.path = user.path(scene, &table, by).then("trigger", &way.object);
            way.fix = format!("drop trigger {} on {};", shown(&trigger.name), facts.label(table.object));
            found.push((user.reacher, way));
        }
    }
    found.extend(callers_of(scene, securable, own).into_iter().filter_map(|(reacher, way)| Some((reacher?, way))));
    let mut told = HashSet::new();
    found.retain(|(reacher, _)| told.insert(reacher.principal));
    found
}

/// Tells what a service's own definer routine passes on to its callers: another service's definer that its owner may run.
pub(super) fn handed_on(scene: &Scene<'_>, bodies: &Bodies<'_>, out: &mut Sink<'_>, securable: &Securable, at: u32) {
    let routine = &scene.facts.routines[at as usize];
    let Some(own) = scene.map.of_role(routine.owner) else { return };
    let called = bodies.definers_called(at).into_iter();
    let foreign = |called: &u32| scene.map.of_role(scene.facts.routines[*called as usize].owner) != Some(own);
    let called: Vec<u32> = called.filter(foreign).collect();
    if called.is_empty() {
        return;
    }
    let owner = scene.name(routine.owner);
    for (reacher, way) in runners(scene, securable, at, Some(own)) {
        if scene.inherited(reacher.principal).contains(routine.owner) {
            continue;
        }
        for called in &called {
            let inner = &scene.facts.routines[*called as usize];
            let (other, whose) = (scene.map.of_role(inner.owner), scene.name(inner.owner));
            let mut draft = Draft::new(scene, Some(&reacher), Object::Routine(*called));
            if draft.declared {
                continue;
            }
            let path = way.path.clone().then("definer", &owner).using(Privilege::Execute, &draft.object);
            draft.path = reaches(scene, bodies, path.then("definer", &whose), *called, other);
            draft.message = format!(
                "{} runs {} with the rights of {whose} by {}, which runs with the rights of {owner}",
                scene.who(Some(&reacher)),
                draft.object,
                scene.facts.label(securable.object)
            );
            draft.fix.clone_from(&way.fix);
            draft.takes = way.takes.clone();
            out.add(draft);
        }
    }
}
