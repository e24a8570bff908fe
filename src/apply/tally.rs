//! What was done so far, what failed, and what is not allowed.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;
use super::outcome::{ServiceResult, Skipped, Waiting};
use super::stage::Results;
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::plan::build::Plan;
use crate::plan::change::{Change, Hazard, Stage};

/// What became of each service, and what was left undone.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) services: BTreeMap<Option<Ident>, ServiceResult>,
    pub(super) secrets: Option<String>,
    pub(super) skipped: Vec<Skipped>,
    /// The services of which nothing is done, since one of their changes is not allowed.
    refused: BTreeSet<Ident>,
}

impl Tally {
    /// Takes out the services that have a change which is not allowed; the others go on.
    ///
    /// # Errors
    /// No service is left, or the change concerns all services.
    pub(super) fn refuse(
        &mut self,
        plan: &Plan,
        allow: &BTreeSet<Hazard>,
        listener: Listener<'_>,
    ) -> Result<(), Error> {
        let not_allowed = |change: &Change| -> BTreeSet<Hazard> {
            let hazards = change.hazards.iter().filter(|hazard| !allow.contains(hazard));
            hazards.copied().collect()
        };
        // Closing the database is left out by itself: nothing else depends on it.
        let changes = || plan.changes.iter().filter(|change| change.stage != Stage::Close);
        let mut refused = BTreeMap::<Option<&Ident>, BTreeSet<Hazard>>::new();
        for change in changes() {
            let hazards = not_allowed(change);
            if !hazards.is_empty() {
                refused.entry(change.service.as_ref()).or_default().extend(hazards);
            }
        }
        let mut services = changes().filter_map(|change| change.service.as_ref());
        let nothing_left = !refused.is_empty() && services.all(|service| refused.contains_key(&Some(service)));
        if nothing_left || refused.contains_key(&None) {
            return Err(Error::Hazards(refused.into_values().flatten().collect()));
        }
        for (service, hazards) in refused {
            let service = service.expect("the changes of all services were looked for before");
            self.refused.insert(service.clone());
            let its = changes().filter(|change| change.service.as_ref() == Some(service));
            let refused = its.filter(|change| !not_allowed(change).is_empty());
            let why: Vec<String> = refused.map(|change| format!("{}: {}", change.object, change.reason)).collect();
            let needs: Vec<&str> = hazards.into_iter().map(Hazard::name).collect();
            listener(Event::Failed {
                service: Some(service.as_str().to_owned()),
                step: "hazards".to_owned(),
                message: format!("nothing of it is done: it needs --allow {}", needs.join(",")),
            });
            self.skipped.push(Skipped {
                change: format!("all changes of service {}", service.as_str()),
                why: why.join("; "),
                needs,
            });
        }
        Ok(())
    }

    /// Tells whether what takes access from everybody may be done; notes why not.
    ///
    /// It waits until all that is given instead has been given: a service that failed or was refused may need what it takes.
    pub(super) fn may_close(&mut self, plan: &Plan, allow: &BTreeSet<Hazard>) -> bool {
        let closing = plan.changes.iter().filter(|change| change.stage == Stage::Close);
        let needs: Vec<Hazard> = closing
            .clone()
            .flat_map(|change| &change.hazards)
            .filter(|hazard| !allow.contains(hazard))
            .copied()
            .collect();
        let failed = self.services.values().any(|service| service.error.is_some());
        if needs.is_empty() && !failed && self.refused.is_empty() {
            return true;
        }
        self.skipped.extend(closing.map(|change| Skipped {
            change: format!("{} {} {}", change.action.word(), change.kind.word(), change.object),
            why: change.reason.clone(),
            needs: needs.iter().map(|hazard| hazard.name()).collect(),
        }));
        false
    }

    pub(super) fn of(&mut self, service: Option<&Ident>) -> &mut ServiceResult {
        self.services.entry(service.cloned()).or_insert_with(|| ServiceResult {
            service: service.map(|s| s.as_str().to_owned()),
            changes: 0,
            migrations: Vec::new(),
            issued: Vec::new(),
            error: None,
            pending: None,
        })
    }

    /// Says of each service whose migrations cannot run why; one that needs a baseline has not failed.
    pub(super) fn block(&mut self, plan: &Plan) {
        for (service, why) in &plan.blocked {
            if plan.needs_baseline.contains(service) {
                self.wait(service, why.clone());
            } else {
                self.of(Some(service)).error.get_or_insert_with(|| why.clone());
            }
        }
    }

    pub(super) fn wait(&mut self, service: &Ident, message: String) {
        self.of(Some(service)).pending.get_or_insert(Waiting { code: "needs-baseline", message });
    }

    pub(super) fn add(&mut self, results: Results) {
        for job in results.done {
            let entry = self.of(job.transaction.service.as_ref());
            entry.changes += job.transaction.changes;
            let issued = job.prepared.into_iter().flat_map(|p| p.issued);
            entry.issued.extend(issued.map(|i| format!("{}/{}", i.service.as_str(), i.credential)));
        }
        for (service, message) in results.failed {
            self.of(service.as_ref()).error = Some(message);
        }
    }

    /// Tells whether nothing more is to be done for a service.
    pub(super) fn failed(&self, service: &Ident) -> bool {
        self.refused.contains(service) || self.services.get(&Some(service.clone())).is_some_and(|s| s.error.is_some())
    }
}
