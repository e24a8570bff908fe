//! Runs each service's migrations as its owner, over a login made for that and dropped after it.
//!
//! The history table in the service's own schema is the truth; the registry holds a copy, so that a plan can tell what
//! is pending without reading any service's data.

mod bad_file;
mod baseline;
mod compare;
pub mod discover;
pub mod error;
mod layout;
mod place;
mod run;
mod section;
mod tool_history;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use refinery_core::Migration;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use compare::Mismatch;
pub use error::Error;

use crate::analyze::caller_code::{self, Created};
use crate::analyze::script::Obstacle;
use crate::event::Listener;
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::manifest::service::{MigrateLimits, Project, Service};
use crate::pg::connect::Target;
use crate::pg::session::SessionKind;
use crate::pg::trust;
use crate::pg::watch::Limits;
use crate::plan::build::PendingMigration;
use crate::plan::consumer_code::Defined;
use crate::registry::{self, Recorded};
use discover::File;

/// How to migrate.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many services at once.
    pub jobs: usize,
    /// How long to wait for somebody else who migrates the same schema, in seconds.
    pub lock_wait_seconds: u64,
    /// What a file may take.
    pub limits: Limits,
    /// Runs files whose version is lower than the newest that was applied, too.
    pub out_of_order: bool,
    /// Records files as applied instead of running them.
    pub mark: Option<Mark>,
    /// How a person's Ctrl-C gets here.
    pub interrupt: Interrupt,
}

impl From<MigrateLimits> for Limits {
    fn from(limits: MigrateLimits) -> Self {
        let MigrateLimits { file_seconds, lock_wait_seconds, lock_retries } = limits;
        Self { file_seconds, lock_wait_seconds, lock_retries }
    }
}

/// Which files are recorded as applied without running them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// All.
    All,
    /// Those up to a version, with it.
    Until(i64),
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            jobs: (2 * cores).min(4),
            lock_wait_seconds: 60,
            limits: Limits::default(),
            out_of_order: false,
            mark: None,
            interrupt: Interrupt::default(),
        }
    }
}

/// What became of one service.
#[derive(Debug)]
pub struct Outcome {
    /// The service.
    pub service: Ident,
    /// The names of the files that were applied, in order; those before a failed one stay applied.
    pub applied: Vec<String>,
    /// The names of the files that were recorded without running them, in order.
    pub marked: Vec<String>,
    /// Where what was recorded without running it is not what another tool's history says, in words.
    pub differences: Vec<String>,
    /// Why it went no further.
    pub error: Option<Error>,
}

/// What has yet to run.
#[derive(Debug, Default)]
pub struct Pending {
    /// The files, by service and version.
    pub migrations: Vec<PendingMigration>,
    /// The services whose files cannot be run as they are, and why.
    pub problems: Vec<(Ident, Error)>,
}

/// Migrates these services of a project, or all when none is named; one that fails does not stop the others.
///
/// Nothing is written, and no login made, for a service of which nothing is pending. Gives the services by name.
///
/// # Errors
/// A named service does not exist, or the registry could not be brought up to date. What keeps a single service is in
/// its [`Outcome`].
pub async fn run(
    target: &Target,
    project: &Project,
    services: &BTreeSet<Ident>,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = Vec::new();
    let mut tell = |outcome| outcomes.push(outcome);
    each_of(target, (project, &Sources::read(project)), services, options, (listener, &mut tell)).await?;
    outcomes.sort_by(|a: &Outcome, b: &Outcome| a.service.cmp(&b.service));
    Ok(outcomes)
}

/// Migrates as [`run`] does, with files that have been read, and gives each service's outcome as soon as it is there.
///
/// # Errors
/// As [`run`].
pub async fn each_of(
    target: &Target,
    (project, sources): (&Project, &Sources),
    services: &BTreeSet<Ident>,
    options: &Options,
    (listener, outcome): (Listener<'_>, &mut (dyn FnMut(Outcome) + Send)),
) -> Result<(), Error> {
    let chosen = choose(project, sources, services)?;
    if chosen.is_empty() {
        return Ok(());
    }
    let mut admin = target.connect(SessionKind::Administrator, "pgcleave migrate").await?;
    trust::event_triggers(&mut admin).await?;
    registry::ensure(&mut admin).await?;
    let recorded = registry::migrations(&mut admin).await?;
    let _ = admin.close().await;
    let working = chosen.into_iter().map(|(service, found)| {
        let is_current = |files: &[File]| {
            compare::pending(files, &copy_of(&recorded, service), false).is_ok_and(|pending| pending.is_empty())
        };
        let work = match found {
            Err(bad) => Err(Outcome::failed(service, Error::Files(bad))),
            Ok(files) if is_current(&files) => Err(Outcome::unchanged(service)),
            Ok(files) => Ok(run::Job { target, naming: &project.naming, service, files, options, listener }),
        };
        async move {
            match work {
                Ok(job) => run::run(job).await,
                Err(outcome) => outcome,
            }
        }
    });
    let mut working = futures_util::stream::iter(working).buffer_unordered(options.jobs.max(1));
    while let Some(done) = working.next().await {
        outcome(done);
    }
    Ok(())
}

/// Tells what has yet to run, from the registry's copy of each service's history.
///
/// # Errors
/// The server could not be asked. What is wrong with a service's files is in [`Pending::problems`].
pub async fn pending(connection: &mut PgConnection, project: &Project) -> Result<Pending, Error> {
    pending_of(connection, project, &Sources::read(project)).await
}

/// Tells what has yet to run, of files that have been read.
///
/// # Errors
/// As of [`pending`].
pub async fn pending_of(connection: &mut PgConnection, project: &Project, sources: &Sources) -> Result<Pending, Error> {
    let chosen = choose(project, sources, &BTreeSet::new())?;
    let recorded = registry::migrations(connection).await?;
    let schemas: Vec<&str> = chosen.iter().map(|(service, _)| service.schema.as_str()).collect();
    let baselines = registry::baselines(connection, &schemas).await?;
    let mut all = Pending::default();
    for (service, found) in chosen {
        let checked = found.map_err(Error::Files).and_then(|files| {
            if let Some(baseline) = baselines.iter().find(|b| b.schema == service.schema && b.is_needed()) {
                return Err(baseline::error(&service.name, baseline));
            }
            let todo = compare::pending(&files, &copy_of(&recorded, service), false);
            let todo = todo.map_err(|mismatches| Error::mismatch(mismatches, 0))?;
            inspect(todo.iter().copied())?;
            Ok(todo.into_iter().map(|file| pending_migration(service, file)).collect::<Vec<_>>())
        });
        match checked {
            Ok(migrations) => all.migrations.extend(migrations),
            Err(problem) => all.problems.push((service.name.clone(), problem)),
        }
    }
    Ok(all)
}

/// Refuses scripts that would break out of their transaction or their role, all of them together.
///
/// # Errors
/// There is such a script.
pub fn inspect<'a>(files: impl Iterator<Item = &'a File>) -> Result<(), Error> {
    let mut found = Vec::new();
    for file in files {
        let obstacles = file.script().obstacles.into_iter();
        found.extend(obstacles.map(|o| (file.name.clone(), Obstacle { line: o.line + file.lines_before, ..o })));
    }
    if found.is_empty() { Ok(()) } else { Err(Error::Refused(found)) }
}

type Found = Result<Vec<File>, Vec<discover::BadFile>>;

/// The migration files of all services, read once: what a plan showed is what runs.
#[derive(Debug, Default)]
pub struct Sources(BTreeMap<Ident, Found>);

impl Sources {
    /// Reads the folders that the manifests name.
    #[must_use]
    pub fn read(project: &Project) -> Self {
        let services = project.services.values();
        let read =
            |s: &Service| Some((s.name.clone(), discover::discover(s.migrations.as_ref()?, &project.root, s.layout)));
        Self(services.filter_map(read).collect())
    }
}

/// Gives the files of the chosen services that have a migrations folder.
fn choose<'a>(
    project: &'a Project,
    sources: &Sources,
    names: &BTreeSet<Ident>,
) -> Result<Vec<(&'a Service, Found)>, Error> {
    if let Some(unknown) = names.iter().find(|name| !project.services.contains_key(*name)) {
        return Err(Error::UnknownService(unknown.as_str().to_owned()));
    }
    let services = project.services.values().filter(|s| names.is_empty() || names.contains(&s.name));
    Ok(services.filter_map(|s| Some((s, sources.0.get(&s.name)?.clone()))).collect())
}

fn pending_migration(service: &Service, file: &File) -> PendingMigration {
    PendingMigration {
        service: service.name.clone(),
        version: file.migration.version(),
        file: file.name.clone(),
        checksum: file.migration.checksum().to_string(),
        sha256: file.sha256.clone(),
        defines: defines(service, file),
    }
}

/// Gives the views and routines that a file creates, where the service exposes anything.
fn defines(service: &Service, file: &File) -> Vec<Defined> {
    if service.exposes.is_empty() {
        return Vec::new();
    }
    let created = caller_code::created(file.text(), service.schema.as_str()).into_iter();
    let defined = created.map(|Created { name, is_routine, is_harmless, calls }| Defined {
        name,
        is_routine,
        is_harmless,
        calls,
    });
    defined.collect()
}

/// Gives a service's history as the registry has it.
fn copy_of(recorded: &[Recorded], service: &Service) -> Vec<Migration> {
    let copied = recorded.iter().filter(|r| r.schema == service.schema);
    copied
        .map(|r| {
            let at = OffsetDateTime::parse(&r.applied_on, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH);
            Migration::applied(r.version, r.name.clone(), at, r.checksum)
        })
        .collect()
}

impl Outcome {
    fn failed(service: &Service, error: Error) -> Self {
        Self { error: Some(error), ..Self::unchanged(service) }
    }

    fn unchanged(service: &Service) -> Self {
        Self {
            service: service.name.clone(),
            applied: Vec::new(),
            marked: Vec::new(),
            differences: Vec::new(),
            error: None,
        }
    }
}
