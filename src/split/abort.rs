//! Takes a split back: nothing of it stays on either side.

use super::Between;
use super::copy;
use super::ends::Ends;
use super::error::Error;
use super::finish;
use super::settle::{self, Settled};
use super::state::{Phase, Side, Split};
use super::turn::recover;
use super::{gate, link, start};
use crate::event::Listener;
use crate::ident::Ident;
use crate::manifest::service::Project;
use crate::pg::exec;
use crate::registry;
use crate::sql;
use crate::sql::{Comma, Sql};
use crate::transfer::table;

/// Removes everything that the split has made, from any phase in which the source has the writes.
///
/// # Errors
/// The target has the writes, or a server refused something: run again, it goes on.
pub async fn abort(between: &Between, project: Option<&Project>, listener: Listener<'_>) -> Result<Split, Error> {
    let mut ends = Ends::open(between).await?;
    let mut split = ends.drive(between, listener).await?;
    if settle::settle(&split) == Settled::Reopen {
        recover::reopen(&mut ends, &mut split).await?;
    }
    if split.writable == Side::Target || split.phase == Phase::Finished {
        let why = match split.phase {
            Phase::Finished => "nothing of it is left to be taken back, and the target has the writes",
            _ => "the target has the writes; split rollback brings them back first",
        };
        let why = why.to_owned();
        return Err(Error::WrongPhase { service: split.service, phase: split.phase.as_str(), why });
    }
    if split.phase != Phase::Aborted {
        split.phase = Phase::Aborted;
        ends.write(&mut split).await?;
    }
    copy::discard(&mut ends, &split).await?;
    if let Some(bridge) = start::consumed(between, project).await? {
        bridge.remove().await?;
    }
    if let Some(caller) = split.caller.clone() {
        // Of a finish that was cut off, before a rollback.
        match finish::exposed(between, project).await? {
            Some(bridge) => bridge.remove().await?,
            None => link::drop_roles(&mut ends.target, &[caller]).await?,
        }
    }
    link::unsubscribe(&mut ends.source, &split.link(Side::Target)).await?;
    for side in [Side::Source, Side::Target] {
        link::unpublish(ends.side(side), &split, side).await?;
        registry::split::remove_fence(ends.side(side), &split.id).await?;
    }
    let tables = table::read(&mut ends.source, &split.schema).await?;
    gate::remove(&mut ends.source, &split, &tables).await?;
    if !split.made_extensions.is_empty() {
        let drop = sql!("drop extension if exists ", names(&split.made_extensions));
        exec::batch(&mut ends.target, "remove extensions", &drop).await?;
    }
    link::drop_roles(&mut ends.target, &split.made_roles).await?;
    // The source's row is what a second abort goes on from.
    registry::split::forget(&mut ends.target, &split.service).await?;
    registry::split::forget(&mut ends.source, &split.service).await?;
    Ok(split)
}

fn names(names: &[Ident]) -> Sql {
    sql!(Comma(names.iter()))
}
