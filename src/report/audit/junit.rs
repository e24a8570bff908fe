//! Findings as JUnit XML, for CI servers: a suite for each service, a case for each contract and rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::super::graph::svg::xml;
use super::catalogue::{Entry, accepted, entries};
use super::places::Places;
use crate::audit::finding::{Finding, Report, Severity};

/// One case.
struct Case<'a> {
    name: String,
    findings: Vec<&'a Finding>,
}

/// Writes the cases; findings at least as bad as `fail_on` fail theirs, others are told beside.
#[must_use]
pub fn junit(report: &Report, places: &Places, applied: &[String], fail_on: Option<Severity>) -> String {
    let entries = entries(report);
    let mut of: BTreeMap<Option<&str>, Vec<&Finding>> = places.services().map(|s| (Some(s), Vec::new())).collect();
    of.entry(None).or_default();
    for finding in &report.findings {
        of.entry(finding.service.as_deref()).or_default().push(finding);
    }
    let mut suites = String::new();
    let (mut tests, mut failures) = (0, 0);
    for (service, findings) in of {
        let name = service.map_or_else(|| format!("database {}", report.looked_at.database), str::to_owned);
        let cases = cases(service, &findings, places, &entries, applied);
        let mut body = String::new();
        let failed = cases.iter().filter(|case| write_case(&mut body, &name, case, fail_on)).count();
        let skipped = body.matches("<skipped").count();
        let _ = writeln!(
            suites,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\">\n{body}  \
             </testsuite>",
            xml(&name),
            cases.len()
        );
        tests += cases.len();
        failures += failed;
    }
    let counts = report.counts();
    let numbers = [
        ("errors", counts.errors),
        ("warnings", counts.warnings),
        ("informational", counts.informational),
        ("waived", counts.waived),
        ("known", counts.known),
    ];
    let numbers = numbers.map(|(name, value)| format!("    <property name=\"{name}\" value=\"{value}\"/>\n")).concat();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"pgcleave audit\" tests=\"{tests}\" \
         failures=\"{failures}\" errors=\"0\">\n  <properties>\n{numbers}  </properties>\n{suites}</testsuites>\n"
    )
}

fn cases<'a>(
    service: Option<&str>,
    findings: &[&'a Finding],
    places: &Places,
    entries: &[Entry],
    applied: &[String],
) -> Vec<Case<'a>> {
    let mut cases = Vec::new();
    for contract in places.contracts.iter().filter(|c| Some(c.provider.as_str()) == service) {
        let name = format!("contract: {} uses {}", contract.consumer, contract.object);
        let about = findings.iter().filter(|f| places.contract(f) == Some(contract)).copied().collect();
        cases.push(Case { name, findings: about });
    }
    let found: BTreeSet<&str> = findings.iter().map(|f| f.rule).collect();
    for entry in entries {
        let chosen = applied.is_empty() || applied.iter().any(|id| id == entry.id);
        if chosen || found.contains(entry.id) {
            let of_rule = |f: &&&Finding| f.rule == entry.id && places.contract(f).is_none();
            let about = findings.iter().filter(of_rule).copied().collect();
            cases.push(Case { name: format!("{} {}", entry.id, entry.title), findings: about });
        }
    }
    cases
}

/// Writes a case, and tells whether it has failed.
fn write_case(out: &mut String, suite: &str, case: &Case<'_>, fail_on: Option<Severity>) -> bool {
    let _ = write!(out, "    <testcase classname=\"{}\" name=\"{}\"", xml(suite), xml(&case.name));
    if case.findings.is_empty() {
        out.push_str("/>\n");
        return false;
    }
    out.push_str(">\n");
    let is_failure = |f: &&&Finding| f.is_open() && fail_on.is_some_and(|most| f.severity <= most);
    let failing: Vec<&Finding> = case.findings.iter().filter(is_failure).copied().collect();
    let beside: Vec<&Finding> = case.findings.iter().filter(|f| !is_failure(f)).copied().collect();
    if let Some(first) = failing.first() {
        let more = if failing.len() > 1 { format!(" (and {} more)", failing.len() - 1) } else { String::new() };
        let message = xml(&format!("{}{more}", first.message));
        let _ = write!(out, "      <failure type=\"{}\" message=\"{message}\">", first.severity.word());
        failing.iter().for_each(|finding| write_finding(out, finding));
        out.push_str("</failure>\n");
    } else if beside.iter().all(|f| !f.is_open()) {
        let reasons: BTreeSet<String> = beside.iter().filter_map(|f| accepted(f)).collect();
        let reasons: Vec<_> = reasons.into_iter().collect();
        let _ = writeln!(out, "      <skipped message=\"{}\"/>", xml(&reasons.join("; ")));
    }
    if !beside.is_empty() {
        out.push_str("      <system-out>");
        beside.iter().for_each(|finding| write_finding(out, finding));
        out.push_str("</system-out>\n");
    }
    out.push_str("    </testcase>\n");
    !failing.is_empty()
}

fn write_finding(out: &mut String, finding: &Finding) {
    let _ = write!(
        out,
        "{} {}\npath: {}\n",
        finding.severity.word(),
        xml(&finding.message),
        xml(&finding.path.to_string())
    );
    if !finding.principals.is_empty() {
        let names: Vec<&str> = finding.principals.iter().map(String::as_str).collect();
        let _ = writeln!(out, "reaches {}: {}", names.len(), xml(&super::some(&names)));
    }
    for line in finding.fix.lines() {
        let _ = writeln!(out, "fix: {}", xml(line));
    }
    if let Some(why) = accepted(finding) {
        let _ = writeln!(out, "{}", xml(&why));
    }
    out.push('\n');
}
