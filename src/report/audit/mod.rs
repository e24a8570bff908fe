//! Findings: for a person, for programs, for code scanning, CI servers and pull requests, and as a page.

mod catalogue;
mod junit;
mod markdown;
mod page;
pub mod places;
mod sarif;

use std::fmt::Write as _;

pub use junit::junit;
pub use markdown::markdown;
pub use page::html;
pub use sarif::sarif;

use serde::Serialize;

use super::style::{ADDED, CHANGED, FAINT, HEADING, REMOVED, count, plain};
use crate::audit::finding::{Finding, LookedAt, Report, Severity};
use crate::audit::path::Step;
use crate::audit::rules::{self, Rule};

/// How many principals of one cause a person is shown by name.
const MOST_PRINCIPALS: usize = 6;

/// Writes the findings for a person: grouped by severity and rule, principals with the same cause together.
#[must_use]
pub fn human(report: &Report) -> String {
    let mut out = String::new();
    let _ = write_human(&mut out, report);
    out
}

fn write_human(out: &mut String, report: &Report) -> std::fmt::Result {
    let open: Vec<&Finding> = report.findings.iter().filter(|f| f.is_open()).collect();
    for group in open.chunk_by(|a, b| (a.severity, a.rule) == (b.severity, b.rule)) {
        let style = style(group[0].severity);
        let title = rules::find(group[0].rule).map_or("waiver", |rule| rule.title);
        writeln!(out, "{style}{} {}{style:#} {HEADING}{title}{HEADING:#}", group[0].severity.word(), group[0].rule)?;
        for alike in group.chunk_by(|a, b| a.object == b.object && a.fix == b.fix) {
            write_alike(out, alike)?;
        }
        writeln!(out)?;
    }
    write_looked_at(out, report)
}

fn write_alike(out: &mut String, alike: &[&Finding]) -> std::fmt::Result {
    let first = alike[0];
    writeln!(out, "  {}", plain(&first.message))?;
    writeln!(out, "    {FAINT}{}{FAINT:#}", plain(&first.path.to_string()))?;
    if let [_, others @ ..] = alike
        && !others.is_empty()
    {
        let names: Vec<_> = others.iter().take(MOST_PRINCIPALS).map(|f| plain(&f.principal)).collect();
        let more = others.len().saturating_sub(MOST_PRINCIPALS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(out, "    so do {}{more}", names.join(", "))?;
    }
    for line in first.fix.lines() {
        writeln!(out, "    {ADDED}fix{ADDED:#} {}", plain(line))?;
    }
    Ok(())
}

fn write_looked_at(out: &mut String, report: &Report) -> std::fmt::Result {
    let number = |wanted: fn(&Finding) -> bool| report.findings.iter().filter(|f| wanted(f)).count();
    let open = number(|f| f.is_open() && !f.is_inherent());
    let (waived, known) = (number(|f| f.waived.is_some()), number(|f| f.known && f.waived.is_none()));
    if open == 0 {
        write!(out, "{ADDED}Nothing found.{ADDED:#} ")?;
    } else {
        let of = |severity: Severity| {
            report.findings.iter().filter(|f| f.is_open() && !f.is_inherent() && f.severity == severity).count()
        };
        write!(
            out,
            "{HEADING}{}{HEADING:#}: {}, {}, {} informational. ",
            count(open, "finding"),
            count(of(Severity::Error), "error"),
            count(of(Severity::Warning), "warning"),
            of(Severity::Info)
        )?;
    }
    if waived > 0 {
        write!(out, "{waived} waived. ")?;
    }
    if known > 0 {
        write!(out, "{known} known from the baseline. ")?;
    }
    for looked in std::iter::once(&report.looked_at).chain(&report.others) {
        write_one_looked_at(out, looked)?;
    }
    for what in &report.not_readable {
        writeln!(out, "{CHANGED}Not readable by this login:{CHANGED:#} {}", plain(what))?;
    }
    Ok(())
}

fn write_one_looked_at(out: &mut String, looked: &LookedAt) -> std::fmt::Result {
    writeln!(
        out,
        "Looked at database {} on PostgreSQL {}: {}, {}, {}, {}, {}, {}, {}; {}.",
        plain(&looked.database),
        looked.server_major,
        count(looked.services, "service"),
        count(looked.roles, "role"),
        count(looked.memberships, "membership"),
        count(looked.schemas, "schema"),
        count(looked.relations, "relation"),
        count(looked.routines, "routine"),
        count(looked.types, "type"),
        count(looked.rules, "rule"),
    )
}

fn style(severity: Severity) -> anstyle::Style {
    match severity {
        Severity::Error => REMOVED.bold(),
        Severity::Warning => CHANGED.bold(),
        Severity::Info => FAINT,
    }
}

/// The format's name and version.
pub const FORMAT: &str = "pgcleave.audit/1";

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    findings: Vec<FindingRow<'a>>,
    looked_at: &'a LookedAt,
    #[serde(skip_serializing_if = "<[LookedAt]>::is_empty")]
    others_looked_at: &'a [LookedAt],
    not_readable: &'a [String],
}

#[derive(Serialize)]
struct FindingRow<'a> {
    rule: &'a str,
    severity: Severity,
    service: Option<&'a str>,
    principal: &'a str,
    principal_service: Option<&'a str>,
    object: &'a str,
    /// What the path ends in: of a membership's object, a role, it is what that one opens.
    reaches: &'a str,
    path: String,
    steps: &'a [Step],
    declared: bool,
    message: &'a str,
    fix: &'a str,
    fingerprint: String,
    waived: Option<&'a str>,
    known: bool,
    /// The environment variable of a database that is not the shared one.
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<&'a str>,
}

/// Writes the findings for programs.
#[must_use]
pub fn json(report: &Report) -> String {
    let findings = report.findings.iter().map(finding_row).collect();
    let document = Document {
        format: FORMAT,
        findings,
        looked_at: &report.looked_at,
        others_looked_at: &report.others,
        not_readable: &report.not_readable,
    };
    let mut text = serde_json::to_string_pretty(&document).expect("findings are plain data");
    text.push('\n');
    text
}

fn finding_row(f: &Finding) -> FindingRow<'_> {
    FindingRow {
        rule: f.rule,
        severity: f.severity,
        service: f.service.as_deref(),
        principal: &f.principal,
        principal_service: f.principal_service.as_deref(),
        object: &f.object,
        reaches: f.path.steps.last().map_or(&f.object, |step| &step.to),
        path: f.path.to_string(),
        steps: &f.path.steps,
        declared: f.declared,
        message: &f.message,
        fix: &f.fix,
        fingerprint: f.fingerprint(),
        waived: f.waived.as_deref(),
        known: f.known,
        database: f.database.as_deref(),
    }
}

/// Lists the rules, one a line.
#[must_use]
pub fn list_rules() -> String {
    let mut out = String::new();
    for rule in rules::ALL {
        let _ = writeln!(out, "{:<6} {:<8} {}", rule.id, rule.severity.word(), rule.title);
    }
    out
}

/// Documents all rules, as docs/audit-rules.md holds them.
#[must_use]
pub fn rules_markdown() -> String {
    let mut out = String::from(
        "# Audit rules\n\nWhat `pgcleave audit` looks for; `pgcleave audit --explain ID` shows one of them. \
         *Foreign* means of another service, or of none, and not declared by a contract.\n",
    );
    for rule in rules::ALL {
        let _ = write!(
            out,
            "\n## {}: {}\n\n*{}.* {}\n\n{}\n",
            rule.id,
            rule.title,
            rule.severity.word(),
            rule.explanation,
            rule.fix
        );
    }
    out
}

/// Explains one rule.
#[must_use]
pub fn explain(rule: &Rule) -> String {
    let style = style(rule.severity);
    format!(
        "{style}{}{style:#} {HEADING}{}{HEADING:#} ({})\n\n{}\n\nWhat to do: {}\n",
        rule.id,
        rule.title,
        rule.severity.word(),
        rule.explanation,
        rule.fix
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_of_the_rules_is_up_to_date() {
        expect_test::expect_file!["../../../docs/audit-rules.md"].assert_eq(&super::rules_markdown());
    }
}
