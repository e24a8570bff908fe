//! VIW05: rules that write where their user may not.

use super::body::Bodies;
use super::view::{securable, users};
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::relation::RuleEvent;
use crate::audit::finding::Severity;
use crate::audit::passage::{Passage, of_rule};
use crate::audit::scene::Scene;

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
    let mut bodies = None;
    for rule in scene.facts.rules.iter().filter(|r| r.event != RuleEvent::Select && r.enabled) {
        let bodies = bodies.get_or_insert_with(|| Bodies::new(scene));
        let passages = of_rule(scene, bodies, rule);
        let Some(securable) = passages.first().and_then(|passage| securable(scene, passage.from)) else { continue };
        let (own, users) = (scene.service_of(securable.object), users(scene, &securable));
        let crossing = |passage: &&Passage| scene.service_of(Object::Relation(passage.to)) != own;
        for passage in passages.iter().filter(crossing) {
            let object = Object::Relation(passage.to);
            for user in users.iter().filter(|user| !user.held.intersection(passage.by).is_empty()) {
                let principal = user.reacher.principal;
                if !scene.is_foreign(principal, object) || principal == securable.owner {
                    continue;
                }
                let mut draft = Draft::new(scene, Some(&user.reacher), object);
                let way = user.path(scene, &securable, passage.by);
                draft.path = passage.lead(scene, way, passage.gives);
                let (table, name) = (scene.facts.label(securable.object), crate::audit::name::shown(&rule.name));
                draft.message = format!("a write to {table} reaches {} by rule {name}", draft.object);
                draft.fix = format!("drop rule {name} on {table};");
                out.add(draft);
            }
        }
    }
}
