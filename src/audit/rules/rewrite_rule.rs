//! VIW05: rules that write where their user may not.

use std::collections::BTreeSet;

use super::view::{readers, securable};
use super::{Draft, Rule, Sink};
use crate::audit::facts::dependency::Class;
use crate::audit::facts::object::Object;
use crate::audit::facts::relation::RuleEvent;
use crate::audit::finding::Severity;
use crate::audit::scene::Scene;
use crate::audit::through::held;
use crate::model::privilege::{Privilege, Privileges};

/// A rule passes a write on to a foreign table, with the rights of the table's owner.
pub(super) static VIW05: Rule = Rule {
    id: "VIW05",
    title: "rule reaches over the line",
    severity: Severity::Error,
    explanation: "A rewrite rule's actions run with the rights of its table's owner, not of whoever writes: a write to \
                  one's own table reads or changes another service's.",
    fix: "Drop the rule; pass data on by an outbox or a declared function.",
    check,
};

fn check(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for rule in scene.facts.rules.iter().filter(|r| r.event != RuleEvent::Select && r.enabled) {
        let Some(at) = scene.facts.relation(rule.relation) else { continue };
        let Some(securable) = securable(scene, at as u32) else { continue };
        let (own, owner) = (scene.service_of(securable.object), securable.owner);
        let used: BTreeSet<u32> = scene
            .facts
            .dependencies
            .of(Class::Rule, rule.oid)
            .filter(|d| d.ref_class == Class::Relation)
            .filter_map(|d| scene.facts.relation(d.ref_oid))
            .map(|at| at as u32)
            .collect();
        let event = match rule.event {
            RuleEvent::Update => Privilege::Update,
            RuleEvent::Delete => Privilege::Delete,
            _ => Privilege::Insert,
        };
        for target in used {
            let object = Object::Relation(target);
            let rights = held(scene, owner, target, &[]);
            if scene.service_of(object) == own || rights.is_empty() {
                continue;
            }
            for (reacher, _) in readers(scene, &securable).into_iter().filter(|(_, p)| p.contains(event)) {
                if !scene.is_foreign(reacher.principal, object) || reacher.principal == owner {
                    continue;
                }
                let mut draft = Draft::new(scene, Some(&reacher), object);
                let table = scene.facts.label(securable.object);
                draft.path = draft.path.using(event, &table).then("rule, as table owner", scene.name(owner));
                draft.path = draft.path.using(rights.intersection(DATA), &draft.object);
                let name = crate::audit::name::shown(&rule.name);
                draft.message = format!("a write to {table} reaches {} by rule {name}", draft.object);
                draft.fix = format!("drop rule {name} on {table};");
                out.add(draft);
            }
        }
    }
}

const DATA: Privileges = Privileges::of(&[Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete]);
