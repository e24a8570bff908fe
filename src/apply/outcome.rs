//! What an apply did.

use serde::Serialize;

/// The format's name and version.
pub const FORMAT: &str = "pgcleave.apply/1";

/// What became of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceResult {
    /// The service; nothing for what all share.
    pub service: Option<String>,
    /// How many changes were carried out.
    pub changes: usize,
    /// The files of the migrations that ran.
    pub migrations: Vec<String>,
    /// The credentials that got a password.
    pub issued: Vec<String>,
    /// Why it was left as its last stage found it.
    pub error: Option<String>,
    /// What of it waits for a person; the rest was done.
    pub pending: Option<Waiting>,
}

/// What waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The stable code.
    pub code: &'static str,
    /// What it waits for, with the command that ends it.
    pub message: String,
}

/// A change that was left undone although it was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The change, in words.
    pub change: String,
    /// What it would do, and to whom.
    pub why: String,
    /// The hazards that have to be allowed; none where something else failed or was refused before.
    pub needs: Vec<&'static str>,
}

/// What an apply did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// [`FORMAT`].
    pub format: &'static str,
    /// The fingerprint of the plan.
    pub fingerprint: String,
    /// Each service that had something to be done, in order.
    pub services: Vec<ServiceResult>,
    /// What was planned and left undone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// Where new secrets are, if there are any.
    pub secrets: Option<String>,
    /// What the plan had to tell besides, and what this administrator could not do.
    pub notes: Vec<String>,
}

impl Applied {
    /// Tells whether something was left undone for want of `--allow`.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.skipped.iter().any(|skipped| !skipped.needs.is_empty())
    }

    /// Counts the services that failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.services.iter().filter(|s| s.error.is_some()).count()
    }

    /// Counts the services of which something waits for a person.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.services.iter().filter(|s| s.pending.is_some()).count()
    }
}
