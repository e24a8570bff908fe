//! What a check found.

use std::collections::BTreeSet;

use serde::Serialize;

/// The kinds of blockers that can be allowed: whoever allows one has looked at it, and accepts what it says.
pub const ALLOWABLE: [&str; 7] =
    ["cpl06", "cpl11", "event-trigger", "lock-table", "login", "needed-by", "superuser-objects"];

/// The kinds of blockers that somebody has allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(BTreeSet<String>);

impl Allowed {
    /// Takes those of these words that name a kind that can be allowed.
    pub fn new<'a>(kinds: impl IntoIterator<Item = &'a str>) -> Self {
        Self(kinds.into_iter().filter(|kind| ALLOWABLE.contains(kind)).map(str::to_owned).collect())
    }

    /// Tells whether a kind is allowed.
    #[must_use]
    pub fn contains(&self, kind: &str) -> bool {
        self.0.contains(kind)
    }
}

/// Whether a service can move.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The service.
    pub service: String,
    /// How far a split is that has begun already.
    pub phase: Option<String>,
    /// What must be changed first.
    pub blockers: Vec<Item>,
    /// What to know before.
    pub warnings: Vec<Item>,
    /// What could not be found out, in sentences.
    pub unknown: Vec<String>,
    /// How much there is.
    pub estimate: Estimate,
}

/// One thing in the way, or to be known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Item {
    /// What kind, a stable word.
    pub kind: String,
    /// What it is about.
    pub object: String,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// What doing it costs, where it costs anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// Whether `--allow` with its kind takes it out of the way.
    pub allowable: bool,
}

impl Item {
    /// Makes one.
    #[must_use]
    pub fn new(kind: &str, object: &str, message: String, fix: String, cost: Option<String>) -> Self {
        let allowable = ALLOWABLE.contains(&kind);
        Self { kind: kind.to_owned(), object: object.to_owned(), message, fix, cost, allowable }
    }
}

/// How much there is to move, roughly.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Tables that hold rows.
    pub tables: usize,
    /// Their rows, by the planner's statistics; by their size where there are none yet.
    pub rows: u64,
    /// Their size without indexes.
    pub bytes: u64,
    /// Their indexes' size.
    pub index_bytes: u64,
    /// How long the copy takes at 50 MB a second, and the indexes at 25.
    pub seconds: u64,
    /// The size of the whole database that it shares.
    pub database_bytes: Option<u64>,
    /// The whole database's transactions per second, on average since its statistics were reset.
    pub transactions_per_second: Option<u64>,
    /// How much log the source writes meanwhile at its average rate, which the slot holds back.
    pub wal_bytes: Option<u64>,
}

impl Readiness {
    /// Tells whether nothing is in the way.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.blockers.is_empty()
    }

    /// Adds what somebody else has found; what is allowed does not block.
    pub fn add(&mut self, blocks: bool, item: Item, allowed: &Allowed) {
        let list = if blocks && !allowed.contains(&item.kind) { &mut self.blockers } else { &mut self.warnings };
        if let Err(at) = list.binary_search(&item) {
            list.insert(at, item);
        }
    }
}
