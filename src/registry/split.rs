//! The registry's rows about splits; what a record says is the split's own affair.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::trust;
use crate::pg::error::Error;

/// One side's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitRow {
    /// The service.
    pub service: String,
    /// The split's own name, the same on both sides.
    pub id: String,
    /// `source` or `target`.
    pub side: String,
    /// Grows with each writing.
    pub revision: i64,
    /// JSON.
    pub record: String,
}

/// Names the lock under which a split is driven; whoever changes what it carries takes it, too.
#[must_use]
pub fn lock_name(service: &str) -> String {
    format!("the split of service {service}")
}

/// Gives the body of `pgcleave.split_moved()` as the registry's migration makes it.
#[must_use]
pub fn moved_source() -> &'static str {
    let migration = include_str!("../../migrations/pgcleave/V3__split.sql");
    migration.split("$$").nth(1).expect("the migration makes one function")
}

/// Reads all rows, by service; none where there is no registry, or an older one.
///
/// # Errors
/// The server could not be asked.
pub async fn all(connection: &mut PgConnection) -> Result<Vec<SplitRow>, Error> {
    let failed = |e: sqlx::Error| Error::new("read the registry's splits", &e);
    if !trust::has(connection, "split").await? {
        return Ok(Vec::new());
    }
    let rows =
        sqlx::query("select service, id, side, revision, record::text as record from pgcleave.split order by service")
            .fetch_all(connection)
            .await
            .map_err(failed)?;
    let row = |row: &sqlx::postgres::PgRow| SplitRow {
        service: row.get("service"),
        id: row.get("id"),
        side: row.get("side"),
        revision: row.get("revision"),
        record: row.get("record"),
    };
    Ok(rows.iter().map(row).collect())
}

/// Names the logins with which the other ends of splits' bridges come, as far as splits have recorded them; none where this
/// login may not read that.
///
/// # Errors
/// The server could not be asked.
pub async fn callers(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    let named = |row: SplitRow| {
        let record = serde_json::from_str::<serde_json::Value>(&row.record).unwrap_or_default();
        let names =
            ["caller", "calls_as"].map(|key| record.get(key).and_then(serde_json::Value::as_str).map(str::to_owned));
        names.into_iter().flatten()
    };
    if !trust::verified(connection).await?.is_some_and(|registry| registry.reads("split")) {
        return Ok(Vec::new());
    }
    Ok(all(connection).await?.into_iter().flat_map(named).collect())
}

/// Reads one service's row.
///
/// # Errors
/// The server could not be asked.
pub async fn get(connection: &mut PgConnection, service: &str) -> Result<Option<SplitRow>, Error> {
    Ok(all(connection).await?.into_iter().find(|row| row.service == service))
}

/// Writes a row over an older one, in the transaction under way if there is one; false if a newer one is there.
///
/// # Errors
/// The server refused.
pub async fn put(connection: &mut PgConnection, row: &SplitRow) -> Result<bool, Error> {
    let written = sqlx::query(
        "insert into pgcleave.split as s (service, id, side, revision, record) values ($1, $2, $3, $4, $5::pg_catalog.jsonb) \
         on conflict (service) do update set id = excluded.id, side = excluded.side, revision = excluded.revision, \
           record = excluded.record, updated_at = pg_catalog.clock_timestamp() \
         where s.id <> excluded.id or s.revision < excluded.revision",
    )
    .bind(&row.service)
    .bind(&row.id)
    .bind(&row.side)
    .bind(row.revision)
    .bind(&row.record)
    .execute(connection)
    .await
    .map_err(|e| Error::new("write the registry's split", &e))?;
    Ok(written.rows_affected() == 1)
}

/// Makes the fence's row, unless it is there.
///
/// # Errors
/// The server refused.
pub async fn make_fence(connection: &mut PgConnection, split: &str) -> Result<(), Error> {
    sqlx::query("insert into pgcleave.split_fence (split, n) values ($1, 0) on conflict do nothing")
        .bind(split)
        .execute(connection)
        .await
        .map_err(|e| Error::new("make the fence's row", &e))?;
    Ok(())
}

/// Writes the fence's number.
///
/// # Errors
/// The server refused.
pub async fn write_fence(connection: &mut PgConnection, split: &str, n: i64) -> Result<(), Error> {
    sqlx::query("update pgcleave.split_fence set n = $2 where split = $1")
        .bind(split)
        .bind(n)
        .execute(connection)
        .await
        .map_err(|e| Error::new("write the fence's row", &e))?;
    Ok(())
}

/// Reads the fence's number.
///
/// # Errors
/// The server refused, or there is no such row.
pub async fn fence(connection: &mut PgConnection, split: &str) -> Result<i64, Error> {
    sqlx::query_scalar("select n from pgcleave.split_fence where split = $1")
        .bind(split)
        .fetch_one(connection)
        .await
        .map_err(|e| Error::new("read the fence's row", &e))
}

/// Removes the fence's row.
///
/// # Errors
/// The server refused.
pub async fn remove_fence(connection: &mut PgConnection, split: &str) -> Result<(), Error> {
    sqlx::query("delete from pgcleave.split_fence where split = $1")
        .bind(split)
        .execute(connection)
        .await
        .map_err(|e| Error::new("remove the fence's row", &e))?;
    Ok(())
}

/// Removes a service's row.
///
/// # Errors
/// The server refused.
pub async fn forget(connection: &mut PgConnection, service: &str) -> Result<(), Error> {
    sqlx::query("delete from pgcleave.split where service = $1")
        .bind(service)
        .execute(connection)
        .await
        .map_err(|e| Error::new("forget a split", &e))?;
    Ok(())
}
