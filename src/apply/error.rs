//! Why a plan was not made or not applied.

use std::collections::BTreeSet;

use crate::catalog;
use crate::credentials;
use crate::error::{Coded, Verdict};
use crate::migrate;
use crate::pg;
use crate::pg::lock::LockError;
use crate::plan::change::Hazard;
use crate::plan::identity::Misfit;
use crate::plan::pin::Changed;
use crate::registry::RegistryError;

/// Says why a plan was not made or not applied; a service that fails while others go on is no such error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused a statement or could not be reached.
    #[error(transparent)]
    Server(#[from] pg::error::Error),
    /// The catalog could not be read.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// Somebody else is applying.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The registry could not be made or read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Passwords could not be made or published.
    #[error(transparent)]
    Credentials(#[from] credentials::Error),
    /// Migrations could not be read or run.
    #[error(transparent)]
    Migrate(#[from] migrate::Error),
    /// The plan holds a danger that was not allowed.
    #[error("the plan holds what must be allowed by name: {}", names(.0))]
    Hazards(BTreeSet<Hazard>),
    /// The database is not as it was when the plan was made.
    #[error("the database has changed since the plan was made")]
    Moved,
    /// The manifests, the migrations or the place of new passwords are not as they were when the plan was made.
    #[error(transparent)]
    Outdated(#[from] Changed),
    /// The manifests and the services of this database are not the same services; the first misfit gives the code.
    #[error("{}", sentences(.0))]
    Misfit(Vec<Misfit>),
    /// The plan is for another database.
    #[error("the plan is for database {planned}, and this is {connected}")]
    OtherDatabase {
        /// The plan's.
        planned: String,
        /// The one that is connected.
        connected: String,
    },
    /// What all services share could not be set up; nothing else was tried.
    #[error("what all services share could not be set up: {0}")]
    Shared(String),
    /// It was asked to stop, and did so between two steps.
    #[error("stopped between two steps; run it again to go on")]
    Interrupted,
}

fn sentences(misfits: &[Misfit]) -> String {
    misfits.iter().map(Misfit::to_string).collect::<Vec<_>>().join("\n")
}

fn names(hazards: &BTreeSet<Hazard>) -> String {
    hazards.iter().map(|h| h.name()).collect::<Vec<_>>().join(", ")
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Server(error) => error.code(),
            Self::Catalog(error) => error.code(),
            Self::Lock(error) => error.code(),
            Self::Registry(error) => error.code(),
            Self::Credentials(error) => error.code(),
            Self::Migrate(error) => error.code(),
            Self::Hazards(_) => "hazard-not-allowed",
            Self::Moved => "database-moved",
            Self::Outdated(_) => "plan-outdated",
            Self::OtherDatabase { .. } => "other-database",
            Self::Misfit(misfits) => misfits.first().map_or("schema-changed", Misfit::code),
            Self::Shared(_) => "shared-setup",
            Self::Interrupted => "interrupted",
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Server(error) => error.verdict(),
            Self::Catalog(error) => error.verdict(),
            Self::Lock(error) => error.verdict(),
            Self::Registry(error) => error.verdict(),
            Self::Credentials(error) => error.verdict(),
            Self::Migrate(error) => error.verdict(),
            Self::Hazards(_) | Self::Moved | Self::Outdated(_) | Self::Misfit(_) | Self::OtherDatabase { .. } => {
                Verdict::Refused
            }
            Self::Shared(_) => Verdict::Failed,
            Self::Interrupted => Verdict::Interrupted,
        }
    }
}
