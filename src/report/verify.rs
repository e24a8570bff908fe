//! What a comparison found.

use std::fmt::Write as _;

use super::style::{ADDED, FAINT, HEADING, REMOVED, count, plain};
use crate::archive::verify::{NotCompared, Verified, What};

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
    for view in verified.materialized_views.iter().filter(|v| !v.equal) {
        let (name, rows, other) = (plain(&view.table), view.rows, view.other_rows);
        writeln!(out, "{REMOVED}✗{REMOVED:#} materialized view {name}: {rows} rows against {other}, not the same")?;
    }
    for line in not_compared(&verified.not_compared) {
        writeln!(out, "Not compared: {line}.")?;
    }
    let rows: u64 = verified.tables.iter().map(|t| t.rows).sum();
    let tables = count(verified.tables.len(), "table");
    let views = match verified.materialized_views.len() {
        0 => String::new(),
        number => format!(", {}", count(number, "materialized view")),
    };
    if verified.equal {
        return writeln!(
            out,
            "{ADDED}✓{ADDED:#} {HEADING}Equal{HEADING:#}: {tables}, {rows} rows{views}, all definitions."
        );
    }
    let differ = verified.tables.iter().filter(|t| !t.equal).count();
    let definitions = count(verified.definitions.len(), "definition");
    let differing = verified.materialized_views.iter().filter(|v| !v.equal).count();
    let views =
        if differing == 0 { String::new() } else { format!(", {differing} of{}", views.trim_start_matches(',')) };
    writeln!(out, "{HEADING}Not equal{HEADING:#}: {differ} of {tables}{views}, {definitions}.")
}

/// Says what was not compared, one line for each reason.
fn not_compared(all: &[NotCompared]) -> Vec<String> {
    let (mut lines, mut archived, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for thing in all {
        match thing {
            NotCompared::SameServer => lines.push(
                "roles, memberships, passwords and settings for all databases: both databases are on one server, so they \
                 are the same"
                    .to_owned(),
            ),
            NotCompared::Passwords => lines.push("passwords: the login of one side may not read pg_authid".to_owned()),
            NotCompared::PasswordsOfArchive => {
                lines.push("passwords: the archive was written without --with-verifiers".to_owned());
            }
            NotCompared::ViewOfArchive { view } => archived.push(plain(view)),
            NotCompared::ViewUnreadable { view } => unreadable.push(plain(view)),
        }
    }
    let reasons =
        [(archived, "which an archive does not hold"), (unreadable, "which the login of one side may not read")];
    for (views, why) in reasons.into_iter().filter(|(views, _)| !views.is_empty()) {
        let number = count(views.len(), "materialized view");
        lines.push(format!("rows of {number}, {why}: {}", views.join(", ")));
    }
    lines
}

/// Writes it as `pgcleave.verify/1`.
///
/// # Panics
/// Never: it has only texts for keys.
#[must_use]
pub fn json(verified: &Verified) -> String {
    serde_json::to_string_pretty(verified).expect("it has only texts for keys") + "\n"
}
