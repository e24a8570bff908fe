//! One view of a schema for many connections at once.

use std::sync::Arc;

use sqlx::postgres::PgConnection;

use super::error::Error;
use super::readers::{Joining, Readers, Worker, milliseconds};
use super::table::{self, Table};
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::pg::session::SessionKind;
use crate::sql;
use crate::sql::Literal;

/// How often the list of tables may change under our hands before we give up.
const MAX_TRIES: u32 = 5;

/// An exported snapshot. The tables are locked against DDL by their readers' sessions.
pub struct Snapshot {
    /// The connecting login's session, which keeps the snapshot alive and asks the catalog alone.
    pub holder: PgConnection,
    /// What `SET TRANSACTION SNAPSHOT` takes.
    pub id: String,
    /// Where the write-ahead log stood.
    pub lsn: String,
    /// The schema's tables, by name.
    pub tables: Vec<Table>,
    joining: Arc<Joining>,
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
    /// was rewritten. Writers go on; DDL on the schema waits until the readers let the tables go.
    ///
    /// # Errors
    /// A table stayed locked for `lock_seconds`, nobody may read a table, or the server refused.
    pub async fn take(target: &Target, readers: &mut Readers, lock_seconds: u64) -> Result<Self, Error> {
        let mut holder = target.connect(SessionKind::Administrator, "pgcleave snapshot").await?;
        bound(&mut holder, lock_seconds).await?;
        let begin = "begin transaction isolation level repeatable read, read only";
        let tables = hold(readers, &mut holder, begin, lock_seconds).await?;
        let query = "select pg_catalog.pg_export_snapshot(), \
            (case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn() \
              else pg_catalog.pg_current_wal_insert_lsn() end)::pg_catalog.text";
        let (id, lsn): (String, String) =
            sqlx::query_as(query).fetch_one(&mut holder).await.map_err(|e| PgError::new("export the snapshot", &e))?;
        let joining = Arc::new(readers.joining(&id, &tables));
        Ok(Self { holder, id, lsn, tables, joining })
    }

    /// Returns a worker that sees exactly the same; it connects when it knows which table it reads.
    #[must_use]
    pub fn worker(&self, application: &'static str) -> Worker {
        Worker::new(Arc::clone(&self.joining), application)
    }
}

/// A schema's tables locked against DDL, for a snapshot that somebody else is about to export.
#[derive(Debug)]
pub struct Locks {
    tables: Vec<Table>,
}

impl Locks {
    /// Locks all tables of a schema in ACCESS SHARE, in one order, until the readers let them go.
    ///
    /// No session takes a snapshot, so that neither vacuum nor the making of a replication slot waits for it.
    ///
    /// # Errors
    /// A table stayed locked for `lock_seconds`, nobody may read a table, or the server refused.
    pub async fn take(target: &Target, readers: &mut Readers, lock_seconds: u64) -> Result<Self, Error> {
        let mut watcher = target.connect(SessionKind::Administrator, "pgcleave snapshot").await?;
        bound(&mut watcher, lock_seconds).await?;
        let begin = "begin transaction isolation level read committed, read only";
        let tables = hold(readers, &mut watcher, begin, lock_seconds).await?;
        Ok(Self { tables })
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
    pub async fn adopt(self, target: &Target, readers: &Readers, id: &str, lsn: &str) -> Result<Snapshot, Error> {
        let mut holder = target.connect(SessionKind::Administrator, "pgcleave snapshot").await?;
        let begin = sql!(
            "begin transaction isolation level repeatable read, read only; set transaction snapshot ",
            Literal(id)
        );
        exec::batch(&mut holder, "join the snapshot", &begin).await?;
        let tables = table::read(&mut holder, readers.schema()).await?;
        let Some(tables) = readers.assigned(tables).filter(|tables| same(tables, &self.tables)) else {
            return Err(Error::TablesChanging { schema: readers.schema().as_str().to_owned() });
        };
        let joining = Arc::new(readers.joining(id, &tables));
        Ok(Snapshot { holder, id: id.to_owned(), lsn: lsn.to_owned(), tables, joining })
    }
}

/// Locks all tables, and begins a transaction that sees the same ones.
async fn hold(
    readers: &mut Readers,
    holder: &mut PgConnection,
    begin: &'static str,
    lock_seconds: u64,
) -> Result<Vec<Table>, Error> {
    for _ in 0..MAX_TRIES {
        readers.cover().await?;
        let seen = tables(readers, holder, lock_seconds).await?;
        if let Some(seen) = readers.assigned(seen)
            && readers.lock(&seen, lock_seconds).await?
        {
            exec::fixed(holder, "begin the snapshot", begin).await?;
            let found = tables(readers, holder, lock_seconds).await?;
            if let Some(found) = readers.assigned(found).filter(|found| same(found, &seen)) {
                return Ok(found);
            }
            exec::fixed(holder, "begin again", "rollback").await?;
        }
        readers.release().await?;
    }
    Err(Error::TablesChanging { schema: readers.schema().as_str().to_owned() })
}

async fn tables(readers: &Readers, holder: &mut PgConnection, lock_seconds: u64) -> Result<Vec<Table>, Error> {
    table::read(holder, readers.schema()).await.map_err(|error| match error.sqlstate() {
        Some("55P03") => readers.locked(lock_seconds),
        _ => error.into(),
    })
}

/// Bounds the wait for locks: asking for a table's size waits for one, too.
async fn bound(connection: &mut PgConnection, lock_seconds: u64) -> Result<(), PgError> {
    let timeout = sql!("set lock_timeout = ", milliseconds(lock_seconds));
    exec::batch(connection, "bound the wait for locks", &timeout).await
}

/// Tells whether two lists have the same tables: under the same name there may be another one.
fn same(one: &[Table], two: &[Table]) -> bool {
    one.iter().map(|table| (&table.name, table.oid)).eq(two.iter().map(|table| (&table.name, table.oid)))
}
