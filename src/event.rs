//! What happens while the library works, told to whoever listens.

use serde::Serialize;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Another session holds what this one needs.
    Waiting {
        /// What is waited for.
        what: String,
        /// Who holds it, in words.
        holder: String,
        /// How long it has been held, in seconds.
        held_seconds: u64,
    },
    /// A piece of work on one service (or on what all share) began.
    Started {
        /// The service; nothing for what all share.
        service: Option<String>,
        /// What is being done.
        step: String,
    },
    /// A piece of work ended well.
    Finished {
        /// The service; nothing for what all share.
        service: Option<String>,
        /// What was done.
        step: String,
    },
    /// A piece of work failed; the others go on.
    Failed {
        /// The service; nothing for what all share.
        service: Option<String>,
        /// What was tried.
        step: String,
        /// Why it failed.
        message: String,
    },
    /// How far a long piece of work has come.
    Progress {
        /// The service.
        service: Option<String>,
        /// What is being done.
        step: String,
        /// Bytes done, as they travel.
        bytes: u64,
        /// Bytes in all, as far as the server can tell beforehand.
        total_bytes: u64,
        /// Rows done.
        rows: u64,
    },
    /// Something worth knowing.
    Note {
        /// What it is, in one sentence.
        message: String,
    },
    /// Something that needs a person's eye.
    Warning {
        /// What it is, in one sentence.
        message: String,
    },
}

/// Whoever listens; the library itself never writes to the terminal.
pub type Listener<'a> = &'a (dyn Fn(Event) + Send + Sync);
