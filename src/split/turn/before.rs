//! What is made ready while writes go on.

use std::time::{Duration, Instant};

use super::Options;
use crate::pg::exec;
use crate::split::ends::Ends;
use crate::split::error::Error;
use crate::split::state::{Side, Split};
use crate::split::{Between, applier, carry, fence, link, sequence};
use crate::sql;
use crate::transfer::table;

/// How often a row must arrive quickly.
const ROUND_TRIPS: usize = 3;

/// How quickly, in milliseconds.
const QUICK_MILLIS: u64 = 500;

/// How long replication may take to come that close, in seconds.
const CLOSE_SECONDS: u64 = 60;

/// How often to look whether it runs, in milliseconds.
const POLL_MILLIS: u64 = 50;

/// How long a slot may take to be made, in milliseconds.
const SLOT_MILLIS: i64 = 60_000;

/// Makes the way back ready, sets sequences ahead, and sees that replication is close behind.
pub(super) async fn prepare(
    ends: &mut Ends,
    between: &Between,
    split: &mut Split,
    to: Side,
    options: &Options,
) -> Result<(), Error> {
    let from = to.other();
    if to == Side::Target {
        carry::logins(ends, between, split).await?;
    }
    applier::settle(ends.side(to), split, from).await?;
    ends.note_roles(split).await?;
    link::begin_after_turn(ends.side(to), split, from).await?;
    runs(ends, split, to, options).await?;
    let tables = table::read(ends.side(from), &split.schema).await?;
    link::publish(ends.side(to), split, &tables).await?;
    let bound = sql!("set statement_timeout = ", SLOT_MILLIS);
    exec::batch(ends.side(to), "bound the wait for a slot", &bound).await?;
    let made = link::make_slot(ends.side(to), &split.link(to)).await;
    exec::batch(ends.side(to), "lift the bound", &sql!("set statement_timeout = 0")).await?;
    made?;

    let ahead = sequence::read(ends.side(from), &split.schema).await?;
    let there = sequence::read(ends.side(to), &split.schema).await?;
    let behind = sequence::behind(&ahead, &there, sequence::HEADROOM);
    sequence::set(ends.side(to), between.target(to), &split.schema, &behind).await?;

    let mut quick = 0;
    let started = Instant::now();
    while quick < ROUND_TRIPS {
        if options.interrupt.requested() {
            return Err(Error::Interrupted);
        }
        if started.elapsed() > Duration::from_secs(CLOSE_SECONDS) {
            let stopped = link::following(ends.side(to), &split.link(from)).await?.errors;
            let why = format!(
                "a row takes more than {QUICK_MILLIS} ms to arrive; the subscription has stopped {stopped} times, and the server log of the {} says why",
                to.as_str()
            );
            return Err(Error::NotFollowing { follower: to.as_str(), why });
        }
        let n = fence::write(ends.side(from), &split.id).await?;
        let arrived = fence::arrival(ends.side(to), &split.id, n, Duration::from_millis(QUICK_MILLIS)).await?;
        quick = if arrived.is_some() { quick + 1 } else { 0 };
    }
    Ok(())
}

/// Waits for the subscription's worker: after an end of its own, the server lets some seconds pass before the next.
async fn runs(ends: &mut Ends, split: &Split, to: Side, options: &Options) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        let seen = link::following(ends.side(to), &split.link(to.other())).await?;
        let not = |why: &str| Err(Error::NotFollowing { follower: to.as_str(), why: why.to_owned() });
        if let Some(why) = link::lag(ends.side(to.other()), &split.link(to.other())).await?.broken(to.other()) {
            return not(&why);
        }
        if !seen.there {
            return not("it has no subscription; split start mends it");
        }
        if !seen.enabled {
            link::enable(ends.side(to), &split.link(to.other())).await?;
        }
        if seen.running {
            return Ok(());
        }
        if options.interrupt.requested() {
            return Err(Error::Interrupted);
        }
        if started.elapsed() > Duration::from_secs(CLOSE_SECONDS) {
            return not("its subscription's worker does not run; its server log says why");
        }
        tokio::time::sleep(Duration::from_millis(POLL_MILLIS)).await;
    }
}
