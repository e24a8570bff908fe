//! What trying proved, beside the findings.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::style::{CHANGED, FAINT, HEADING, REMOVED, count, plain};
use crate::audit::finding::Report;
use crate::audit::proof::{By, Outcome, Proof};

/// Writes what was proved, for a person; to be put behind the findings.
#[must_use]
pub fn human(report: &Report, proof: &Proof) -> String {
    let mut out = String::new();
    let _ = write_human(&mut out, report, proof);
    out
}

fn write_human(out: &mut String, report: &Report, proof: &Proof) -> std::fmt::Result {
    let of = |word: &str, by: Option<By>| {
        proof.outcomes.values().filter(|outcome| outcome.word() == word && (by.is_none() || outcome.by() == by)).count()
    };
    let split = |word: &str| {
        let (tried, catalog) = (of(word, Some(By::Tried)), of(word, Some(By::Catalog)));
        format!("{} {word} ({tried} tried, {catalog} from the catalog)", tried + catalog)
    };
    writeln!(
        out,
        "{HEADING}Probed{HEADING:#}: {}, {}, {} not checked; {} of {} without a finding checked ({} tried, {} from the \
         catalog), {} open.",
        split("confirmed"),
        split("contradicted"),
        of("not_tried", None),
        proof.sampled,
        count(proof.pairs, "pair"),
        proof.sampled_tried,
        proof.sampled - proof.sampled_tried,
        proof.undeduced.len()
    )?;
    for (why, claims) in &proof.untried {
        writeln!(out, "  {CHANGED}from the catalog only{CHANGED:#}: {}: {}", count(*claims, "claim"), plain(why))?;
    }
    for finding in &report.findings {
        let (rule, message) = (finding.rule, plain(&finding.message));
        match proof.outcomes.get(&finding.fingerprint()) {
            Some(Outcome::Contradicted(by, why)) => {
                let why = format!("{} ({})", plain(why), by.word());
                writeln!(out, "  {REMOVED}contradicted{REMOVED:#} {rule} {message} {FAINT}{why}{FAINT:#}")?;
            }
            Some(Outcome::NotTried(why)) => {
                writeln!(out, "  {CHANGED}not checked{CHANGED:#} {rule} {message} {FAINT}{}{FAINT:#}", plain(why))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Adds `probe` to each finding of the audit's JSON, and to the document what was tried besides.
///
/// # Panics
/// When the text is not what [`super::audit::json`] writes.
#[must_use]
pub fn json(audit: &str, report: &Report, proof: &Proof) -> String {
    let mut document: Value = serde_json::from_str(audit).expect("the audit's own JSON");
    for (row, finding) in document["findings"].as_array_mut().into_iter().flatten().zip(&report.findings) {
        row["probe"] = match proof.outcomes.get(&finding.fingerprint()) {
            Some(outcome) => json!({
                "result": outcome.word(),
                "answered_by": outcome.by().map(By::word),
                "reason": outcome.reason(),
            }),
            None => Value::Null,
        };
    }
    document["probe"] = json!({
        "sampled": proof.sampled,
        "sampled_tried": proof.sampled_tried,
        "pairs": proof.pairs,
        "undeduced": proof.undeduced.len(),
        "from_catalog_only": proof.untried,
    });
    let mut text = serde_json::to_string_pretty(&document).expect("findings are plain data");
    text.push('\n');
    text
}
