//! Why a service could not be migrated.

use super::compare::Mismatch;
use super::discover::BadFile;
use crate::analyze::script::Obstacle;
use crate::error::{Coded, Verdict};
use crate::ident::{Ident, IdentError};
use crate::pg;
use crate::pg::lock::LockError;
use crate::registry::RegistryError;

/// Says what kept a service, or all of them, from being migrated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds what is no migration; nothing of the service was run.
    #[error("{}", lines(.0))]
    Files(Vec<BadFile>),
    /// The files do not follow on from what was applied; nothing of the service was run.
    #[error("{}", lines(.0))]
    Mismatch(Vec<Mismatch>),
    /// A script holds what must not or cannot run; nothing of the service was run.
    #[error("{}", refused(.0))]
    Refused(Vec<(String, Obstacle)>),
    /// The server refused a script; its transaction is rolled back, the files before it stay applied.
    #[error("{file}{}: {message}", place(.line))]
    Script {
        /// The file's name.
        file: String,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// The server's message, with its detail.
        message: String,
        /// The server's SQLSTATE, if it was the server.
        sqlstate: Option<String>,
    },
    /// A script without a transaction failed half-way; the statements before stay done.
    #[error("{file}{}: {message}; the {done} statements before it stay done, and the next run starts the file again", place(.line))]
    Half {
        /// The file's name.
        file: String,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// How many statements stay done.
        done: usize,
        /// The server's message, with its detail.
        message: String,
    },
    /// A script left the owner's role; its transaction is rolled back.
    #[error("{file}: the script left the role {owner:?} that it has to run as")]
    LeftOwner {
        /// The file's name.
        file: String,
        /// The role.
        owner: Ident,
    },
    /// The service's roles or its schema are not there yet.
    #[error("{missing} is not there yet")]
    NotProvisioned {
        /// What is missing.
        missing: String,
    },
    /// The temporary login did not become the owner.
    #[error("the login {login:?} became {became:?} instead of {owner:?}")]
    NotOwner {
        /// The temporary login.
        login: Ident,
        /// The role that it should have become.
        owner: Ident,
        /// The role that it is.
        became: String,
    },
    /// Sessions of an earlier run's login did not end.
    #[error("{sessions} sessions of an earlier run's login do not end")]
    Leftover {
        /// How many.
        sessions: i64,
    },
    /// The temporary login could not be dropped; the next run tries again.
    #[error("the temporary login {login:?} could not be dropped: {message}")]
    Stays {
        /// The login.
        login: Ident,
        /// The server's message, with its detail.
        message: String,
    },
    /// The history table holds a row that refinery did not write, or refinery itself failed.
    #[error("the migration history is unusable: {0}")]
    History(String),
    /// No manifest has this name.
    #[error("there is no service {0:?}")]
    UnknownService(String),
    /// The service has moved to another database, or is about to.
    #[error("{0}")]
    Moving(String),
    /// A person asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    Random(#[from] getrandom::Error),
    /// A role's name does not fit.
    #[error(transparent)]
    Name(#[from] IdentError),
    /// Somebody else migrates the same schema.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The registry could not be read or written.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The server refused a statement of ours or could not be reached.
    #[error(transparent)]
    Server(#[from] pg::error::Error),
}

fn lines<T: ToString>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join("\n")
}

fn refused(all: &[(String, Obstacle)]) -> String {
    let line = |(file, obstacle): &(String, Obstacle)| format!("{file}, {obstacle}: {}", obstacle.kind.advice());
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn place(line: &Option<usize>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

/// Gives the server's message with its detail and hint.
pub(super) fn in_full(error: &pg::error::Error) -> String {
    let pg::error::Error::Statement(statement) = error else { return error.to_string() };
    let mut text = statement.to_string();
    for more in [&statement.detail, &statement.hint].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(more);
    }
    text
}

impl Error {
    /// Tells whether a script lacked an object or a privilege, so that it may succeed once another service has exposed it.
    #[must_use]
    pub fn lacks_something(&self) -> bool {
        const LACKS: [&str; 5] = ["42501", "42P01", "42883", "42704", "3F000"];
        matches!(self, Self::Script { sqlstate: Some(state), .. } if LACKS.contains(&state.as_str()))
    }
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Files(_) => "bad-migrations",
            Self::Mismatch(_) => "migration-mismatch",
            Self::Refused(_) => "migration-refused",
            Self::Script { .. } => "migration-failed",
            Self::Half { .. } => "migration-half-done",
            Self::LeftOwner { .. } => "migration-left-owner",
            Self::NotProvisioned { .. } => "not-provisioned",
            Self::NotOwner { .. } => "not-owner",
            Self::Leftover { .. } => "migration-leftover",
            Self::Stays { .. } => "migration-login-stays",
            Self::History(_) => "migration-history",
            Self::UnknownService(_) => "unknown-service",
            Self::Moving(_) => "service-moving",
            Self::Interrupted => "interrupted",
            Self::Random(_) => "no-random-bytes",
            Self::Name(_) => "bad-name",
            Self::Lock(error) => error.code(),
            Self::Registry(error) => error.code(),
            Self::Server(error) => error.code(),
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Files(_) | Self::UnknownService(_) | Self::Name(_) => Verdict::Invalid,
            Self::Refused(_) | Self::Mismatch(_) | Self::Moving(_) => Verdict::Refused,
            Self::Interrupted => Verdict::Interrupted,
            Self::Lock(error) => error.verdict(),
            Self::Registry(error) => error.verdict(),
            Self::Server(error) => error.verdict(),
            _ => Verdict::Failed,
        }
    }
}
