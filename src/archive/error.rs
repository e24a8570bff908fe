//! What can go wrong with an archive.

use std::path::PathBuf;

use crate::error::{Coded, Verdict};
use crate::pg::error::Error as PgError;
use crate::transfer::coupling::{self, Coupling};
use crate::transfer::error::Error as TransferError;

/// Says why an archive was not written, read or compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The copy itself failed.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// Something is there already.
    #[error("{path} exists already", path = .0.display())]
    Exists(PathBuf),
    /// The address of an object storage is of no use.
    #[error("{location} cannot be used: {why}")]
    BadLocation {
        /// The address.
        location: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another export writes to the same place.
    #[error("another export is writing {path}", path = .0.display())]
    Busy(PathBuf),
    /// The schema alone would be wrong, or could not be restored.
    #[error("schema {schema} cannot leave as it is: {list}", list = coupling::listed(.couplings))]
    Coupled {
        /// The schema.
        schema: String,
        /// What ties it, without what was allowed.
        couplings: Vec<Coupling>,
    },
    /// The schema's tables hold the triggers of a split.
    #[error(
        "schema {0} is being split, and its tables hold the split's triggers, which cannot be restored elsewhere: export it \
         when split finish or split abort has ended that, or its rows alone with --as"
    )]
    Splitting(String),
    /// The folder is no archive, or one that this version cannot read.
    #[error("{path} is not an archive that this pgcleave reads: {why}", path = .path.display())]
    NotAnArchive {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file of the archive is not what was written.
    #[error("the archive is damaged: {file} {why}")]
    Damaged {
        /// The file, inside the archive.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The target already has such a schema.
    #[error("schema {schema} of the target is not empty: it holds {found}")]
    NotEmpty {
        /// The schema.
        schema: String,
        /// The first object in it.
        found: String,
    },
    /// A file of the archive holds a statement that this program does not write.
    #[error(
        "{file} of the archive holds what this program does not write, and would have to run as the administrator: {statement}"
    )]
    Statement {
        /// The file.
        file: String,
        /// The statement's beginning.
        statement: String,
    },
    /// The archive would use roles that the target has already.
    #[error("the archive of schema {schema} names roles that the target has already: {list}", list = .roles.join("; "))]
    ExistingRoles {
        /// The schema.
        schema: String,
        /// What each would do or get.
        roles: Vec<String>,
    },
    /// The target's schema is somebody's.
    #[error("schema {schema} of the target is in other hands: {role} may create in it")]
    ForeignSchema {
        /// The schema.
        schema: String,
        /// A role.
        role: String,
    },
    /// Another import runs on the target.
    #[error("another import of schema {schema} is running on the target")]
    ImportRunning {
        /// The schema.
        schema: String,
    },
    /// The target is older than what the archive was made from.
    #[error("the target is PostgreSQL {target}, older than the archive's {source_major}")]
    OlderTarget {
        /// The target's major version.
        target: u32,
        /// The archive's.
        source_major: u32,
    },
}

impl From<PgError> for Error {
    fn from(error: PgError) -> Self {
        Self::Transfer(error.into())
    }
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Transfer(error) => error.code(),
            Self::Exists(_) => "archive-exists",
            Self::BadLocation { .. } => "bad-location",
            Self::Busy(_) => "export-running",
            Self::Coupled { .. } => "coupled",
            Self::Splitting(_) => "service-moving",
            Self::NotAnArchive { .. } => "not-an-archive",
            Self::Damaged { .. } => "archive-damaged",
            Self::NotEmpty { .. } => "target-not-empty",
            Self::ImportRunning { .. } => "import-running",
            Self::OlderTarget { .. } => "target-older",
            Self::Statement { .. } => "archive-statement",
            Self::ExistingRoles { .. } => "existing-roles",
            Self::ForeignSchema { .. } => "foreign-schema",
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Transfer(error) => error.verdict(),
            Self::BadLocation { .. } | Self::NotAnArchive { .. } => Verdict::Invalid,
            Self::Damaged { .. } => Verdict::Failed,
            _ => Verdict::Refused,
        }
    }
}
