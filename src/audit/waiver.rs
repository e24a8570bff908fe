//! Findings that are accepted for a while.

use super::finding::{Finding, Report, Severity};
use super::path::Path;
use crate::manifest::service::Waiver;

/// The rule under which a waiver that covers nothing, or has expired, is told.
pub const STALE_WAIVER: &str = "WVR01";

/// Marks the findings that a waiver covers; a waiver that has expired or covers nothing becomes a finding itself.
pub fn apply(report: &mut Report, waivers: &[Waiver], today: time::Date) {
    for waiver in waivers {
        let covers = |f: &Finding| {
            f.rule.eq_ignore_ascii_case(&waiver.rule)
                && (waiver.object == "*" || waiver.object == f.object)
                && waiver.principal.as_ref().is_none_or(|p| *p == f.principal)
        };
        let expired = waiver.expires < today;
        let mut used = false;
        for finding in report.findings.iter_mut().filter(|f| covers(f)) {
            used = true;
            if !expired {
                finding.waived = Some(waiver.reason.clone());
            }
        }
        if expired || !used {
            report.findings.push(stale(waiver, expired));
        }
    }
    report.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
}

fn stale(waiver: &Waiver, expired: bool) -> Finding {
    let why = if expired { format!("expired on {}", waiver.expires) } else { "covers nothing any more".to_owned() };
    let place = format!("{}:{}", waiver.at.file.display(), waiver.at.line);
    Finding {
        rule: STALE_WAIVER,
        severity: Severity::Warning,
        service: None,
        principal: waiver.principal.clone().unwrap_or_else(|| "*".to_owned()),
        principal_service: None,
        object: waiver.object.clone(),
        path: Path::from(&place),
        declared: false,
        message: format!("the waiver of {} on {} {why}", waiver.rule, waiver.object),
        fix: format!("take it out of {place}, or renew it with its reason"),
        waived: None,
        known: false,
        database: None,
    }
}
