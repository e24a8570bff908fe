//! PUB: logical replication, which asks no access list.

use std::collections::BTreeSet;

use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::outside::Publication;
use crate::audit::finding::Severity;
use crate::audit::path::Path;
use crate::audit::scene::Scene;
use crate::audit::services::ServiceId;

/// A publication holds another service's tables.
pub(super) static PUB01: Rule = Rule {
    id: "PUB01",
    title: "foreign table in a publication",
    severity: Severity::Error,
    explanation: "Logical decoding asks no access list: whoever replicates by the publication receives every change of \
                  the table, and a whole schema or ALL TABLES takes in future tables too.",
    fix: "Take the foreign tables out of the publication.",
    check: publications,
};

/// A subscription writes into this database.
pub(super) static PUB02: Rule = Rule {
    id: "PUB02",
    title: "subscription",
    severity: Severity::Warning,
    explanation: "A subscription's apply worker writes with its owner's rights whatever another server sends, into \
                  whichever schema the publisher's tables are named for.",
    fix: "Drop the subscription, or give it to the service's owner with run_as_owner off.",
    check: subscriptions,
};

/// Gives the one service that all a publication names belongs to.
pub(super) fn service_of_content(scene: &Scene<'_>, publication: &Publication) -> Option<ServiceId> {
    let tables = publication.relations.iter().filter_map(|oid| scene.facts.relation(*oid));
    let tables = tables.map(|at| scene.service_of(Object::Relation(at as u32)));
    let services: BTreeSet<_> = tables.chain(publication.schemas.iter().map(|s| scene.map.of_schema(*s))).collect();
    if services.len() == 1 { services.into_iter().next().flatten() } else { None }
}

/// Gives the service that a publication is of: its owner's, else the one that it is named after.
fn service_of(scene: &Scene<'_>, publication: &Publication) -> Option<ServiceId> {
    scene.map.of_role(publication.owner).or_else(|| {
        let name = publication.name.as_str();
        let ends = std::iter::once(name.len()).chain(name.rmatch_indices('_').map(|(at, _)| at));
        ends.into_iter().find_map(|end| crate::ident::Ident::new(&name[..end]).ok().and_then(|n| scene.map.find(&n)))
    })
}

fn publications(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for publication in &scene.facts.publications {
        let own = service_of(scene, publication).or_else(|| service_of_content(scene, publication));
        let name = crate::audit::name::shown(&publication.name);
        let mut tell = |object: String, service: Option<ServiceId>, fix: String| {
            let mut draft = Draft::new(scene, None, Object::Role(publication.owner));
            draft.principal = Some(publication.owner);
            draft.path = Path::from(scene.name(publication.owner)).then("publication", &name).using("decode", &object);
            draft.message = format!("publication {name} sends every change of {object} to whoever subscribes");
            draft.object = object;
            draft.service = service;
            draft.fix = fix;
            out.add(draft);
        };
        if publication.all_tables {
            tell("all tables".to_owned(), None, format!("drop publication {name};"));
        }
        for schema in &publication.schemas {
            let service = scene.map.of_schema(*schema);
            let shown = crate::audit::name::shown(&scene.facts.schema_row(*schema).name);
            if service != own {
                tell(format!("{shown}.*"), service, format!("alter publication {name} drop tables in schema {shown};"));
            }
        }
        for at in publication.relations.iter().filter_map(|oid| scene.facts.relation(*oid)) {
            let object = Object::Relation(at as u32);
            let service = scene.service_of(object);
            if service != own {
                let label = scene.facts.label(object);
                let fix = format!("alter publication {name} drop table {label};");
                tell(label, service, fix);
            }
        }
    }
}

fn subscriptions(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (at, subscription) in (0..).zip(&scene.facts.subscriptions) {
        let mut draft = Draft::new(scene, None, Object::Subscription(at));
        draft.principal = Some(subscription.owner);
        let owner = scene.name(subscription.owner);
        let from = subscription.publications.join(", ");
        draft.path = Path::from(format!("publication {from}")).then("apply worker, as owner", &owner);
        draft.message = format!("{} writes what publication {from} sends, with the rights of {owner}", draft.object);
        let name = crate::audit::name::shown(&subscription.name);
        // without a slot nothing is asked of the publisher, which may be gone
        draft.fix = format!(
            "alter subscription {name} disable;\nalter subscription {name} set (slot_name = none);\n\
             drop subscription {name}; -- and drop its slot on the publisher"
        );
        out.add(draft);
    }
}
