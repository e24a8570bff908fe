//! What can go wrong while rows travel.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Coded, Verdict};
use crate::pg::error::Error as PgError;

/// Says why rows did not travel.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused something, or the way to it broke.
    #[error(transparent)]
    Server(#[from] PgError),
    /// There is no such schema.
    #[error("schema {schema} does not exist in database {database}")]
    NoSchema {
        /// The schema's name.
        schema: String,
        /// The database's name.
        database: String,
    },
    /// Somebody holds a strong lock on a table for too long.
    #[error("a table of schema {schema} stayed locked for {seconds} s")]
    TableLocked {
        /// The schema's name.
        schema: String,
        /// How long we waited.
        seconds: u64,
    },
    /// Tables come and go faster than they can be locked.
    #[error("the tables of schema {schema} kept changing")]
    TablesChanging {
        /// The schema's name.
        schema: String,
    },
    /// No pg_dump fits the server.
    #[error("no pg_dump of PostgreSQL {major} or newer was found; looked in {looked}")]
    NoPgDump {
        /// The server's major version.
        major: u32,
        /// The folders that were looked into.
        looked: String,
    },
    /// pg_dump ended badly.
    #[error("{program} failed: {message}")]
    PgDumpFailed {
        /// Which one.
        program: PathBuf,
        /// What it wrote.
        message: String,
    },
    /// A file could not be read or written.
    #[error("cannot {doing} {path}: {source}", path = .path.display())]
    File {
        /// What was tried, as in `write`.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A table took another number of rows than were sent.
    #[error("{table} took {taken} rows of {sent}")]
    RowsLost {
        /// The table.
        table: String,
        /// Rows sent.
        sent: u64,
        /// Rows that the server says it has taken.
        taken: u64,
    },
    /// A row's line is wider than the server can read back.
    #[error("the row {row} of {table} takes 1 GiB as text or more, which no server can read back")]
    RowTooWide {
        /// The table.
        table: String,
        /// The row's `ctid`.
        row: String,
    },
    /// A part of the object storage failed.
    #[error("{place}: {message}")]
    Storage {
        /// Which object.
        place: String,
        /// The storage's answer.
        message: String,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// Another worker failed, so that this one stopped; never shown.
    #[error("stopped since another part failed")]
    Stopped,
}

impl Error {
    /// Says that a file could not be read or written.
    pub fn file(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { doing, path: path.to_owned(), source }
    }
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Server(error) => error.code(),
            Self::NoSchema { .. } => "no-schema",
            Self::TableLocked { .. } => "table-locked",
            Self::TablesChanging { .. } => "tables-changing",
            Self::NoPgDump { .. } => "no-pg-dump",
            Self::PgDumpFailed { .. } => "pg-dump-failed",
            Self::File { .. } => "file",
            Self::RowsLost { .. } => "rows-lost",
            Self::RowTooWide { .. } => "row-too-wide",
            Self::Storage { .. } => "storage",
            Self::Interrupted | Self::Stopped => "interrupted",
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Server(error) => error.verdict(),
            Self::Interrupted => Verdict::Interrupted,
            Self::TableLocked { .. } => Verdict::Refused,
            Self::NoSchema { .. } => Verdict::Invalid,
            _ => Verdict::Failed,
        }
    }
}
