//! INB: foreign code that runs as a service.

use std::collections::BTreeMap;

use super::{Draft, Rule, Sink};
use crate::audit::facts::dependency::Class;
use crate::audit::facts::object::Object;
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::path::Path;
use crate::audit::scene::Scene;

/// A table's trigger, default, policy, check or index calls a function that another service owns.
pub(super) static INB01: Rule = Rule {
    id: "INB01",
    title: "foreign code runs in a service",
    severity: Severity::Error,
    explanation: "A function that a trigger, default, policy, check or index calls runs with the rights of whoever \
                  writes the table. Its owner, in another service, replaces the body whenever it likes.",
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

/// Finds, for everything that calls functions, the object that it hangs on and the word for it.
fn callers(scene: &Scene<'_>) -> Vec<(u32, Object, &'static str)> {
    let facts = scene.facts;
    let relation = |oid: u32| facts.relation(oid).map(|at| Object::Relation(at as u32));
    let mut calls = Vec::new();
    let mut from = |class: Class, oid: u32, object: Option<Object>, word: &'static str| {
        let Some(object) = object else { return };
        let called = facts.dependencies.of(class, oid).filter(|d| d.ref_class == Class::Routine);
        calls.extend(called.map(|d| (d.ref_oid, object, word)));
    };
    for d in &facts.defaults {
        from(Class::Default, d.oid, relation(d.relation), if d.generated { "generated column" } else { "default" });
    }
    for p in &facts.policies {
        from(Class::Policy, p.oid, relation(p.relation), "policy");
    }
    for i in &facts.indexes {
        from(Class::Relation, i.oid, relation(i.relation), "index");
    }
    for c in &facts.constraints {
        let domain = facts.type_(c.domain).map(|at| Object::Type(at as u32));
        from(Class::Constraint, c.oid, relation(c.relation).or(domain), "check");
    }
    for r in facts.rules.iter().filter(|r| r.event != crate::audit::facts::relation::RuleEvent::Select) {
        from(Class::Rule, r.oid, relation(r.relation), "rule");
    }
    for r in (0..)
        .zip(&facts.relations)
        .filter(|(_, r)| r.kind == crate::audit::facts::relation::RelationKind::PartitionedTable)
    {
        from(Class::Relation, r.1.oid, Some(Object::Relation(r.0)), "partition key");
    }
    for t in facts.triggers.iter().filter(|t| t.enabled) {
        calls.extend(relation(t.relation).map(|object| (t.function, object, "trigger")));
    }
    calls
}

fn functions(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let mut told: BTreeMap<(Object, u32), ()> = BTreeMap::new();
    for (function, object, word) in callers(scene) {
        let Some(at) = scene.facts.routine(function) else { continue };
        let routine = &scene.facts.routines[at];
        let called = Object::Routine(at as u32);
        let (own, other) = (scene.service_of(object), scene.map.of_role(routine.owner));
        let harmless = scene.role(routine.owner).superuser || scene.facts.is_extension_member(called);
        if own.is_none() || own == other || harmless || told.insert((object, function), ()).is_some() {
            continue;
        }
        for principal in beneficiaries(scene, routine.owner) {
            let mut draft = Draft::new(scene, None, object);
            draft.principal = Some(principal);
            let (owner, label) = (scene.name(routine.owner), scene.facts.label(called));
            let path = Path::from(scene.name(principal));
            let path = if principal == routine.owner { path } else { path.then("same service", &owner) };
            draft.path = path.using("owner", &label).then(word, &draft.object);
            draft.message =
                format!("{word} of {} runs {label}, which {owner} can replace, as whoever writes it", draft.object);
            draft.fix = format!(
                "-- use a function of {}'s own instead of {label}",
                scene.service_name(own).unwrap_or_default()
            );
            out.add(draft);
        }
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
    for (at, trigger) in (0..).zip(&scene.facts.event_triggers).filter(|(_, t)| t.enabled) {
        for reacher in scene.reachers(trigger.function_owner, None) {
            let mut draft = Draft::new(scene, Some(&reacher), Object::EventTrigger(at));
            draft.service = None;
            draft.path = draft.path.using("owner", &trigger.function_label).then(&trigger.event, &draft.object);
            let who = scene.name(reacher.principal);
            draft.message =
                format!("{who} can replace {}, which {} runs in every session", trigger.function_label, draft.object);
            draft.fix = format!("alter function {} owner to …;", trigger.function_label);
            out.add(draft);
        }
    }
}
