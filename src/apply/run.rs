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
use crate::event::Listener;
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
    let (plan, observed, _) = look(connection, project, options).await?;
    Ok((plan, observed))
}

/// Services whose migrations cannot run as they are, with the reason.
type Unusable = Vec<(Ident, migrate::Error)>;

async fn look(
    connection: &mut PgConnection,
    project: &Project,
    options: &build::Options,
) -> Result<(Plan, Observed, Unusable), Error> {
    let asked = build::asked(project);
    let scope =
        Scope { naming: project.naming.clone(), roles: asked.roles, schemas: asked.schemas, views: asked.views };
    let observed = catalog::observe(connection, &scope).await?;
    let pending = migrate::pending(connection, project, &options.services).await?;
    let mut plan = build::build(project, &observed, &pending.migrations, options);
    let unusable = pending.problems.iter();
    plan.notes.extend(unusable.map(|(service, why)| format!("{}: its migrations cannot run: {why}", service.as_str())));
    Ok((plan, observed, pending.problems))
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
    let (plan, observed, unusable) = look(&mut connection, project, &options.plan).await?;
    if let Some(saved) = &options.saved {
        compare(saved, &plan)?;
    }
    let refused = plan.refused(&options.allow);
    if !refused.is_empty() {
        return Err(Error::Hazards(refused));
    }
    let mut applied = Tally::default();
    let unusable: BTreeMap<Ident, String> = unusable.into_iter().map(|(s, why)| (s, why.to_string())).collect();
    if !plan.is_empty() {
        registry::ensure(&mut connection).await?;
        let issuer = issuer(target, project);
        let means = Means { issuer: &issuer, listener, interrupt: &options.interrupt };
        let mut work = Work {
            connection: &mut connection,
            target,
            project,
            options,
            means,
            unusable: &unusable,
            tally: &mut applied,
        };
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
    for (service, why) in &unusable {
        applied.of(Some(service)).error.get_or_insert_with(|| why.clone());
    }
    let Tally { services, secrets } = applied;
    let services = services.into_values().collect();
    Ok(Applied { format: FORMAT, fingerprint: plan.fingerprint, services, secrets })
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
    if saved.changes != now.changes {
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

struct Work<'a> {
    connection: &'a mut PgConnection,
    target: &'a Target,
    project: &'a Project,
    options: &'a Options,
    means: Means<'a>,
    unusable: &'a BTreeMap<Ident, String>,
    tally: &'a mut Tally,
}

impl Work<'_> {
    async fn all(&mut self, plan: &Plan, observed: &Observed) -> Result<(), Error> {
        self.stage(&plan.changes, Stage::Provision, observed).await?;
        for (service, why) in self.unusable {
            self.tally.of(Some(service)).error.get_or_insert_with(|| why.clone());
        }
        let migrating = |change: &&Change| change.kind == Kind::Migration;
        let migrating: BTreeSet<Ident> =
            plan.changes.iter().filter(migrating).filter_map(|c| c.service.clone()).collect();
        let settling: BTreeSet<Ident> = if migrating.is_empty() {
            BTreeSet::new()
        } else {
            self.migrate(migrating.into_iter().filter(|s| !self.tally.failed(s)).collect()).await?
        };
        if settling.is_empty() {
            return self.stage(&plan.changes, Stage::Settle, observed).await;
        }
        // what the migrations made could not be known before
        let (now, observed, _) = look(self.connection, self.project, &self.options.plan).await?;
        let contracts = plan.changes.iter().filter(|c| c.stage == Stage::Settle && !c.sql.is_empty());
        let exposing: BTreeSet<&Ident> = contracts.filter_map(|c| c.service.as_ref()).collect();
        let is_due = |change: &Change| {
            let service = change.service.as_ref();
            let known = service.is_some_and(|s| settling.contains(s) || exposing.contains(s));
            known && change.action != Action::Settle && change.kind != Kind::Migration && !self.is_kept(change)
        };
        let due: Vec<Change> = now.changes.into_iter().filter(is_due).collect();
        self.stage(&due, Stage::Provision, &observed).await?;
        self.stage(&due, Stage::Settle, &observed).await
    }

    /// Tells whether a change holds a danger that a migration's own grants cannot excuse.
    fn is_kept(&self, change: &Change) -> bool {
        change.hazards.iter().any(|h| *h != Hazard::Revoke && !self.options.allow.contains(h))
    }

    /// Runs the migrations, and gives the services in which something may be new.
    async fn migrate(&mut self, services: BTreeSet<Ident>) -> Result<BTreeSet<Ident>, Error> {
        if services.is_empty() {
            return Ok(services);
        }
        let options = migrate::Options {
            services,
            jobs: self.options.jobs,
            lock_wait_seconds: self.options.lock_wait_seconds,
            interrupt: self.options.interrupt.clone(),
        };
        let outcomes = migrate::run(self.target, self.project, &options, self.means.listener).await?;
        let mut well = BTreeSet::new();
        for outcome in outcomes {
            let entry = self.tally.of(Some(&outcome.service));
            entry.migrations = outcome.applied;
            match outcome.error {
                Some(error) => entry.error = Some(error.to_string()),
                None => {
                    well.insert(outcome.service);
                }
            }
        }
        Ok(well)
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
