//! Why a server of one's own could not be had.

use std::path::{Path, PathBuf};

use crate::error::Coded;

/// Says what was missing or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No PostgreSQL is installed, and none could be downloaded.
    #[error("this machine has no PostgreSQL 15 or newer, and none can be downloaded: {download}")]
    NotInstalled {
        /// Why it cannot be downloaded.
        download: String,
    },
    /// The folder that `PGCLEAVE_PG_BIN` names holds no PostgreSQL.
    #[error("PGCLEAVE_PG_BIN is {}, and that folder holds no postgres and initdb of version 15 or newer", .0.display())]
    BadFolder(PathBuf),
    /// PostgreSQL does not run as root, and there is no other account.
    #[error("PostgreSQL does not run as root, and there is neither an account postgres nor nobody")]
    NoAccount,
    /// The server's files could not be made.
    #[error("initdb: {0}")]
    Initdb(String),
    /// The folder holds the files of another major version.
    #[error("{} holds the files of PostgreSQL {has}, and this machine's newest is {found}", folder.display())]
    OtherMajor {
        /// The folder.
        folder: PathBuf,
        /// The version of its files.
        has: String,
        /// The version found.
        found: u32,
    },
    /// Another process has a server in the folder.
    #[error("another pgcleave runs a server in {}", .0.display())]
    InUse(PathBuf),
    /// The server ended at once, or is not ready in time.
    #[error("the server does not start: {0}")]
    DoesNotStart(String),
    /// The server does not end.
    #[error("the server, process {0}, does not end")]
    DoesNotStop(i32),
    /// A file or program could not be used.
    #[error("cannot {doing} {}: {message}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        message: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    Random(#[from] getrandom::Error),
    /// The work on it panicked.
    #[error("starting or stopping the server broke: {0}")]
    Panicked(String),
}

impl Error {
    pub(super) fn file(doing: &'static str, path: &Path, error: &std::io::Error) -> Self {
        Self::File { doing, path: path.to_owned(), message: error.to_string() }
    }
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NotInstalled { .. } => "no-postgresql",
            Self::BadFolder(_) => "bad-postgresql-folder",
            Self::NoAccount => "no-server-account",
            Self::Initdb(_) => "initdb",
            Self::OtherMajor { .. } => "other-major",
            Self::InUse(_) => "server-in-use",
            Self::DoesNotStart(_) => "server-start",
            Self::DoesNotStop(_) => "server-stop",
            Self::File { .. } => "server-file",
            Self::Random(_) => "no-random-bytes",
            Self::Panicked(_) => "internal",
        }
    }
}
