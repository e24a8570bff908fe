//! A copy of each service's migration history, since the administrator cannot read the services' own tables.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::ident::Ident;
use crate::pg::error::Error;

/// One applied migration, as the copy has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The schema that it was applied to.
    pub schema: Ident,
    /// Its version.
    pub version: i64,
    /// Its name, the part after `V<n>__`.
    pub name: String,
    /// refinery's checksum.
    pub checksum: u64,
    /// When it was applied, RFC 3339.
    pub applied_on: String,
}

/// Reads the copies of all schemas, by schema and version, leaving out those whose history table is gone or another.
///
/// Without a registry, or with an older one, there are none.
///
/// # Errors
/// The server could not be asked.
pub async fn migrations(connection: &mut PgConnection) -> Result<Vec<Recorded>, Error> {
    let is_there: bool = sqlx::query_scalar(
        "select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = 'pgcleave' and c.relname = 'migrated')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(|e| Error::new("look for the recorded migrations", &e))?;
    if !is_there {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "select m.schema, m.version, m.name, m.checksum, m.applied_on \
         from pgcleave.migration m join pgcleave.migrated d on d.schema = m.schema \
         join pg_catalog.pg_class c on c.oid = d.history join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = m.schema and c.relname = 'refinery_schema_history' \
         order by m.schema, m.version",
    )
    .fetch_all(connection)
    .await
    .map_err(|e| Error::new("read the recorded migrations", &e))?;
    Ok(rows
        .iter()
        .map(|row| Recorded {
            schema: Ident::from_server(row.get("schema")),
            version: row.get("version"),
            name: row.get("name"),
            checksum: row.get::<String, _>("checksum").parse().unwrap_or(0),
            applied_on: row.get("applied_on"),
        })
        .collect())
}

/// Replaces a schema's copy with what its history table holds now.
///
/// # Errors
/// There is no registry, or the server refused.
pub async fn record_migrations(
    connection: &mut PgConnection,
    schema: &Ident,
    applied: &[refinery_core::Migration],
) -> Result<(), Error> {
    let failed = |e| Error::new(format!("record the migrations of {}", schema.as_str()), &e);
    let versions: Vec<i64> = applied.iter().map(refinery_core::Migration::version).collect();
    let names: Vec<&str> = applied.iter().map(refinery_core::Migration::name).collect();
    let checksums: Vec<String> = applied.iter().map(|m| m.checksum().to_string()).collect();
    let times: Vec<String> = applied.iter().map(|m| rfc3339(m.applied_on())).collect();
    let mut transaction = connection.begin().await.map_err(failed)?;
    sqlx::query(
        "insert into pgcleave.migrated (schema, history) \
         select n.nspname::text, c.oid from pg_catalog.pg_class c \
           join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1 and c.relname = 'refinery_schema_history' \
         on conflict (schema) do update set history = excluded.history, recorded_at = pg_catalog.now()",
    )
    .bind(schema.as_str())
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    sqlx::query("delete from pgcleave.migration where schema = $1")
        .bind(schema.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    sqlx::query(
        "insert into pgcleave.migration (schema, version, name, checksum, applied_on) \
         select $1, u.version, u.name, u.checksum, u.applied_on \
         from pg_catalog.unnest($2::int8[], $3::text[], $4::text[], $5::text[]) \
           as u (version, name, checksum, applied_on)",
    )
    .bind(schema.as_str())
    .bind(&versions)
    .bind(&names)
    .bind(&checksums)
    .bind(&times)
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

fn rfc3339(at: Option<&OffsetDateTime>) -> String {
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}
