//! Why a temporary login could not be made or removed.

use crate::error::{Coded, Verdict};
use crate::ident::{Ident, IdentError};
use crate::pg;

/// Says what the server refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused the login, or refused its first connection. Nothing else was changed, and the login is gone.
    #[error("the server refuses the temporary login {login:?}: {message}")]
    Refused {
        /// The login.
        login: Ident,
        /// The server's message, with its detail.
        message: String,
    },
    /// The login could not be dropped; the next command that takes a lock tries again.
    #[error("the temporary login {login:?} could not be dropped: {message}")]
    Stays {
        /// The login.
        login: Ident,
        /// The server's message, with its detail.
        message: String,
    },
    /// Sessions of a killed command's login did not end.
    #[error("{sessions} sessions of the temporary login {login:?} of a killed command do not end")]
    Leftover {
        /// The login.
        login: Ident,
        /// How many.
        sessions: i64,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    Random(#[from] getrandom::Error),
    /// The name does not fit.
    #[error(transparent)]
    Name(#[from] IdentError),
    /// The server refused a statement of ours or could not be reached.
    #[error(transparent)]
    Server(#[from] pg::error::Error),
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "temporary-login-refused",
            Self::Stays { .. } => "temporary-login-stays",
            Self::Leftover { .. } => "temporary-login-leftover",
            Self::Random(_) => "no-random-bytes",
            Self::Name(_) => "bad-name",
            Self::Server(error) => error.code(),
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Refused { .. } => Verdict::Refused,
            Self::Name(_) => Verdict::Invalid,
            Self::Server(error) => error.verdict(),
            _ => Verdict::Failed,
        }
    }
}
