//! What the audit says.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::path::Path;
use super::remedy::FixClass;
use super::scene::Scene;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A line is crossed.
    Error,
    /// A line can be crossed, or is about to be.
    Warning,
    /// Worth knowing; nothing is open.
    #[default]
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finding {
    /// The rule's id.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The service that the object belongs to; nothing when it is nobody's or everybody's.
    pub service: Option<String>,
    /// Who can; `PUBLIC` for a cause that is a grant to PUBLIC, whomever it reaches.
    pub principal: String,
    /// The credential that the principal is a login of (`billing/app`): a rotation changes the login, and not this.
    pub credential: Option<String>,
    /// Everyone whom the cause reaches, sorted; nobody where that is the principal alone.
    pub principals: Vec<String>,
    /// Other rules that the same cause breaks.
    pub also: Vec<&'static str>,
    /// The service of the principal; nothing when it is in none.
    pub principal_service: Option<String>,
    /// What.
    pub object: String,
    /// A name of the object that outlasts a rotation, where that is another one.
    pub lasting_object: Option<String>,
    /// How, step by step.
    pub path: Path,
    /// Whether a contract declares the principal's service at this object: then the finding is about what goes beyond.
    pub declared: bool,
    /// One sentence.
    pub message: String,
    /// What to run or do: SQL where pasting it does no harm, else comments that say what comes first.
    pub fix: String,
    /// What may be done with the fix.
    pub fix_class: FixClass,
    /// The logins that lose access by the fix, sorted; of very many only some.
    pub fix_hits: Vec<String>,
    /// The SQL that ends the cause, whatever else it does; not printed.
    pub statement: String,
    /// The reason of the waiver that covers it.
    pub waived: Option<String>,
    /// Whether a former audit, given as the baseline, told it already.
    pub known: bool,
    /// The environment variable of the database that it is about; nothing for the shared one.
    pub database: Option<String>,
}

impl Finding {
    /// Says in a sentence what to do, in place of a fix.
    pub(super) fn advise(&mut self, sentence: String) {
        self.fix = sentence;
        self.fix_class = FixClass::Decision;
        self.fix_hits.clear();
        self.statement.clear();
    }

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

    /// Gives a stable identity: it changes neither with the path, the severity or the words, nor with a rotation.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let principal = self.credential.as_ref().unwrap_or(&self.principal);
        self.digest(self.rule, principal, self.lasting_object.as_ref().unwrap_or(&self.object))
    }

    /// Gives the fingerprints that an audit of an earlier version had for the same cause: one for each login and rule.
    pub(super) fn earlier_fingerprints(&self) -> impl Iterator<Item = String> {
        let rules = std::iter::once(self.rule).chain(self.also.iter().copied());
        let principals = match self.principals.as_slice() {
            [] => std::slice::from_ref(&self.principal),
            all => all,
        };
        rules.flat_map(move |rule| principals.iter().map(move |login| self.digest(rule, login, &self.object)))
    }

    fn digest(&self, rule: &str, principal: &str, object: &str) -> String {
        let mut hash = Sha256::new();
        for part in [rule, principal, object].into_iter().chain(self.database.as_deref()) {
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

/// How many findings there are; what nothing but a split ends is in none of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Open errors.
    pub errors: usize,
    /// Open warnings.
    pub warnings: usize,
    /// Open ones that are worth knowing.
    pub informational: usize,
    /// Those that a waiver covers.
    pub waived: usize,
    /// Those that the baseline covers.
    pub known: usize,
}

impl Counts {
    /// Gives the number of open findings.
    #[must_use]
    pub fn open(&self) -> usize {
        self.errors + self.warnings + self.informational
    }

    /// Gives the number of those that a waiver or the baseline covers.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.waived + self.known
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

    /// Counts the findings: every format shows these numbers.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let number = |wanted: &dyn Fn(&Finding) -> bool| self.findings.iter().filter(|f| wanted(f)).count();
        let of = |severity| number(&|f| f.is_open() && !f.is_inherent() && f.severity == severity);
        Counts {
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            informational: of(Severity::Info),
            waived: number(&|f| f.waived.is_some()),
            known: number(&|f| f.known && f.waived.is_none()),
        }
    }

    /// Gives the worst severity that neither a waiver nor the baseline covers; what nothing can be done about is left out.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().filter(|f| f.is_open() && !f.is_inherent()).map(|f| f.severity).min()
    }
}
