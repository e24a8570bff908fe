//! Tells whether a service can move: what is in the way, what it costs to take it out of the way, how much there is.
//!
//! Both sides are only read, each in one snapshot and a fixed number of queries.

pub mod facts;
mod judge;
pub(super) mod read;
pub mod readiness;

pub use judge::judge;

use super::bridge::Bridge;
use super::bridge::contract::Direction;
use super::state::Phase;
use super::{Between, Error};
use crate::ident::Ident;
use crate::manifest::service::Project;
use crate::model::naming::Slot;
use crate::transfer::pg_dump::{PgDump, VARIABLE};
use readiness::{Allowed, Item, Readiness};

/// What somebody else knows of the service, and has decided.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The kinds of blockers that are allowed.
    pub allowed: Allowed,
    /// What only the texts of functions and settings say of other schemas, and whether it blocks.
    pub texts: Vec<(bool, Item)>,
}

/// Looks at both sides and judges; writes nothing. `start` refuses what this names, and nothing else.
///
/// # Errors
/// A side could not be reached or read, or there is no such schema.
pub async fn check(between: &Between, project: Option<&Project>, known: &Known) -> Result<Readiness, Error> {
    let mut facts = read::read(between).await?;
    facts.others = project.map(|project| others(project, &between.service)).unwrap_or_default();
    let bridges = bridges(between, project).await?;
    let leads = |direction| bridges.iter().any(|bridge| bridge.direction() == direction);
    facts.bridged = [leads(Direction::Exposed), leads(Direction::Consumed)];
    // Once the copy is done, the target has the definitions, and start makes none there any more.
    let to_make = [Phase::Prepared, Phase::Copying, Phase::Aborted].map(Phase::as_str);
    if facts.phase.as_deref().is_some_and(|phase| !to_make.contains(&phase)) {
        facts.superuser_owners.clear();
    }
    let mut readiness = judge(&between.service, &between.schema, &facts, &known.allowed);
    let mut add = |blocks, item| readiness.add(blocks, item, &known.allowed);
    let needs_dump = facts.phase.is_none() && facts.source.major() > 0;
    if let (true, Err(error)) = (needs_dump, PgDump::find(facts.source.major()).await) {
        let fix = format!("install the client programs of that version, or set {VARIABLE} to their folder");
        add(true, Item::new("pg-dump", "this machine", error.to_string(), fix, None));
    }
    for message in bridges.iter().flat_map(Bridge::refusals) {
        let object = message.split(' ').next().unwrap_or_default().to_owned();
        let fix = "let start and finish leave it out: --leave-out, or finish with --bridge none".to_owned();
        let cost = Some("a change to the consumers".to_owned());
        add(false, Item::new("bridge", &object, message, fix, cost));
    }
    known.texts.iter().for_each(|(blocks, item)| add(*blocks, item.clone()));
    Ok(readiness)
}

/// Names the roles and logins of the other services of the manifests.
fn others(project: &Project, service: &str) -> Vec<Ident> {
    let naming = &project.naming;
    let all = project.services.values().chain(project.described.values()).chain(project.elsewhere.values());
    let others = all.filter(|other| other.name.as_str() != service);
    others
        .flat_map(|other| {
            let name = other.name.as_str();
            let logins = other
                .credentials
                .keys()
                .flat_map(move |credential| Slot::BOTH.map(|slot| naming.login(name, credential, slot)));
            [naming.owner(name), naming.writer(name), naming.reader(name)].into_iter().chain(logins).flatten()
        })
        .collect()
}

/// Gives the bridges that the split needs, as far as manifests know of any.
async fn bridges(between: &Between, project: Option<&Project>) -> Result<Vec<Bridge>, Error> {
    let service = project.and_then(|project| Some((project, project.services.get(between.service.as_str())?)));
    let Some((project, service)) = service else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for direction in [Direction::Exposed, Direction::Consumed] {
        let bridge = Bridge::read(between, project, service, direction).await?;
        all.extend(Some(bridge).filter(|bridge| !bridge.is_empty()));
    }
    Ok(all)
}
