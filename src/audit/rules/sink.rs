//! Where a rule puts its findings.

use std::collections::BTreeMap;

use super::Rule;
use crate::audit::facts::object::Object;
use crate::audit::facts::role::RoleId;
use crate::audit::finding::{Finding, Severity};
use crate::audit::path::Path;
use crate::audit::scene::{Reacher, Scene};
use crate::audit::services::ServiceId;

/// The families whose findings are about what a principal can do, and not about what an object is.
const OF_PRINCIPALS: [&str; 12] = ["ACC", "MEM", "PRE", "DEF", "VIW", "INH", "FKX", "RLS", "LOB", "FDW", "SYS", "FUT"];

/// What a rule says; the rest is filled in.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Who; nothing for PUBLIC.
    pub principal: Option<RoleId>,
    /// What, in words.
    pub object: String,
    /// Whose it is.
    pub service: Option<ServiceId>,
    /// How.
    pub path: Path,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// Another severity than the rule's.
    pub severity: Option<Severity>,
    /// Whether a contract declares the principal's service at this object.
    pub declared: bool,
}

/// Collects the findings of one rule; of two for the same principal and object the shorter path stays.
#[derive(Debug)]
pub struct Sink<'a> {
    scene: &'a Scene<'a>,
    rule: &'static Rule,
    found: BTreeMap<(String, String), Finding>,
}

impl<'a> Sink<'a> {
    pub(in crate::audit) fn new(scene: &'a Scene<'a>, rule: &'static Rule) -> Self {
        Self { scene, rule, found: BTreeMap::new() }
    }

    /// Adds a finding; about a role that no login comes to act as it is information, for the day when one does.
    pub fn add(&mut self, mut draft: Draft) {
        let dead_end = draft.principal.is_some_and(|role| !self.scene.is_acted_as(role));
        let severity = draft.severity.unwrap_or(self.rule.severity);
        if dead_end
            && severity != Severity::Info
            && OF_PRINCIPALS.contains(&self.rule.id.trim_end_matches(char::is_numeric))
        {
            draft.severity = Some(Severity::Info);
            draft.message.push_str("; today no login comes to act as it");
        }
        let principal = match draft.principal {
            Some(role) => self.scene.role(role).name.as_str().to_owned(),
            None => "PUBLIC".to_owned(),
        };
        let finding = Finding {
            rule: self.rule.id,
            severity: draft.severity.unwrap_or(self.rule.severity),
            service: self.scene.service_name(draft.service),
            principal_service: draft.principal.and_then(|r| self.scene.service_name(self.scene.map.of_role(r))),
            principal,
            object: draft.object,
            path: draft.path,
            declared: draft.declared,
            message: draft.message,
            fix: draft.fix,
            waived: None,
            known: false,
            database: None,
        };
        match self.found.entry((finding.principal.clone(), finding.object.clone())) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(finding);
            }
            std::collections::btree_map::Entry::Occupied(mut slot) => merge(slot.get_mut(), finding),
        }
    }

    pub(in crate::audit) fn into_findings(self) -> impl Iterator<Item = Finding> {
        self.found.into_values()
    }
}

/// Keeps the shorter path, the worse severity, and both fixes.
fn merge(kept: &mut Finding, other: Finding) {
    let fixes = |a: &str, b: &str| if a.contains(b) { a.to_owned() } else { format!("{a}\n{b}") };
    let severity = kept.severity.min(other.severity);
    if (other.path.steps.len(), &other.message) < (kept.path.steps.len(), &kept.message) {
        let fix = fixes(&other.fix, &kept.fix);
        *kept = Finding { fix, ..other };
    } else {
        kept.fix = fixes(&kept.fix, &other.fix);
    }
    kept.severity = severity;
}

impl Draft {
    /// Starts with who, what and how.
    #[must_use]
    pub fn new(scene: &Scene<'_>, reacher: Option<&Reacher>, object: Object) -> Self {
        Self {
            principal: reacher.map(|r| r.principal),
            object: scene.facts.label(object),
            service: scene.service_of(object),
            path: reacher.map_or_else(|| Path::from("PUBLIC"), |r| scene.path(r)),
            message: String::new(),
            fix: String::new(),
            severity: None,
            declared: reacher.is_some_and(|r| !scene.declared(r.principal, object).is_empty()),
        }
    }
}
