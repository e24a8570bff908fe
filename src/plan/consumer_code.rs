//! Contracts that run with the rights of their consumer, as far as the catalog and pending migrations show them.

use std::collections::{BTreeMap, BTreeSet};

use super::build::PendingMigration;
use super::change::{Action, Change, Hazard, Kind};
use crate::manifest::service::{ContractKind, Project, Service};
use crate::model::state::Observed;

/// A schema and a name in it. Overloads of a routine count as one.
pub type Name = (String, String);

/// A view or routine that a migration creates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Defined {
    /// Its name.
    pub name: Name,
    /// Whether it is a function or procedure.
    pub is_routine: bool,
    /// Whether it runs with its owner's rights, or can do nothing but compute.
    pub is_harmless: bool,
    /// What it calls; names without a schema are in the service's own.
    pub calls: BTreeSet<Name>,
}

/// Marks each change that exposes, or replaces, code which runs with the rights of a contract's consumer.
pub(super) fn mark(project: &Project, observed: &Observed, pending: &[PendingMigration], changes: &mut [Change]) {
    for service in project.services.values().filter(|s| s.exposes.iter().any(|e| !e.to.is_empty())) {
        let known = Known::new(service, observed, pending);
        for exposed in &service.exposes {
            let label = exposed.label(&service.schema);
            let name = (service.schema.as_str().to_owned(), exposed.name.as_str().to_owned());
            if known.runs_of(&name, exposed.kind).is_empty() {
                continue;
            }
            let is_its = |c: &&mut Change| c.kind == Kind::Contract && c.action == Action::Grant && c.object == label;
            let of_service = changes.iter_mut().filter(|c| c.service.as_ref() == Some(&service.name));
            of_service.filter(is_its).for_each(|change| add(change, &format!("{label} runs as its consumer")));
        }
        for migration in pending.iter().filter(|p| p.service == service.name) {
            let changed: BTreeSet<String> = known.changed_by(service, migration);
            if changed.is_empty() {
                continue;
            }
            let object = format!("{}/{}", migration.service.as_str(), migration.file);
            let its = changes.iter_mut().filter(|c| c.kind == Kind::Migration && c.object == object);
            let names = changed.into_iter().collect::<Vec<_>>().join(", ");
            its.for_each(|change| add(change, &format!("contracts run {names} as their consumers")));
        }
    }
}

fn add(change: &mut Change, why: &str) {
    if !change.hazards.contains(&Hazard::ContractRunsAsConsumer) {
        change.hazards.push(Hazard::ContractRunsAsConsumer);
        change.reason.push_str("; ");
        change.reason.push_str(why);
    }
}

/// What is known of one service's code: what is there, overlaid by what pending migrations create.
struct Known {
    /// What runs with its caller's rights.
    invokers: BTreeSet<Name>,
    /// What each view calls.
    calls: BTreeMap<Name, BTreeSet<Name>>,
}

impl Known {
    fn new(service: &Service, observed: &Observed, pending: &[PendingMigration]) -> Self {
        let mut known = Self { invokers: observed.invokers.clone(), calls: BTreeMap::new() };
        for (view, routine) in &observed.view_calls {
            let bare = routine.split('(').next().unwrap_or(routine);
            if let (Some(view), Some(routine)) = (split(view), split(bare)) {
                known.calls.entry(view).or_default().insert(routine);
            }
        }
        for defined in pending.iter().filter(|p| p.service == service.name).flat_map(|p| &p.defines) {
            match (defined.is_routine, defined.is_harmless) {
                (true, true) => drop(known.invokers.remove(&defined.name)),
                (true, false) => drop(known.invokers.insert(defined.name.clone())),
                (false, _) => drop(known.calls.insert(defined.name.clone(), defined.calls.clone())),
            }
        }
        known
    }

    /// Gives the code that a contract runs with its consumer's rights.
    fn runs_of(&self, name: &Name, kind: ContractKind) -> BTreeSet<Name> {
        match kind {
            ContractKind::Function => self.invokers.iter().filter(|known| *known == name).cloned().collect(),
            ContractKind::View => {
                let calls = self.calls.get(name).into_iter().flatten();
                calls.filter(|called| self.invokers.contains(*called)).cloned().collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// Names what a migration creates anew of the code that contracts run with their consumers' rights.
    fn changed_by(&self, service: &Service, migration: &PendingMigration) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        for exposed in &service.exposes {
            let name = (service.schema.as_str().to_owned(), exposed.name.as_str().to_owned());
            let runs = self.runs_of(&name, exposed.kind);
            let creates = |wanted: &Name, is_routine| {
                migration.defines.iter().any(|d| d.is_routine == is_routine && d.name == *wanted)
            };
            let is_new_view = exposed.kind == ContractKind::View && creates(&name, false);
            let anew = runs.iter().filter(|code| is_new_view || creates(code, true));
            changed.extend(anew.map(|(schema, name)| format!("{schema}.{name}")));
        }
        changed
    }
}

fn split(label: &str) -> Option<Name> {
    label.split_once('.').map(|(schema, name)| (schema.to_owned(), name.to_owned()))
}
