//! Where a rule puts its findings: one for each cause.

use std::collections::{BTreeMap, BTreeSet};

use super::Rule;
use crate::audit::facts::object::Object;
use crate::audit::facts::role::RoleId;
use crate::audit::finding::{Finding, Severity};
use crate::audit::path::Path;
use crate::audit::remedy::{FixClass, Losers, Remedy, Takes};
use crate::audit::scene::{Reacher, Scene};
use crate::audit::services::ServiceId;

/// The families whose findings are about what a principal can do, and not about what an object is.
const OF_PRINCIPALS: [&str; 12] = ["ACC", "MEM", "PRE", "DEF", "VIW", "INH", "FKX", "RLS", "LOB", "FDW", "SYS", "FUT"];

/// What a rule says; the rest is filled in.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Who; nothing for PUBLIC.
    pub principal: Option<RoleId>,
    /// Whether the principal has it by a grant to PUBLIC, which is then the cause for all whom it reaches.
    pub by_public: bool,
    /// What, in words.
    pub object: String,
    /// The role that the finding is about, while `object` is its label.
    of_role: Option<RoleId>,
    /// Whose it is.
    pub service: Option<ServiceId>,
    /// How.
    pub path: Path,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// From whom the fix takes access; unless a rule says it, that is not known, and the fix is not printed as SQL.
    pub takes: Takes,
    /// What must come before the fix, in a sentence.
    pub first: Option<&'static str>,
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
    found: BTreeMap<(String, String), Cause>,
    last: Option<Classed>,
}

/// What was found out about a fix.
#[derive(Debug)]
struct Classed {
    takes: Takes,
    service: Option<ServiceId>,
    class: FixClass,
    losers: Losers,
}

/// A finding under construction.
#[derive(Debug)]
struct Cause {
    finding: Finding,
    reached: BTreeSet<String>,
    remedy: Remedy,
}

impl<'a> Sink<'a> {
    pub(in crate::audit) fn new(scene: &'a Scene<'a>, rule: &'static Rule) -> Self {
        Self { scene, rule, found: BTreeMap::new(), last: None }
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
        let reached = draft.principal.map(|role| self.scene.role(role).name.as_str().to_owned());
        let own = |role: RoleId| self.scene.service_name(self.scene.map.of_role(role));
        let (principal, principal_service) = match (draft.principal, &reached) {
            (Some(role), Some(name)) if !draft.by_public => (name.clone(), own(role)),
            _ => ("PUBLIC".to_owned(), None),
        };
        let (class, losers) = self.class(draft.takes, draft.service);
        let names = losers.roles.iter().map(|role| self.scene.name(*role)).collect();
        let remedy = Remedy::new(draft.fix, class, draft.first).hits(names, losers.more);
        let credential = |role: &RoleId| self.scene.map.credential(*role).map(str::to_owned);
        let of_role = draft.of_role.filter(|role| draft.object == self.scene.facts.label(Object::Role(*role)));
        let finding = Finding {
            rule: self.rule.id,
            severity: draft.severity.unwrap_or(self.rule.severity),
            service: self.scene.service_name(draft.service),
            principal_service,
            principal,
            credential: draft.principal.filter(|_| !draft.by_public).as_ref().and_then(credential),
            lasting_object: of_role.as_ref().and_then(credential).map(|name| format!("credential {name}")),
            principals: Vec::new(),
            also: Vec::new(),
            object: draft.object,
            path: draft.path,
            declared: draft.declared,
            message: draft.message,
            fix: String::new(),
            fix_class: class,
            fix_hits: Vec::new(),
            statement: String::new(),
            waived: None,
            known: false,
            database: None,
        };
        let principal = finding.credential.as_ref().unwrap_or(&finding.principal).clone();
        let object = finding.lasting_object.as_ref().unwrap_or(&finding.object).clone();
        match self.found.entry((principal, object)) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(Cause { finding, reached: reached.into_iter().collect(), remedy });
            }
            std::collections::btree_map::Entry::Occupied(mut slot) => {
                let cause = slot.get_mut();
                cause.reached.extend(reached);
                cause.remedy.add(remedy);
                merge(&mut cause.finding, finding);
            }
        }
    }

    /// Classes a fix; drafts of one entry follow each other and ask the same.
    fn class(&mut self, takes: Takes, service: Option<ServiceId>) -> (FixClass, Losers) {
        if let Some(last) = self.last.as_ref().filter(|last| last.takes == takes && last.service == service) {
            return (last.class, last.losers.clone());
        }
        let losers = takes.losers(self.scene);
        let class = takes.class(self.scene, service, &losers);
        self.last = Some(Classed { takes, service, class, losers: losers.clone() });
        (class, losers)
    }

    pub(in crate::audit) fn into_findings(self) -> impl Iterator<Item = Finding> {
        self.found.into_values().map(Cause::into_finding)
    }
}

impl Cause {
    fn into_finding(self) -> Finding {
        let Self { mut finding, reached, remedy } = self;
        finding.fix = remedy.printed();
        finding.fix_class = remedy.class();
        finding.fix_hits = remedy.losers();
        finding.statement = remedy.statement();
        if reached.len() > 1 || reached.first().is_some_and(|name| *name != finding.principal) {
            finding.principals = reached.into_iter().collect();
        }
        finding
    }
}

/// Keeps the path of the worse severity, then the shorter one.
fn merge(kept: &mut Finding, other: Finding) {
    let weight = |f: &Finding| (f.severity, f.path.steps.len(), f.message.clone(), f.path.from.clone());
    let declared = kept.declared && other.declared;
    if weight(&other) < weight(kept) {
        *kept = other;
    }
    kept.declared = declared;
}

impl Draft {
    /// Starts with who, what and how.
    #[must_use]
    pub fn new(scene: &Scene<'_>, reacher: Option<&Reacher>, object: Object) -> Self {
        Self {
            principal: reacher.map(|r| r.principal),
            by_public: reacher.is_some_and(|r| r.by_public),
            object: scene.facts.label(object),
            of_role: if let Object::Role(role) = object { Some(role) } else { None },
            service: scene.service_of(object),
            path: reacher.map_or_else(|| Path::from("PUBLIC"), |r| scene.path(r)),
            message: String::new(),
            fix: String::new(),
            takes: Takes::Unknown,
            first: None,
            severity: None,
            declared: reacher.is_some_and(|r| !scene.declared(r.principal, object).is_empty()),
        }
    }
}
