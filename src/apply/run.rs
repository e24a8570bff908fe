//! Plans and applies: look, decide, act; after the migrations look once more at what they made.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgConnection;

use super::Error;
use super::outcome::{Applied, FORMAT, ServiceResult};
use super::stage::{Job, Means, Results, run, tell};
use crate::catalog::{self, Scope};
use crate::credentials::issue::{Declared, Issuer, prepare};
use crate::credentials::secret::Place;
use crate::credentials::sink::Sink;
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::manifest::service::Project;
use crate::migrate;
use crate::model::state::Observed;
use crate::pg::connect::Target;
use crate::pg::lock;
use crate::plan::build::{self, Plan};
use crate::plan::change::{Action, Change, Hazard, Kind, Stage};
use crate::plan::script::{Transaction, transactions};
use crate::registry;

/// What the advisory lock of an apply protects, in words.
const LOCK: &str = "pgcleave apply";

/// How to apply.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to plan for.
    pub plan: build::Options,
    /// The dangers that are allowed.
    pub allow: BTreeSet<Hazard>,
    /// How long to wait for another apply to end, in seconds.
    pub lock_wait_seconds: u64,
    /// How many services' migrations run at once.
    pub jobs: usize,
    /// A plan that was saved: nothing but it is applied.
    pub saved: Option<Plan>,
    /// A request to stop.
    pub interrupt: Interrupt,
}

/// Looks at the database and makes the plan; writes nothing, takes no lock.
///
/// # Errors
/// The server could not be reached or read, or a migration's file is unusable.
pub async fn plan(
    connection: &mut PgConnection,
    project: &Project,
    options: &build::Options,
) -> Result<(Plan, Observed), Error> {
    let asked = build::asked(project);
    let scope =
        Scope { naming: project.naming.clone(), roles: asked.roles, schemas: asked.schemas, views: asked.views };
    let observed = catalog::observe(connection, &scope).await?;
    let project = &project.without_moved(&observed.splits);
    let pending = migrate::pending(connection, project).await?;
    let mut plan = build::build(project, &observed, &pending.migrations, options);
    plan.blocked = pending.problems.iter().map(|(service, problem)| (service.clone(), problem.to_string())).collect();
    if !options.services.is_empty() {
        plan.blocked.retain(|service, _| options.services.contains(service));
    }
    let notes = plan
        .blocked
        .iter()
        .map(|(service, why)| format!("{}'s migrations cannot run: {}", service.as_str(), why.replace('\n', "; ")));
    plan.notes.extend(notes);
    Ok((plan, observed))
}

/// Applies: what all share, then each service's roles and grants, its migrations, and what these made.
///
/// A service that fails is left as its last stage found it and named in the answer; the others go on.
///
/// # Errors
/// Nothing was changed: a hazard was not allowed, the database moved since the saved plan, or somebody else applies.
/// Or what all share could not be set up, or the connection broke: run it again.
pub async fn apply(
    target: &Target,
    project: &Project,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Applied, Error> {
    let mut connection = target.connect(&application()).await?;
    lock::take(&mut connection, LOCK, options.lock_wait_seconds, listener).await?;
    let (plan, observed) = plan(&mut connection, project, &options.plan).await?;
    if let Some(saved) = &options.saved {
        compare(saved, &plan)?;
    }
    let refused = plan.refused(&options.allow);
    if !refused.is_empty() {
        return Err(Error::Hazards(refused));
    }
    let mut applied = Tally::default();
    if !plan.is_empty() {
        registry::ensure(&mut connection).await?;
        let issuer = issuer(target, project);
        let means = Means { issuer: &issuer, listener, interrupt: &options.interrupt };
        let mut work = Work { connection: &mut connection, target, project, options, means, tally: &mut applied };
        work.all(&plan, &observed).await?;
        registry::record_plan(
            &mut connection,
            &plan.fingerprint,
            i32::try_from(plan.changes.len()).unwrap_or(i32::MAX),
            &serde_json::to_string(&plan).expect("a plan has only texts for keys"),
        )
        .await?;
        if applied.services.values().any(|s| !s.issued.is_empty()) {
            applied.secrets = Some(issuer.sink.label());
        }
    }
    for (service, problem) in &plan.blocked {
        applied.of(Some(service)).error.get_or_insert_with(|| problem.clone());
    }
    let Tally { services, secrets } = applied;
    let services = services.into_values().collect();
    Ok(Applied { format: FORMAT, fingerprint: plan.fingerprint, services, secrets, notes: plan.notes })
}

/// Names this run to whoever waits for it.
fn application() -> String {
    format!("pgcleave apply, process {}", std::process::id())
}

fn issuer(target: &Target, project: &Project) -> Issuer {
    Issuer {
        sink: Sink::new(&project.secrets, &project.root, &project.naming),
        place: Place::from(target),
        naming: project.naming.clone(),
    }
}

/// Checks that a saved plan is still the plan.
fn compare(saved: &Plan, now: &Plan) -> Result<(), Error> {
    if saved.server.database != now.server.database {
        let planned = saved.server.database.as_str().to_owned();
        return Err(Error::OtherDatabase { planned, connected: now.server.database.as_str().to_owned() });
    }
    if saved.fingerprint != now.fingerprint {
        return Err(Error::Moved);
    }
    let done = |plan: &Plan| -> Vec<_> {
        let what =
            |c: &Change| (c.stage, c.service.clone(), c.action, c.object.clone(), c.run_as.clone(), c.sql.clone());
        plan.changes.iter().map(what).collect()
    };
    if done(saved) != done(now) {
        return Err(Error::Outdated);
    }
    Ok(())
}

/// What was done so far, by service.
#[derive(Default)]
struct Tally {
    services: BTreeMap<Option<Ident>, ServiceResult>,
    secrets: Option<String>,
}

impl Tally {
    fn of(&mut self, service: Option<&Ident>) -> &mut ServiceResult {
        self.services.entry(service.cloned()).or_insert_with(|| ServiceResult {
            service: service.map(|s| s.as_str().to_owned()),
            changes: 0,
            migrations: Vec::new(),
            issued: Vec::new(),
            error: None,
        })
    }

    fn add(&mut self, results: Results) {
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

    fn failed(&self, service: &Ident) -> bool {
        self.services.get(&Some(service.clone())).is_some_and(|s| s.error.is_some())
    }
}

/// What migrations did.
#[derive(Default)]
struct Migrated {
    /// The services in which something may be new.
    advanced: BTreeSet<Ident>,
    failed: BTreeMap<Ident, migrate::Error>,
}

struct Work<'a> {
    connection: &'a mut PgConnection,
    target: &'a Target,
    project: &'a Project,
    options: &'a Options,
    means: Means<'a>,
    tally: &'a mut Tally,
}

impl Work<'_> {
    async fn all(&mut self, plan: &Plan, observed: &Observed) -> Result<(), Error> {
        self.stage(&plan.changes, Stage::Provision, observed).await?;
        for (service, why) in &plan.blocked {
            self.tally.of(Some(service)).error.get_or_insert_with(|| why.clone());
        }
        let migrating = |change: &&Change| change.kind == Kind::Migration;
        let migrating = plan.changes.iter().filter(migrating).filter_map(|change| change.service.clone());
        let mut due: BTreeSet<Ident> = migrating.filter(|service| !self.tally.failed(service)).collect();
        let mut failures = BTreeMap::new();
        let mut settled = false;
        // a script may read what another service exposes only in this run, and that what a third one does
        while !due.is_empty() {
            let Migrated { advanced, failed } = self.migrate(&due).await?;
            due.iter().for_each(|service| drop(failures.remove(service)));
            failures.extend(failed);
            if advanced.is_empty() {
                break;
            }
            let exposing = self.settle(plan, &advanced).await?;
            settled = true;
            due = self.encouraged(&failures, &exposing);
        }
        if !settled {
            let stays = |change: &&Change| change.service.as_ref().is_some_and(|s| failures.contains_key(s));
            let rest: Vec<Change> = plan.changes.iter().filter(|change| !stays(change)).cloned().collect();
            self.stage(&rest, Stage::Settle, observed).await?;
        }
        for (service, error) in failures {
            self.tally.of(Some(&service)).error = Some(error.to_string());
        }
        Ok(())
    }

    /// Grants on what the migrations made, which could not be known before; gives the services that expose something new.
    async fn settle(&mut self, plan: &Plan, advanced: &BTreeSet<Ident>) -> Result<BTreeSet<Ident>, Error> {
        let (now, observed) = self::plan(self.connection, self.project, &self.options.plan).await?;
        let contracts = plan.changes.iter().filter(|c| c.stage == Stage::Settle && !c.sql.is_empty());
        let exposing: BTreeSet<&Ident> = contracts.filter_map(|c| c.service.as_ref()).collect();
        let is_due = |change: &Change| {
            let service = change.service.as_ref();
            let known = service.is_some_and(|s| advanced.contains(s) || exposing.contains(s));
            let is_shown_only = change.action == Action::Settle || change.kind == Kind::Migration || change.awaited;
            known && !is_shown_only && !self.is_kept(change)
        };
        let due: Vec<Change> = now.changes.into_iter().filter(is_due).collect();
        self.stage(&due, Stage::Provision, &observed).await?;
        self.stage(&due, Stage::Settle, &observed).await?;
        Ok(due.into_iter().filter(|c| c.kind == Kind::Contract).filter_map(|c| c.service).collect())
    }

    /// Gives the services whose scripts failed for want of something that may be there now.
    fn encouraged(&self, failures: &BTreeMap<Ident, migrate::Error>, exposing: &BTreeSet<Ident>) -> BTreeSet<Ident> {
        let consumes = |service: &Ident| {
            let consumed = self.project.services.get(service).map_or(&[][..], |s| &s.consumes);
            consumed.iter().map(|c| &c.service).find(|provider| exposing.contains(*provider))
        };
        let mut again = BTreeSet::new();
        for service in failures.iter().filter(|(_, error)| error.lacks_something()).map(|(service, _)| service) {
            let Some(provider) = consumes(service).filter(|_| !self.tally.failed(service)) else { continue };
            let message = format!("{}: once more, now that {} is settled", service.as_str(), provider.as_str());
            (self.means.listener)(Event::Note { message });
            again.insert(service.clone());
        }
        again
    }

    /// Tells whether a change holds a danger that a migration's own grants cannot excuse.
    fn is_kept(&self, change: &Change) -> bool {
        change.hazards.iter().any(|h| *h != Hazard::Revoke && !self.options.allow.contains(h))
    }

    /// Runs the migrations.
    async fn migrate(&mut self, services: &BTreeSet<Ident>) -> Result<Migrated, Error> {
        let options = migrate::Options {
            jobs: self.options.jobs,
            lock_wait_seconds: self.options.lock_wait_seconds,
            interrupt: self.options.interrupt.clone(),
        };
        let outcomes = migrate::run(self.target, self.project, services, &options, self.means.listener).await?;
        let mut migrated = Migrated::default();
        for migrate::Outcome { service, applied, error } in outcomes {
            if error.is_none() || !applied.is_empty() {
                migrated.advanced.insert(service.clone());
            }
            self.tally.of(Some(&service)).migrations.extend(applied);
            migrated.failed.extend(error.map(|error| (service, error)));
        }
        Ok(migrated)
    }

    /// Runs one stage of all services that have not failed.
    async fn stage(&mut self, changes: &[Change], stage: Stage, observed: &Observed) -> Result<(), Error> {
        let mut jobs = Vec::new();
        for transaction in transactions(changes, stage, observed) {
            if transaction.service.as_ref().is_some_and(|s| self.tally.failed(s)) {
                continue;
            }
            let new = self.credentials(&transaction);
            let prepared = if new.is_empty() { None } else { Some(prepare(self.means.issuer, &new).await?) };
            jobs.push(Job::new(transaction, prepared));
        }
        // nothing of a service can stand without what all share
        let services = jobs.split_off(jobs.iter().take_while(|job| job.transaction.service.is_none()).count());
        let shared = run(self.connection, jobs, &self.means).await?;
        let failure = shared.failed.get(&None).cloned();
        self.tally.add(shared);
        if let Some(message) = failure {
            return Err(Error::Shared(message));
        }
        let results = run(self.connection, services, &self.means).await?;
        tell(&results, "grants", self.means.listener);
        self.tally.add(results);
        Ok(())
    }

    /// Says what is to be issued in a service's transaction.
    fn credentials(&self, transaction: &Transaction) -> Vec<Declared> {
        let name = transaction.service.as_ref();
        let Some(service) = name.and_then(|name| self.project.services.get(name)) else { return Vec::new() };
        let declared = |name: &String| {
            let access = service.credentials.get(name)?.access;
            Some(Declared { service: service.name.clone(), credential: name.clone(), access })
        };
        transaction.issues.iter().filter_map(declared).collect()
    }
}
