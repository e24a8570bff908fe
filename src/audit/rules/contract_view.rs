//! VIW04: views that are meant to show a part, and leak or let in the rest.

use super::view::{readers, securable};
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::relation::{CheckOption, Relation, RelationKind};
use crate::audit::finding::Severity;
use crate::audit::remedy::Takes;
use crate::audit::scene::Scene;
use crate::audit::through::named_by;
use crate::model::privilege::{Privilege, Privileges};

/// A view open to a foreign role has no check option, or no security barrier.
pub(super) static VIW04: Rule = Rule {
    id: "VIW04",
    title: "leaky contract view",
    severity: Severity::Warning,
    explanation: "A view that another service uses is a border. Without a check option, a writer puts in or changes \
                  rows that the view does not show (a local one leaves out the views below it); without security_barrier, a cheap function in a reader's query sees \
                  hidden rows before the view's own condition is applied.",
    fix: "Set security_barrier, and check_option where it can be written through; or grant SELECT only.",
    check,
};

const WRITES: Privileges = Privileges::of(&[Privilege::Insert, Privilege::Update, Privilege::Delete]);

fn check(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (at, view) in (0..).zip(&scene.facts.relations).filter(|(_, r)| r.kind == RelationKind::View) {
        let object = Object::Relation(at);
        let Some(securable) = securable(scene, at) else { continue };
        if scene.service_of(object).is_none() || scene.facts.is_extension_member(object) {
            continue;
        }
        for (reacher, held) in readers(scene, &securable) {
            if !scene.is_foreign(reacher.principal, object) {
                continue;
            }
            let mut draft = Draft::new(scene, Some(&reacher), object);
            let who = scene.who(Some(&reacher));
            let written = held.intersection(WRITES);
            let label = draft.object.clone();
            if !written.is_empty() && view.updatable != 0 && !is_checked(scene, view) {
                let base = named_by(scene, view).into_keys().next();
                let base =
                    base.map_or_else(|| "its base table".to_owned(), |at| crate::audit::through::label(scene, at));
                draft.path = draft.path.using(written, &label).then("auto-updatable view", base);
                draft.message = format!(
                    "{who} has {written} on {label}, which has no check option: it writes rows that the view hides"
                );
                draft.fix = format!("alter view {label} set (check_option = cascaded, security_barrier = true);");
                draft.first = Some("writes of rows that the view does not show fail afterwards");
            } else if held.contains(Privilege::Select) && !view.security_barrier && !view.security_invoker {
                draft.path = draft.path.using(Privilege::Select, &label);
                draft.message = format!("{who} reads {label}, which is no security barrier");
                draft.fix = format!("alter view {label} set (security_barrier = true);");
                draft.takes = Takes::Nobody;
            } else {
                continue;
            }
            out.add(draft);
        }
    }
}

/// Tells whether a view refuses all rows that it would not show.
fn is_checked(scene: &Scene<'_>, view: &Relation) -> bool {
    let is_view = |at: &u32| scene.facts.relations[*at as usize].kind == RelationKind::View;
    match view.check_option {
        Some(CheckOption::Cascaded) => true,
        Some(CheckOption::Local) => !named_by(scene, view).keys().any(is_view),
        None => false,
    }
}
