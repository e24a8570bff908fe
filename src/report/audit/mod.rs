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
use crate::audit::finding::{Counts, Finding, LookedAt, Report, Severity};
use crate::audit::path::Step;
use crate::audit::remedy::FixClass;
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
        let names: Vec<&str> = others.iter().map(|f| f.principal.as_str()).collect();
        writeln!(out, "    so do {}", some(&names))?;
    }
    if !first.principals.is_empty() {
        let names: Vec<&str> = first.principals.iter().map(String::as_str).collect();
        writeln!(out, "    reaches {}: {}", count(names.len(), "role"), some(&names))?;
    }
    for line in first.fix.lines() {
        writeln!(out, "    {ADDED}fix{ADDED:#} {}", plain(line))?;
    }
    Ok(())
}

/// Names some, and counts the others.
pub(super) fn some(names: &[&str]) -> String {
    let told: Vec<_> = names.iter().take(MOST_PRINCIPALS).map(|name| plain(name)).collect();
    let more = names.len() - told.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", told.join(", "))
}

fn write_looked_at(out: &mut String, report: &Report) -> std::fmt::Result {
    let counts = report.counts();
    if counts.open() == 0 {
        write!(out, "{ADDED}Nothing found.{ADDED:#} ")?;
    } else {
        write!(
            out,
            "{HEADING}{}{HEADING:#}: {}, {}, {} informational. ",
            count(counts.open(), "finding"),
            count(counts.errors, "error"),
            count(counts.warnings, "warning"),
            counts.informational
        )?;
    }
    if counts.waived > 0 {
        write!(out, "{} waived. ", counts.waived)?;
    }
    if counts.known > 0 {
        write!(out, "{} known from the baseline. ", counts.known)?;
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
    counts: Counts,
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
    /// The credential that the principal is a login of.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a str>,
    /// Everyone whom the cause reaches, where that is not the principal alone.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    principals: &'a [String],
    /// Other rules that the same cause breaks.
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    also: &'a [&'static str],
    object: &'a str,
    /// What the path ends in: of a membership's object, a role, it is what that one opens.
    reaches: &'a str,
    path: String,
    steps: &'a [Step],
    declared: bool,
    message: &'a str,
    fix: &'a str,
    fix_class: FixClass,
    /// The logins that lose access by the fix.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    fix_hits: &'a [String],
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
        counts: report.counts(),
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
        credential: f.credential.as_deref(),
        principals: &f.principals,
        also: &f.also,
        object: &f.object,
        reaches: f.path.steps.last().map_or(&f.object, |step| &step.to),
        path: f.path.to_string(),
        steps: &f.path.steps,
        declared: f.declared,
        message: &f.message,
        fix: &f.fix,
        fix_class: f.fix_class,
        fix_hits: &f.fix_hits,
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

/// What the document of the rules says before them.
const HOW_TO_READ: &str = "
## How to read a finding

One finding is one cause. A grant to PUBLIC is one cause: `principal` is PUBLIC, `principals` are the roles that it
reaches, `path` is an example, and the severity is that of the gravest of them. CONNECT and TEMPORARY of PUBLIC on this
database are one cause, DB01. The two logins of a credential are one principal: `credential` is its name, and the
fingerprint holds that name, so that a rotation leaves baselines valid. A waiver may name a credential, a login or PUBLIC;
it covers a grant to PUBLIC when it names PUBLIC, nobody, or, together with others, each role that the grant reaches.

A fix has a class (`fix_class`) that says what may be done with it:

| class | printed as | meaning |
|---|---|---|
| `safe` | SQL | it takes nothing from anybody, or only from services whose manifests do not declare it |
| `after` | comments | it takes access from the logins in `fix_hits`: see first that they do without (of very many some are named) |
| `manifest` | comments | a line of a manifest or of pgcleave.yaml |
| `decision` | comments | it drops, closes or changes what others may use, or a person must choose |

Without manifests nothing is declared, and no fix that takes access is `safe`. All output can be pasted: what is not safe
is a comment.

What belongs to pgcleave itself (registry, groups, temporary logins) and what an extension keeps in a schema of its own
belong to no service, and no fix names them. A database with a registry is audited without manifests by what the registry
knows: services, roles and credentials, but no contracts.
";

/// Documents all rules, as docs/audit-rules.md holds them.
#[must_use]
pub fn rules_markdown() -> String {
    let mut out = String::from(
        "# Audit rules\n\nWhat `pgcleave audit` looks for; `pgcleave audit --explain ID` shows one of them. \
         *Foreign* means of another service, or of none, and not declared by a contract.\n",
    );
    out.push_str(HOW_TO_READ);
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
