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
use crate::manifest::service::Project;
use crate::transfer::pg_dump::{PgDump, VARIABLE};
use readiness::{Item, Readiness};

/// Looks at both sides and judges; writes nothing. What `start` would allow is allowed here with the same option.
///
/// # Errors
/// A side could not be reached or read, or there is no such schema.
pub async fn check(between: &Between, project: Option<&Project>, superuser_objects: bool) -> Result<Readiness, Error> {
    let mut facts = read::read(between).await?;
    let bridges = bridges(between, project).await?;
    let leads = |direction| bridges.iter().any(|bridge| bridge.direction() == direction);
    facts.bridged = [leads(Direction::Exposed), leads(Direction::Consumed)];
    // Once the copy is done, the target has the definitions, and start makes none there any more.
    let to_make = [Phase::Prepared, Phase::Copying, Phase::Aborted].map(Phase::as_str);
    let made = facts.phase.as_deref().is_some_and(|phase| !to_make.contains(&phase));
    let mut readiness = judge(&between.service, &between.schema, &facts, superuser_objects || made);
    let needs_dump = facts.phase.is_none() && facts.source.major() > 0;
    if let (true, Err(error)) = (needs_dump, PgDump::find(facts.source.major()).await) {
        let fix = format!("install the client programs of that version, or set {VARIABLE} to their folder");
        let (kind, object) = ("pg-dump".to_owned(), "this machine".to_owned());
        readiness.add(true, Item { kind, object, message: error.to_string(), fix, cost: None });
    }
    for message in bridges.iter().flat_map(Bridge::refusals) {
        let object = message.split(' ').next().unwrap_or_default().to_owned();
        let fix = "let start and finish leave it out: --leave-out, or finish with --bridge none".to_owned();
        let cost = Some("a change to the consumers".to_owned());
        readiness.add(false, Item { kind: "bridge".to_owned(), object, message, fix, cost });
    }
    Ok(readiness)
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
