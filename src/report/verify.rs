//! What a comparison found.

use std::fmt::Write as _;

use super::style::{ADDED, FAINT, HEADING, REMOVED, count, plain};
use crate::archive::verify::{Verified, What};

/// How much of a definition is shown to a person, in characters.
const FACT_CHARS: usize = 300;

/// Writes it for a person.
#[must_use]
pub fn human(verified: &Verified) -> String {
    let mut out = String::new();
    let _ = write_human(&mut out, verified);
    out
}

fn write_human(out: &mut String, verified: &Verified) -> std::fmt::Result {
    for table in verified.tables.iter().filter(|t| !t.equal) {
        write!(out, "{REMOVED}✗{REMOVED:#} {}: {} rows against {}", plain(&table.table), table.rows, table.other_rows)?;
        match table.chunks {
            Some(chunks) => writeln!(out, ", {} of {} chunks differ", chunks.differ, chunks.of)?,
            None => writeln!(out, ", not comparable: its columns differ, or one side lacks it")?,
        }
        for difference in &table.first_differences {
            let what = match difference.what {
                What::MissingInFirst => "only in the second",
                What::MissingInSecond => "only in the first",
                What::Differs => "differs",
            };
            writeln!(out, "    {}  {FAINT}{what}{FAINT:#}", plain(&difference.key))?;
        }
    }
    for fact in &verified.definitions {
        writeln!(out, "{REMOVED}✗{REMOVED:#} {}", plain(&fact.object))?;
        let short = |text: &Option<String>| match text {
            Some(text) => plain(text).chars().take(FACT_CHARS).collect(),
            None => "nothing".to_owned(),
        };
        writeln!(out, "    first:  {}\n    second: {}", short(&fact.first), short(&fact.second))?;
    }
    let rows: u64 = verified.tables.iter().map(|t| t.rows).sum();
    let tables = count(verified.tables.len(), "table");
    if verified.equal {
        return writeln!(out, "{ADDED}✓{ADDED:#} {HEADING}Equal{HEADING:#}: {tables}, {rows} rows, all definitions.");
    }
    let differ = verified.tables.iter().filter(|t| !t.equal).count();
    let definitions = count(verified.definitions.len(), "definition");
    writeln!(out, "{HEADING}Not equal{HEADING:#}: {differ} of {tables}, {definitions}.")
}

/// Writes it as `pgcleave.verify/1`.
///
/// # Panics
/// Never: it has only texts for keys.
#[must_use]
pub fn json(verified: &Verified) -> String {
    serde_json::to_string_pretty(verified).expect("it has only texts for keys") + "\n"
}
