//! How far a split is, what it waits for, and what it holds back; reads only.

use serde::Serialize;

use super::Between;
use super::ends::Ends;
use super::error::Error;
use super::link::{self, Following, Lag};
use super::settle::{self, Settled};
use super::state::{Kept, Phase, Side, Split, Step, Unequal};
use super::{definitions, pace, write_block};

/// What is told of a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// `pgcleave.split/1`.
    pub format: &'static str,
    /// The service.
    pub service: String,
    /// Its schema.
    pub schema: String,
    /// The split's own name.
    pub id: String,
    /// The phase's word.
    pub phase: &'static str,
    /// The side that takes writes.
    pub writable: &'static str,
    /// `host:port/database`.
    pub source: String,
    /// The same of the target.
    pub target: String,
    /// What is still to be replicated, in bytes of the log; nothing where nothing follows.
    pub lag_bytes: Option<i64>,
    /// How old the last change was that was confirmed, in seconds.
    pub lag_seconds: Option<f64>,
    /// What the copy has written so far, in bytes; only while it copies.
    pub copied_bytes: Option<u64>,
    /// About how much there is to copy, in bytes.
    pub total_bytes: Option<u64>,
    /// What is copied or replicated in a second, in bytes.
    pub bytes_per_second: Option<u64>,
    /// How long the copy, or catching up, still takes at that; nothing where it falls behind.
    pub seconds_to_go: Option<u64>,
    /// What the slot keeps on the disk of the side that is followed, in bytes.
    pub retained_bytes: Option<i64>,
    /// The limit for that.
    pub max_wal_bytes: Option<u64>,
    /// The server's word on whether the slot still has its log.
    pub wal_status: Option<String>,
    /// What happens next, or what it waits for.
    pub waiting_for: Option<String>,
    /// What keeps the sides from changing.
    pub blockers: Vec<String>,
    /// What needs a person's eye.
    pub warnings: Vec<String>,
    /// The last or the current change of sides.
    pub cutover: Option<Cutover>,
    /// Why the two sides' rows may differ, if that is known or was not compared.
    pub unequal: Option<Unequal>,
    /// The old schema, after finish.
    pub kept: Option<Kept>,
}

/// What is told of a change of sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cutover {
    /// The side that got the writes.
    pub to: &'static str,
    /// How long writes stood still, in milliseconds.
    pub pause_ms: Option<u64>,
    /// How many transactions had to end first.
    pub transactions_drained: Option<u64>,
    /// Whether all rows were the same at the fence.
    pub equal: Option<bool>,
}

/// Reads it.
///
/// # Errors
/// There is no such split, or a server could not be asked.
pub async fn status(between: &Between) -> Result<Status, Error> {
    let mut ends = Ends::open(between).await?;
    let split = ends.split(between).await?;
    let (mut lag, mut seen) = (Lag::default(), Following::default());
    let followed = split.writable;
    let follows = matches!(split.phase, Phase::CatchingUp | Phase::Ready | Phase::Fenced | Phase::Reversed);
    if follows {
        lag = link::lag(ends.side(followed), &split.link(followed)).await?;
        seen = link::following(ends.side(followed.other()), &split.link(followed)).await?;
    }
    // The slot holds log back from the copy's first moment on.
    if split.phase == Phase::Copying {
        lag = link::lag(&mut ends.source, &split.link(Side::Source)).await?;
    }
    let mut status = told(&split, &lag);
    if follows || split.phase == Phase::Copying {
        let pace = pace::read(&mut ends, &split, &lag).await?;
        (status.copied_bytes, status.total_bytes) = pace.copied.unzip();
        (status.bytes_per_second, status.seconds_to_go) = (pace.bytes_per_second, pace.seconds_to_go);
    }
    if follows {
        judge(&mut status, &split, &lag, &seen);
        let changed = definitions::changed(&mut ends, &split).await?;
        if changed.source || changed.target {
            let list = changed.differences.join(", ");
            status.blockers.push(format!("the schema's definitions have changed since the copy: {list}"));
        }
    }
    if link::reads_all(&mut ends.source, &split.link(Side::Source)).await? {
        let login = split.link(Side::Source);
        status.warnings.push(format!(
            "{} reads everything on the source: split start copies new tables, or was cut off while it did; the next split \
             command takes that back",
            login.as_str()
        ));
    }
    if matches!(split.phase, Phase::Ready | Phase::Reversed) {
        blocks(&mut ends, &split, &mut status).await?;
    }
    Ok(status)
}

/// Looks at each write block, and takes back what is told of the rows where one of the closed side's was not as it was made.
async fn blocks(ends: &mut Ends, split: &Split, status: &mut Status) -> Result<(), Error> {
    let closed = split.writable.other();
    for side in [Side::Source, Side::Target] {
        let faults = write_block::faults(ends.side(side), split, side, side == closed).await?;
        let next = match (side == closed, closed) {
            (false, _) => "the next split command makes it again",
            (true, Side::Target) => "split start makes it again, and split cutover compares all rows",
            (true, Side::Source) => {
                "rows may have been written there; split rollback and split finish make it again and compare all rows"
            }
        };
        if side == closed && !faults.is_empty() {
            status.cutover.iter_mut().for_each(|cutover| cutover.equal = None);
        }
        status.blockers.extend(faults.iter().map(|fault| format!("{}: {next}", fault.message(side))));
    }
    Ok(())
}

/// Tells what a command that has come to its end has made of the split.
#[must_use]
pub fn of(split: &Split) -> Status {
    let status = told(split, &Lag::default());
    let over = split.phase == Phase::Aborted;
    Status { waiting_for: status.waiting_for.filter(|_| !over), ..status }
}

fn told(split: &Split, lag: &Lag) -> Status {
    Status {
        format: "pgcleave.split/1",
        service: split.service.clone(),
        schema: split.schema.as_str().to_owned(),
        id: split.id.clone(),
        phase: split.phase.as_str(),
        writable: split.writable.as_str(),
        source: split.source.label.clone(),
        target: split.target.label.clone(),
        lag_bytes: lag.slot.then_some(lag.bytes),
        lag_seconds: lag.seconds,
        copied_bytes: None,
        total_bytes: None,
        bytes_per_second: None,
        seconds_to_go: None,
        retained_bytes: lag.slot.then_some(lag.retained),
        max_wal_bytes: split.max_wal_bytes,
        wal_status: lag.wal_status.clone(),
        waiting_for: waiting_for(split),
        blockers: Vec::new(),
        warnings: compared(split).into_iter().chain(in_doubt(split)).chain(routed(split)).collect(),
        cutover: split.turn.as_ref().map(|turn| Cutover {
            to: turn.to.as_str(),
            pause_ms: turn.pause_ms,
            transactions_drained: turn.transactions_drained,
            equal: match split.doubt() {
                Some(Unequal::NotCompared) => None,
                Some(_) => Some(false),
                None => turn.equal,
            },
        }),
        unequal: split.doubt().filter(|_| split.phase != Phase::Finished),
        kept: split.kept.clone(),
    }
}

/// Warns where nobody knows whether all rows were the same at the last change of sides.
fn compared(split: &Split) -> Option<String> {
    let turn = split.turn.as_ref().filter(|turn| turn.step == Step::Turned && turn.equal != Some(true))?;
    if !matches!(split.phase, Phase::Ready | Phase::Reversed) {
        return None;
    }
    let again = turn.again();
    Some(match (turn.equal, turn.to) {
        (None, _) => format!(
            "the rows were not compared at the last change of sides, which was cut off: {again}, run again, compares them"
        ),
        (_, Side::Target) => format!("rows differed, and the way back was cut off: {again}, run again, goes on"),
        (_, Side::Source) => match split.doubt() {
            Some(Unequal::AtCutover { tables }) => {
                let list = tables.join(", ");
                format!("rows differed at the last change of sides in {list}: split abort, and start anew")
            }
            doubt => {
                let tables = match doubt {
                    Some(Unequal::AfterRollback { tables }) => format!(" in {}", tables.join(", ")),
                    _ => String::new(),
                };
                format!(
                    "rows differed at the last change of sides{tables}, and the target may have the only copy: bring them to \
                     the source and run split rollback again, which compares; or split abort --discard-differing"
                )
            }
        },
    })
}

/// Warns where a write block of the source was not as it was made while the target had the writes.
fn in_doubt(split: &Split) -> Option<String> {
    let doubt = split.unequal.as_ref().filter(|_| split.phase == Phase::Reversed)?;
    Some(match doubt {
        Unequal::NotCompared => {
            "a write block of the source was missing or changed: split finish compares all rows, and so does split rollback"
                .to_owned()
        }
        Unequal::AtCutover { tables } | Unequal::AfterRollback { tables } => format!(
            "rows differ in {}: bring to the target what it lacks and run split finish again, which compares; split finish \
             --uncompared ends the split as it is",
            tables.join(", ")
        ),
    })
}

/// Warns where the change of sides is done, and clients could not be sent over.
fn routed(split: &Split) -> Option<String> {
    let turn = split.turn.as_ref().filter(|turn| turn.unrouted && turn.step == Step::Turned)?;
    let command = turn.again();
    let to = turn.to.as_str();
    Some(format!(
        "clients were not sent to the {to}, since the pooler or --on-cutover has failed: {command}, run again, sends them"
    ))
}

fn waiting_for(split: &Split) -> Option<String> {
    let text = match (split.phase, settle::settle(split)) {
        (_, Settled::Reopen) => "a change of sides that was cut off: run it again",
        (_, Settled::Forward(_)) => "a change of sides that is to go on: run it again",
        (Phase::Prepared | Phase::Copying, _) => "the copy: split start makes it, or begins it anew",
        (Phase::CatchingUp, _) => "the target to catch up: split start sees to it",
        (Phase::Ready, _) => "split cutover",
        (Phase::Reversed, _) => "split finish, or split rollback",
        (Phase::Aborted, _) => "split abort to be run again",
        _ => return None,
    };
    Some(text.to_owned())
}

fn judge(status: &mut Status, split: &Split, lag: &Lag, seen: &Following) {
    let follower = split.writable.other();
    status.blockers.extend(lag.broken(split.writable));
    if !seen.there {
        status.blockers.push(format!("the {} has no subscription: split start makes it", follower.as_str()));
    } else if !seen.enabled {
        let next = "the next split command lets it go on";
        status.blockers.push(format!("the {}'s subscription is disabled: {next}", follower.as_str()));
    } else if !seen.running {
        let log = format!("it has stopped {} times, and its server log says why", seen.errors);
        status.warnings.push(format!("the {}'s worker does not run at the moment: {log}", follower.as_str()));
    }
    if lag.wal_status.as_deref() == Some("unreserved") {
        status.warnings.push("the slot is about to lose its log: max_slot_wal_keep_size is reached".to_owned());
    }
    let retained = u64::try_from(lag.retained).unwrap_or(0);
    if split.max_wal_bytes.is_some_and(|limit| retained > limit) {
        status.warnings.push("the slot holds back more log than --max-wal allows".to_owned());
    }
}
