//! Why credentials could not be issued, rotated or proven.

use super::sink::SinkError;
use crate::error::{Coded, Verdict};
use crate::ident::IdentError;
use crate::pg;
use crate::pg::lock::LockError;

/// Says what failed; no text of it ever holds a password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused a statement or could not be reached.
    #[error(transparent)]
    Server(#[from] pg::error::Error),
    /// The catalog could not be read.
    #[error(transparent)]
    Catalog(#[from] crate::catalog::Error),
    /// The registry could not be brought up to date.
    #[error(transparent)]
    Registry(#[from] crate::registry::RegistryError),
    /// The sink did not take or give a secret.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Somebody else works on the same credential.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    Random(#[from] getrandom::Error),
    /// The registry has no such credential.
    #[error("{service}/{credential} has not been issued")]
    NotIssued {
        /// The service.
        service: String,
        /// The credential.
        credential: String,
    },
    /// A new login works, but holds nothing: publishing it would stop the service.
    #[error("{login} logs in but does not act as a member of {role}")]
    NotReady {
        /// The login.
        login: String,
        /// The role that it should be a member of.
        role: String,
    },
    /// An earlier rotation is not finished, since clients are still on its old login.
    #[error("{service}/{credential} cannot be rotated: {login}, which retires, is in use by {sessions}")]
    OldInUse {
        /// The service.
        service: String,
        /// The credential.
        credential: String,
        /// The login that retires.
        login: String,
        /// The sessions on it, in words.
        sessions: String,
    },
    /// The service has moved to another database, or is about to.
    #[error("{0}")]
    Moving(String),
    /// A role's name does not fit.
    #[error(transparent)]
    Name(#[from] IdentError),
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Server(error) => error.code(),
            Self::Catalog(error) => error.code(),
            Self::Sink(error) => error.code(),
            Self::Lock(error) => error.code(),
            Self::Registry(error) => error.code(),
            Self::Random(_) => "no-random-bytes",
            Self::Name(_) => "bad-name",
            Self::NotIssued { .. } => "credential-not-issued",
            Self::NotReady { .. } => "login-not-ready",
            Self::OldInUse { .. } => "old-login-in-use",
            Self::Moving(_) => "service-moving",
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Server(error) => error.verdict(),
            Self::Catalog(error) => error.verdict(),
            Self::Sink(error) => error.verdict(),
            Self::Lock(error) => error.verdict(),
            Self::Registry(error) => error.verdict(),
            Self::OldInUse { .. } | Self::Moving(_) => Verdict::Refused,
            Self::Random(_) | Self::Name(_) | Self::NotIssued { .. } | Self::NotReady { .. } => Verdict::Failed,
        }
    }
}
