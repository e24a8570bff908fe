//! Named points at which a test ends the process as `kill -9` does, or stops it. A release build has none.
//!
//! A build with debug assertions reads the name of one point from `PGCLEAVE_FAILPOINT`; after `name:stop` the process stops
//! there until it gets SIGCONT.

/// Where a split can be ended by a test. Each point lies between two acts: what stands before it is done, what follows is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failpoint {
    /// `start` has chosen the names and has written them to both records.
    StartRecorded,
    /// `start` has copied definitions and rows; the records still say that it copies.
    StartCopied,
    /// `start` has made the write blocks and the login of replication; nothing subscribes yet.
    StartBlocked,
    /// `start` has subscribed; the records still say that the target catches up.
    StartFollowed,
    /// A change of sides has written that it begins; nobody is stopped yet.
    TurnFenced,
    /// The old side is closed for good; the new one is not open.
    TurnClosed,
    /// The new side is open; clients are not sent there yet.
    TurnOpened,
    /// Clients have been sent to the new side; replication has still its old direction.
    TurnRouted,
    /// Replication has turned round; the records do not say so.
    TurnSubscribed,
    /// `abort` has written its intent; nothing is removed yet.
    AbortRecorded,
    /// `abort` has removed the subscription, the slot and the target's schema.
    AbortDiscarded,
    /// `abort` has removed everything but the records.
    AbortRemoved,
    /// `finish` has tried everything that can fail; the records do not say that the split is finished.
    FinishPrepared,
    /// `finish` has written that the split is finished; replication and the old schema are as they were.
    FinishRecorded,
    /// `finish` has ended replication; the old schema has its name still.
    FinishUnfollowed,
}

#[cfg(debug_assertions)]
impl Failpoint {
    fn name(self) -> &'static str {
        match self {
            Self::StartRecorded => "start-recorded",
            Self::StartCopied => "start-copied",
            Self::StartBlocked => "start-blocked",
            Self::StartFollowed => "start-followed",
            Self::TurnFenced => "turn-fenced",
            Self::TurnClosed => "turn-closed",
            Self::TurnOpened => "turn-opened",
            Self::TurnRouted => "turn-routed",
            Self::TurnSubscribed => "turn-subscribed",
            Self::AbortRecorded => "abort-recorded",
            Self::AbortDiscarded => "abort-discarded",
            Self::AbortRemoved => "abort-removed",
            Self::FinishPrepared => "finish-prepared",
            Self::FinishRecorded => "finish-recorded",
            Self::FinishUnfollowed => "finish-unfollowed",
        }
    }
}

/// Ends or stops the process here if `PGCLEAVE_FAILPOINT` names this point.
#[cfg(debug_assertions)]
pub(super) fn reach(point: Failpoint) {
    use rustix::process::{Signal, getpid, kill_process};
    let Ok(named) = std::env::var("PGCLEAVE_FAILPOINT") else { return };
    let signal = match named.strip_prefix(point.name()) {
        // nothing is flushed, closed or rolled back by us, as in a crash
        Some("") => Signal::KILL,
        Some(":stop") => Signal::STOP,
        _ => return,
    };
    let _ = kill_process(getpid(), signal);
}

/// Does nothing: a release build cannot be ended from outside.
#[cfg(not(debug_assertions))]
pub(super) fn reach(_: Failpoint) {}
