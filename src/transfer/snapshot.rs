//! One view of a schema for many connections at once.

use sqlx::postgres::PgConnection;

use super::error::Error;
use super::session;
use super::table::{self, Table};
use crate::ident::Ident;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::{Comma, Literal, Sql};

/// How often the list of tables may change under our hands before we give up.
const MAX_TRIES: u32 = 5;

/// How long a connection that joins may wait for a table, in seconds.
const JOIN_LOCK_SECONDS: u64 = 10;

/// An exported snapshot, with the session that keeps it alive and the tables locked against DDL.
pub struct Snapshot {
    /// The session that holds locks and snapshot; both go with it.
    pub holder: PgConnection,
    /// What `SET TRANSACTION SNAPSHOT` takes.
    pub id: String,
    /// Where the write-ahead log stood.
    pub lsn: String,
    /// The schema's tables, by name.
    pub tables: Vec<Table>,
    schema: String,
    /// Locks all tables once more, for each connection that joins.
    lock: Sql,
    /// The session that holds the locks, where it is another one.
    _locks: Option<PgConnection>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({} at {}, {} tables)", self.id, self.lsn, self.tables.len())
    }
}

impl Snapshot {
    /// Locks all tables of a schema in ACCESS SHARE, in one order, and only then takes the snapshot.
    ///
    /// The other way round, an ALTER TABLE between the two would make the snapshot read no rows at all of a table that
    /// was rewritten. Writers go on; DDL on the schema waits until the snapshot ends.
    ///
    /// # Errors
    /// There is no such schema, a table stayed locked for `lock_seconds`, or the server refused.
    pub async fn take(target: &Target, schema: &Ident, lock_seconds: u64) -> Result<Self, Error> {
        let begin = "begin transaction isolation level repeatable read, read only";
        let (holder, tables) = hold(target, schema, lock_seconds, begin).await?;
        Self::export(holder, schema, tables).await
    }

    async fn export(mut holder: PgConnection, schema: &Ident, tables: Vec<Table>) -> Result<Self, Error> {
        let query = "select pg_catalog.pg_export_snapshot(), \
            (case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn() \
              else pg_catalog.pg_current_wal_insert_lsn() end)::pg_catalog.text";
        let (id, lsn) =
            sqlx::query_as(query).fetch_one(&mut holder).await.map_err(|e| PgError::new("export the snapshot", &e))?;
        let lock = locking(&tables);
        let schema = schema.as_str().to_owned();
        Ok(Self { holder, id, lsn, tables, schema, lock, _locks: None })
    }

    /// Opens another connection that sees exactly the same, with locks of its own.
    ///
    /// Without them it would come to a table behind an ALTER TABLE that waits for this snapshot's end: for ever.
    ///
    /// # Errors
    /// The server could not be reached, the snapshot is gone, or somebody waits to alter a table already.
    pub async fn join(&self, target: &Target, application: &str) -> Result<PgConnection, Error> {
        let mut connection = join(target, &self.id, application).await?;
        let timeout = sql!("set local lock_timeout = ", milliseconds(JOIN_LOCK_SECONDS));
        exec::batch(&mut connection, "bound the wait for locks", &timeout).await?;
        if !self.lock.as_str().is_empty() {
            let locked = exec::batch(&mut connection, "lock the schema's tables against DDL", &self.lock).await;
            locked.map_err(|error| match error.sqlstate() {
                Some("55P03") => Error::TableLocked { schema: self.schema.clone(), seconds: JOIN_LOCK_SECONDS },
                _ => error.into(),
            })?;
        }
        Ok(connection)
    }
}

/// A schema's tables locked against DDL, for a snapshot that somebody else is about to export.
#[derive(Debug)]
pub struct Locks {
    holder: PgConnection,
    schema: Ident,
    tables: Vec<Table>,
}

impl Locks {
    /// Locks all tables of a schema in ACCESS SHARE, in one order.
    ///
    /// The session takes no snapshot, so that neither vacuum nor the making of a replication slot waits for it.
    ///
    /// # Errors
    /// There is no such schema, a table stayed locked for `lock_seconds`, or the server refused.
    pub async fn take(target: &Target, schema: &Ident, lock_seconds: u64) -> Result<Self, Error> {
        let begin = "begin transaction isolation level read committed, read only";
        let (holder, tables) = hold(target, schema, lock_seconds, begin).await?;
        Ok(Self { holder, schema: schema.clone(), tables })
    }

    /// Gives the locked tables, by name.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Adopts a snapshot that another session has exported after the locks were taken, and keeps alive: a replication
    /// slot's. `lsn` is where the slot begins.
    ///
    /// # Errors
    /// The snapshot is gone, or a table was made between the locks and the snapshot.
    pub async fn adopt(self, target: &Target, id: &str, lsn: &str) -> Result<Snapshot, Error> {
        let mut holder = join(target, id, "pgcleave snapshot").await?;
        let tables = table::read(&mut holder, &self.schema).await?;
        if !tables.iter().map(|t| &t.name).eq(self.tables.iter().map(|t| &t.name)) {
            return Err(Error::TablesChanging { schema: self.schema.as_str().to_owned() });
        }
        let (id, lsn) = (id.to_owned(), lsn.to_owned());
        let lock = locking(&tables);
        let schema = self.schema.as_str().to_owned();
        Ok(Snapshot { holder, id, lsn, tables, schema, lock, _locks: Some(self.holder) })
    }
}

/// Begins a transaction and locks all tables of a schema in it.
async fn hold(
    target: &Target,
    schema: &Ident,
    lock_seconds: u64,
    begin: &'static str,
) -> Result<(PgConnection, Vec<Table>), Error> {
    let mut holder = session::open(target, "pgcleave snapshot").await?;
    let exists: bool = sqlx::query_scalar("select exists (select from pg_catalog.pg_namespace where nspname = $1)")
        .bind(schema.as_str())
        .fetch_one(&mut holder)
        .await
        .map_err(|e| PgError::new("look for the schema", &e))?;
    if !exists {
        let (schema, database) = (schema.as_str().to_owned(), target.database().to_owned());
        return Err(Error::NoSchema { schema, database });
    }
    let locked = |error: PgError| match error.sqlstate() {
        Some("55P03") => Error::TableLocked { schema: schema.as_str().to_owned(), seconds: lock_seconds },
        _ => error.into(),
    };
    // Asking for a table's size waits for its lock, too.
    let timeout = sql!("set lock_timeout = ", milliseconds(lock_seconds));
    exec::batch(&mut holder, "bound the wait for locks", &timeout).await?;
    for _ in 0..MAX_TRIES {
        let seen = table::read(&mut holder, schema).await.map_err(locked)?;
        session::run(&mut holder, "begin the snapshot", begin).await?;
        if lock(&mut holder, &seen).await.map_err(locked)? {
            let tables = table::read(&mut holder, schema).await.map_err(locked)?;
            if tables.iter().map(|t| &t.name).eq(seen.iter().map(|t| &t.name)) {
                return Ok((holder, tables));
            }
        }
        session::run(&mut holder, "begin again", "rollback").await?;
    }
    Err(Error::TablesChanging { schema: schema.as_str().to_owned() })
}

/// Opens a connection that sees what a snapshot sees.
async fn join(target: &Target, id: &str, application: &str) -> Result<PgConnection, Error> {
    let mut connection = session::open(target, application).await?;
    let begin =
        sql!("begin transaction isolation level repeatable read, read only; set transaction snapshot ", Literal(id));
    exec::batch(&mut connection, "join the snapshot", &begin).await?;
    Ok(connection)
}

/// Takes the locks; false if a table has gone meanwhile.
async fn lock(holder: &mut PgConnection, tables: &[Table]) -> Result<bool, PgError> {
    if tables.is_empty() {
        return Ok(true);
    }
    match exec::batch(holder, "lock the schema's tables against DDL", &locking(tables)).await {
        Err(error) if error.sqlstate() == Some("42P01") => Ok(false),
        result => result.map(|()| true),
    }
}

/// Gives the statement that takes them; nothing where there is no table.
fn locking(tables: &[Table]) -> Sql {
    if tables.is_empty() {
        return Sql::new();
    }
    let names = tables.iter().map(|t| -> Sql { sql!("only ", t.name.sql()) });
    sql!("lock table ", Comma(names), " in access share mode")
}

/// Gives a time as `lock_timeout` takes it.
fn milliseconds(seconds: u64) -> i64 {
    let most = i64::from(i32::MAX);
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(most).min(most)
}
