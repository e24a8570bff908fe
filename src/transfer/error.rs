//! What can go wrong while rows travel.

use std::io;
use std::path::{Path, PathBuf};

use super::psql::Unsafe;
use crate::error::{Coded, Verdict};
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::temporary_login;

/// Says why rows did not travel.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused something, or the way to it broke.
    #[error(transparent)]
    Server(#[from] PgError),
    /// The connecting login may neither read a relation nor make a login that may.
    #[error(
        "{login} may not read {relation}, and cannot make a login that may: connect as its owner {owner}, or as an \
         administrator who can grant {owner}"
    )]
    NeedsOwner {
        /// The table or sequence.
        relation: String,
        /// Who owns it.
        owner: String,
        /// Who connects.
        login: String,
    },
    /// Policies of a table hold for its owner too, and nobody here may pass them.
    #[error(
        "row-level security of {table} is forced for its owner {owner} too, and {login} cannot make a login with BYPASSRLS"
    )]
    RowSecurityForced {
        /// The table.
        table: String,
        /// Who owns it.
        owner: String,
        /// Who connects.
        login: String,
    },
    /// The owner of a relation may not read it.
    #[error("{owner} owns {relation} and may not read it: {grant}")]
    OwnerLacks {
        /// The table or sequence.
        relation: String,
        /// Who owns it.
        owner: String,
        /// The statement that helps.
        grant: String,
    },
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
    /// What only a superuser could make or own.
    #[error("schema {schema} holds what only a superuser can make or own: {list}", schema = .schema.as_str(), list = .objects.join("; "))]
    SuperuserObjects {
        /// The schema.
        schema: Ident,
        /// Each of them.
        objects: Vec<String>,
    },
    /// Somebody else's objects stand where imports keep their journals.
    #[error("the target's journal of imports is not this program's: {what}")]
    ForeignJournal {
        /// What is wrong.
        what: String,
    },
    /// The login that loads could not be made or removed.
    #[error(transparent)]
    Login(#[from] temporary_login::Error),
    /// A script holds what psql would take for a command.
    #[error("{text}: {why}; a definition that does this comes from a server or an archive that cannot be trusted")]
    Unsafe {
        /// Which script.
        text: String,
        /// Where, and what.
        why: Unsafe,
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
            Self::Login(error) => error.code(),
            Self::NeedsOwner { .. } => "needs-owner",
            Self::RowSecurityForced { .. } => "row-security-forced",
            Self::OwnerLacks { .. } => "owner-lacks-privilege",
            Self::NoSchema { .. } => "no-schema",
            Self::TableLocked { .. } => "table-locked",
            Self::TablesChanging { .. } => "tables-changing",
            Self::NoPgDump { .. } => "no-pg-dump",
            Self::PgDumpFailed { .. } => "pg-dump-failed",
            Self::Unsafe { .. } => "psql-command",
            Self::SuperuserObjects { .. } => "superuser-objects",
            Self::ForeignJournal { .. } => "foreign-journal",
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
            Self::Login(error) => error.verdict(),
            Self::TableLocked { .. }
            | Self::Unsafe { .. }
            | Self::SuperuserObjects { .. }
            | Self::ForeignJournal { .. }
            | Self::NeedsOwner { .. }
            | Self::RowSecurityForced { .. }
            | Self::OwnerLacks { .. } => Verdict::Refused,
            Self::NoSchema { .. } => Verdict::Invalid,
            _ => Verdict::Failed,
        }
    }
}
