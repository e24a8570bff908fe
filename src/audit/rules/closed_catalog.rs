//! VIW02 and VIW03 by way of the server's own catalogs: what only superusers may read, shown to others.

use super::view::{securable, users};
use super::{Draft, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::relation::RelationKind;
use crate::audit::scene::Scene;
use crate::model::privilege::Privilege;

/// Tells of views (or, with `copies`, of materialized ones) that show a closed catalog to whoever reads them.
pub(super) fn readers(scene: &Scene<'_>, out: &mut Sink<'_>, copies: bool) {
    for read in &scene.facts.closed_reads {
        let Some(at) = scene.facts.relation(read.relation) else { continue };
        let view = &scene.facts.relations[at];
        let copy = view.kind == RelationKind::MaterializedView;
        // a copy keeps the rows whoever owns it now; a view asks for its owner's rights, or for its reader's
        let shows = match copy {
            true => view.populated,
            false => scene.role(view.owner).superuser && !view.security_invoker && !read.asks,
        };
        let object = Object::Relation(at as u32);
        let Some(securable) = securable(scene, at as u32) else { continue };
        if copy != copies || !shows || scene.facts.is_extension_member(object) {
            continue;
        }
        for user in users(scene, &securable).into_iter().filter(|user| user.held.contains(Privilege::Select)) {
            let mut draft = Draft::new(scene, Some(&user.reacher), object);
            let catalog = format!("pg_catalog.{}", read.catalog);
            let (label, who) = (draft.object.clone(), scene.who(Some(&user.reacher)));
            let way = user.path(scene, &securable, Privilege::Select.into());
            let by = if copy { "copy" } else { "view owner" };
            let whose = if copy { label.clone() } else { format!("{} (superuser)", scene.name(view.owner)) };
            draft.path = way.then(by, whose).using(Privilege::Select, &catalog);
            draft.message = format!("{who} reads {catalog}, which holds what is every service's, through {label}");
            draft.object = catalog;
            draft.service = None;
            draft.declared = false;
            draft.fix = match copy {
                true => format!("drop materialized view {label};"),
                false => format!("drop view {label};"),
            };
            out.add(draft);
        }
    }
}
