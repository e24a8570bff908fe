//! Findings as SARIF 2.1.0, for code scanning.

use std::fmt::Write as _;
use std::path::{Component, Path};

use serde_json::{Map, Value, json};

use super::super::style::plain;
use super::catalogue::{Entry, entries};
use super::places::Places;
use crate::audit::finding::{Finding, Report, Severity};
use crate::manifest::service::Position;

/// Where the schema that the document keeps to is published.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Writes one result for each rule, principal and object.
#[must_use]
pub fn sarif(report: &Report, places: &Places) -> String {
    let entries = entries(report);
    let results: Vec<Value> = report.findings.iter().map(|f| result(f, report, places, &entries)).collect();
    let version = env!("CARGO_PKG_VERSION");
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "pgcleave",
                "version": version,
                "semanticVersion": version,
                "rules": entries.iter().map(rule).collect::<Vec<_>>(),
            } },
            "automationDetails": { "id": format!("pgcleave audit/{}/", plain(&report.looked_at.database)) },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": report.not_readable.iter().map(|what| json!({
                    "level": "warning",
                    "message": { "text": format!("not readable by this login: {}", text(what)) },
                })).collect::<Vec<_>>(),
            }],
            "results": results,
            "properties": { "lookedAt": report.looked_at, "counts": report.counts() },
        }],
    });
    let mut out = serde_json::to_string_pretty(&document).expect("a JSON value can always be written");
    out.push('\n');
    out
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn rule(entry: &Entry) -> Value {
    let score = match entry.severity {
        Severity::Error => "8.0",
        Severity::Warning => "5.0",
        Severity::Info => "2.0",
    };
    json!({
        "id": entry.id,
        "shortDescription": { "text": text(entry.title) },
        "fullDescription": { "text": text(entry.explanation) },
        "help": {
            "text": text(&format!("{} What to do: {}", entry.explanation, entry.fix)),
            "markdown": format!("{}\n\n**What to do:** {}", entry.explanation, entry.fix),
        },
        "defaultConfiguration": { "level": level(entry.severity) },
        "properties": { "tags": ["security", "postgresql"], "security-severity": score },
    })
}

fn result(finding: &Finding, report: &Report, places: &Places, entries: &[Entry]) -> Value {
    let mut location = Map::new();
    if let Some(at) = places.at(finding) {
        location.insert("physicalLocation".to_owned(), physical(&at));
    }
    location.insert("logicalLocations".to_owned(), json!([logical(&finding.object, report)]));
    let words = format!("{}\nPath: {}\nFix: {}", finding.message, finding.path, finding.fix);
    let words: Vec<_> = words.lines().map(text).collect();
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": words.join("\n") },
        "locations": [location],
        "codeFlows": [{ "threadFlows": [{ "locations": flow(finding, report) }] }],
        "partialFingerprints": { "pgcleave/v1": finding.fingerprint() },
        "properties": {
            "principal": finding.principal,
            "principalService": finding.principal_service,
            "principals": finding.principals,
            "also": finding.also,
            "object": finding.object,
            "service": finding.service,
            "declared": finding.declared,
            "path": finding.path.to_string(),
            "fix": finding.fix,
            "fixClass": finding.fix_class,
            "fixHits": finding.fix_hits,
        },
    });
    // all results have a state, or none has
    if report.findings.iter().any(|f| f.known) {
        result["baselineState"] = json!(if finding.known { "unchanged" } else { "new" });
    }
    if let Some(index) = entries.iter().position(|e| e.id == finding.rule) {
        result["ruleIndex"] = json!(index);
    }
    // an empty list says that suppressions were looked for and there is none
    result["suppressions"] = match &finding.waived {
        Some(reason) => json!([{ "kind": "external", "status": "accepted", "justification": plain(reason) }]),
        None => json!([]),
    };
    result
}

fn flow(finding: &Finding, report: &Report) -> Vec<Value> {
    let begin = ("starts as".to_owned(), finding.path.from.as_str());
    let steps = finding.path.steps.iter().map(|step| {
        let by = if step.grant { format!("uses {} on", step.by) } else { format!("by {} to", step.by) };
        (by, step.to.as_str())
    });
    let step = |(by, to): (String, &str)| {
        json!({ "location": {
            "logicalLocations": [logical(to, report)],
            "message": { "text": text(&format!("{by} {to}")) },
        } })
    };
    std::iter::once(begin).chain(steps).map(step).collect()
}

fn logical(object: &str, report: &Report) -> Value {
    let database = plain(&report.looked_at.database);
    let object = plain(object);
    json!({ "name": object, "fullyQualifiedName": format!("{database}.{object}") })
}

fn physical(at: &Position) -> Value {
    json!({
        "artifactLocation": artifact(&at.file),
        "region": { "startLine": at.line.max(1), "startColumn": at.column.max(1) },
    })
}

fn artifact(file: &Path) -> Value {
    let encoded: Vec<String> = file
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(percent(&name.to_string_lossy())),
            Component::ParentDir => Some("..".to_owned()),
            _ => None,
        })
        .collect();
    let path = encoded.join("/");
    if file.is_absolute() {
        return json!({ "uri": format!("file:///{path}") });
    }
    json!({ "uri": path, "uriBaseId": "%SRCROOT%" })
}

fn percent(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Makes a text plain, and keeps a name from being read as one of SARIF's embedded links.
fn text(words: &str) -> String {
    let words = plain(words);
    if words.contains("](") { words.replace('[', "\\[").replace(']', "\\]") } else { words }
}
