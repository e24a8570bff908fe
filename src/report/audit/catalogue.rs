//! What is said of the rules that findings name.

use crate::audit::finding::{Finding, Report, Severity};
use crate::audit::rules;

/// Says why a finding is not open: its waiver's reason, or the baseline.
pub(super) fn accepted(finding: &Finding) -> Option<String> {
    let known = || finding.known.then(|| "known from the baseline".to_owned());
    finding.waived.as_ref().map(|reason| format!("waived: {reason}")).or_else(known)
}

/// What is said of a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) severity: Severity,
    pub(super) explanation: &'static str,
    pub(super) fix: &'static str,
}

/// Gives all rules, and what else has findings (waivers are judged beside the rules).
pub(super) fn entries(report: &Report) -> Vec<Entry> {
    let of = |rule: &&'static rules::Rule| Entry {
        id: rule.id,
        title: rule.title,
        severity: rule.severity,
        explanation: rule.explanation,
        fix: rule.fix,
    };
    let mut entries: Vec<Entry> = rules::ALL.iter().map(of).collect();
    for finding in &report.findings {
        if !entries.iter().any(|e| e.id == finding.rule) {
            entries.push(Entry {
                id: finding.rule,
                title: "waiver that no longer holds",
                severity: finding.severity,
                explanation: "A waiver in pgcleave.yaml has expired, or covers nothing any more. Left there, it would \
                              cover the next leak of that name without anybody having looked at it.",
                fix: "Take it out, or renew it with its reason.",
            });
        }
    }
    entries
}
