//! The pause itself: nothing in it waits without a bound, and everything that could be done before has been done.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use sqlx::postgres::PgConnection;

use super::order::Order;
use super::{Options, way};
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::pg::session::SessionKind;
use crate::split::ends::{self, Ends};
use crate::split::error::Error;
use crate::split::failpoint::{self, Failpoint};
use crate::split::pooler::Console;
use crate::split::state::{Phase, Side, Split, Step, Unequal};
use crate::split::{Between, compare, fence, sequence, write_block};
use crate::sql;
use crate::sql::Comma;
use crate::transfer::table::{self, Table};

/// How long a pooler may take to end its transactions before clients go on, in milliseconds.
const POOLER_MILLIS: u64 = 250;

/// How long the locks of all tables may take before writers go on, in milliseconds.
const LOCK_MILLIS: i64 = 250;

/// How soon a lock that waits for autovacuum makes it give way, in milliseconds.
const GIVE_WAY_MILLIS: i64 = 10;

/// How much longer than the longest pause the fence's session may idle before its server ends it, in milliseconds: what
/// it has locked must not stay locked when the network falls silent.
const IDLE_MILLIS: u64 = 1000;

/// The connections that the pause needs besides the two ends, open before it.
pub(super) struct Lines {
    locker: PgConnection,
    frozen: [PgConnection; 2],
    order: Order,
    pub(super) consoles: Vec<Console>,
}

/// How a try went.
pub(super) enum Attempt {
    /// The other side is open; both sides' snapshots at the fence, the old side's first.
    Opened { frozen: [(String, String); 2], started: Instant },
    /// Nothing has changed; why it did not work.
    Again(String),
}

impl Lines {
    pub(super) async fn open(between: &Between, from: Side, options: &Options) -> Result<Self, Error> {
        let old = between.target(from);
        let new = between.target(from.other());
        let mut consoles = Vec::new();
        for pooler in &options.poolers {
            consoles.push(Console::open(pooler).await?);
        }
        let mut locker = old.connect(SessionKind::Administrator, "pgcleave fence").await?;
        ends::durable(&mut locker).await?;
        let idle = i64::try_from(options.max_pause_millis + IDLE_MILLIS).unwrap_or(i64::from(i32::MAX));
        let idle = sql!("set idle_in_transaction_session_timeout = ", idle.min(i64::from(i32::MAX)));
        exec::batch(&mut locker, "bound the fence", &idle).await?;
        Ok(Self {
            locker,
            frozen: [
                old.connect(SessionKind::Administrator, "pgcleave compare").await?,
                new.connect(SessionKind::Administrator, "pgcleave compare").await?,
            ],
            order: Order::default(),
            consoles,
        })
    }

    /// Lets clients go on.
    pub(super) async fn resume(&mut self) -> Result<(), Error> {
        try_join_all(self.consoles.iter_mut().map(Console::resume)).await?;
        Ok(())
    }

    async fn pause(&mut self, bound: Duration) -> Result<bool, Error> {
        let paused = try_join_all(self.consoles.iter_mut().map(|console| console.pause(bound))).await?;
        Ok(paused.into_iter().all(|done| done))
    }

    /// Lets go of everything that the try held.
    async fn undo(&mut self) -> Result<(), Error> {
        for connection in [&mut self.locker].into_iter().chain(self.frozen.iter_mut()) {
            exec::batch(connection, "let the fence go", &sql!("rollback")).await?;
        }
        self.resume().await
    }

    /// Lets go of the new side's tables too.
    async fn undo_both(&mut self, new: &mut PgConnection) -> Result<(), Error> {
        exec::batch(new, "let the new side go", &sql!("rollback")).await?;
        self.undo().await
    }
}

/// Stops the writers, sees everything arrive, closes the old side and opens the new one.
pub(super) async fn attempt(
    ends: &mut Ends,
    lines: &mut Lines,
    split: &mut Split,
    tables: &[Table],
    to: Side,
    options: &Options,
) -> Result<Attempt, Error> {
    let from = to.other();
    lines.order.look(ends.side(from), &split.schema).await?;
    let ordered = lines.order.of(tables);
    let drained = way::holders(ends.side(from), &split.schema).await?.len();
    let started = Instant::now();
    let most = Duration::from_millis(options.max_pause_millis);
    if !lines.pause(most.min(Duration::from_millis(POOLER_MILLIS))).await? {
        lines.resume().await?;
        return Ok(Attempt::Again("the pooler still had transactions under way".to_owned()));
    }
    if let Err(error) = lock(&mut lines.locker, &ordered).await {
        lines.undo().await?;
        return in_the_way(ends, split, from, error).await;
    }
    let arrived = {
        let Ends { source, target } = ends;
        let (old, new) = if from == Side::Source { (source, target) } else { (target, source) };
        let (id, bound) = (split.id.as_str(), most.saturating_sub(started.elapsed()));
        let arriving = async {
            let n = fence::write(old, id).await?;
            fence::arrival(new, id, n, bound).await
        };
        let close = write_block::set(split, tables, true);
        let closing = async { exec::batch(&mut lines.locker, "close the old side", &close).await.map_err(Error::from) };
        let (arrived, ()) = tokio::try_join!(arriving, closing)?;
        arrived
    };
    if arrived.is_none() {
        lines.undo().await?;
        return Ok(Attempt::Again("what was written last did not arrive in time".to_owned()));
    }
    // Before the old side is closed for good: once it is, nobody may keep the new one from being opened.
    if let Err(error) = lock(ends.side(to), &ordered).await {
        lines.undo_both(ends.side(to)).await?;
        return in_the_way(ends, split, to, error).await;
    }
    let (frozen, same) = freeze(ends, lines, split, tables, from).await?;
    if !same {
        lines.undo_both(ends.side(to)).await?;
        return Ok(Attempt::Again("a table was made or dropped meanwhile".to_owned()));
    }
    if options.interrupt.requested() || started.elapsed() > most {
        lines.undo_both(ends.side(to)).await?;
        let millis = started.elapsed().as_millis();
        return Ok(Attempt::Again(format!("after {millis} ms the pause was too long, or somebody asked to stop")));
    }
    let lsn = frozen[1].1.clone();
    change(ends, lines, split, tables, to, (lsn, drained)).await?;
    Ok(Attempt::Opened { frozen, started })
}

/// How a look at both sides went.
pub(super) enum Look {
    /// Their snapshots at a moment in which they were the same, the writable side's first.
    Frozen([(String, String); 2]),
    /// Why it did not work.
    Again(String),
}

/// Stops the writers until both sides have the same rows, takes a snapshot of each, and lets them go on.
pub(super) async fn look(
    ends: &mut Ends,
    lines: &mut Lines,
    split: &Split,
    tables: &[Table],
    options: &Options,
) -> Result<Look, Error> {
    let written = split.writable;
    lines.order.look(ends.side(written), &split.schema).await?;
    let ordered = lines.order.of(tables);
    let started = Instant::now();
    if let Err(error) = lock(&mut lines.locker, &ordered).await {
        lines.undo().await?;
        return Ok(Look::Again(held(ends, split, written, error).await?));
    }
    let n = fence::write(ends.side(written), &split.id).await?;
    let bound = Duration::from_millis(options.max_pause_millis).saturating_sub(started.elapsed());
    if fence::arrival(ends.side(written.other()), &split.id, n, bound).await?.is_none() {
        lines.undo().await?;
        return Ok(Look::Again("what was written last did not arrive in time".to_owned()));
    }
    let (frozen, same) = freeze(ends, lines, split, tables, written).await?;
    if !same {
        lines.undo().await?;
        return Ok(Look::Again("a table was made or dropped meanwhile".to_owned()));
    }
    exec::batch(&mut lines.locker, "let the writers go on", &sql!("rollback")).await?;
    Ok(Look::Frozen(frozen))
}

/// Takes a snapshot of each side at the fence, and sets the new side's sequences level at least; tells besides whether the
/// old side has no other tables than those that are locked.
async fn freeze(
    ends: &mut Ends,
    lines: &mut Lines,
    split: &Split,
    tables: &[Table],
    from: Side,
) -> Result<([(String, String); 2], bool), Error> {
    let Ends { source, target } = ends;
    let (old, new) = if from == Side::Source { (source, target) } else { (target, source) };
    let [one, two] = &mut lines.frozen;
    let read = async {
        let ahead = sequence::read(&mut *old, &split.schema).await?;
        Ok((ahead, table::names(old, &split.schema).await?))
    };
    let (one, two, (ahead, names), there) =
        tokio::try_join!(compare::freeze(one), compare::freeze(two), read, sequence::read(&mut *new, &split.schema))?;
    sequence::set_in_pause(new, &split.schema, &sequence::behind(&ahead, &there, 0)).await?;
    Ok(([one, two], names.iter().eq(tables.iter().map(|table| &table.name.name))))
}

async fn in_the_way(ends: &mut Ends, split: &Split, side: Side, error: PgError) -> Result<Attempt, Error> {
    Ok(Attempt::Again(held(ends, split, side, error).await?))
}

/// Tells who kept the tables of a side from being locked.
async fn held(ends: &mut Ends, split: &Split, side: Side, error: PgError) -> Result<String, Error> {
    if !matches!(error.sqlstate(), Some("55P03" | "57014" | "40P01")) {
        return Err(error.into());
    }
    let holders = way::holders(ends.side(side), &split.schema).await?;
    let who: Vec<_> = holders.into_iter().map(|holder| holder.who).collect();
    Ok(format!("the {}'s tables were locked by {}", side.as_str(), who.join(", ")))
}

/// Closes the old side for good, then opens the new one; each with its record, in one transaction.
async fn change(
    ends: &mut Ends,
    lines: &mut Lines,
    split: &mut Split,
    tables: &[Table],
    to: Side,
    (lsn, drained): (String, usize),
) -> Result<(), Error> {
    let turn = split.turn.as_mut().expect("it was set before the fence");
    (turn.step, turn.lsn) = (Step::Closed, Some(lsn));
    turn.transactions_drained = Some(u64::try_from(drained).unwrap_or(0));
    split.revision += 1;
    ends::put(&mut lines.locker, split, to.other()).await?;
    exec::batch(&mut lines.locker, "close the old side for good", &sql!("commit")).await?;
    failpoint::reach(Failpoint::TurnClosed);

    let turn = split.turn.as_mut().expect("it was set before the fence");
    turn.step = Step::Opened;
    if to == Side::Source && split.unequal.is_none() {
        // The target has taken writes of its own: until all rows are compared, it may be the only place of some.
        split.unequal = Some(Unequal::NotCompared);
    }
    (split.phase, split.writable) = (Phase::Switched, to);
    split.revision += 1;
    // Its tables are locked already.
    let new = ends.side(to);
    ends::put(new, split, to).await?;
    let open = sql!(write_block::set(split, tables, false), "commit");
    exec::batch(new, "open the new side", &open).await?;
    failpoint::reach(Failpoint::TurnOpened);
    Ok(())
}

/// Locks all tables against writers; readers go on.
async fn lock(locker: &mut PgConnection, tables: &[&Table]) -> Result<(), PgError> {
    let mut lock = sql!("begin; set local deadlock_timeout = ", GIVE_WAY_MILLIS);
    lock.push(&sql!("; set local lock_timeout = ", LOCK_MILLIS, "; set local statement_timeout = ", LOCK_MILLIS));
    if !tables.is_empty() {
        let names = tables.iter().map(|t| sql!("only ", t.name.sql())).collect::<Vec<_>>();
        lock.push(&sql!("; lock table ", Comma(names.iter()), " in share row exclusive mode"));
    }
    lock.push(&sql!("; set local statement_timeout = 0"));
    exec::batch(locker, "stop the writers", &lock).await
}
