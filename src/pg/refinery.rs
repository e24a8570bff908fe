//! refinery over sqlx: its async traits for one of our connections.
//!
//! refinery decides which migrations are to run and keeps the history; here is only how their text reaches the server.

use std::future::Future;
use std::ops::Range;

use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use refinery_core::{Migration, Report, Runner, Target};
use sqlx::postgres::PgConnection;

use super::error::Error;
use super::exec;
use super::history;
use super::session::{self, SessionKind};
use super::unfinished::{self, Unfinished};
use super::watch::{Limits, Stop, Watch};
use crate::ident::Ident;
use crate::sql;

/// One connection, as refinery wants it: each migration in a transaction of its own.
pub struct Session<'c> {
    connection: &'c mut PgConnection,
    service: Option<Service<'c>>,
}

/// What holds for the files of a service.
pub struct Service<'c> {
    /// The role as which the scripts must run, from the first statement to the last.
    pub owner: Ident,
    /// The schema.
    pub schema: Ident,
    /// The schema and those of the service's extensions.
    pub search_path: Vec<Ident>,
    /// The statements of a script that cannot run in a transaction; nothing for one that can.
    pub cuts: Option<Vec<Range<usize>>>,
    /// What the watch from outside knows.
    pub watch: &'c Watch,
    /// What a file may take.
    pub limits: Limits,
    /// The version of the file that runs.
    pub version: i64,
    /// The history as it was read, bounded.
    pub history: Vec<Migration>,
    /// What was invalid or pending in the schema before the file was started for the first time.
    pub before: Vec<i64>,
}

/// Says how far a migration came before it failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server refused the script, or a step around it.
    #[error("{error}")]
    Server {
        /// What the server answered.
        error: Error,
        /// The failed statement's place in the script, from 0; nothing when it was not the script that failed.
        statement: Option<usize>,
        /// Whether the statements before it stay done, because the script ran without a transaction.
        kept: bool,
    },
    /// The watch from outside stopped the script.
    #[error("the script was stopped")]
    Stopped {
        /// Why.
        stop: Stop,
        /// The stopped statement's place in the script, from 0, where it is known.
        statement: Option<usize>,
        /// Whether the statements before it stay done, because the script ran without a transaction.
        kept: bool,
        /// How often it was tried.
        tries: u32,
    },
    /// The script left an invalid index or a pending detach, or took one for what it wanted.
    #[error("{} unfinished", .found.len())]
    Unfinished {
        /// What is not finished.
        found: Vec<Unfinished>,
    },
    /// The history has no row of the script although its statement went through.
    #[error("the history has no row of version {version}")]
    NotRecorded {
        /// The version.
        version: i64,
    },
    /// A row of the history has no version.
    #[error("the history has a row without a version")]
    NoVersion,
    /// Something that is no table has the history table's name.
    #[error("{} is no table", history::TABLE)]
    NoTable,
    /// The script left the owner's role, or made something that the login itself owns.
    #[error("the script left the role {owner:?} that it has to run as")]
    LeftOwner {
        /// The role.
        owner: Ident,
    },
    /// The history table holds a row that refinery did not write.
    #[error("the history's row of version {version} is unreadable: {column} is {value:?}")]
    History {
        /// The row's version.
        version: i64,
        /// Which column.
        column: &'static str,
        /// What it holds.
        value: String,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Server { error, statement: None, kept: false }
    }
}

impl<'c> Session<'c> {
    /// Runs every script in a transaction, as whoever is logged in.
    pub fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection, service: None }
    }

    /// Runs a service's files: statement by statement where it has `cuts`; what leaves the owner's role is rolled back.
    pub fn of_service(connection: &'c mut PgConnection, service: Service<'c>) -> Self {
        Self { connection, service: Some(service) }
    }

    /// Brings the schema's history up to `migrations`; gives those that were applied.
    ///
    /// # Errors
    /// A migration failed, or the history does not fit them; the error's report tells what was applied before.
    pub async fn run(&mut self, schema: &Ident, migrations: &[Migration]) -> Result<Report, refinery_core::Error> {
        self.run_until(schema, migrations, Target::Latest).await
    }

    /// Runs the service's file of [`Service::version`]; those before it are in the history.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn run_file(&mut self, migrations: &[Migration]) -> Result<Report, refinery_core::Error> {
        let service = self.service.as_ref().expect("only a service has files");
        let (schema, version) = (service.schema.clone(), service.version);
        self.run_until(&schema, migrations, Target::Version(version)).await
    }

    async fn run_until(
        &mut self,
        schema: &Ident,
        migrations: &[Migration],
        target: Target,
    ) -> Result<Report, refinery_core::Error> {
        let mut runner = Runner::new(migrations).set_target(target);
        runner.set_migration_table_name(history::table(schema).as_str());
        runner.run_async(self).await
    }

    /// Runs a script and its history row in one transaction.
    async fn in_transaction(&mut self, scripts: &[&str]) -> Result<(), Failure> {
        exec::batch(self.connection, "begin the migration", &sql!("begin")).await?;
        let ended = match self.all(scripts).await {
            Ok(()) => {
                exec::batch(self.connection, "commit the migration", &sql!("commit")).await.map_err(Failure::from)
            }
            Err(failure) => Err(failure),
        };
        if ended.is_err() {
            // After a failed commit this is only a warning; after a broken connection there is nothing to undo.
            let _ = exec::batch(self.connection, "roll back the migration", &sql!("rollback")).await;
        }
        ended
    }

    async fn all(&mut self, scripts: &[&str]) -> Result<(), Failure> {
        for (i, script) in scripts.iter().enumerate() {
            exec::script(self.connection, "run the script", script).await.map_err(|e| Failure::Server {
                error: e.error,
                statement: (i == 0).then_some(e.finished),
                kept: false,
            })?;
            self.check_owner().await?;
        }
        if self.service.is_none() {
            return Ok(());
        }
        // what was deferred runs before the row is read back: a trigger of the service could delete it
        exec::batch(self.connection, "check the constraints", &sql!("set constraints all immediate")).await?;
        self.check_owner().await?;
        if scripts.len() > 1 {
            self.check_finished(scripts[0], false).await?;
        }
        self.check_recorded().await
    }

    /// Runs a file, again after a wait for a lock that was cut short.
    async fn file(&mut self, script: &str, history: &str) -> Result<(), Failure> {
        let service = self.service.as_ref().expect("only a service's files are watched");
        let (watch, retries, cuts) = (service.watch, service.limits.lock_retries, service.cuts.clone());
        let mut tries = 0;
        let mut last = None;
        loop {
            // a session that was terminated cannot be reset: what ended it is the reason
            if let Err(error) = self.start_afresh().await {
                return Err(last.unwrap_or_else(|| of_watch(error.into(), watch.stopped(), tries)));
            }
            let ran = match &cuts {
                Some(cuts) => self.one_by_one(script, cuts, history).await,
                None => self.in_transaction(&[script, history]).await,
            };
            tries += 1;
            let Err(failure) = ran else { return Ok(()) };
            let failure = of_watch(failure, watch.stopped(), tries);
            if cuts.is_some() || tries > retries || !failure.is_lock_wait() {
                return Err(failure);
            }
            watch.pause(tries).await;
            if let Some(stop) = watch.stopped() {
                return Err(Failure::Stopped { stop, statement: None, kept: false, tries });
            }
            last = Some(failure);
        }
    }

    /// Runs a script's statements one by one, each committed on its own, then the history row.
    async fn one_by_one(&mut self, script: &str, cuts: &[Range<usize>], history: &str) -> Result<(), Failure> {
        for (i, range) in cuts.iter().enumerate() {
            let ran = exec::script(self.connection, "run the statement", &script[range.clone()]).await;
            if let Err(e) = ran
                && !self.finish_detach(&e.error).await?
            {
                let error = shifted(e.error, script, range.start);
                return Err(Failure::Server { error, statement: Some(i), kept: i > 0 });
            }
            self.check_owner().await?;
        }
        self.check_finished(script, true).await?;
        self.in_transaction(&[history]).await
    }

    /// Finishes a detach that an interrupted run of the file has left, when the file's own statement meets it.
    async fn finish_detach(&mut self, error: &Error) -> Result<bool, Failure> {
        let Some(service) = self.service.as_ref().filter(|_| error.sqlstate() == Some("55000")) else {
            return Ok(false);
        };
        let found = unfinished::read(self.connection, &service.schema).await?;
        let mut new = found.iter().filter(|u| u.kind == unfinished::Kind::Detach && !service.before.contains(&u.oid));
        let (Some(pending), None) = (new.next(), new.next()) else { return Ok(false) };
        exec::batch(self.connection, "finish the detach", &pending.cure()).await?;
        Ok(true)
    }

    /// Sees that no index which the file made or names is invalid, and that no detach is pending.
    async fn check_finished(&mut self, script: &str, alone: bool) -> Result<(), Failure> {
        let Some(service) = &self.service else { return Ok(()) };
        let mut found = unfinished::read(self.connection, &service.schema).await?;
        found.retain(|u| (alone && !service.before.contains(&u.oid)) || u.is_named_in(script));
        if found.is_empty() { Ok(()) } else { Err(Failure::Unfinished { found }) }
    }

    /// Reads the history's row back: a trigger or a rule of the service could have swallowed it.
    async fn check_recorded(&mut self) -> Result<(), Failure> {
        let Some(service) = &self.service else { return Ok(()) };
        if history::has(self.connection, &service.schema, service.version).await? {
            Ok(())
        } else {
            Err(Failure::NotRecorded { version: service.version })
        }
    }

    /// Sees that the session is still the owner, and that nothing depends on the login itself.
    async fn check_owner(&mut self) -> Result<(), Failure> {
        let Some(Service { owner, .. }) = &self.service else { return Ok(()) };
        let stayed: bool = sqlx::query_scalar(
            "select current_user = $1 and not exists ( \
               select from pg_catalog.pg_shdepend d join pg_catalog.pg_roles r on r.oid = d.refobjid \
               where d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and r.rolname = session_user \
                 and session_user <> $1 and d.classid <> 'pg_catalog.pg_auth_members'::pg_catalog.regclass)",
        )
        .bind(owner.as_str())
        .fetch_one(&mut *self.connection)
        .await
        .map_err(|e| Error::new("check the role of the migration", &e))?;
        if stayed { Ok(()) } else { Err(Failure::LeftOwner { owner: owner.clone() }) }
    }

    /// Undoes what an earlier script has set, so that each begins alike.
    async fn start_afresh(&mut self) -> Result<(), Error> {
        // our own scripts change nothing, and `reset all` would leave the session to the database's settings
        let Some(Service { owner, search_path, .. }) = &self.service else { return Ok(()) };
        let reset = sql!("reset session authorization; reset role; reset all");
        exec::batch(self.connection, "reset the session's settings", &reset).await?;
        session::pin(self.connection, SessionKind::Migration { owner, search_path }).await
    }
}

impl Failure {
    fn is_lock_wait(&self) -> bool {
        match self {
            Self::Stopped { stop, .. } => matches!(stop, Stop::LockWait { .. }),
            Self::Server { error, .. } => matches!(error.sqlstate(), Some("55P03" | "40P01")),
            _ => false,
        }
    }
}

/// Says that the watch stopped it, where it did.
fn of_watch(failure: Failure, stop: Option<Stop>, tries: u32) -> Failure {
    match (failure, stop) {
        (Failure::Server { statement, kept, .. }, Some(stop)) => Failure::Stopped { stop, statement, kept, tries },
        (failure, _) => failure,
    }
}

/// Counts a statement's error position from the script's begin.
fn shifted(error: Error, script: &str, start: usize) -> Error {
    match error {
        Error::Statement(mut statement) => {
            statement.position = statement.position.map(|at| at + script[..start].chars().count());
            Error::Statement(statement)
        }
        other => other,
    }
}

impl AsyncTransaction for Session<'_> {
    type Error = Failure;

    fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> impl Future<Output = Result<usize, Failure>> + Send + 'a {
        let queries: Vec<&'a str> = queries.collect();
        async move {
            match (queries.as_slice(), &self.service) {
                (&[script, history], Some(_)) => self.file(script, history).await?,
                // the history table is there already
                (_, Some(_)) => {}
                (_, None) => self.in_transaction(&queries).await?,
            }
            Ok(queries.len())
        }
    }
}

impl AsyncQuery<Vec<Migration>> for Session<'_> {
    async fn query(&mut self, query: &str) -> Result<Vec<Migration>, Failure> {
        match &self.service {
            Some(service) => Ok(service.history.clone()),
            None => {
                let rows = exec::rows(self.connection, "read the migration history", query).await?;
                rows.iter().map(history::row).collect()
            }
        }
    }
}

impl AsyncMigrate for Session<'_> {}
