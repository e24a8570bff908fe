//! Migrates one service, from its lock to its history's copy in the registry.

use std::collections::BTreeSet;
use std::future::Future;

use refinery_core::Migration;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::baseline::{self, Baseline};
use super::compare;
use super::discover::File;
use super::error::{Error, LockWait, in_full};
use super::place::Place;
use super::{Mark, Options, Outcome};
use crate::analyze::script;
use crate::catalog;
use crate::error::one_line;
use crate::event::{Event, Listener};
use crate::manifest::service::Service;
use crate::model::naming::Naming;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::history::{self, History};
use crate::pg::refinery::{Failure, Service as Rules, Session};
use crate::pg::session::SessionKind;
use crate::pg::unfinished::{self, Unfinished};
use crate::pg::watch::{Limits, Stop, Watch, Watched};
use crate::pg::{exec, lock};
use crate::registry;
use crate::registry::interrupted;
use crate::temporary_login::{self, Server, TemporaryLogin, Wanted};

/// How many sessions the temporary login may have: one to migrate, and others for one that was terminated.
const CONNECTION_LIMIT: i64 = 3;

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
    let mut done = Done::default();
    let error = attempt(&job, &mut done).await.err();
    let Done { applied, marked, differences, .. } = done;
    (job.listener)(match (&error, applied.is_empty(), marked.is_empty()) {
        (Some(error), ..) => Event::Failed { service, step: "migrations".to_owned(), message: error.to_string() },
        (None, true, true) => Event::Finished { service, step: "no migration was pending".to_owned() },
        (None, true, false) => Event::Finished { service, step: format!("recorded {}", marked.join(", ")) },
        (None, false, _) => Event::Finished { service, step: format!("applied {}", applied.join(", ")) },
    });
    Outcome { service: job.service.name.clone(), applied, marked, differences, error }
}

async fn attempt(job: &Job<'_>, done: &mut Done) -> Result<(), Error> {
    let application = format!("pgcleave migrate {}", job.service.name.as_str());
    let mut guard = take_lock(job, &application).await?;
    let mut admin = job.target.connect(SessionKind::Administrator, &application).await?;
    beside_split(job, &mut admin).await?;
    let place = Place::read(&mut admin, job.naming, job.service).await?;
    if let Some(running) = temporary_login::sweep(&mut admin, job.listener).await?.pop() {
        return Err(running.into());
    }
    let server = Server::read(&mut admin).await?;
    let wanted = Wanted {
        prefix: &job.naming.prefix,
        member_of: std::slice::from_ref(&place.owner),
        connection_limit: CONNECTION_LIMIT,
        ..Wanted::default()
    };
    let kind = SessionKind::Migration { owner: &place.owner, search_path: &place.search_path };
    let (login, session) =
        temporary_login::create(&mut admin, &server, &wanted, job.target, kind, &application).await?;
    let mut run = Run {
        job,
        place: &place,
        login: &login,
        server: &server,
        admin: &mut admin,
        guard: &mut guard,
        application: &application,
    };
    let ran = run.as_login(session, done).await;
    let dropped = temporary_login::remove(&mut admin, &server, &login.name).await;
    let recorded = match &ran.history {
        Some(history) => registry::record_migrations(&mut admin, &place.schema, history).await,
        None => Ok(()),
    };
    let _ = admin.close().await;
    guard.release().await;
    if let (Err(_), Err(stays)) = (&ran.result, &dropped) {
        (job.listener)(Event::Warning { message: stays.to_string() });
    }
    ran.result?;
    dropped?;
    Ok(recorded?)
}

/// Takes the schema's lock, which a session of its own holds.
async fn take_lock(job: &Job<'_>, application: &str) -> Result<lock::Guard, Error> {
    let what = format!("the migrations of schema {}", job.service.schema.as_str());
    let guard = tokio::select! {
        taken = lock::hold((job.target, application), &what, job.options.lock_wait_seconds, job.listener) => taken?,
        // Whoever is interrupted closes the connection, and the lock with it.
        () = job.options.interrupt.wait() => return Err(Error::Interrupted),
    };
    if job.options.interrupt.requested() { Err(Error::Interrupted) } else { Ok(guard) }
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

/// One run: the administrator's side, and the login that it has made.
struct Run<'r> {
    job: &'r Job<'r>,
    place: &'r Place,
    login: &'r TemporaryLogin,
    server: &'r Server,
    admin: &'r mut PgConnection,
    guard: &'r mut lock::Guard,
    application: &'r str,
}

impl Run<'_> {
    async fn as_login(&mut self, mut connection: PgConnection, done: &mut Done) -> Ran {
        let target = self.login.target(self.job.target);
        let result = match become_owner(&mut connection, self.place, self.login).await {
            Ok(pid) => self.migrate(&mut connection, pid, done).await,
            Err(error) => Err(error),
        };
        let history = if done.began { self.history_after(&target, &mut connection).await } else { None };
        let _ = connection.close().await;
        let result = result.and_then(|()| done.check_recorded(history.as_ref()));
        let fits = history.filter(|history| history.more == 0).map(|history| history.rows);
        Ran { history: fits, result }
    }

    fn kind(&self) -> SessionKind<'_> {
        SessionKind::Migration { owner: &self.place.owner, search_path: &self.place.search_path }
    }

    /// Reads the history once more, over another session where the first was terminated.
    async fn history_after(&mut self, target: &Target, connection: &mut PgConnection) -> Option<History> {
        if let Ok(history) = history::read(connection, &self.place.schema).await {
            return Some(history);
        }
        let mut connection = target.connect(self.kind(), self.application).await.ok()?;
        let history = history::read(&mut connection, &self.place.schema).await.ok();
        let _ = connection.close().await;
        history
    }

    async fn migrate(&mut self, connection: &mut PgConnection, pid: i32, done: &mut Done) -> Result<(), Error> {
        let watch = Watch::default();
        let before = self.begin(connection, pid, &watch).await?;
        done.began = true;
        let todo = checked(self.job, &before)?;
        if let Some(mark) = self.job.options.mark {
            return self.mark(connection, (&before, &todo), mark, done).await;
        }
        super::inspect(todo.iter().copied())?;
        let mut history = before.rows;
        for file in todo {
            if self.job.options.interrupt.requested() {
                return Err(Error::Interrupted);
            }
            self.guard.check().await?;
            let cuts = file.cuts();
            let alone = cuts.is_some();
            let unfinished_before = self.before_file(connection, pid, &watch, file, alone).await?;
            let version = file.migration.version();
            // a file that comes late is refinery's newest, since it sees nothing that is newer
            let migrations: Vec<Migration> = self.up_to(version).cloned().collect();
            let earlier = history.iter().filter(|done| done.version() < version).cloned().collect();
            let service = Rules {
                owner: self.place.owner.clone(),
                schema: self.place.schema.clone(),
                search_path: self.place.search_path.clone(),
                cuts,
                watch: &watch,
                limits: self.job.options.limits,
                version,
                history: earlier,
                before: unfinished_before,
            };
            let mut session = Session::of_service(connection, service);
            let ran = self.watched(pid, &watch, session.run_file(&migrations)).await;
            let report = ran.map_err(|error| explain(file, &error, self.job.options.limits))?;
            history.extend(report.applied_migrations().iter().cloned());
            done.applied.push(file.name.clone());
            done.versions.push(file.migration.version());
            if alone {
                interrupted::end(self.admin, &self.place.schema).await?;
            }
        }
        Ok(())
    }

    /// Gives the files up to a version, with it.
    fn up_to(&self, version: i64) -> impl Iterator<Item = &Migration> {
        self.job.files.iter().map(|file| &file.migration).filter(move |migration| migration.version() <= version)
    }

    /// Reads the history, which is made where there is none, unless the schema has a past that nobody has recorded.
    async fn begin(&mut self, connection: &mut PgConnection, pid: i32, watch: &Watch) -> Result<History, Error> {
        let (place, job) = (self.place, self.job);
        let baseline = baseline::of(self.admin, &place.schema).await?;
        let marks = job.options.mark.is_some();
        if baseline.is_needed() && !marks {
            return Err(self.needs_baseline(connection, &baseline).await);
        }
        let reading = async {
            history::make(connection, &place.schema, place.writer.as_ref()).await?;
            history::read(connection, &place.schema).await
        };
        let history = self.watched(pid, watch, reading).await.map_err(of_history)?;
        if !marks && history.rows.is_empty() && baseline.is_needed_by_empty_history() {
            return Err(self.needs_baseline(connection, &baseline).await);
        }
        if !baseline.recorded && history.more == 0 {
            // from now on this schema's files are pgcleave's to run, wherever this run ends
            registry::record_migrations(self.admin, &place.schema, &history.rows).await?;
        }
        Ok(history)
    }

    async fn needs_baseline(&mut self, connection: &mut PgConnection, baseline: &Baseline) -> Error {
        let found = baseline::histories(connection, baseline).await;
        baseline::error_with(&self.job.service.name, baseline, &found, &self.job.files)
    }

    /// Removes what an earlier, interrupted file has left, and records what is unfinished before a file without a
    /// transaction begins.
    async fn before_file(
        &mut self,
        connection: &mut PgConnection,
        pid: i32,
        watch: &Watch,
        file: &File,
        alone: bool,
    ) -> Result<Vec<i64>, Error> {
        let schema = &self.place.schema;
        let earlier = interrupted::of(self.admin, schema).await?;
        let mut found = unfinished::read(self.admin, schema).await?;
        if let Some(earlier) = &earlier {
            let (old, new): (Vec<_>, Vec<_>) = found.into_iter().partition(|u| earlier.before.contains(&u.oid));
            found = old;
            for left in new.iter().filter(|u| u.kind == unfinished::Kind::Index) {
                self.remove(connection, (pid, watch), left, &earlier.file).await?;
            }
            if !alone {
                interrupted::end(self.admin, schema).await?;
            }
        }
        let before: Vec<i64> = found.iter().map(|u| u.oid).collect();
        if alone {
            interrupted::begin(self.admin, schema, (file.migration.version(), &file.name), &before).await?;
        }
        Ok(before)
    }

    async fn remove(
        &mut self,
        connection: &mut PgConnection,
        (pid, watch): (i32, &Watch),
        left: &Unfinished,
        file: &str,
    ) -> Result<(), Error> {
        let failed = |message: String| Error::LeftoverIndex { left: left.to_string(), file: file.to_owned(), message };
        if left.busy.is_some() {
            return Err(failed("wait until it is done, or end that session".to_owned()));
        }
        let cure = left.cure();
        let dropping = exec::batch(connection, "drop the invalid index", &cure);
        self.watched(pid, watch, dropping).await.map_err(|error| failed(in_full(&error)))?;
        let message = format!("dropped the invalid index {} that an interrupted {file} has left", left.label());
        (self.job.listener)(Event::Note { message });
        Ok(())
    }

    /// Runs work on the login's session, within the limits that the administrator's session holds.
    async fn watched<T>(&mut self, pid: i32, watch: &Watch, work: impl Future<Output = T>) -> T {
        let borrow = temporary_login::acting(self.server, &self.login.name);
        let options = self.job.options;
        let watched = Watched { pid, borrow, limits: options.limits, interrupt: &options.interrupt };
        let (result, kept) = watched.run(self.admin, watch, work).await;
        if let Err(error) = kept {
            let message = format!("the limits of the migration could not be held: {error}");
            (self.job.listener)(Event::Warning { message });
        }
        result
    }

    /// Records files that ran elsewhere, and compares what is recorded then with other tools' histories.
    async fn mark(
        &mut self,
        connection: &mut PgConnection,
        (before, todo): (&History, &[&File]),
        mark: Mark,
        done: &mut Done,
    ) -> Result<(), Error> {
        let last = match mark {
            Mark::All => i64::MAX,
            Mark::Until(version) => {
                let is = |file: &&File| file.written == version.to_string() || file.migration.version() == version;
                let found = self.job.files.iter().find(is).ok_or(Error::NoSuchVersion { version })?;
                found.migration.version()
            }
        };
        let due = |file: &&&File| file.migration.version() <= last;
        let files: Vec<&File> = todo.iter().filter(due).copied().collect();
        let migrations: Vec<&Migration> = files.iter().map(|file| &file.migration).collect();
        if !migrations.is_empty() {
            history::mark(connection, &self.place.schema, &migrations).await.map_err(of_history)?;
        }
        done.versions.extend(migrations.iter().map(|m| m.version()));
        done.marked.extend(files.iter().map(|file| file.name.clone()));
        let recorded: BTreeSet<i64> =
            before.rows.iter().map(Migration::version).chain(done.versions.iter().copied()).collect();
        let baseline = baseline::of(self.admin, &self.place.schema).await?;
        for history in baseline::histories(connection, &baseline).await.histories {
            done.differences.extend(history.against(&self.job.files, |version| recorded.contains(&version)));
        }
        Ok(())
    }
}

/// What a run has done so far.
#[derive(Default)]
struct Done {
    applied: Vec<String>,
    marked: Vec<String>,
    differences: Vec<String>,
    versions: Vec<i64>,
    /// Whether the history was read: only then its copy is written.
    began: bool,
}

impl Done {
    /// Sees that the history has what was committed: a deferred trigger of the service runs as late as the commit.
    fn check_recorded(&self, history: Option<&History>) -> Result<(), Error> {
        let Some(history) = history.filter(|history| history.more == 0) else { return Ok(()) };
        let lacks = |version: &&i64| !history.rows.iter().any(|row| row.version() == **version);
        match self.versions.iter().find(lacks) {
            Some(version) => Err(Error::NotRecorded { version: *version }),
            None => Ok(()),
        }
    }
}

/// Sees that the login is the owner: without the membership the server only warns and lets it go on as itself.
async fn become_owner(connection: &mut PgConnection, place: &Place, login: &TemporaryLogin) -> Result<i32, Error> {
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

fn of_history(failure: Failure) -> Error {
    match failure {
        Failure::Server { error, .. } => Error::Server(error),
        Failure::NotRecorded { version } => Error::NotRecorded { version },
        other => Error::History(one_line(&other.to_string())),
    }
}

/// Gives the files to run, once all of them are known to fit.
fn checked<'a>(job: &'a Job<'_>, before: &History) -> Result<Vec<&'a File>, Error> {
    let todo = compare::pending(&job.files, &before.rows, job.options.out_of_order)
        .map_err(|all| Error::mismatch(all, before.more))?;
    if before.more > 0 {
        return Err(Error::mismatch(Vec::new(), before.more));
    }
    Ok(todo)
}

/// Says of refinery's error where the file failed, and how far it came.
fn explain(file: &File, error: &refinery_core::Error, limits: Limits) -> Error {
    use refinery_core::error::Kind;
    let failure = match error.kind() {
        Kind::Connection(_, cause) => cause.downcast_ref::<Failure>(),
        _ => None,
    };
    let Some(failure) = failure else { return Error::History(one_line(&error.to_string())) };
    let name = file.name.clone();
    match failure {
        Failure::Server { error, statement, kept } => {
            let (line, message) = (line_of(file, error, *statement), in_full(error));
            match statement {
                Some(done) if *kept => Error::Half { file: name, line, done: *done, message },
                _ => Error::Script { file: name, line, message, sqlstate: error.sqlstate().map(str::to_owned) },
            }
        }
        Failure::Stopped { stop, statement, tries, .. } => {
            let line = statement.and_then(|statement| line_of_statement(file, statement));
            match stop {
                Stop::Interrupted => Error::Interrupted,
                Stop::FileLimit => Error::TooLong { file: name, line, seconds: limits.file_seconds },
                Stop::LockWait { blocker } => Error::LockWait(Box::new(LockWait {
                    file: name,
                    line,
                    seconds: limits.lock_wait_seconds,
                    tries: *tries,
                    blocker: blocker.clone(),
                })),
            }
        }
        Failure::Unfinished { found } => {
            Error::Unfinished { file: name, found: found.iter().map(ToString::to_string).collect() }
        }
        Failure::NotRecorded { version } => Error::NotRecorded { version: *version },
        Failure::LeftOwner { owner } => Error::LeftOwner { file: name, owner: owner.clone() },
        Failure::History { .. } | Failure::NoVersion | Failure::NoTable => {
            Error::History(one_line(&failure.to_string()))
        }
    }
}

/// Finds the line by the server's position, else by the number of statements that had ended.
fn line_of(file: &File, error: &PgError, statement: Option<usize>) -> Option<usize> {
    let position = match error {
        PgError::Statement(statement) => statement.position,
        _ => None,
    };
    if let Some(position) = position {
        return Some(file.lines_before + script::line_of_position(file.text(), position));
    }
    line_of_statement(file, statement?)
}

fn line_of_statement(file: &File, statement: usize) -> Option<usize> {
    let range = file.script().statements.get(statement)?.clone();
    Some(file.lines_before + script::line_at(file.text(), range.start))
}
