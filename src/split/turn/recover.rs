//! What a change of sides that was cut off needs first: back where nothing was opened, forward where it was.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;

use super::pause::Lines;
use super::{Options, after};
use crate::event::{Event, Listener};
use crate::pg::exec;
use crate::split::ends::{self, Ends};
use crate::split::error::Error;
use crate::split::settle::{self, Settled};
use crate::split::state::{Phase, Side, Split, Step};
use crate::split::{Between, write_block};
use crate::sql;
use crate::transfer::table::{self, Table};

/// How long to try to reach both sides again, in seconds.
const REACH_SECONDS: u64 = 60;

/// How long between two tries, in milliseconds.
const REACH_PAUSE_MILLIS: u64 = 500;

/// How long a try to open the old side again waits for a lock, in milliseconds; writers wait behind it.
const REOPEN_LOCK_MILLIS: i64 = 250;

/// Settles what an earlier run has left; gives the split if there was anything.
pub(super) async fn first(
    ends: &mut Ends,
    between: &Between,
    mut split: Split,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Option<Split>, Error> {
    // Writes may stand still until this is done.
    let _act = options.interrupt.hold();
    match settle::settle(&split) {
        Settled::Steady => Ok(None),
        Settled::Reopen => {
            reopen(ends, &mut split).await?;
            Lines::open(between, split.writable, options).await?.resume().await?;
            let message =
                format!("an earlier change of sides was cut off; the {} is open again", split.writable.as_str());
            listener(Event::Note { message });
            Ok(Some(split))
        }
        Settled::Forward(step) => {
            let message = format!("going on: the {} is open already", split.writable.as_str());
            listener(Event::Note { message });
            let to = split.writable;
            if step < Step::Routed {
                let mut lines = Lines::open(between, to.other(), options).await?;
                after::route(between, &mut lines, &mut split, options, None).await?;
            }
            after::turn_round(ends, between, &mut split, to).await?;
            Ok(Some(split))
        }
    }
}

/// Settles what this very run has left, with connections of its own; gives the split if it went forward.
pub(super) async fn after_failure(
    between: &Between,
    was: Phase,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Option<Split>, Error> {
    let started = Instant::now();
    let _act = options.interrupt.hold();
    loop {
        let settled = settle_now(between, was, options, listener).await;
        let Err(error) = settled else { return settled };
        if started.elapsed() > Duration::from_secs(REACH_SECONDS) || matches!(error, Error::Route(_)) {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(REACH_PAUSE_MILLIS)).await;
    }
}

async fn settle_now(
    between: &Between,
    was: Phase,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Option<Split>, Error> {
    let mut ends = Ends::open(between).await?;
    let split = ends.drive(between, listener).await?;
    let forward = matches!(settle::settle(&split), Settled::Forward(_));
    if settle::settle(&split) == Settled::Steady && split.phase == was {
        Lines::open(between, split.writable, options).await?.resume().await?;
        return Ok(None);
    }
    let settled = first(&mut ends, between, split, options, listener).await?;
    Ok(settled.filter(|_| forward))
}

/// Opens the side again that had the writes.
///
/// First the other side gets a newer record: what an ended process had sent to open it finds that and fails.
pub(in crate::split) async fn reopen(ends: &mut Ends, split: &mut Split) -> Result<(), Error> {
    let turn = split.turn.as_mut().expect("a change of sides was under way");
    let (to, from) = (turn.to, turn.to.other());
    turn.step = Step::Fencing;
    (split.phase, split.writable) = (Phase::Fenced, from);
    split.revision += 1;
    ends::put(ends.side(to), split, to).await?;

    let tables = table::read(ends.side(from), &split.schema).await?;
    split.turn = None;
    split.phase = if from == Side::Source { Phase::Ready } else { Phase::Reversed };
    split.revision += 1;
    let started = Instant::now();
    while let Err(error) = open_again(ends.side(from), split, from, &tables).await {
        let in_the_way = matches!(&error, Error::Server(e) if matches!(e.sqlstate(), Some("55P03" | "40P01")));
        if !in_the_way || started.elapsed() > Duration::from_secs(REACH_SECONDS) {
            return Err(error);
        }
        exec::batch(ends.side(from), "begin again", &sql!("rollback")).await?;
        tokio::time::sleep(Duration::from_millis(REACH_PAUSE_MILLIS)).await;
    }
    ends.write(split).await
}

/// Opens a side, with its record, if it was closed at all: where it was not, writers are at work, and a lock would be in
/// their way.
async fn open_again(old: &mut PgConnection, split: &Split, from: Side, tables: &[Table]) -> Result<(), Error> {
    let begin = sql!("begin; set local lock_timeout = ", REOPEN_LOCK_MILLIS);
    exec::batch(old, "open the old side again", &begin).await?;
    // An ended process may just be closing the side: its record is locked until that is decided.
    ends::put(old, split, from).await?;
    let mut open = sql!("commit");
    if !write_block::open(old, split).await? {
        open = sql!(write_block::set(split, tables, false), open);
    }
    Ok(exec::batch(old, "open the old side again", &open).await?)
}
