//! Runs each service's migrations as its owner, over a login made for that and dropped after it.
//!
//! The history table in the service's own schema is the truth; the registry holds a copy, so that a plan can tell what
//! is pending without reading any service's data.

mod compare;
pub mod discover;
pub mod error;
mod login;
mod place;
mod run;

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use refinery_core::Migration;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use compare::Mismatch;
pub use error::Error;

use crate::analyze::script;
use crate::event::Listener;
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::manifest::service::{Project, Service};
use crate::pg::connect::Target;
use crate::plan::build::PendingMigration;
use crate::registry::{self, Recorded};
use discover::File;

/// How to migrate.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many services at once.
    pub jobs: usize,
    /// How long to wait for somebody else who migrates the same schema, in seconds.
    pub lock_wait_seconds: u64,
    /// How a person's Ctrl-C gets here.
    pub interrupt: Interrupt,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { jobs: (2 * cores).min(4), lock_wait_seconds: 60, interrupt: Interrupt::default() }
    }
}

/// What became of one service.
#[derive(Debug)]
pub struct Outcome {
    /// The service.
    pub service: Ident,
    /// The names of the files that were applied, in order; those before a failed one stay applied.
    pub applied: Vec<String>,
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
    let chosen = choose(project, services)?;
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let mut admin = target.connect("pgcleave migrate").await?;
    registry::ensure(&mut admin).await?;
    let recorded = registry::migrations(&mut admin).await?;
    let _ = admin.close().await;
    let working = chosen.into_iter().map(|(service, found)| {
        let is_current = |files: &[File]| {
            compare::pending(files, &copy_of(&recorded, service)).is_ok_and(|pending| pending.is_empty())
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
    Ok(futures_util::stream::iter(working).buffered(options.jobs.max(1)).collect().await)
}

/// Tells what has yet to run, from the registry's copy of each service's history.
///
/// # Errors
/// The server could not be asked. What is wrong with a service's files is in [`Pending::problems`].
pub async fn pending(connection: &mut PgConnection, project: &Project) -> Result<Pending, Error> {
    let chosen = choose(project, &BTreeSet::new())?;
    let recorded = registry::migrations(connection).await?;
    let mut all = Pending::default();
    for (service, found) in chosen {
        let checked = found.map_err(Error::Files).and_then(|files| {
            let todo = compare::pending(&files, &copy_of(&recorded, service)).map_err(Error::Mismatch)?;
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
        found.extend(script::read(file.text()).obstacles.into_iter().map(|o| (file.name.clone(), o)));
    }
    if found.is_empty() { Ok(()) } else { Err(Error::Refused(found)) }
}

type Found = Result<Vec<File>, Vec<discover::BadFile>>;

/// Reads the files of the chosen services that have a migrations folder.
fn choose<'a>(project: &'a Project, names: &BTreeSet<Ident>) -> Result<Vec<(&'a Service, Found)>, Error> {
    if let Some(unknown) = names.iter().find(|name| !project.services.contains_key(*name)) {
        return Err(Error::UnknownService(unknown.as_str().to_owned()));
    }
    let services = project.services.values().filter(|s| names.is_empty() || names.contains(&s.name));
    Ok(services.filter_map(|s| Some((s, discover::discover(s.migrations.as_ref()?)))).collect())
}

fn pending_migration(service: &Service, file: &File) -> PendingMigration {
    PendingMigration {
        service: service.name.clone(),
        version: file.migration.version(),
        file: file.name.clone(),
        checksum: file.migration.checksum().to_string(),
    }
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
        Self { service: service.name.clone(), applied: Vec::new(), error: Some(error) }
    }

    fn unchanged(service: &Service) -> Self {
        Self { service: service.name.clone(), applied: Vec::new(), error: None }
    }
}
