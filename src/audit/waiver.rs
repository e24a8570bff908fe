//! Findings that are accepted for a while.

use super::finding::{Finding, Report};
use super::path::Path;
use super::remedy::FixClass;
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
    let mut stale_ones = Vec::new();
    for waiver in waivers {
        let expired = waiver.expires < today;
        if expired || !report.findings.iter().any(|f| concerns(waiver, f)) {
            stale_ones.push(stale(waiver, expired));
        }
    }
    for finding in &mut report.findings {
        let concerning = waivers.iter().filter(|waiver| waiver.expires >= today && concerns(waiver, finding));
        let concerning: Vec<&Waiver> = concerning.collect();
        finding.waived = covering(finding, &concerning).map(|waiver| waiver.reason.clone());
    }
    report.findings.extend(stale_ones);
    report.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
}

/// Tells whether a waiver is about a finding, or about a part of it.
fn concerns(waiver: &Waiver, finding: &Finding) -> bool {
    let mut rules = std::iter::once(&finding.rule).chain(&finding.also);
    let mut principals = std::iter::once(&finding.principal).chain(&finding.credential).chain(&finding.principals);
    rules.any(|rule| rule.eq_ignore_ascii_case(&waiver.rule))
        && (waiver.object == "*" || waiver.object == finding.object)
        && waiver.principal.as_ref().is_none_or(|named| principals.any(|principal| principal == named))
}

/// Gives a waiver by which, together with the others, all of a finding is covered: each rule, and each whom it reaches.
fn covering<'a>(finding: &Finding, waivers: &[&'a Waiver]) -> Option<&'a Waiver> {
    let covers = |rule: &str, principal: &String| {
        let named = |waiver: &&&Waiver| waiver.principal.as_ref().is_none_or(|named| named == principal);
        waivers.iter().filter(|waiver| waiver.rule.eq_ignore_ascii_case(rule)).find(named).copied()
    };
    let of_rule = |rule: &str| {
        let whole = covers(rule, &finding.principal);
        let whole = whole.or_else(|| finding.credential.as_ref().and_then(|credential| covers(rule, credential)));
        let mut each = finding.principals.iter().map(|principal| covers(rule, principal));
        whole.or_else(|| each.try_fold(None, |_, found| found.map(Some)).flatten())
    };
    let mut rules = std::iter::once(finding.rule).chain(finding.also.iter().copied());
    rules.try_fold(None, |_, rule| of_rule(rule).map(Some)).flatten()
}

fn stale(waiver: &Waiver, expired: bool) -> Finding {
    let why = if expired { format!("expired on {}", waiver.expires) } else { "covers nothing any more".to_owned() };
    let place = format!("{}:{}", waiver.at.file.display(), waiver.at.line);
    Finding {
        rule: WVR01.id,
        severity: WVR01.severity,
        principal: waiver.principal.clone().unwrap_or_else(|| "*".to_owned()),
        object: waiver.object.clone(),
        path: Path::from(&place),
        message: format!("the waiver of {} on {} {why}", waiver.rule, waiver.object),
        fix: format!("-- take it out of {place}, or renew it with its reason"),
        fix_class: FixClass::Manifest,
        ..Finding::default()
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
