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
    /// Where new secrets are, if there are any.
    pub secrets: Option<String>,
    /// What the plan had to tell besides, and what this administrator could not do.
    pub notes: Vec<String>,
}

impl Applied {
    /// Counts the services that failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.services.iter().filter(|s| s.error.is_some()).count()
    }
}
