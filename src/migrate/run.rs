//! Migrates one service, from its lock to its history's copy in the registry.

use refinery_core::Migration;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::compare;
use super::discover::File;
use super::error::{Error, in_full};
use super::login::{self, Login};
use super::place::Place;
use super::{Options, Outcome};
use crate::analyze::script;
use crate::catalog;
use crate::event::{Event, Listener};
use crate::manifest::service::Service;
use crate::model::naming::Naming;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::refinery::{Failure, Session};
use crate::pg::{exec, lock};
use crate::registry;
use crate::sql;

/// One service to be migrated.
pub(super) struct Job<'a> {
    pub(super) target: &'a Target,
    pub(super) naming: &'a Naming,
    pub(super) service: &'a Service,
    pub(super) files: Vec<File>,
    pub(super) options: &'a Options,
    pub(super) listener: Listener<'a>,
}

/// What became of the files, and what the history says afterwards, if it could be read.
struct Ran {
    history: Option<Vec<Migration>>,
    result: Result<(), Error>,
}

/// Migrates the service; a failure is told, and is no reason for the others to stop.
pub(super) async fn run(job: Job<'_>) -> Outcome {
    let service = Some(job.service.name.as_str().to_owned());
    (job.listener)(Event::Started { service: service.clone(), step: "migrations".to_owned() });
    let mut applied = Vec::new();
    let error = attempt(&job, &mut applied).await.err();
    (job.listener)(match (&error, applied.len()) {
        (Some(error), _) => Event::Failed { service, step: "migrations".to_owned(), message: error.to_string() },
        (None, 0) => Event::Finished { service, step: "no migration was pending".to_owned() },
        (None, _) => Event::Finished { service, step: format!("applied {}", applied.join(", ")) },
    });
    Outcome { service: job.service.name.clone(), applied, error }
}

async fn attempt(job: &Job<'_>, applied: &mut Vec<String>) -> Result<(), Error> {
    let application = format!("pgcleave migrate {}", job.service.name.as_str());
    let mut admin = job.target.connect(&application).await?;
    take_lock(job, &mut admin).await?;
    beside_split(job, &mut admin).await?;
    let place = Place::read(&mut admin, job.naming, job.service).await?;
    for name in login::sweep(&mut admin, job.naming, &place).await? {
        let message = format!("dropped the login {} of a run that was killed", name.as_str());
        (job.listener)(Event::Note { message });
    }
    let login = login::create(&mut admin, job.naming, &place).await?;
    let ran = as_login(job, &place, &login, &application, applied).await;
    let dropped = login::remove(&mut admin, &login.name, &place).await;
    let recorded = match &ran.history {
        Some(history) => registry::record_migrations(&mut admin, &place.schema, history).await,
        None => Ok(()),
    };
    let _ = admin.close().await;
    if let (Err(_), Err(stays)) = (&ran.result, &dropped) {
        (job.listener)(Event::Warning { message: stays.to_string() });
    }
    ran.result?;
    dropped?;
    Ok(recorded?)
}

/// Takes the schema's lock, for as long as the administrator's connection lasts.
async fn take_lock(job: &Job<'_>, admin: &mut PgConnection) -> Result<(), Error> {
    let what = format!("the migrations of schema {}", job.service.schema.as_str());
    tokio::select! {
        taken = lock::take(admin, &what, job.options.lock_wait_seconds, job.listener) => taken?,
        // Whoever is interrupted closes the connection, and the lock with it.
        () = job.options.interrupt.wait() => return Err(Error::Interrupted),
    }
    if job.options.interrupt.requested() { Err(Error::Interrupted) } else { Ok(()) }
}

/// Refuses what a split would lose, and says what it asks for otherwise: replication carries no definitions.
async fn beside_split(job: &Job<'_>, admin: &mut PgConnection) -> Result<(), Error> {
    let splits = catalog::splits(admin).await?;
    let Some(split) = splits.iter().find(|split| split.service == job.service.name) else { return Ok(()) };
    if let Some(why) = split.refusal() {
        return Err(Error::Moving(why));
    }
    if split.is_leaving() {
        let (name, phase, target) = (split.service.as_str(), &split.phase, &split.target);
        let message = format!(
            "{name} is being split ({phase}), and definitions are not replicated: change {target} alike, then run split start"
        );
        (job.listener)(Event::Warning { message });
    }
    Ok(())
}

async fn as_login(job: &Job<'_>, place: &Place, login: &Login, application: &str, applied: &mut Vec<String>) -> Ran {
    let target = job.target.with_login(&login.name, &login.password);
    let mut connection = match target.connect(application).await {
        Ok(connection) => connection,
        Err(error) => return Ran { history: None, result: Err(error.into()) },
    };
    let ran = match become_owner(&mut connection, place, login).await {
        Ok(pid) => {
            let cancel = Cancel { target: &target, pid };
            migrate(job, place, &mut connection, &cancel, applied).await
        }
        Err(error) => Ran { history: None, result: Err(error) },
    };
    let _ = connection.close().await;
    ran
}

/// Sees that the login is the owner: without the membership the server only warns and lets it go on as itself.
async fn become_owner(connection: &mut PgConnection, place: &Place, login: &Login) -> Result<i32, Error> {
    let (session, current, pid): (String, String, i32) =
        sqlx::query_as("select session_user::text, current_user::text, pg_catalog.pg_backend_pid()")
            .fetch_one(connection)
            .await
            .map_err(|e| PgError::new("ask who the temporary login became", &e))?;
    if current == place.owner.as_str() && session == login.name.as_str() {
        return Ok(pid);
    }
    Err(Error::NotOwner { login: login.name.clone(), owner: place.owner.clone(), became: current })
}

async fn migrate(
    job: &Job<'_>,
    place: &Place,
    connection: &mut PgConnection,
    cancel: &Cancel<'_>,
    applied: &mut Vec<String>,
) -> Ran {
    let mut session = Session::as_owner(connection, place.owner.clone(), script::cut);
    let before = match history(&mut session, place).await {
        Ok(before) => before,
        Err(error) => return Ran { history: None, result: Err(error) },
    };
    let todo = match checked(&job.files, &before) {
        Ok(todo) => todo,
        Err(error) => return Ran { history: Some(before), result: Err(error) },
    };
    if todo.is_empty() {
        return Ran { history: Some(before), result: Ok(()) };
    }
    let migrations: Vec<Migration> = job.files.iter().map(|file| file.migration.clone()).collect();
    let result = cancellable(job, cancel, session.run(&place.schema, &migrations)).await;
    let (done, result) = match result {
        Ok(report) => (report.applied_migrations().len(), Ok(())),
        Err(error) => {
            let done = error.report().map_or(0, |report| report.applied_migrations().len());
            (done, Err(explain(todo.get(done).copied(), &error)))
        }
    };
    applied.extend(todo.iter().take(done).map(|file| file.name.clone()));
    let result = if job.options.interrupt.requested() && result.is_err() { Err(Error::Interrupted) } else { result };
    Ran { history: session.applied(&place.schema).await.ok(), result }
}

async fn history(session: &mut Session<'_>, place: &Place) -> Result<Vec<Migration>, Error> {
    session.make_history(&place.schema, place.writer.as_ref()).await?;
    session.applied(&place.schema).await.map_err(|failure| match failure {
        Failure::Server { error, .. } => Error::Server(error),
        other => Error::History(other.to_string()),
    })
}

/// Gives the files to run, once all of them are known to fit.
fn checked<'a>(files: &'a [File], before: &[Migration]) -> Result<Vec<&'a File>, Error> {
    let todo = compare::pending(files, before).map_err(Error::Mismatch)?;
    super::inspect(todo.iter().copied())?;
    Ok(todo)
}

/// Runs the work to its end, and cancels the statement under way when a person asks to stop.
async fn cancellable<T>(job: &Job<'_>, cancel: &Cancel<'_>, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = job.options.interrupt.wait() => {}
    }
    if let Err(error) = cancel.send().await {
        (job.listener)(Event::Warning { message: format!("the statement cannot be cancelled: {error}") });
    }
    work.await
}

/// How to cancel what the session does: from a second one of the same login.
struct Cancel<'a> {
    target: &'a Target,
    pid: i32,
}

impl Cancel<'_> {
    async fn send(&self) -> Result<(), PgError> {
        let mut connection = self.target.connect("pgcleave cancel").await?;
        // A session may be cancelled by the role that logged in, not by the one it became.
        exec::batch(&mut connection, "be the login itself", &sql!("set role none")).await?;
        sqlx::query("select pg_catalog.pg_cancel_backend($1)")
            .bind(self.pid)
            .execute(&mut connection)
            .await
            .map_err(|e| PgError::new("cancel the migration", &e))?;
        let _ = connection.close().await;
        Ok(())
    }
}

/// Says of refinery's error which file failed, where, and how far it came.
fn explain(file: Option<&File>, error: &refinery_core::Error) -> Error {
    use refinery_core::error::Kind;
    let failure = match error.kind() {
        Kind::Connection(_, cause) => cause.downcast_ref::<Failure>(),
        _ => None,
    };
    let (Some(failure), Some(file)) = (failure, file) else { return Error::History(error.to_string()) };
    let name = file.name.clone();
    match failure {
        Failure::Server { error, statement, kept } => {
            let (line, message) = (line_of(file, error, *statement), in_full(error));
            match statement {
                Some(done) if *kept => Error::Half { file: name, line, done: *done, message },
                _ => Error::Script { file: name, line, message, sqlstate: error.sqlstate().map(str::to_owned) },
            }
        }
        Failure::LeftOwner { owner } => Error::LeftOwner { file: name, owner: owner.clone() },
        Failure::History { .. } => Error::History(failure.to_string()),
    }
}

/// Finds the line by the server's position, else by the number of statements that had ended.
fn line_of(file: &File, error: &PgError, statement: Option<usize>) -> Option<usize> {
    let position = match error {
        PgError::Statement(statement) => statement.position,
        _ => None,
    };
    if let Some(position) = position {
        return Some(script::line_of_position(file.text(), position));
    }
    let range = script::read(file.text()).statements.get(statement?)?.clone();
    Some(script::line_at(file.text(), range.start))
}
