//! A service's own history table, read within limits: what stands in it is a stranger's.

use refinery_core::Migration;
use refinery_core::traits::r#async::AsyncMigrate as _;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::Error;
use super::exec;
use super::refinery::{Failure, Session};
use crate::ident::Ident;
use crate::sql;
use crate::sql::{Literal, Qualified, Sql};

/// The table of a schema in which refinery keeps what has been applied.
pub const TABLE: &str = "refinery_schema_history";

/// The most rows that are read.
pub const MOST_ROWS: i64 = 10_000;

/// The most rows that are counted beyond those.
const MOST_COUNTED: i64 = 1_000_000;

/// What is read of a history.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The first rows by version, at most [`MOST_ROWS`].
    pub rows: Vec<Migration>,
    /// How many more there are, counted up to a million.
    pub more: u64,
}

/// Names the history table as refinery splices it in.
#[must_use]
pub fn table(schema: &Ident) -> Sql {
    sql!(Qualified(schema, &Ident::from_server(TABLE)))
}

/// Makes the history table, unless it is there; `writer` is the role that must not write it.
///
/// # Errors
/// The server refused, or something that is no table has the name.
pub async fn make(connection: &mut PgConnection, schema: &Ident, writer: Option<&Ident>) -> Result<(), Failure> {
    let doing = "create the migration history";
    let table = table(schema);
    let kind: Option<String> = sqlx::query_scalar(
        "select c.relkind::text from pg_catalog.pg_class c \
         join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
         where n.nspname::text operator(pg_catalog.=) $1::text and c.relname::text operator(pg_catalog.=) $2::text",
    )
    .bind(schema.as_str())
    .bind(TABLE)
    .fetch_optional(&mut *connection)
    .await
    .map_err(|e| Error::new(doing, &e))?;
    match kind.as_deref() {
        Some("r" | "p") => return Ok(()),
        Some(_) => return Err(Failure::NoTable),
        None => {}
    }
    exec::batch(connection, doing, &sql!("begin")).await?;
    let create = Session::assert_migrations_table_query(table.as_str());
    exec::script(connection, doing, &create).await.map_err(|e| e.error)?;
    if let Some(writer) = writer {
        let revoke = sql!("revoke insert, update, delete, truncate on ", table, " from ", writer);
        exec::batch(connection, doing, &revoke).await?;
    }
    Ok(exec::batch(connection, doing, &sql!("commit")).await?)
}

/// Reads what has been applied in the schema.
///
/// # Errors
/// The server refused, or a row is not one of refinery's.
pub async fn read(connection: &mut PgConnection, schema: &Ident) -> Result<History, Failure> {
    let doing = "read the migration history";
    let table = table(schema);
    let first = sql!(
        "select h.version::int8 as version, pg_catalog.left(h.name::text, 200) as name, \
         pg_catalog.left(h.applied_on::text, 80) as applied_on, pg_catalog.left(h.checksum::text, 40) as checksum from ",
        table,
        " h order by h.version::int8 using operator(pg_catalog.<) limit ",
        MOST_ROWS
    );
    let rows = exec::rows(connection, doing, first.as_str()).await?;
    let mut history = History { rows: rows.iter().map(row).collect::<Result<_, _>>()?, more: 0 };
    if i64::try_from(rows.len()).is_ok_and(|read| read >= MOST_ROWS) {
        let rest = sql!(
            "select pg_catalog.count(*)::int8 as more from (select from ",
            table,
            " offset ",
            MOST_ROWS,
            " limit ",
            MOST_COUNTED,
            ") h"
        );
        let counted = exec::rows(connection, doing, rest.as_str()).await?;
        history.more = counted.first().and_then(|row| u64::try_from(row.get::<i64, _>("more")).ok()).unwrap_or(0);
    }
    Ok(history)
}

/// Tells whether the history has a row of this version.
///
/// # Errors
/// The server refused.
pub async fn has(connection: &mut PgConnection, schema: &Ident, version: i64) -> Result<bool, Error> {
    let query = sql!(
        "select h.version::int8 as version from ",
        table(schema),
        " h where h.version::int8 operator(pg_catalog.=) ",
        version,
        "::int8 limit 1"
    );
    Ok(!exec::rows(connection, "read the history's row back", query.as_str()).await?.is_empty())
}

/// Records files that ran elsewhere, in one transaction.
///
/// # Errors
/// The server refused, or a trigger of the service swallowed a row: then nothing is recorded.
pub async fn mark(connection: &mut PgConnection, schema: &Ident, files: &[&Migration]) -> Result<(), Failure> {
    let doing = "record the migrations as applied";
    let now = OffsetDateTime::now_utc().format(&Rfc3339).expect("a time of today has this form");
    let mut all = sql!("begin; ");
    for file in files {
        all.push(&sql!(
            "insert into ",
            table(schema),
            " (version, name, applied_on, checksum) values (",
            file.version(),
            ", ",
            Literal(file.name()),
            ", ",
            Literal(&now),
            ", ",
            Literal(&file.checksum().to_string()),
            "); "
        ));
    }
    all.push_static("set constraints all immediate");
    let recorded = record(connection, doing, &all, schema, files).await;
    let end = if recorded.is_ok() { sql!("commit") } else { sql!("rollback") };
    let ended = exec::batch(connection, doing, &end).await;
    recorded?;
    Ok(ended?)
}

async fn record(
    connection: &mut PgConnection,
    doing: &str,
    all: &Sql,
    schema: &Ident,
    files: &[&Migration],
) -> Result<(), Failure> {
    exec::batch(connection, doing, all).await?;
    for file in files {
        if !has(connection, schema, file.version()).await? {
            return Err(Failure::NotRecorded { version: file.version() });
        }
    }
    Ok(())
}

/// Reads one row of a history.
pub(super) fn row(row: &PgRow) -> Result<Migration, Failure> {
    let version: i64 = row.get::<Option<_>, _>("version").ok_or(Failure::NoVersion)?;
    let applied_on: String = row.get::<Option<_>, _>("applied_on").unwrap_or_default();
    let checksum: String = row.get::<Option<_>, _>("checksum").unwrap_or_default();
    let unreadable = |column, value: &str| Failure::History { version, column, value: value.to_owned() };
    let at = OffsetDateTime::parse(&applied_on, &Rfc3339).map_err(|_| unreadable("applied_on", &applied_on))?;
    let sum = checksum.parse::<u64>().map_err(|_| unreadable("checksum", &checksum))?;
    Ok(Migration::applied(version, row.get::<Option<_>, _>("name").unwrap_or_default(), at, sum))
}
