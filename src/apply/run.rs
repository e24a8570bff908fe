//! Plans and applies: look, decide, act; after the migrations look once more at what they made.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use sqlx::postgres::PgConnection;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Error;
use super::outcome::{Applied, FORMAT};
use super::planning::{compare, plan_of};
use super::stage::{Job, Means, run, tell};
use super::tally::Tally;
use crate::credentials::issue::{Declared, Issuer, prepare};
use crate::credentials::secret::Place;
use crate::credentials::sink::Sink;
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::manifest::service::Project;
use crate::migrate::{self, Sources};
use crate::model::state::Observed;
use crate::pg::connect::Target;
use crate::pg::pooler::Backend;
use crate::pg::session::SessionKind;
use crate::pg::trust;
use crate::pg::watch::Limits;
use crate::pg::{lock, standby};
use crate::plan::build::{self, Plan};
use crate::plan::change::{Action, Change, Hazard, Kind, Stage};
use crate::plan::script::{Transaction, transactions};
use crate::registry;
use crate::temporary_login;

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
    /// What a migration file may take.
    pub limits: Limits,
    /// A plan that was saved: nothing but it is applied.
    pub saved: Option<Plan>,
    /// A request to stop.
    pub interrupt: Interrupt,
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
    let mut connection = target.connect(SessionKind::Administrator, &application()).await?;
    standby::refuse(&mut connection).await?;
    // the lock is a table of the registry
    registry::readable(&mut connection).await?;
    let mut guard = lock::hold((target, &application()), LOCK, options.lock_wait_seconds, listener).await?;
    let backend = Backend::lasting(target, &mut connection).await?;
    temporary_login::sweep(&mut connection, listener).await?;
    // read once: what was compared with the saved plan is what runs
    let sources = Sources::read(project);
    let (plan, observed) = plan_of(&mut connection, project, &sources, &options.plan).await?;
    if let Some(saved) = &options.saved {
        compare(saved, &plan)?;
    }
    let mut applied = Tally::default();
    applied.refuse(&plan, &options.allow, listener)?;
    if !plan.is_empty() {
        trust::event_triggers(&mut connection).await?;
        registry::ensure(&mut connection).await?;
        let issuer = issuer(target, project);
        let means = Means { issuer: &issuer, listener, interrupt: &options.interrupt, backend };
        let mut work = Work {
            connection: &mut connection,
            guard: &mut guard,
            target,
            project,
            sources: &sources,
            options,
            means,
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
    applied.block(&plan);
    let Tally { services, secrets, skipped, .. } = applied;
    let services = services.into_values().collect();
    Ok(Applied { format: FORMAT, fingerprint: plan.fingerprint, services, skipped, secrets, notes: plan.notes })
}

/// Names this run to whoever waits for it.
fn application() -> String {
    format!("pgcleave apply, process {}", std::process::id())
}

fn issuer(target: &Target, project: &Project) -> Issuer {
    Issuer {
        sink: Sink::new(&project.secrets, &project.root, &project.naming),
        place: Place::of(target, project.client_sslrootcert.as_deref()),
        naming: project.naming.clone(),
    }
}

struct Work<'a> {
    connection: &'a mut PgConnection,
    guard: &'a mut lock::Guard,
    target: &'a Target,
    project: &'a Project,
    sources: &'a Sources,
    options: &'a Options,
    means: Means<'a>,
    tally: &'a mut Tally,
}

impl Work<'_> {
    async fn all(&mut self, plan: &Plan, observed: &Observed) -> Result<(), Error> {
        self.stage(&plan.changes, Stage::Provision, observed).await?;
        self.tally.block(plan);
        let migrating = |change: &&Change| change.kind == Kind::Migration;
        let migrating = plan.changes.iter().filter(migrating).filter_map(|change| change.service.clone());
        let due: BTreeSet<Ident> = migrating.filter(|service| !self.tally.failed(service)).collect();
        let (mut failures, settled) = self.migrate(plan, due).await?;
        for (service, error) in failures.extract_if(.., |_, error| error.is_baseline()) {
            self.tally.wait(&service, error.to_string());
        }
        if !settled {
            let stays = |change: &&Change| change.service.as_ref().is_some_and(|s| failures.contains_key(s));
            let rest: Vec<Change> = plan.changes.iter().filter(|change| !stays(change)).cloned().collect();
            self.stage(&rest, Stage::Settle, observed).await?;
        }
        for (service, error) in failures {
            self.tally.of(Some(&service)).error = Some(error.to_string());
        }
        self.close(plan, observed).await
    }

    /// Takes from everybody what nobody needs any more, once all that was to be given instead has been given.
    async fn close(&mut self, plan: &Plan, observed: &Observed) -> Result<(), Error> {
        if !self.tally.may_close(plan, &self.options.allow) {
            return Ok(());
        }
        let closing = transactions(&plan.changes, Stage::Close, observed);
        let jobs = closing.into_iter().map(|transaction| Job::new(transaction, None)).collect();
        let results = run(self.connection, jobs, &self.means).await?;
        tell(&results, "close the database", self.means.listener);
        self.tally.add(results);
        Ok(())
    }

    /// Grants on what the migrations made, which could not be known before; gives the services that expose something new.
    ///
    /// A service whose migrations are still running is left for later.
    async fn settle(
        &mut self,
        plan: &Plan,
        advanced: &BTreeSet<Ident>,
        running: &BTreeSet<Ident>,
    ) -> Result<BTreeSet<Ident>, Error> {
        self.guard.check().await?;
        let (now, observed) = plan_of(self.connection, self.project, self.sources, &self.options.plan).await?;
        let contracts = plan.changes.iter().filter(|c| c.stage == Stage::Settle && !c.sql.is_empty());
        let exposing: BTreeSet<&Ident> = contracts.filter_map(|c| c.service.as_ref()).collect();
        let is_due = |change: &Change| {
            let service = change.service.as_ref();
            let known = service.is_some_and(|s| advanced.contains(s) || (exposing.contains(s) && !running.contains(s)));
            let is_shown_only = change.action == Action::Settle || change.kind == Kind::Migration || change.awaited;
            known && !is_shown_only && !self.is_kept(change)
        };
        let due: Vec<Change> = now.changes.into_iter().filter(is_due).collect();
        self.stage(&due, Stage::Provision, &observed).await?;
        self.stage(&due, Stage::Settle, &observed).await?;
        Ok(due.into_iter().filter(|c| c.kind == Kind::Contract).filter_map(|c| c.service).collect())
    }

    /// Gives the services whose scripts failed for want of something that may be there now: a provider has exposed
    /// something in or after the round in which they began.
    fn encouraged(&self, failures: &BTreeMap<Ident, migrate::Error>, rounds: &Rounds) -> BTreeSet<Ident> {
        let consumes = |service: &Ident| {
            let consumed = self.project.services.get(service).map_or(&[][..], |s| &s.consumes);
            consumed.iter().map(|c| &c.service).find(|provider| rounds.missed(service, provider))
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

    /// Runs the migrations, and settles what has ended while others go on: no service waits for another's slow file.
    ///
    /// Gives the services that failed, and whether anything was settled.
    async fn migrate(&mut self, plan: &Plan, due: BTreeSet<Ident>) -> Result<(Failures, bool), Error> {
        let options = migrate::Options {
            jobs: self.options.jobs,
            lock_wait_seconds: self.options.lock_wait_seconds,
            limits: self.options.limits,
            out_of_order: false,
            mark: None,
            interrupt: self.options.interrupt.clone(),
        };
        let (send, mut outcomes) = tokio::sync::mpsc::unbounded_channel();
        let (target, listener) = (self.target, self.means.listener);
        let (project, sources) = (self.project, self.sources);
        let start = |services: BTreeSet<Ident>| {
            let (send, options) = (send.clone(), options.clone());
            async move {
                let mut tell = |outcome| drop(send.send(outcome));
                migrate::each_of(target, (project, sources), &services, &options, (listener, &mut tell)).await
            }
        };
        let mut runs = FuturesUnordered::new();
        let (mut failures, mut running, mut settled) = (Failures::new(), due.clone(), false);
        let mut skipped = false;
        let mut rounds = Rounds::default();
        if !due.is_empty() {
            runs.push(start(due));
        }
        let mut pause = Duration::from_millis(GATHER_MILLIS);
        let mut broken = None;
        loop {
            let gathered = gather(&mut runs, &mut outcomes, pause).await;
            broken = broken.or(gathered.error);
            let mut advanced = BTreeSet::new();
            for migrate::Outcome { service, applied, error, .. } in gathered.outcomes {
                running.remove(&service);
                if error.is_none() || !applied.is_empty() {
                    advanced.insert(service.clone());
                }
                self.tally.of(Some(&service)).migrations.extend(applied);
                failures.extend(error.map(|error| (service, error)));
            }
            let is_last = runs.is_empty() && broken.is_none();
            if advanced.is_empty() && !(is_last && skipped) {
                if runs.is_empty() {
                    break;
                }
                continue;
            }
            let started = Instant::now();
            let settling = self.settle(plan, &advanced, &running);
            let (exposing, error) = beside(&mut runs, settling).await;
            broken = broken.or(error);
            (settled, skipped) = (true, !running.is_empty());
            pause = started.elapsed().max(Duration::from_millis(GATHER_MILLIS));
            rounds.exposed(exposing?);
            let again = self.encouraged(&failures, &rounds);
            if !again.is_empty() && broken.is_none() {
                rounds.began(&again);
                failures.retain(|service, _| !again.contains(service));
                running.extend(again.iter().cloned());
                runs.push(start(again));
            }
        }
        broken.map_or(Ok((failures, settled)), |error| Err(error.into()))
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

/// In which round of settling a service began its migrations last, and a provider exposed something last.
///
/// A service that failed in one round may have missed what was exposed while it ran, in an earlier round than its failure.
#[derive(Default)]
struct Rounds {
    now: u32,
    began: BTreeMap<Ident, u32>,
    exposed: BTreeMap<Ident, u32>,
}

impl Rounds {
    /// These providers have exposed something in this round, which ends.
    fn exposed(&mut self, providers: BTreeSet<Ident>) {
        self.exposed.extend(providers.into_iter().map(|provider| (provider, self.now)));
        self.now += 1;
    }

    /// These services begin again.
    fn began(&mut self, services: &BTreeSet<Ident>) {
        self.began.extend(services.iter().map(|service| (service.clone(), self.now)));
    }

    /// Tells whether a provider has exposed something since a service began.
    fn missed(&self, service: &Ident, provider: &Ident) -> bool {
        let began = self.began.get(service).copied().unwrap_or(0);
        self.exposed.get(provider).is_some_and(|round| *round >= began)
    }
}

/// The services whose migrations failed, and why.
type Failures = BTreeMap<Ident, migrate::Error>;

/// How long outcomes are gathered before what they made is settled, in milliseconds: settling reads the whole catalog.
const GATHER_MILLIS: u64 = 1_000;

/// What came of the runs meanwhile.
struct Gathered {
    outcomes: Vec<migrate::Outcome>,
    error: Option<migrate::Error>,
}

/// Lets the runs go on, and gathers outcomes for as long as `pause` after the first, or until all runs have ended.
async fn gather(
    runs: &mut FuturesUnordered<impl Future<Output = Result<(), migrate::Error>>>,
    outcomes: &mut UnboundedReceiver<migrate::Outcome>,
    pause: Duration,
) -> Gathered {
    let mut gathered = Gathered { outcomes: Vec::new(), error: None };
    let mut until = None;
    while !runs.is_empty() {
        let over = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(ended) = runs.next() => gathered.error = gathered.error.or(ended.err()),
            Some(outcome) = outcomes.recv() => {
                gathered.outcomes.push(outcome);
                until.get_or_insert_with(|| tokio::time::Instant::now() + pause);
            }
            () = over => break,
        }
    }
    while let Ok(outcome) = outcomes.try_recv() {
        gathered.outcomes.push(outcome);
    }
    gathered
}

/// Runs one piece of work to its end while the runs go on beside it.
async fn beside<T>(
    runs: &mut FuturesUnordered<impl Future<Output = Result<(), migrate::Error>>>,
    work: impl Future<Output = T>,
) -> (T, Option<migrate::Error>) {
    let mut error = None;
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return (done, error),
            Some(ended) = runs.next() => error = error.or(ended.err()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_exposed_while_a_service_ran_is_a_reason_to_run_it_again() {
        let ident = |name: &str| Ident::new(name).expect("a name");
        let (orders, billing) = (ident("orders"), ident("billing"));
        let mut rounds = Rounds::default();
        assert!(!rounds.missed(&orders, &billing));
        // Billing exposes something while orders runs; orders fails one round later.
        rounds.exposed(BTreeSet::from([billing.clone()]));
        rounds.exposed(BTreeSet::from([orders.clone()]));
        assert!(rounds.missed(&orders, &billing) && rounds.missed(&billing, &orders));
        rounds.began(&BTreeSet::from([orders.clone(), billing.clone()]));
        assert!(!rounds.missed(&orders, &billing) && !rounds.missed(&billing, &orders));
        rounds.exposed(BTreeSet::from([orders.clone()]));
        assert!(rounds.missed(&billing, &orders) && !rounds.missed(&orders, &billing));
    }
}
