//! Findings for a pull request, in GitHub's Markdown.

use std::fmt::Write as _;

use super::super::style::{count, plain};
use super::catalogue::accepted;
use crate::audit::finding::{Finding, Report, Severity};

/// How many findings are written out; a comment holds 65,536 characters.
const MOST_FINDINGS: usize = 60;

/// Writes a summary, a table, and the fixes to unfold.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let open: Vec<&Finding> = report.findings.iter().filter(|f| f.is_open()).collect();
    let covered: Vec<&Finding> = report.findings.iter().filter(|f| !f.is_open()).collect();
    let of = |severity| open.iter().filter(|f| f.severity == severity).count();
    let looked = &report.looked_at;
    let mut out = format!("## Audit of {}\n\n", code(&looked.database));
    if open.is_empty() {
        out.push_str("✅ **Nothing found.**");
    } else {
        let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
        let mark = if errors > 0 { "❌" } else { "⚠️" };
        let told =
            [count(errors, "error"), count(warnings, "warning"), format!("{} informational", of(Severity::Info))];
        let _ = write!(out, "{mark} **{}**: {}.", count(open.len(), "finding"), told.join(", "));
    }
    if !covered.is_empty() {
        let _ = write!(out, " {} accepted.", covered.len());
    }
    let counts = [
        count(looked.services, "service"),
        count(looked.roles, "role"),
        count(looked.schemas, "schema"),
        count(looked.relations, "relation"),
        count(looked.routines, "routine"),
        count(looked.rules, "rule"),
    ];
    let _ = writeln!(out, " Looked at PostgreSQL {}: {}.", looked.server_major, counts.join(", "));
    for what in &report.not_readable {
        let _ = writeln!(out, "\n⚠️ Not readable by this login: {}", code(what));
    }
    let shown = &open[..open.len().min(MOST_FINDINGS)];
    if !shown.is_empty() {
        write_table(&mut out, shown);
        if open.len() > shown.len() {
            let _ = writeln!(out, "\n… and {} more; `pgcleave audit` shows all.", open.len() - shown.len());
        }
        write_fixes(&mut out, shown);
    }
    if !covered.is_empty() {
        out.push_str("\n<details><summary>Accepted</summary>\n\n| rule | who | what | reason |\n|---|---|---|---|\n");
        for f in covered.iter().take(MOST_FINDINGS) {
            let reason = accepted(f).unwrap_or_default();
            let _ = writeln!(out, "| {} | {} | {} | {} |", f.rule, code(&f.principal), code(&f.object), prose(&reason));
        }
        out.push_str("\n</details>\n");
    }
    out
}

fn write_table(out: &mut String, findings: &[&Finding]) {
    out.push_str("\n| | rule | who | what | path |\n|---|---|---|---|---|\n");
    for f in findings {
        let _ = writeln!(
            out,
            "| {} {} | {} | {} | {} | {} |",
            mark(f.severity),
            f.severity.word(),
            f.rule,
            code(&f.principal),
            code(&f.object),
            code(&f.path.to_string())
        );
    }
}

fn write_fixes(out: &mut String, findings: &[&Finding]) {
    out.push_str("\n<details><summary>What to do</summary>\n\n");
    let longest = findings.iter().flat_map(|f| f.fix.split(|c| c != '`').map(str::len)).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    let _ = writeln!(out, "{fence}sql");
    for f in findings {
        let _ = writeln!(out, "-- {}: {}", f.rule, plain(&f.message));
        for line in f.fix.lines() {
            let _ = writeln!(out, "{}", plain(line));
        }
    }
    let _ = writeln!(out, "{fence}\n\n</details>");
}

fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "🔴",
        Severity::Warning => "🟠",
        Severity::Info => "🔵",
    }
}

/// Writes a text as code in a table's cell, whatever it holds.
fn code(text: &str) -> String {
    let text = plain(text);
    if text.contains(['`', '|', '\\']) {
        // backticks cannot hold these in a cell: entities can
        return format!("<code>{}</code>", entities(&text));
    }
    format!("`{text}`")
}

/// Writes a text as prose in a table's cell, with nothing of it taken for markup or a mention.
fn prose(text: &str) -> String {
    entities(&plain(text))
}

fn entities(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_punctuation() && !".,:;()-=".contains(c) {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_holds_its_text_in_a_cell() {
        assert_eq!(code("a.b"), "`a.b`");
        assert_eq!(code("a|b`c\\"), "<code>a&#124;b&#96;c&#92;</code>");
        assert_eq!(code("<b>\n@team"), "<code>&#60;b&#62;&#92;n&#64;team</code>");
        assert_eq!(prose("see [x](y), @team"), "see &#91;x&#93;(y), &#64;team");
    }
}
