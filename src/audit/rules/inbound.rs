//! INB: foreign code that runs as a service.

use std::collections::BTreeSet;

use super::{Draft, Rule, Sink};
use crate::audit::facts::dependency::Class;
use crate::audit::facts::object::Object;
use crate::audit::facts::relation::{RelationKind, RuleEvent};
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::name::{qualified, shown};
use crate::audit::path::Path;
use crate::audit::scene::Scene;
use crate::model::privilege::Privilege;

/// A table's trigger, default, policy, check or index calls a function that another service owns.
pub(super) static INB01: Rule = Rule {
    id: "INB01",
    title: "foreign code runs in a service",
    severity: Severity::Error,
    explanation: "A function that a trigger, default, policy, check, index, rule, operator or cast calls runs with the rights \
                  of whoever writes the table, and one in a view with those of whoever reads it. Its owner, in another \
                  service, replaces the body whenever it likes.",
    fix: "Use a function of the service's own.",
    check: functions,
};

/// An event trigger calls a function that a service owns.
pub(super) static INB02: Rule = Rule {
    id: "INB02",
    title: "event trigger in a service's hands",
    severity: Severity::Error,
    explanation: "An event trigger runs in every session of the database that changes objects (or, from 17 on, logs \
                  in), superusers' included: whoever owns its function runs code as all of them.",
    fix: "Give the function to an administrator, or drop the event trigger.",
    check: event_triggers,
};

/// Something of a service that calls functions.
struct Caller {
    /// The catalog that it is in, and its OID there.
    class: Class,
    oid: u32,
    /// What it hangs on.
    object: Object,
    /// The word for it.
    word: &'static str,
    /// What ends it.
    fix: String,
}

/// Finds everything that calls functions, triggers' own functions left out.
fn callers(scene: &Scene<'_>) -> Vec<Caller> {
    let facts = scene.facts;
    let relation = |oid: u32| facts.relation(oid).map(|at| Object::Relation(at as u32));
    let mut calls = Vec::new();
    let mut add = |class, oid, object: Option<Object>, word, fix: &dyn Fn(&str) -> String| {
        calls.extend(object.map(|object| Caller { class, oid, object, word, fix: fix(&facts.label(object)) }));
    };
    for d in &facts.defaults {
        let (word, what) = if d.generated { ("generated column", "expression") } else { ("default", "default") };
        let fix = |table: &str| format!("alter table {table} alter column {} drop {what};", shown(&d.column));
        add(Class::Default, d.oid, relation(d.relation), word, &fix);
    }
    for p in &facts.policies {
        // without its policy a table hides rows that it showed, or shows rows that it hid
        let fix = |table: &str| {
            format!("-- let policy {} on {table} call a function of the table's own service", shown(&p.name))
        };
        add(Class::Policy, p.oid, relation(p.relation), "policy", &fix);
    }
    for i in &facts.indexes {
        let schema = facts.relation(i.relation).map(|at| &facts.schema_row(facts.relations[at].schema).name);
        let name = schema.map(|schema| qualified(schema, &i.name)).unwrap_or_default();
        let fix = |table: &str| match i.of_constraint {
            true => format!("alter table {table} drop constraint {};", shown(&i.name)),
            false => format!("drop index {name};"),
        };
        add(Class::Relation, i.oid, relation(i.relation), "index", &fix);
    }
    for c in &facts.constraints {
        let domain = facts.type_(c.domain).map(|at| Object::Type(at as u32));
        let kind = if c.relation == 0 { "domain" } else { "table" };
        let fix = |on: &str| format!("alter {kind} {on} drop constraint {};", shown(&c.name));
        add(Class::Constraint, c.oid, relation(c.relation).or(domain), "check", &fix);
    }
    for (at, t) in (0..).zip(&facts.types) {
        let (word, fix): (_, &dyn Fn(&str) -> String) = match t.kind {
            'd' => ("default", &|domain| format!("alter domain {domain} drop default;")),
            'r' => ("range", &|range| format!("-- make {range} anew, with functions of its service's own")),
            _ => continue,
        };
        add(Class::Type, t.oid, Some(Object::Type(at)), word, fix);
    }
    for r in &facts.rules {
        let view = r.event == RuleEvent::Select;
        let fix = |table: &str| match view {
            true => format!("drop view {table};"),
            false => format!("drop rule {} on {table};", shown(&r.name)),
        };
        add(Class::Rule, r.oid, relation(r.relation), if view { "view" } else { "rule" }, &fix);
    }
    let partitioned = (0..).zip(&facts.relations).filter(|(_, r)| r.kind == RelationKind::PartitionedTable);
    for (at, r) in partitioned {
        let fix = |table: &str| format!("-- make {table} anew, partitioned by an expression of its service's own");
        add(Class::Relation, r.oid, Some(Object::Relation(at)), "partition key", &fix);
    }
    for t in facts.triggers.iter().filter(|t| t.enabled && !facts.is_write_block(t)) {
        let fix = |table: &str| format!("drop trigger {} on {table};", shown(&t.name));
        add(Class::Trigger, t.oid, relation(t.relation), "trigger", &fix);
    }
    calls
}

/// Gives the functions that something calls, those behind operators and operator classes too.
fn called(scene: &Scene<'_>, caller: &Caller) -> BTreeSet<u32> {
    let dependencies = &scene.facts.dependencies;
    let mut found = BTreeSet::new();
    for used in dependencies.of(caller.class, caller.oid) {
        match used.ref_class {
            Class::Routine => drop(found.insert(used.ref_oid)),
            Class::Operator | Class::OperatorClass => {
                let behind = dependencies.of(used.ref_class, used.ref_oid).filter(|d| d.ref_class == Class::Routine);
                found.extend(behind.map(|d| d.ref_oid));
            }
            _ => {}
        }
    }
    // an aggregate calls what it is made of
    let is_aggregate = |oid: &&u32| scene.facts.routine(**oid).is_some_and(|at| scene.facts.routines[at].kind == 'a');
    let made_of = found.iter().filter(is_aggregate).flat_map(|oid| dependencies.of(Class::Routine, *oid));
    let made_of: Vec<u32> = made_of.filter(|d| d.ref_class == Class::Routine).map(|d| d.ref_oid).collect();
    found.extend(made_of);
    found
}

fn functions(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let mut told: BTreeSet<(Object, u32)> = BTreeSet::new();
    for caller in callers(scene) {
        for function in called(scene, &caller) {
            let Some(at) = scene.facts.routine(function) else { continue };
            let routine = &scene.facts.routines[at];
            let called = Object::Routine(at as u32);
            let (own, other) = (scene.service_of(caller.object), scene.map.of_role(routine.owner));
            let Some(service) = own.filter(|_| own != other) else { continue };
            let harmless = scene.role(routine.owner).superuser
                || scene.facts.is_extension_member(called)
                || scene.map.declared(service, called).contains(Privilege::Execute);
            if !harmless && told.insert((caller.object, function)) {
                tell(scene, out, &caller, called, routine.owner);
            }
        }
    }
    casts(scene, out);
}

/// Tells of casts from or to another service's type, or between the server's own: all who make the cast run the code.
fn casts(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let facts = scene.facts;
    for cast in &facts.casts {
        let Some(at) = facts.routine(cast.function) else { continue };
        let (routine, function) = (&facts.routines[at], Object::Routine(at as u32));
        let other = scene.map.of_role(routine.owner);
        let types = [cast.source, cast.target].map(|oid| facts.type_(oid).map(|at| Object::Type(at as u32)));
        let services: BTreeSet<_> = types.iter().flatten().filter_map(|of| scene.service_of(*of)).collect();
        let harmless = scene.role(routine.owner).superuser || facts.is_extension_member(function) || other.is_none();
        let service = services.first().copied();
        let declared = service.is_some_and(|own| scene.map.declared(own, function).contains(Privilege::Execute));
        // a type of the function's own service is that one's to convert
        if harmless || declared || services.iter().any(|service| Some(*service) == other) {
            continue;
        }
        let (owner, label) = (scene.name(routine.owner), facts.label(function));
        for principal in beneficiaries(scene, routine.owner) {
            let mut draft = Draft::new(scene, None, function);
            draft.principal = Some(principal);
            draft.object = format!("cast {}", cast.label);
            draft.service = service;
            let path = Path::from(scene.name(principal));
            let path = if principal == routine.owner { path } else { path.then("same service", &owner) };
            draft.path = path.using("owner", &label).then("cast", &cast.label);
            draft.message =
                format!("the cast {} runs {label}, which {owner} can replace, as whoever casts", cast.label);
            draft.fix = format!("drop cast ({});", cast.label);
            out.add(draft);
        }
    }
}

fn tell(scene: &Scene<'_>, out: &mut Sink<'_>, caller: &Caller, called: Object, owner: RoleId) {
    for principal in beneficiaries(scene, owner) {
        let mut draft = Draft::new(scene, None, caller.object);
        draft.principal = Some(principal);
        let (name, label) = (scene.name(owner), scene.facts.label(called));
        let path = Path::from(scene.name(principal));
        let path = if principal == owner { path } else { path.then("same service", &name) };
        draft.path = path.using("owner", &label).then(caller.word, &draft.object);
        let user = if caller.word == "view" { "reads" } else { "writes" };
        draft.message =
            format!("{} of {} runs {label}, which {name} can replace, as whoever {user} it", caller.word, draft.object);
        draft.fix.clone_from(&caller.fix);
        out.add(draft);
    }
}

/// Gives who gains: the logins of the function owner's service, else the owner.
fn beneficiaries(scene: &Scene<'_>, owner: RoleId) -> Vec<RoleId> {
    let service = scene.map.of_role(owner);
    let logins = scene.logins.iter().copied().filter(|l| service.is_some() && scene.map.of_role(*l) == service);
    let logins: Vec<RoleId> = logins.take(20).collect();
    if logins.is_empty() { vec![owner] } else { logins }
}

fn event_triggers(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let triggers = (0..).zip(&scene.facts.event_triggers).filter(|(_, t)| t.enabled);
    for (at, trigger) in triggers.filter(|(_, t)| !scene.is_administrator(t.function_owner)) {
        for reacher in scene.reachers(trigger.function_owner, None) {
            let mut draft = Draft::new(scene, Some(&reacher), Object::EventTrigger(at));
            draft.service = None;
            draft.path = draft.path.using("owner", &trigger.function_label).then(&trigger.event, &draft.object);
            let who = scene.name(reacher.principal);
            draft.message =
                format!("{who} can replace {}, which {} runs in every session", trigger.function_label, draft.object);
            let to = super::ownership::administrator(scene);
            draft.fix = format!("alter function {} owner to {to};", trigger.function_label);
            out.add(draft);
        }
    }
}
