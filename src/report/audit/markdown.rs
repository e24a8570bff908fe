//! Findings for a pull request, in GitHub's Markdown.

use std::fmt::Write as _;

use super::super::markdown::{code, fence, prose};
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
    let counts = report.counts();
    let looked = &report.looked_at;
    let mut out = format!("## Audit of {}\n\n", code(&looked.database));
    if counts.open() == 0 {
        out.push_str("✅ **Nothing found.**");
    } else {
        let mark = match (counts.errors, counts.warnings) {
            (0, 0) => "✅",
            (0, _) => "⚠️",
            _ => "❌",
        };
        let (errors, warnings) = (count(counts.errors, "error"), count(counts.warnings, "warning"));
        let informational = counts.informational;
        let number = count(counts.open(), "finding");
        let _ = write!(out, "{mark} **{number}**: {errors}, {warnings}, {informational} informational.");
    }
    if counts.accepted() > 0 {
        let _ = write!(out, " {} accepted.", counts.accepted());
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
            who(f),
            code(&f.object),
            code(&f.path.to_string())
        );
    }
}

/// Names the principal, and counts whom else the cause reaches.
fn who(finding: &Finding) -> String {
    match finding.principals.len() {
        0 => code(&finding.principal),
        many => format!("{}: {}", code(&finding.principal), count(many, "role")),
    }
}

fn write_fixes(out: &mut String, findings: &[&Finding]) {
    out.push_str("\n<details><summary>What to do</summary>\n\n");
    let fence = fence(findings.iter().flat_map(|f| [f.fix.as_str(), f.message.as_str()]));
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
