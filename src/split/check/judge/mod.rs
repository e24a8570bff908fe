//! Facts → what is in the way, and what to know.

mod database;
mod logins;
mod schema;
mod server;

#[cfg(test)]
mod tests;

use super::facts::Facts;
use super::readiness::{Allowed, Estimate, Item, Readiness};
use crate::ident::Ident;

/// What a copy moves in a second, rows and indexes, in bytes: what a small server does without `--max-rate`.
const COPY_BYTES_PER_SECOND: u64 = 50_000_000;
const INDEX_BYTES_PER_SECOND: u64 = 25_000_000;

/// Judges; the same facts give the same answer.
#[must_use]
pub fn judge(service: &str, schema: &Ident, facts: &Facts, allowed: &Allowed) -> Readiness {
    let estimate = estimate(facts);
    let mut found = Findings { allowed: allowed.clone(), blockers: Vec::new(), warnings: Vec::new() };
    server::judge(facts, &estimate, &mut found);
    database::judge(facts, schema, &mut found);
    schema::judge(facts, schema, &mut found);
    logins::judge(facts, &mut found);
    found.blockers.sort();
    found.blockers.dedup();
    found.warnings.sort();
    found.warnings.dedup();
    Readiness {
        service: service.to_owned(),
        phase: facts.phase.clone(),
        blockers: found.blockers,
        warnings: found.warnings,
        unknown: unknown(facts, &estimate),
        estimate,
    }
}

/// What was found so far.
struct Findings {
    allowed: Allowed,
    blockers: Vec<Item>,
    warnings: Vec<Item>,
}

impl Findings {
    /// Adds a blocker, or a warning where its kind is allowed.
    fn blocker(&mut self, kind: &str, object: &str, message: String, fix: String, cost: Option<String>) {
        let list = if self.allowed.contains(kind) { &mut self.warnings } else { &mut self.blockers };
        list.push(Item::new(kind, object, message, fix, cost));
    }

    fn warning(&mut self, kind: &str, object: &str, message: String, fix: String, cost: Option<String>) {
        self.warnings.push(Item::new(kind, object, message, fix, cost));
    }
}

fn estimate(facts: &Facts) -> Estimate {
    let tables: Vec<_> = facts.schema.tables.iter().filter(|table| !table.partitioned).collect();
    let bytes = tables.iter().map(|table| table.bytes).sum::<u64>();
    let index_bytes = tables.iter().map(|table| table.index_bytes).sum::<u64>();
    let seconds = bytes.div_ceil(COPY_BYTES_PER_SECOND) + index_bytes.div_ceil(INDEX_BYTES_PER_SECOND);
    Estimate {
        tables: tables.len(),
        rows: tables.iter().map(|table| table.rows).sum(),
        bytes,
        index_bytes,
        seconds,
        database_bytes: facts.source.bytes,
        transactions_per_second: facts.source.transactions_per_second,
        wal_bytes: facts.source.wal_bytes_per_second.map(|rate| rate.saturating_mul(seconds)),
    }
}

/// Says what neither server tells.
fn unknown(facts: &Facts, estimate: &Estimate) -> Vec<String> {
    let mut all = vec![format!(
        "free disk: PostgreSQL does not tell; the target needs about {}, the source {} for the log that the slot holds back",
        size(estimate.bytes + estimate.index_bytes),
        estimate.wal_bytes.map_or_else(|| "room".to_owned(), size),
    )];
    all.push("whether each server reaches the other: split start tries it before it copies".to_owned());
    for (side, server) in [("source", &facts.source), ("target", &facts.target)] {
        let login = &server.login;
        if !server.sees_all {
            all.push(format!(
                "other logins' transactions on the {side}: {login} sees only its own (grant pg_read_all_stats to it)"
            ));
        }
        if server.bytes.is_none() {
            all.push(format!("the size of the {side}'s database: {login} may not connect to it"));
        }
        if server.system.is_none() {
            all.push(format!("which server the {side} is: {login} may not call pg_control_system()"));
        }
    }
    all
}

/// Gives a size with a decimal unit.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut rest, mut unit) = (bytes, 0);
    while rest >= 10_000 && unit + 1 < UNITS.len() {
        (rest, unit) = (rest.div_ceil(1_000), unit + 1);
    }
    format!("{rest} {}", UNITS[unit])
}
