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
    /// The sink did not take or give a secret.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Somebody else works on the same credential.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    Random(#[from] getrandom::Error),
    /// A role's name does not fit.
    #[error(transparent)]
    Name(#[from] IdentError),
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Server(error) => error.code(),
            Self::Sink(error) => error.code(),
            Self::Lock(error) => error.code(),
            Self::Random(_) => "no-random-bytes",
            Self::Name(_) => "bad-name",
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Server(error) => error.verdict(),
            Self::Sink(error) => error.verdict(),
            Self::Lock(error) => error.verdict(),
            Self::Random(_) | Self::Name(_) => Verdict::Failed,
        }
    }
}
