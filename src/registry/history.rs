//! A copy of each service's migration history, since the administrator cannot read the services' own tables.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::trust;
use crate::error::one_line;
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
    if !knows_migrations(connection).await? {
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

/// What is known of a schema's history before anybody reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// The schema.
    pub schema: Ident,
    /// Whether the history was recorded here: then pgcleave runs this schema's migrations.
    pub recorded: bool,
    /// Whether there is a history table of refinery.
    pub history: bool,
    /// How many objects the schema holds, without the history and without the members of extensions.
    pub objects: i64,
    /// The tables in which other tools keep their history, in the schema itself or in `public`.
    pub others: Vec<OtherHistory>,
}

/// A table that another migration tool keeps its history in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherHistory {
    /// The table's schema.
    pub schema: Ident,
    /// Its name.
    pub table: Ident,
    /// Whether it has a column `dirty`, as golang-migrate's has.
    pub has_dirty: bool,
}

impl OtherHistory {
    /// Names the table for people.
    #[must_use]
    pub fn label(&self) -> String {
        one_line(&format!("{}.{}", self.schema.as_str(), self.table.as_str()))
    }
}

impl Baseline {
    /// Tells whether the files may have run already, as far as can be told without reading the service's tables.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        !self.recorded && !self.history && self.objects > 0
    }

    /// Tells the same of a schema whose history table was found empty.
    #[must_use]
    pub fn is_needed_by_empty_history(&self) -> bool {
        !self.recorded && self.objects > 0
    }
}

/// Looks at the schemas of these names that exist, by name.
///
/// # Errors
/// The server could not be asked.
pub async fn baselines(connection: &mut PgConnection, schemas: &[&str]) -> Result<Vec<Baseline>, Error> {
    let failed = |e| Error::new("look for recorded histories", &e);
    let recorded: Vec<String> = if knows_migrations(connection).await? {
        sqlx::query_scalar(
            "select d.schema from pgcleave.migrated d \
             join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) d.history \
             join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
             where n.nspname::text operator(pg_catalog.=) d.schema",
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?
    } else {
        Vec::new()
    };
    let rows =
        sqlx::query(include_str!("sql/baselines.sql")).bind(schemas).fetch_all(connection).await.map_err(failed)?;
    let baseline = |row: &sqlx::postgres::PgRow| {
        let schema: String = row.get("schema");
        let others: Vec<(String, String, bool)> = serde_json::from_str(row.get("others")).unwrap_or_default();
        let other = |(schema, table, has_dirty): &(String, String, bool)| OtherHistory {
            schema: Ident::from_server(schema),
            table: Ident::from_server(table),
            has_dirty: *has_dirty,
        };
        Baseline {
            recorded: recorded.contains(&schema),
            history: row.get("history"),
            objects: row.get("objects"),
            others: others.iter().map(other).collect(),
            schema: Ident::from_server(&schema),
        }
    };
    Ok(rows.iter().map(baseline).collect())
}

/// Tells whether the registry is there, and new enough to have copies of histories.
async fn knows_migrations(connection: &mut PgConnection) -> Result<bool, Error> {
    trust::has(connection, "migrated").await
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
         from rows from (pg_catalog.unnest($2::int8[]), pg_catalog.unnest($3::text[]), \
           pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::text[])) as u (version, name, checksum, applied_on)",
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
