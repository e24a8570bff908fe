//! What the audit says.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::path::Path;
use super::scene::Scene;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A line is crossed.
    Error,
    /// A line can be crossed, or is about to be.
    Warning,
    /// Worth knowing; nothing is open.
    Info,
}

impl Severity {
    /// Gives the word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }

    /// Finds a severity by its word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Error, Self::Warning, Self::Info].into_iter().find(|s| s.word() == word)
    }
}

/// One finding: a rule, who, what, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The service that the object belongs to; nothing when it is nobody's or everybody's.
    pub service: Option<String>,
    /// Who can.
    pub principal: String,
    /// The service of the principal; nothing when it is in none.
    pub principal_service: Option<String>,
    /// What.
    pub object: String,
    /// How, step by step.
    pub path: Path,
    /// Whether a contract declares the principal's service at this object: then the finding is about what goes beyond.
    pub declared: bool,
    /// One sentence.
    pub message: String,
    /// What to run or do; SQL where SQL can do it.
    pub fix: String,
    /// The reason of the waiver that covers it.
    pub waived: Option<String>,
    /// Whether a former audit, given as the baseline, told it already.
    pub known: bool,
    /// The environment variable of the database that it is about; nothing for the shared one.
    pub database: Option<String>,
}

impl Finding {
    /// Tells whether neither a waiver nor the baseline covers it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.waived.is_none() && !self.known
    }

    /// Tells whether it is about what sharing one database means, so that nothing but a split ends it.
    #[must_use]
    pub fn is_inherent(&self) -> bool {
        self.rule.starts_with("INF")
    }

    /// Gives a stable identity: it does not change with the path, the severity or the words.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let parts = [self.rule, &self.principal, &self.object];
        for part in parts.into_iter().chain(self.database.as_deref()) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn sort_key(&self) -> (Severity, &str, Option<&str>, &str, &str, Option<&str>) {
        let service = self.service.as_deref();
        (self.severity, self.rule, service, &self.object, &self.principal, self.database.as_deref())
    }
}

/// How much was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LookedAt {
    /// The database.
    pub database: String,
    /// The server's major version.
    pub server_major: u32,
    /// How many services were told apart.
    pub services: usize,
    /// How many roles there are.
    pub roles: usize,
    /// How many memberships there are.
    pub memberships: usize,
    /// How many schemas there are.
    pub schemas: usize,
    /// How many relations there are.
    pub relations: usize,
    /// How many routines there are.
    pub routines: usize,
    /// How many types there are.
    pub types: usize,
    /// How many rules were applied.
    pub rules: usize,
}

impl LookedAt {
    pub(super) fn new(scene: &Scene<'_>, rules: usize) -> Self {
        let facts = scene.facts;
        Self {
            database: facts.session.database.clone(),
            server_major: facts.session.major,
            services: scene.map.names.len(),
            roles: facts.roles.iter().filter(|(_, r)| !r.is_system() && !r.dangling).count(),
            memberships: facts.memberships.len(),
            schemas: facts.schemas.len(),
            relations: facts.relations.len(),
            routines: facts.routines.len(),
            types: facts.types.len(),
            rules,
        }
    }
}

/// All that the audit says about one database, or about several together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The findings, sorted.
    pub findings: Vec<Finding>,
    /// How much was looked at.
    pub looked_at: LookedAt,
    /// How much of other databases was looked at.
    pub others: Vec<LookedAt>,
    /// What could not be read.
    pub not_readable: Vec<String>,
}

impl Report {
    /// Says in which database the findings were made, by its environment variable.
    pub fn place(&mut self, variable: &str) {
        for finding in self.findings.iter_mut().filter(|finding| finding.database.is_none()) {
            finding.database = Some(variable.to_owned());
            finding.message.push_str(&format!(" (in the database of {variable})"));
        }
    }

    /// Adds what was found in another database.
    pub fn add(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        self.others.push(other.looked_at);
        self.others.extend(other.others);
        let database = self.others.last().map(|looked| looked.database.clone()).unwrap_or_default();
        self.not_readable.extend(other.not_readable.into_iter().map(|what| format!("{what} (of database {database})")));
    }

    /// Gives the worst severity that neither a waiver nor the baseline covers; what nothing can be done about is left out.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().filter(|f| f.is_open() && !f.is_inherent()).map(|f| f.severity).min()
    }
}
