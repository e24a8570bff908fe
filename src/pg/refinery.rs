//! refinery over sqlx: its async traits for one of our connections.
//!
//! refinery decides which migrations are to run and keeps the history; here is only how their text reaches the server.

use std::future::Future;
use std::ops::Range;

use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use refinery_core::{Migration, Report, Runner};
use sqlx::Row;
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::Error;
use super::exec;
use crate::ident::Ident;
use crate::sql::Qualified;
use crate::{sql, sql::Sql};

/// The table of a schema in which refinery keeps what has been applied.
pub const HISTORY: &str = "refinery_schema_history";

/// Cuts a script that cannot run in a transaction into its statements; nothing for one that can.
pub type Cut = fn(&str) -> Option<Vec<Range<usize>>>;

/// One connection, as refinery wants it: each migration in a transaction of its own.
pub struct Session<'c> {
    connection: &'c mut PgConnection,
    cut: Cut,
    /// The role as which the scripts must run, from the first statement to the last.
    owner: Option<Ident>,
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
        Self { connection, cut: |_| None, owner: None }
    }

    /// Runs statement by statement what `cut` cuts, and rolls back what leaves the owner's role.
    pub fn as_owner(connection: &'c mut PgConnection, owner: Ident, cut: Cut) -> Self {
        Self { connection, cut, owner: Some(owner) }
    }

    /// Brings the schema's history up to `migrations`; gives those that were applied.
    ///
    /// # Errors
    /// A migration failed, or the history does not fit them; the error's report tells what was applied before.
    pub async fn run(&mut self, schema: &Ident, migrations: &[Migration]) -> Result<Report, refinery_core::Error> {
        let mut runner = Runner::new(migrations);
        runner.set_migration_table_name(history_table(schema).as_str());
        runner.run_async(self).await
    }

    /// Makes the history table, unless it is there; `writer` is the role that must not write it.
    ///
    /// # Errors
    /// The server refused.
    pub async fn make_history(&mut self, schema: &Ident, writer: Option<&Ident>) -> Result<(), Error> {
        let doing = "create the migration history";
        let table = history_table(schema);
        let is_there: bool = sqlx::query_scalar("select pg_catalog.to_regclass($1) is not null")
            .bind(table.as_str())
            .fetch_one(&mut *self.connection)
            .await
            .map_err(|e| Error::new(doing, &e))?;
        if is_there {
            return Ok(());
        }
        exec::batch(self.connection, doing, &sql!("begin")).await?;
        let create = <Self as AsyncMigrate>::assert_migrations_table_query(table.as_str());
        exec::script(self.connection, doing, &create).await.map_err(|e| e.error)?;
        if let Some(writer) = writer {
            let revoke = sql!("revoke insert, update, delete, truncate on ", table, " from ", writer);
            exec::batch(self.connection, doing, &revoke).await?;
        }
        exec::batch(self.connection, doing, &sql!("commit")).await
    }

    /// Reads what has been applied in the schema, by version.
    ///
    /// # Errors
    /// The server refused, or a row is not one of refinery's.
    pub async fn applied(&mut self, schema: &Ident) -> Result<Vec<Migration>, Failure> {
        let statement = <Self as AsyncMigrate>::get_applied_migrations_query(history_table(schema).as_str());
        read_history(self.connection, &statement).await
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
        Ok(())
    }

    /// Runs a script's statements one by one, each committed on its own, then the history row.
    async fn one_by_one(&mut self, script: &str, cuts: &[Range<usize>], history: &str) -> Result<(), Failure> {
        for (i, range) in cuts.iter().enumerate() {
            exec::script(self.connection, "run the statement", &script[range.clone()]).await.map_err(|e| {
                Failure::Server { error: shifted(e.error, script, range.start), statement: Some(i), kept: i > 0 }
            })?;
            self.check_owner().await?;
        }
        self.in_transaction(&[history]).await
    }

    /// Sees that the session is still the owner, and that nothing depends on the login itself.
    async fn check_owner(&mut self) -> Result<(), Failure> {
        let Some(owner) = &self.owner else { return Ok(()) };
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
        if self.owner.is_none() {
            return Ok(());
        }
        let reset = sql!("reset session authorization; reset role; reset all");
        exec::batch(self.connection, "reset the session's settings", &reset).await
    }
}

/// Names the history table as refinery splices it in.
fn history_table(schema: &Ident) -> Sql {
    sql!(Qualified(schema, &Ident::from_server(HISTORY)))
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

async fn read_history(connection: &mut PgConnection, statement: &str) -> Result<Vec<Migration>, Failure> {
    let rows = exec::rows(connection, "read the migration history", statement).await?;
    rows.iter()
        .map(|row| {
            let version: i64 = row.get("version");
            let applied_on: String = row.get::<Option<_>, _>("applied_on").unwrap_or_default();
            let checksum: String = row.get::<Option<_>, _>("checksum").unwrap_or_default();
            let unreadable = |column, value: &str| Failure::History { version, column, value: value.to_owned() };
            let at = OffsetDateTime::parse(&applied_on, &Rfc3339).map_err(|_| unreadable("applied_on", &applied_on))?;
            let sum = checksum.parse::<u64>().map_err(|_| unreadable("checksum", &checksum))?;
            Ok(Migration::applied(version, row.get::<Option<_>, _>("name").unwrap_or_default(), at, sum))
        })
        .collect()
}

impl AsyncTransaction for Session<'_> {
    type Error = Failure;

    fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> impl Future<Output = Result<usize, Failure>> + Send + 'a {
        let queries: Vec<&'a str> = queries.collect();
        async move {
            self.start_afresh().await?;
            if let [script, history] = *queries.as_slice()
                && let Some(cuts) = (self.cut)(script)
            {
                self.one_by_one(script, &cuts, history).await?;
            } else {
                self.in_transaction(&queries).await?;
            }
            Ok(queries.len())
        }
    }
}

impl AsyncQuery<Vec<Migration>> for Session<'_> {
    async fn query(&mut self, query: &str) -> Result<Vec<Migration>, Failure> {
        read_history(self.connection, query).await
    }
}

impl AsyncMigrate for Session<'_> {}
