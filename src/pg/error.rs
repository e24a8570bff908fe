//! What the server or the way to it answered instead of a result.

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::error::Coded;

/// The SQLSTATE by which the relay tells the driver that the connection broke.
pub(super) const CONNECTION_BROKEN: &str = "PGC08";

/// The SQLSTATE by which the relay tells the driver that the server does not answer.
pub(super) const NOT_ANSWERING: &str = "PGC57";

/// The SQLSTATE of the guard before CREATE EXTENSION: somebody else may create in the schema.
const EXTENSION_SCHEMA: &str = "PGC71";

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
    /// The connection string has a parameter that libpq does not have.
    #[error("the connection string has an unknown parameter {name}{}", near.map(|near| format!("; is it {near}?")).unwrap_or_default())]
    UnknownParameter {
        /// Its name.
        name: String,
        /// A known parameter with nearly that name.
        near: Option<&'static str>,
    },
    /// The connection string, or the environment, asks for something that pgcleave does not do.
    #[error("the connection parameter {name} is not supported with this value: {why}")]
    UnsupportedParameter {
        /// The parameter or the environment variable.
        name: String,
        /// Why not.
        why: String,
    },
    /// A connection parameter has an impossible value, which is not repeated here.
    #[error("the connection parameter {name} has a wrong value: expected {expected}")]
    BadParameter {
        /// The parameter.
        name: String,
        /// What would be right.
        expected: String,
    },
    /// TLS with the server did not come about.
    #[error("cannot connect to {target}: TLS: {message}")]
    Tls {
        /// `role@host:port/database`.
        target: String,
        /// What was wrong.
        message: String,
    },
    /// The server asked for a password in clear text, or for its MD5 hash, and has not proved who it is.
    #[error(
        "cannot connect to {target}: the server asks for {asked} and has not proved that it is the right server, so the \
         password was not sent; let it prove that with sslmode=verify-full (and sslrootcert, if its authority is your own), or \
         allow it with require_auth={method}"
    )]
    PasswordRequest {
        /// `role@host:port/database`.
        target: String,
        /// What it asked for, in words.
        asked: &'static str,
        /// The value of `require_auth` that would allow it.
        method: &'static str,
    },
    /// The server asked for a kind of login that `require_auth` does not allow.
    #[error(
        "cannot connect to {target}: the server asks for the login method {method}, and require_auth={allowed} does not allow it"
    )]
    LoginMethod {
        /// `role@host:port/database`.
        target: String,
        /// What it asked for.
        method: &'static str,
        /// What is allowed.
        allowed: String,
    },
    /// The server, or the system that it runs on, is frozen: neither this connection nor a second one got an answer.
    #[error("{doing}: {message}")]
    NotAnswering {
        /// What was being done, in our words.
        doing: String,
        /// How long there was no answer.
        message: String,
    },
    /// A pooler gives each transaction another session of the server.
    #[error(
        "{target} is a pooler in transaction mode: two connections got the same session of the server, one after the other"
    )]
    TransactionPooler {
        /// `role@host:port/database`.
        target: String,
    },
    /// A connection has another session of the server than it had before.
    #[error(
        "{doing}: the connection has another session of the server than before, so a pooler in transaction mode is between"
    )]
    SessionChanged {
        /// What was about to be done, in our words.
        doing: String,
    },
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
    /// A setting of the database or role holds against what every session of ours sets.
    #[error("the session's setting {setting} is {found:?} after it was set to {wanted:?}")]
    NotPinned {
        /// The parameter.
        setting: String,
        /// What it was set to.
        wanted: String,
        /// What the server says.
        found: String,
    },
    /// Something that would be believed, or would run here, is in the hands of a role that is not trusted.
    #[error("{0}")]
    Distrusted(Box<Distrusted>),
    /// The server is a standby.
    #[error("the server is a standby, which cannot be changed; nothing was tried")]
    Standby,
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

/// What is in the wrong hands, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distrusted {
    /// The stable code.
    pub code: &'static str,
    /// What is refused.
    pub what: String,
    /// The objects, each with what is wrong with it.
    pub listed: String,
    /// What to do.
    pub fix: String,
}

impl std::fmt::Display for Distrusted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}. {}", self.what, self.listed, self.fix)
    }
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
        if db.severity() == PgSeverity::Fatal {
            let message = db.message().to_owned();
            match db.code() {
                CONNECTION_BROKEN => return Self::Broken { doing, message },
                NOT_ANSWERING => return Self::NotAnswering { doing, message },
                _ => {}
            }
        }
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

    /// Returns the server's message with its detail and hint.
    #[must_use]
    pub fn in_full(&self) -> String {
        let Self::Statement(statement) = self else { return self.to_string() };
        let mut text = statement.to_string();
        for more in [&statement.detail, &statement.hint].into_iter().flatten() {
            text.push_str("; ");
            text.push_str(more);
        }
        text
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
            Self::Standby => "server-is-standby",
            Self::UnknownParameter { .. } => "unknown-connection-parameter",
            Self::UnsupportedParameter { .. } => "unsupported-connection-parameter",
            Self::BadParameter { .. } => "bad-connection-parameter",
            Self::Connect { .. } => "connect",
            Self::NotPinned { .. } => "settings-not-pinned",
            Self::Distrusted(distrusted) => distrusted.code,
            Self::Tls { .. } => "tls-failed",
            Self::PasswordRequest { .. } => "password-not-sent",
            Self::LoginMethod { .. } => "login-method-not-allowed",
            Self::NotAnswering { .. } => "server-not-answering",
            Self::TransactionPooler { .. } | Self::SessionChanged { .. } => "pooler-transaction-mode",
            Self::Statement(said) if said.sqlstate == EXTENSION_SCHEMA => "extension-schema",
            Self::Statement(_) => "statement",
            Self::Broken { .. } => "connection-broken",
        }
    }

    fn verdict(&self) -> crate::error::Verdict {
        match self {
            Self::Distrusted(_) | Self::Standby => crate::error::Verdict::Refused,
            Self::Statement(said) if said.sqlstate == EXTENSION_SCHEMA => crate::error::Verdict::Refused,
            Self::NoUrl { .. }
            | Self::BadUrl
            | Self::UnknownParameter { .. }
            | Self::UnsupportedParameter { .. }
            | Self::BadParameter { .. } => crate::error::Verdict::Invalid,
            Self::PasswordRequest { .. }
            | Self::LoginMethod { .. }
            | Self::TransactionPooler { .. }
            | Self::SessionChanged { .. } => crate::error::Verdict::Refused,
            _ => crate::error::Verdict::Failed,
        }
    }
}
