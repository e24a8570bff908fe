//! Takes a split back: nothing of it stays on either side.

use super::Between;
use super::copy;
use super::ends::Ends;
use super::error::Error;
use super::failpoint::{self, Failpoint};
use super::finish;
use super::settle::{self, Settled};
use super::state::{Phase, Side, Split, Unequal};
use super::turn::recover;
use super::{applier, drop_schema, link, start, write_block};
use crate::event::Listener;
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::manifest::service::Project;
use crate::pg::exec;
use crate::registry;
use crate::sql;
use crate::sql::{Comma, Sql};
use crate::transfer::table;

/// How to take a split back.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// The manifests, if there are any.
    pub project: Option<&'a Project>,
    /// Whether the target's rows may go although the source may not have them.
    pub discard_differing: bool,
    /// A request to stop; the side that had the writes is opened again before one ends the process.
    pub interrupt: Option<&'a Interrupt>,
}

/// Refuses where the target may hold the only copy of rows.
pub(super) fn may_discard(split: &Split) -> Result<(), Error> {
    let service = split.service.clone();
    match split.doubt() {
        None | Some(Unequal::AtCutover { .. }) => Ok(()),
        Some(Unequal::AfterRollback { tables }) => Err(Error::DiscardsDiffering { service, tables }),
        Some(Unequal::NotCompared) => Err(Error::DiscardsUncompared { service }),
    }
}

/// Removes everything that the split has made, from any phase in which the source has the writes.
///
/// # Errors
/// The target has the writes or may hold the only copy of rows, or a server refused something: run again, it goes on.
pub async fn abort(between: &Between, options: Options<'_>, listener: Listener<'_>) -> Result<Split, Error> {
    let project = options.project;
    let mut ends = Ends::open(between).await?;
    let mut split = ends.drive(between, listener).await?;
    if settle::settle(&split) == Settled::Reopen {
        let _act = options.interrupt.map(Interrupt::hold);
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
        if !options.discard_differing {
            may_discard(&split)?;
        }
        split.phase = Phase::Aborted;
        ends.write(&mut split).await?;
        failpoint::reach(Failpoint::AbortRecorded);
    }
    copy::discard(&mut ends, &split).await?;
    failpoint::reach(Failpoint::AbortDiscarded);
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
    applier::unsubscribe(&mut ends.source, &split, Side::Target).await?;
    for side in [Side::Source, Side::Target] {
        link::unpublish(ends.side(side), &split, side).await?;
        registry::split::remove_fence(ends.side(side), &split.id).await?;
    }
    let tables = table::read(&mut ends.source, &split.schema).await?;
    write_block::remove(&mut ends.source, &split, &tables).await?;
    if !split.made_extensions.is_empty() {
        let drop = sql!("drop extension if exists ", names(&split.made_extensions));
        exec::batch(&mut ends.target, "remove extensions", &drop).await?;
    }
    drop_schema::drop_roles(&mut ends.target, &split, &split.made_roles).await?;
    failpoint::reach(Failpoint::AbortRemoved);
    // The source's row is what a second abort goes on from.
    registry::split::forget(&mut ends.target, &split.service).await?;
    registry::split::forget(&mut ends.source, &split.service).await?;
    Ok(split)
}

fn names(names: &[Ident]) -> Sql {
    sql!(Comma(names.iter()))
}
