//! What the server or the way to it answered instead of a result.

use sqlx::postgres::PgDatabaseError;

use crate::error::Coded;

/// A failure of a statement or of a connection; its text holds names and the server's message, never a password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection string was given.
    #[error("no connection string: give --database-url or set {variable}")]
    NoUrl {
        /// The environment variable that would be read.
        variable: String,
    },
    /// The connection string cannot be read; it is not repeated here, since it may hold a password.
    #[error("the connection string is not of the form postgresql://user@host:port/database")]
    BadUrl,
    /// The server could not be reached or turned the login away.
    #[error("cannot connect to {target}: {message}")]
    Connect {
        /// `role@host:port/database`.
        target: String,
        /// The server's or the system's own words.
        message: String,
        /// The server's SQLSTATE, if it was the server.
        sqlstate: Option<String>,
    },
    /// The server refused a statement.
    #[error("{doing}: {0}", doing = .0.doing)]
    Statement(Box<Statement>),
    /// The connection broke, or the driver and the server disagreed.
    #[error("{doing}: {message}")]
    Broken {
        /// What was being done, in our words.
        doing: String,
        /// The driver's words.
        message: String,
    },
}

/// What the server said when it refused a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What was being done, in our words.
    pub doing: String,
    /// The server's message.
    pub message: String,
    /// The server's SQLSTATE.
    pub sqlstate: String,
    /// The server's detail, if any.
    pub detail: Option<String>,
    /// The server's hint, if any.
    pub hint: Option<String>,
    /// Where in the statement's text, in characters from 1.
    pub position: Option<usize>,
}

impl std::fmt::Display for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.sqlstate)
    }
}

impl Error {
    /// Turns the driver's error into ours.
    pub fn new(doing: impl Into<String>, error: &sqlx::Error) -> Self {
        let doing = doing.into();
        let Some(db) = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>()) else {
            return Self::Broken { doing, message: error.to_string() };
        };
        let position = match db.position() {
            Some(sqlx::postgres::PgErrorPosition::Original(at)) => Some(at),
            _ => None,
        };
        Self::Statement(Box::new(Statement {
            doing,
            message: db.message().to_owned(),
            sqlstate: db.code().to_owned(),
            detail: db.detail().map(str::to_owned),
            hint: db.hint().map(str::to_owned),
            position,
        }))
    }

    /// Gives the server's SQLSTATE, if it was the server that answered.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Statement(statement) => Some(&statement.sqlstate),
            Self::Connect { sqlstate, .. } => sqlstate.as_deref(),
            _ => None,
        }
    }

    /// Tells whether the same work may succeed when tried again: `tuple concurrently updated` (XX000), deadlock,
    /// serialization failure.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.sqlstate(), Some("XX000" | "40P01" | "40001"))
    }
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NoUrl { .. } => "no-database-url",
            Self::BadUrl => "bad-database-url",
            Self::Connect { .. } => "connect",
            Self::Statement(_) => "statement",
            Self::Broken { .. } => "connection-broken",
        }
    }

    fn verdict(&self) -> crate::error::Verdict {
        match self {
            Self::NoUrl { .. } | Self::BadUrl => crate::error::Verdict::Invalid,
            _ => crate::error::Verdict::Failed,
        }
    }
}
