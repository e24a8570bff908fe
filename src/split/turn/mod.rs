//! A change of sides: cutover, and rollback, which is the same the other way round.
//!
//! ```text
//! before   the way back made ready, sequences ahead, replication close behind
//! pause    pooler and tables stopped ─▶ the fence's row arrives ─▶ snapshots ─▶ old side closed ─▶ new side opened ─▶ route
//! after    replication turned round from the recorded point, both snapshots compared
//! ```
//!
//! The order *old side closed, new side opened, route* is the only one that leaves no two writable sides after a crash.

mod after;
mod before;
mod late;
mod order;
mod pause;
pub(super) mod recover;
mod views;
mod way;

use std::time::{Duration, Instant};

use super::Between;
use super::compare::{self, Frozen};
use super::definitions;
use super::ends::Ends;
use super::error::Error;
use super::failpoint::{self, Failpoint};
use super::pooler::Pooler;
use super::state::{Phase, Side, Split, Step, Turn, Unequal};
use super::write_block;
use crate::event::{Event, Listener};
use crate::interrupt::{Hold, Interrupt};
use crate::transfer::control::Control;
use crate::transfer::readers::Readers;
use crate::transfer::snapshot::Locks;
use crate::transfer::table;
use pause::{Attempt, Lines};

/// The first and the longest pause between two tries, in milliseconds.
const PAUSES_MILLIS: (u64, u64) = (200, 5000);

/// How long tables may stay locked before the comparison, in seconds.
const LOCK_SECONDS: u64 = 10;

/// How much longer than the longest pause a try may take before the way to a server counts as broken, in milliseconds.
const SILENCE_MILLIS: u64 = 2000;

/// How long writers may stand still for a comparison outside a change of sides, in milliseconds.
const COMPARE_PAUSE_MILLIS: u64 = 2000;

/// How long such a comparison waits for other transactions, in seconds.
const COMPARE_WAIT_SECONDS: u64 = 120;

/// How many connections compare at once then, on each side.
const COMPARE_JOBS: usize = 2;

/// How to change sides.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long writes may stand still before everything is put back, in milliseconds.
    pub max_pause_millis: u64,
    /// How long to go on trying while other transactions are in the way, in seconds.
    pub wait_seconds: u64,
    /// The poolers in between.
    pub poolers: Vec<Pooler>,
    /// A command to run when the other side is open.
    pub command: Option<String>,
    /// How long that may take, in seconds.
    pub command_seconds: u64,
    /// How many connections compare at once, on each side.
    pub jobs: usize,
    /// Whether the materialized views that are filled are refreshed at the end.
    pub refresh: bool,
    /// A request to stop, obeyed until the old side is closed.
    pub interrupt: Interrupt,
}

/// Sends the writes to the target.
///
/// # Errors
/// The split is not ready, writers could not be stopped (everything is as it was), or the two sides differed (the writes
/// have gone back).
pub async fn cutover(between: &Between, options: &Options, listener: Listener<'_>) -> Result<Split, Error> {
    let (split, differ) = turn(between, Side::Target, true, options, listener).await?;
    if differ.is_empty() {
        views::settle(between, &split, options.refresh, listener).await;
        return Ok(split);
    }
    let message = format!("rows differ at the fence in {}: the writes go back", differ.join(", "));
    listener(Event::Warning { message });
    let (split, _) = turn(between, Side::Source, false, options, listener).await?;
    Err(differs(split, differ))
}

/// Says what differing rows mean, by what the record knows of them.
fn differs(split: Split, tables: Vec<String>) -> Error {
    match split.unequal {
        Some(Unequal::AtCutover { .. }) => Error::Differs { tables },
        _ => Error::DiffersRollback { service: split.service, tables },
    }
}

/// Sends the writes back to the source, with everything that was written since.
///
/// # Errors
/// As [`cutover`]; where the two sides differ, the writes stay on the source.
pub async fn rollback(between: &Between, options: &Options, listener: Listener<'_>) -> Result<Split, Error> {
    let (split, differ) = turn(between, Side::Source, true, options, listener).await?;
    if !differ.is_empty() {
        return Err(differs(split, differ));
    }
    views::settle(between, &split, options.refresh, listener).await;
    Ok(split)
}

/// Compares all rows of both sides at a point of its own, and gives the tables that differ; nothing changes sides.
///
/// # Errors
/// Writers could not be stopped for the moment that it takes, or a server refused something.
pub(super) async fn compare_now(
    ends: &mut Ends,
    between: &Between,
    split: &mut Split,
    listener: Listener<'_>,
) -> Result<Vec<String>, Error> {
    let options = Options {
        max_pause_millis: COMPARE_PAUSE_MILLIS,
        wait_seconds: COMPARE_WAIT_SECONDS,
        poolers: Vec::new(),
        command: None,
        command_seconds: 0,
        jobs: COMPARE_JOBS,
        refresh: false,
        interrupt: Interrupt::default(),
    };
    late::compare(ends, between, split, &options, listener).await
}

/// Changes sides, unless that is done already; gives the tables that differed at the fence.
async fn turn(
    between: &Between,
    to: Side,
    compare: bool,
    options: &Options,
    listener: Listener<'_>,
) -> Result<(Split, Vec<String>), Error> {
    let mut ends = Ends::open(between).await?;
    let split = ends.drive(between, listener).await?;
    if let Some(split) = recover::first(&mut ends, between, split, options, listener).await? {
        return turned(ends, between, split, to, compare, options, listener).await;
    }
    let split = ends.split(between).await?;
    turned(ends, between, split, to, compare, options, listener).await
}

async fn turned(
    mut ends: Ends,
    between: &Between,
    mut split: Split,
    to: Side,
    compare: bool,
    options: &Options,
    listener: Listener<'_>,
) -> Result<(Split, Vec<String>), Error> {
    let from = to.other();
    if to == Side::Target && split.phase == Phase::Reversed && split.turn.is_none() {
        // A rollback that was killed in its pause has left nothing of the cutover's record: its rows are compared anew.
        split.turn = Some(Turn { step: Step::Turned, ..Turn::begin(to) });
    }
    let there = split.turn.as_ref().is_some_and(|turn| turn.to == to && turn.step == Step::Turned);
    if there && split.writable == to && matches!(split.phase, Phase::Ready | Phase::Reversed) {
        reroute(&mut ends, between, &mut split, options).await?;
        let differ = owed(&mut ends, between, &mut split, compare, options, listener).await?;
        return Ok((split, differ));
    }
    let ready = match to {
        Side::Target => matches!(split.phase, Phase::Ready | Phase::CatchingUp),
        Side::Source => split.phase == Phase::Reversed,
    };
    if !ready {
        let why = match (to, split.phase) {
            (_, Phase::Finished) => "the target has the writes, and nothing follows it any more",
            (Side::Target, _) => "only a split that is ready can be cut over: split start sees to it",
            (Side::Source, _) => "only one that was cut over can be rolled back",
        };
        let (service, phase) = (split.service, split.phase.as_str());
        return Err(Error::WrongPhase { service, phase, why: why.to_owned() });
    }
    write_block::restore(&mut ends, &mut split, listener).await?;
    definitions::changed(&mut ends, &split).await?.refuse(&split)?;
    if compare && to == Side::Source && matches!(split.unequal, Some(Unequal::AtCutover { .. })) {
        // The cutover that found it was cut off before it could go back: the target has been in use since.
        split.unequal = Some(Unequal::NotCompared);
        ends.write(&mut split).await?;
    }
    let was = split.phase;
    before::prepare(&mut ends, between, &mut split, to, options).await?;
    // Before the pause: in it, nobody makes logins.
    let targets = [between.target(from), between.target(to)];
    let mut readers = compare::readers(targets, &split.schema, options.jobs).await?;
    let changed = change(ends, between, (split, was), to, compare, &mut readers, options, listener).await;
    compare::drop_readers(readers, listener).await;
    changed
}

/// Changes sides for good, or leaves everything as it was.
#[expect(clippy::too_many_arguments, reason = "what a change of sides works with")]
async fn change(
    mut ends: Ends,
    between: &Between,
    (mut split, was): (Split, Phase),
    to: Side,
    compare: bool,
    readers: &mut [Readers; 2],
    options: &Options,
    listener: Listener<'_>,
) -> Result<(Split, Vec<String>), Error> {
    let mut lines = Lines::open(between, to.other(), options).await?;
    for console in &mut lines.consoles {
        console.rehearse(&split.id).await?;
    }
    // From the first try's pause until writes go on and replication has turned round, a second signal changes nothing.
    let mut act = None;
    let done = try_often((&mut ends, &mut lines, readers), between, &mut split, to, &mut act, options, listener).await;
    let fenced = match done {
        Ok(fenced) => fenced,
        Err(error) => {
            drop((ends, lines));
            return broken(error, between, was, compare, options, listener).await;
        }
    };
    let Fenced { frozen, locks, unrouted } = fenced;
    let rest = async {
        let turned = after::turn_round(&mut ends, between, &mut split, to).await;
        drop(act);
        turned?;
        if compare {
            let differ = compared(&mut ends, between, &split, ((frozen, locks), readers), options, listener).await?;
            split.compared(&differ, true);
            ends.write(&mut split).await?;
            Ok(differ)
        } else {
            // They went back since they differed.
            split.turn.as_mut().expect("a change of sides is under way").equal = Some(false);
            ends.write(&mut split).await?;
            Ok(Vec::new())
        }
    }
    .await;
    // What is known of the rows is known whether clients could be sent over or not; they are sent by the next run.
    match (rest, unrouted) {
        (Ok(differ), Some(error)) if differ.is_empty() => Err(error),
        (rest, unrouted) => {
            unrouted.iter().for_each(|error| listener(Event::Warning { message: error.to_string() }));
            rest.map(|differ| (split, differ))
        }
    }
}

/// Settles what a change of sides has left that broke off.
async fn broken(
    error: Error,
    between: &Between,
    was: Phase,
    compare: bool,
    options: &Options,
    listener: Listener<'_>,
) -> Result<(Split, Vec<String>), Error> {
    match recover::after_failure(between, was, options, listener).await {
        // The other side had been opened before the connection broke.
        Ok(Some(_)) => {
            let mut ends = Ends::open(between).await?;
            let mut split = ends.drive(between, listener).await?;
            let differ = owed(&mut ends, between, &mut split, compare, options, listener).await?;
            Ok((split, differ))
        }
        Ok(None) => Err(error),
        Err(worse) => {
            listener(Event::Warning { message: error.to_string() });
            Err(worse)
        }
    }
}

/// Compares the rows now, if the last change of sides has not found them to be the same; gives the tables that differ.
async fn owed(
    ends: &mut Ends,
    between: &Between,
    split: &mut Split,
    compare: bool,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Vec<String>, Error> {
    let known = split.turn.as_ref().is_some_and(|turn| turn.equal == Some(true));
    if !compare || known {
        return Ok(Vec::new());
    }
    late::compare(ends, between, split, options, listener).await
}

/// Both sides' snapshots at the fence, the old side's first, and the locks under them.
type AtFence = ([(String, String); 2], [Locks; 2]);

/// Lets the tables of both sides go.
async fn release(readers: &mut [Readers; 2]) -> Result<(), Error> {
    for readers in readers {
        readers.release().await?;
    }
    Ok(())
}

/// Compares all rows at the fence; gives the tables that differ.
async fn compared(
    ends: &mut Ends,
    between: &Between,
    split: &Split,
    ((frozen, locks), readers): (AtFence, &[Readers; 2]),
    options: &Options,
    listener: Listener<'_>,
) -> Result<Vec<String>, Error> {
    let to = split.writable;
    let from = to.other();
    // One that was made in the very moment before the old side was closed is closed to nobody.
    let known: Vec<_> = locks[0].tables().iter().map(|table| table.name.name.clone()).collect();
    let now = table::names(ends.side(from), &split.schema).await?;
    let unknown = now.iter().filter(|name| !known.contains(name));
    let mut differ: Vec<_> = unknown.map(|name| format!("{}.{}", split.schema.as_str(), name.as_str())).collect();
    let [from_locks, to_locks] = locks;
    let [(from_id, from_lsn), (to_id, to_lsn)] = frozen;
    let one = from_locks.adopt(between.target(from), &readers[0], &from_id, &from_lsn).await?;
    let two = to_locks.adopt(between.target(to), &readers[1], &to_id, &to_lsn).await?;
    let sides = [Frozen { snapshot: one }, Frozen { snapshot: two }];
    let control = Control::new(Interrupt::default(), None);
    differ.extend(compare::differing(sides, &split.service, options.jobs, &control, listener).await?);
    Ok(differ)
}

/// Sends clients over whom a change of sides that is done could not send.
async fn reroute(ends: &mut Ends, between: &Between, split: &mut Split, options: &Options) -> Result<(), Error> {
    if !split.turn.as_ref().is_some_and(|turn| turn.unrouted) {
        return Ok(());
    }
    let mut lines = Lines::open(between, split.writable.other(), options).await?;
    after::route(between, &mut lines, split, options, None).await?;
    ends.write(split).await
}

/// What a change of sides was done with.
struct Fenced {
    /// Both sides' snapshots at the fence, the old side's first.
    frozen: [(String, String); 2],
    /// The locks under them.
    locks: [Locks; 2],
    /// Why clients could not be sent over.
    unrouted: Option<Error>,
}

/// Tries until writers could be stopped, with growing pauses, within the bound; `act` is held while writes stand still, and
/// stays held where they did when it ended.
async fn try_often(
    (ends, lines, readers): (&mut Ends, &mut Lines, &mut [Readers; 2]),
    between: &Between,
    split: &mut Split,
    to: Side,
    act: &mut Option<Hold>,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Fenced, Error> {
    let (was, turn) = (split.phase, split.turn.clone());
    let began = Instant::now();
    let mut rest = PAUSES_MILLIS.0;
    loop {
        way::clear(ends, split, to.other(), began, options, listener).await?;
        // For this try only: whoever alters a table would wait for them, and all others behind.
        let [old, new] = &mut *readers;
        let locks = [
            Locks::take(between.target(to.other()), old, LOCK_SECONDS).await?,
            Locks::take(between.target(to), new, LOCK_SECONDS).await?,
        ];
        definitions::changed(ends, split).await?.refuse(split)?;
        // From here to the end of the pause a signal finishes or reverses the act.
        *act = Some(options.interrupt.hold());
        split.phase = Phase::Fenced;
        split.turn = Some(Turn::begin(to));
        ends.write(split).await?;
        failpoint::reach(Failpoint::TurnFenced);
        let trying = pause::attempt(ends, lines, split, locks[0].tables(), to, options);
        let bound = Duration::from_millis(options.max_pause_millis + SILENCE_MILLIS);
        // Nothing of it is used again after that: connections of their own settle what was left.
        let tried = tokio::time::timeout(bound, trying).await.map_err(|_| Error::Silent)?;
        let why = match tried? {
            Attempt::Opened { frozen, started } => {
                let unrouted = match after::route(between, lines, split, options, Some(started)).await {
                    Ok(()) => None,
                    // Clients are not sent a second time by what has just failed.
                    Err(error @ Error::Route(_)) => Some(error),
                    Err(error) => return Err(error),
                };
                return Ok(Fenced { frozen, locks, unrouted });
            }
            Attempt::Again(why) => why,
        };
        release(readers).await?;
        split.phase = was;
        split.turn.clone_from(&turn);
        ends.write(split).await?;
        *act = None;
        if options.interrupt.requested() {
            return Err(Error::Interrupted);
        }
        if began.elapsed() > Duration::from_secs(options.wait_seconds) {
            return Err(Error::NotFenced { service: split.service.clone(), why });
        }
        listener(Event::Note { message: format!("writes go on, and the next try is in {rest} ms: {why}") });
        tokio::time::sleep(Duration::from_millis(rest)).await;
        rest = (rest * 2).min(PAUSES_MILLIS.1);
    }
}
