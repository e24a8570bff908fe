//! What can go wrong with a split.

use crate::credentials::Error as CredentialsError;
use crate::error::{Coded, Verdict};
use crate::pg::error::Error as PgError;
use crate::pg::lock::LockError;
use crate::registry::RegistryError;
use crate::transfer::error::Error as TransferError;

/// Says why a split did not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server refused something, or the way to it broke.
    #[error(transparent)]
    Server(#[from] PgError),
    /// The copy failed.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// A registry could not be made or read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The service's secrets could not be published with their new place.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Another pgcleave drives this split.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is no split of this service.
    #[error("there is no split of service {0}")]
    None(String),
    /// The command does not fit the phase.
    #[error("the split of service {service} is {phase}: {why}", phase = .phase)]
    WrongPhase {
        /// The service.
        service: String,
        /// The phase's word.
        phase: &'static str,
        /// What is missing.
        why: String,
    },
    /// The target is another database than the one that the split began with, or the source itself.
    #[error("{0}")]
    WrongTarget(String),
    /// Something must be changed first.
    #[error("service {service} cannot move yet: {list}", list = .blockers.join("; "))]
    Blocked {
        /// The service.
        service: String,
        /// What is in the way, each with what to do about it.
        blockers: Vec<String>,
    },
    /// Two sides' records contradict each other, or somebody else wrote meanwhile.
    #[error("{0}")]
    Overtaken(String),
    /// Writers could not be stopped within the bounds; the old side is open as before.
    #[error("the writers of service {service} could not be stopped: {why}; everything is as it was")]
    NotFenced {
        /// The service.
        service: String,
        /// Who or what was in the way.
        why: String,
    },
    /// A server did not answer in the pause.
    #[error("a server has not answered within the pause, or the way to it is broken")]
    Silent,
    /// The slot held back more of the source's log than it may; it is gone, and the copy with it.
    #[error("the slot held back {retained} bytes of the source's log, more than --max-wal {limit}, and is dropped")]
    Log {
        /// What it held back.
        retained: u64,
        /// The limit.
        limit: u64,
    },
    /// The server gave up the slot while the rows were copied; it is gone, and the copy with it.
    #[error(
        "the copy took longer than the source keeps its log for a slot (max_slot_wal_keep_size): the slot has lost it, and is dropped"
    )]
    LogLost,
    /// Replication stands still, or is not there.
    #[error("the {follower} does not follow: {why}")]
    NotFollowing {
        /// `target` or `source`.
        follower: &'static str,
        /// What is known of the reason.
        why: String,
    },
    /// The slot could not be made in time.
    #[error("the replication slot was not made within {seconds} s: {why}")]
    Slot {
        /// The bound.
        seconds: u64,
        /// Who or what was in the way.
        why: String,
    },
    /// The schema was changed while it was moving.
    #[error("the definitions of schema {schema} differ between the two sides: {list}", list = .differences.join("; "))]
    DefinitionsChanged {
        /// The schema.
        schema: String,
        /// The first differences.
        differences: Vec<String>,
    },
    /// The two sides' rows differ at the fence.
    #[error("rows differ at the fence in {list}; the writes went back to where they were", list = .tables.join(", "))]
    Differs {
        /// The tables.
        tables: Vec<String>,
    },
    /// The rows were found to differ after the target had been in use, and the writes are on the source.
    #[error(
        "rows of service {service} differ in {list}: the writes are on the source, and the target still has its rows, which may be the only copy of what was written there",
        list = .tables.join(", ")
    )]
    DiffersRollback {
        /// The service.
        service: String,
        /// The tables.
        tables: Vec<String>,
    },
    /// Somebody wrote to the source past its write blocks while the target had the writes.
    #[error(
        "rows of service {service} differ in {list}: a write block of the source was missing or changed, and the source has taken writes; nothing was ended, and the writes stay on the target",
        list = .tables.join(", ")
    )]
    DiffersFinish {
        /// The service.
        service: String,
        /// The tables.
        tables: Vec<String>,
    },
    /// Dropping a schema would drop what lies outside of it.
    #[error(
        "{what} was not dropped: with it would go what lies outside of the schema that moves: {list}",
        list = .objects.join(", ")
    )]
    DropsOutside {
        /// What was to be dropped.
        what: String,
        /// What would go.
        objects: Vec<String>,
    },
    /// An abort, or a new copy, would drop rows that the source may not have.
    #[error(
        "nothing was dropped: the target has rows of service {service} that the source does not have, or has otherwise, in {list}",
        list = .tables.join(", ")
    )]
    DiscardsDiffering {
        /// The service.
        service: String,
        /// The tables.
        tables: Vec<String>,
    },
    /// An abort, or a new copy, would drop rows that were not compared since the target was in use.
    #[error(
        "nothing was dropped: the target was in use, and its rows of service {service} were not compared with the source's since; split rollback, run again, compares them, and split abort --discard-differing drops them all the same"
    )]
    DiscardsUncompared {
        /// The service.
        service: String,
    },
    /// The change of sides was cut off before all rows were compared.
    #[error("the rows of service {service} were not found to be the same on both sides since the cutover")]
    Uncompared {
        /// The service.
        service: String,
    },
    /// The contracts that the move cuts cannot be bridged, or the bridge does not hold.
    #[error("the bridge: {0}")]
    Bridge(String),
    /// Clients could not be sent to the other side.
    #[error("the route was not switched: {0}")]
    Route(String),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Tells whether a server, or the way to it, is what failed: the same may succeed later.
    #[must_use]
    pub fn is_servers(&self) -> bool {
        matches!(self, Self::Server(_) | Self::Transfer(TransferError::Server(_)))
    }
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Server(error) => error.code(),
            Self::Transfer(error) => error.code(),
            Self::Registry(error) => error.code(),
            Self::Credentials(error) => error.code(),
            Self::Lock(error) => error.code(),
            Self::None(_) => "no-split",
            Self::WrongPhase { .. } => "split-phase",
            Self::WrongTarget(_) => "split-target",
            Self::Blocked { .. } => "split-blocked",
            Self::Overtaken(_) => "split-overtaken",
            Self::NotFenced { .. } => "split-not-fenced",
            Self::Silent => "split-silent",
            Self::Log { .. } | Self::LogLost => "split-log",
            Self::NotFollowing { .. } => "split-not-following",
            Self::Slot { .. } => "split-slot",
            Self::DefinitionsChanged { .. } => "split-definitions",
            Self::Differs { .. } => "split-differs",
            Self::DiffersRollback { .. } | Self::DiscardsDiffering { .. } => "split-differs-rollback",
            Self::DropsOutside { .. } => "split-drops-outside",
            Self::DiffersFinish { .. } => "split-differs-finish",
            Self::Uncompared { .. } | Self::DiscardsUncompared { .. } => "split-uncompared",
            Self::Bridge(_) => "split-bridge",
            Self::Route(_) => "split-route",
            Self::Interrupted => "interrupted",
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Server(error) => error.verdict(),
            Self::Transfer(error) => error.verdict(),
            Self::Registry(error) => error.verdict(),
            Self::Credentials(error) => error.verdict(),
            Self::Lock(error) => error.verdict(),
            Self::None(_) => Verdict::Invalid,
            Self::Blocked { .. } => Verdict::Pending,
            Self::WrongPhase { .. }
            | Self::WrongTarget(_)
            | Self::Overtaken(_)
            | Self::NotFenced { .. }
            | Self::DefinitionsChanged { .. }
            | Self::DropsOutside { .. }
            | Self::DiscardsDiffering { .. }
            | Self::DiscardsUncompared { .. }
            | Self::Uncompared { .. } => Verdict::Refused,
            Self::Silent
            | Self::Log { .. }
            | Self::LogLost
            | Self::NotFollowing { .. }
            | Self::Slot { .. }
            | Self::Differs { .. }
            | Self::DiffersRollback { .. }
            | Self::DiffersFinish { .. }
            | Self::Route(_)
            | Self::Bridge(_) => Verdict::Failed,
            Self::Interrupted => Verdict::Interrupted,
        }
    }
}
