//! Findings that are accepted for a while.

use super::finding::{Finding, Report};
use super::path::Path;
use super::rules;
use super::rules::proof::WVR01;
use crate::manifest::problem::{Kind, Problem, nearest, quoted};
use crate::manifest::service::Waiver;

/// Finds the waivers of rules that there are none of; such a waiver would never cover anything.
#[must_use]
pub fn of_no_rule(waivers: &[Waiver]) -> Vec<Problem> {
    let ids: Vec<_> = rules::ALL.iter().map(|rule| rule.id.to_lowercase()).collect();
    let unknown = waivers.iter().filter(|w| !ids.iter().any(|id| id.eq_ignore_ascii_case(&w.rule)));
    let problem = |waiver: &Waiver| {
        let near = nearest(&waiver.rule, ids.iter().map(String::as_str));
        let near = near.map(|id| format!("write `{}`; ", id.to_uppercase())).unwrap_or_default();
        Problem {
            at: waiver.at.clone(),
            length: 1,
            kind: Kind::BadValue,
            message: format!("there is no rule {}", quoted(&waiver.rule)),
            help: near + "`pgcleave audit --list-rules` lists them all",
            also: None,
        }
    };
    unknown.map(problem).collect()
}

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
        rule: WVR01.id,
        severity: WVR01.severity,
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

#[cfg(test)]
mod tests {
    use super::super::world::{ident, shop};
    use super::super::{Options, run, services::Services};
    use super::*;
    use crate::manifest::service::Position;

    fn waiver(rule: &str, object: &str, expires: time::Date) -> Waiver {
        Waiver {
            rule: rule.to_owned(),
            object: object.to_owned(),
            principal: None,
            reason: "agreed".to_owned(),
            expires,
            at: Position { file: "pgcleave.yaml".into(), line: 7, column: 3 },
        }
    }

    fn judged(waivers: &[Waiver]) -> Report {
        let facts = shop(18).member("orders_app", "billing_ro", "is").facts();
        let mut report = run(&facts, &Services::inferred(), &Options::default());
        apply(&mut report, waivers, time::macros::date!(2026 - 06 - 01));
        report
    }

    #[test]
    fn a_waiver_covers_until_its_day_is_over_and_is_told_when_it_covers_nothing() {
        let last = time::macros::date!(2026 - 06 - 01);
        let role = format!("role {}", ident("billing_ro").as_str());
        let waived = |report: &Report| report.findings.iter().filter(|f| f.waived.is_some()).count();
        let stale = |report: &Report| report.findings.iter().filter(|f| f.rule == "WVR01").count();
        let covered = judged(&[waiver("mem01", &role, last)]);
        assert_eq!((waived(&covered), stale(&covered)), (1, 0));
        let expired = judged(&[waiver("MEM01", &role, last.previous_day().expect("a day before"))]);
        assert_eq!((waived(&expired), stale(&expired)), (0, 1));
        let idle = judged(&[waiver("MEM01", "role nobody", last)]);
        assert_eq!((waived(&idle), stale(&idle)), (0, 1));
    }
}
