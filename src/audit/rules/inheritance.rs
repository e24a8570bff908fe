//! INH01: child tables on the other side of the line.

use super::view::{row_users, securable};
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::finding::Severity;
use crate::audit::scene::Scene;
use crate::model::privilege::{Privilege, Privileges};

/// A table's parent belongs to another service.
pub(super) static INH01: Rule = Rule {
    id: "INH01",
    title: "foreign child or parent",
    severity: Severity::Error,
    explanation: "Through the parent, PostgreSQL asks for no privilege on the children: whoever may read or write the \
                  parent reads and writes the child's rows.",
    fix: "Detach the partition or end the inheritance.",
    check,
};

const DATA: Privileges =
    Privileges::of(&[Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete, Privilege::Truncate]);

fn check(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for link in &scene.facts.inheritance {
        let (Some(child), Some(parent)) = (scene.facts.relation(link.child), scene.facts.relation(link.parent)) else {
            continue;
        };
        let (object, above) = (Object::Relation(child as u32), Object::Relation(parent as u32));
        if scene.service_of(object) == scene.service_of(above) {
            continue;
        }
        let Some(securable) = securable(scene, parent as u32) else { continue };
        let fix = if scene.facts.relations[child].partition {
            format!("alter table {} detach partition {};", scene.facts.label(above), scene.facts.label(object))
        } else {
            format!("alter table {} no inherit {};", scene.facts.label(object), scene.facts.label(above))
        };
        // an INSERT goes down to partitions only
        let is_partition = scene.facts.relations[child].partition;
        let data = if is_partition { DATA } else { DATA.without(Privilege::Insert.into()) };
        for user in row_users(scene, &securable) {
            let held = user.held.intersection(data);
            if held.is_empty() || !scene.is_foreign(user.reacher.principal, object) {
                continue;
            }
            let mut draft = Draft::new(scene, Some(&user.reacher), object);
            draft.path = user.path(scene, &securable, held).then("child, unchecked", &draft.object);
            draft.message = format!(
                "{} reaches {} through its parent {}",
                scene.who(Some(&user.reacher)),
                draft.object,
                scene.facts.label(above)
            );
            draft.fix = fix.clone();
            out.add(draft);
        }
    }
}
