//! What can go wrong with the registry.

use crate::error::{Coded, Verdict};
use crate::pg::error::Error;
use crate::pg::lock::LockError;
use crate::pg::refinery::Failure;

/// Says why the registry could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A newer pgcleave has been here.
    #[error("the registry has version {found}, and this pgcleave knows only {newest}")]
    Newer {
        /// The registry's version.
        found: i64,
        /// The newest that this binary knows.
        newest: i64,
    },
    /// Another administrator made it, and this login may not read it.
    #[error("this login cannot read the registry, schema pgcleave: it belongs to the administrator {owner}")]
    Foreign {
        /// Whose it is.
        owner: String,
    },
    /// The registry's own migrations did not go through.
    #[error("bring the registry up to date: {message}")]
    Migration {
        /// The server's words, or refinery's.
        message: String,
    },
    /// Somebody else is making it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The server refused a statement.
    #[error(transparent)]
    Server(#[from] Error),
}

impl From<refinery_core::Error> for RegistryError {
    fn from(error: refinery_core::Error) -> Self {
        use refinery_core::error::Kind;
        let message = match error.kind() {
            // refinery's words about the connection repeat what the cause says.
            Kind::Connection(doing, cause) => match cause.downcast_ref::<Failure>() {
                Some(failure) => format!("{doing}: {failure}"),
                None => format!("{doing}: {cause}"),
            },
            other => other.to_string(),
        };
        Self::Migration { message }
    }
}

impl Coded for RegistryError {
    fn code(&self) -> &'static str {
        match self {
            Self::Newer { .. } => "registry-newer",
            Self::Foreign { .. } => "foreign-registry",
            Self::Migration { .. } => "registry-migration",
            Self::Lock(error) => error.code(),
            Self::Server(error) => error.code(),
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Newer { .. } => Verdict::Refused,
            Self::Foreign { .. } | Self::Migration { .. } => Verdict::Failed,
            Self::Lock(error) => error.verdict(),
            Self::Server(error) => error.verdict(),
        }
    }
}
