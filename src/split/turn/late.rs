//! The comparison that a change of sides still owes, since it was cut off: made at a point of its own, at which both sides
//! are the same again.
//!
//! ```text
//! writers stopped ─▶ the fence's row arrives on the side that follows ─▶ snapshots of both ─▶ writers go on ─▶ compared
//! ```
//!
//! Nothing changes sides. A row that was missing or other at the cutover is so still, unless somebody has written it since;
//! then both sides have what was written.

use std::time::{Duration, Instant};

use super::pause::{self, Lines, Look};
use super::{LOCK_SECONDS, Options, PAUSES_MILLIS, SILENCE_MILLIS, compared, release, way};
use crate::event::{Event, Listener};
use crate::split::ends::Ends;
use crate::split::error::Error;
use crate::split::state::Split;
use crate::split::{Between, compare, definitions};
use crate::transfer::readers::Readers;
use crate::transfer::snapshot::Locks;

/// Compares all rows, writes down whether they are the same, and gives the tables that differ.
pub(super) async fn compare(
    ends: &mut Ends,
    between: &Between,
    split: &mut Split,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Vec<String>, Error> {
    listener(Event::Note { message: "comparing the rows of both sides".to_owned() });
    let written = split.writable;
    // The poolers' clients go on: they wait for a lock at most.
    let quiet = Options { poolers: Vec::new(), ..options.clone() };
    let mut lines = Lines::open(between, written, &quiet).await?;
    let targets = [between.target(written.other()), between.target(written)];
    let mut readers = compare::readers(targets, &split.schema, options.jobs).await?;
    let compared = often(ends, between, split, (&mut lines, &mut readers), options, listener).await;
    compare::drop_readers(readers, listener).await;
    compared
}

/// Tries until both sides were the same for a moment, with growing pauses, within the bound.
async fn often(
    ends: &mut Ends,
    between: &Between,
    split: &mut Split,
    (lines, readers): (&mut Lines, &mut [Readers; 2]),
    options: &Options,
    listener: Listener<'_>,
) -> Result<Vec<String>, Error> {
    let written = split.writable;
    let began = Instant::now();
    let mut rest = PAUSES_MILLIS.0;
    loop {
        way::clear(ends, split, written, began, options, listener).await?;
        let [other_readers, written_readers] = &mut *readers;
        let of_written = Locks::take(between.target(written), written_readers, LOCK_SECONDS).await?;
        let of_other = Locks::take(between.target(written.other()), other_readers, LOCK_SECONDS).await?;
        definitions::changed(ends, split).await?.refuse(split)?;
        let looking = pause::look(ends, lines, split, of_written.tables(), options);
        let bound = Duration::from_millis(options.max_pause_millis + SILENCE_MILLIS);
        let looked = tokio::time::timeout(bound, looking).await.map_err(|_| Error::Silent)?;
        let why = match looked? {
            Look::Frozen([one, two]) => {
                let frozen = ([two, one], [of_other, of_written]);
                let differ = compared(ends, between, split, (frozen, readers), options, listener).await?;
                split.compared(&differ, false);
                ends.write(split).await?;
                return Ok(differ);
            }
            Look::Again(why) => why,
        };
        release(readers).await?;
        if options.interrupt.requested() {
            return Err(Error::Interrupted);
        }
        if began.elapsed() > Duration::from_secs(options.wait_seconds) {
            return Err(Error::NotFenced { service: split.service.clone(), why });
        }
        listener(Event::Note { message: format!("the next try is in {rest} ms: {why}") });
        tokio::time::sleep(Duration::from_millis(rest)).await;
        rest = (rest * 2).min(PAUSES_MILLIS.1);
    }
}
