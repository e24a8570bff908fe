//! Who can reach what, by which path, and whether a contract declares it.
//!
//! [`facts`] is what was read, [`graph`] who can act as whom, [`services`] which role and schema belong to whom,
//! [`rules`] the judgement. All of it is pure; the catalogs are read by `catalog::facts`.

pub mod access;
pub mod baseline;
pub mod facts;
pub mod finding;
pub mod foreign_code;
pub mod graph;
mod managed;
pub mod moving;
pub mod name;
mod passage;
pub mod path;
pub mod proof;
pub mod remedy;
pub mod rules;
pub mod scene;
pub mod services;
pub mod through;
pub mod waiver;
mod ways;
pub mod why;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

use facts::Facts;
use finding::{Finding, LookedAt, Report};
use rules::Rule;
use scene::Scene;
use services::Services;

/// What to judge.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The ids of the only rules to apply; empty for all.
    pub rules: Vec<String>,
}

/// Judges a database.
///
/// The findings are sorted by severity, rule, service, principal and object; the same input gives the same report.
#[must_use]
pub fn run(facts: &Facts, services: &Services, options: &Options) -> Report {
    let scene = Scene::new(facts, services);
    let chosen =
        |rule: &&Rule| options.rules.is_empty() || options.rules.iter().any(|id| id.eq_ignore_ascii_case(rule.id));
    let applied: Vec<&Rule> = rules::ALL.iter().copied().filter(chosen).collect();
    let mut findings: Vec<Finding> = Vec::new();
    for rule in &applied {
        let mut out = rules::Sink::new(&scene, rule);
        (rule.check)(&scene, &mut out);
        findings.extend(out.into_findings());
    }
    rules::fold(&mut findings);
    moving::settle(&scene, services, &mut findings);
    findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    Report {
        findings,
        looked_at: LookedAt::new(&scene, applied.len()),
        others: Vec::new(),
        not_readable: not_readable(facts, &applied),
    }
}

/// Gives what could not be read and was needed: the kinds of passwords matter to one rule only.
fn not_readable(facts: &Facts, applied: &[&Rule]) -> Vec<String> {
    let needs_passwords = applied.iter().any(|rule| rule.id == "ATT06");
    let needed = |what: &&String| needs_passwords || !what.starts_with("pg_catalog.pg_authid:");
    facts.not_readable.iter().filter(needed).cloned().collect()
}
