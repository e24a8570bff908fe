//! What trying proved, beside the findings.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::style::{CHANGED, FAINT, HEADING, REMOVED, count, plain};
use crate::audit::finding::Report;
use crate::audit::proof::{Outcome, Proof};

/// Writes what was proved, for a person; to be put behind the findings.
#[must_use]
pub fn human(report: &Report, proof: &Proof) -> String {
    let mut out = String::new();
    let _ = write_human(&mut out, report, proof);
    out
}

fn write_human(out: &mut String, report: &Report, proof: &Proof) -> std::fmt::Result {
    let of = |word: &str| proof.outcomes.values().filter(|outcome| outcome.word() == word).count();
    writeln!(
        out,
        "{HEADING}Probed{HEADING:#}: {} confirmed, {} contradicted, {} not tried; {} of {} without a finding tried, {} open.",
        of("confirmed"),
        of("contradicted"),
        of("not_tried"),
        proof.sampled,
        count(proof.pairs, "pair"),
        proof.undeduced.len()
    )?;
    for finding in &report.findings {
        let (rule, message) = (finding.rule, plain(&finding.message));
        match proof.outcomes.get(&finding.fingerprint()) {
            Some(Outcome::Contradicted(why)) => {
                writeln!(out, "  {REMOVED}contradicted{REMOVED:#} {rule} {message} {FAINT}{}{FAINT:#}", plain(why))?;
            }
            Some(Outcome::NotTried(why)) => {
                writeln!(out, "  {CHANGED}not tried{CHANGED:#} {rule} {message} {FAINT}{}{FAINT:#}", plain(why))?;
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
            Some(outcome) => json!({ "result": outcome.word(), "reason": outcome.reason() }),
            None => Value::Null,
        };
    }
    document["probe"] = json!({ "sampled": proof.sampled, "pairs": proof.pairs, "undeduced": proof.undeduced.len() });
    let mut text = serde_json::to_string_pretty(&document).expect("findings are plain data");
    text.push('\n');
    text
}
