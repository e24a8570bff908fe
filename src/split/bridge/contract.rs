//! Which contracts a split cuts.

use crate::ident::Ident;
use crate::manifest::home::Home;
use crate::manifest::service::{ContractKind, Exposed, Project, Service};
use crate::model::privilege::Privileges;

/// Which way a bridge leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// What the service exposes is kept in the shared database.
    Exposed,
    /// What it consumes is brought to its own.
    Consumed,
}

/// One contract that is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// Who exposes it.
    pub provider: Ident,
    /// The schema that it is in, on both sides.
    pub schema: Ident,
    /// Its name.
    pub name: Ident,
    /// `schema.name`, with a function's types.
    pub label: String,
    /// What it is.
    pub kind: ContractKind,
    /// What the consumers may do with it.
    pub privileges: Privileges,
    /// The consumers' readers, and the logins with which consumers that have moved themselves come; some may not be there.
    pub readers: Vec<Ident>,
}

/// Lists what the move of a service cuts, in the manifests' order.
#[must_use]
pub fn crossings(project: &Project, moved: &Service, direction: Direction) -> Vec<Crossing> {
    let all = || project.services.values().chain(project.elsewhere.values());
    let stays = |other: &&Service| {
        let together = moved.home() != Home::Shared && other.home() == moved.home();
        other.name != moved.name && !together
    };
    let crossing = |provider: &Service, exposed: &Exposed, consumers: Vec<&Service>| {
        let mut readers = Vec::new();
        for consumer in consumers {
            let name = consumer.name.as_str();
            readers.extend(project.naming.reader(name));
            if direction == Direction::Exposed {
                readers.extend(project.naming.caller(name));
            }
        }
        (!readers.is_empty()).then(|| Crossing {
            provider: provider.name.clone(),
            schema: provider.schema.clone(),
            name: exposed.name.clone(),
            label: exposed.label(&provider.schema),
            kind: exposed.kind,
            privileges: exposed.privileges,
            readers,
        })
    };
    match direction {
        Direction::Exposed => {
            let one = |exposed: &Exposed| {
                let consumers = all().filter(stays).filter(|other| exposed.to.contains(&other.name)).collect();
                crossing(moved, exposed, consumers)
            };
            moved.exposes.iter().filter_map(one).collect()
        }
        Direction::Consumed => {
            let of = |provider: &Service| -> Vec<Crossing> {
                let to_it = provider.exposes.iter().filter(|exposed| exposed.to.contains(&moved.name));
                to_it.filter_map(|exposed| crossing(provider, exposed, vec![moved])).collect()
            };
            all().filter(stays).flat_map(of).collect()
        }
    }
}
