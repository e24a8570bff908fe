//! Files without a transaction that have begun and not ended well: what was unfinished in their schema before.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::ident::Ident;
use crate::pg::error::Error;

/// A file that began, and what was invalid or pending before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted {
    /// The file's name.
    pub file: String,
    /// The OIDs of what was invalid or pending before the file's first start.
    pub before: Vec<i64>,
}

/// Reads the file of a schema that has not ended well, if there is one.
///
/// # Errors
/// There is no registry, or the server could not be asked.
pub async fn of(connection: &mut PgConnection, schema: &Ident) -> Result<Option<Interrupted>, Error> {
    let row = sqlx::query(
        "select i.file, i.before from pgcleave.interrupted_migration i where i.schema operator(pg_catalog.=) $1::text",
    )
    .bind(schema.as_str())
    .fetch_optional(connection)
    .await
    .map_err(|e| Error::new("look for an interrupted migration", &e))?;
    Ok(row.map(|row| Interrupted { file: row.get("file"), before: row.get("before") }))
}

/// Records that a file begins; what was unfinished before stays as an earlier start of a file has recorded it.
///
/// # Errors
/// The server refused: the file must not start.
pub async fn begin(
    connection: &mut PgConnection,
    schema: &Ident,
    (version, file): (i64, &str),
    before: &[i64],
) -> Result<(), Error> {
    sqlx::query(
        "insert into pgcleave.interrupted_migration (schema, version, file, before) values ($1, $2, $3, $4) \
         on conflict (schema) do update set version = excluded.version, file = excluded.file",
    )
    .bind(schema.as_str())
    .bind(version)
    .bind(file)
    .bind(before)
    .execute(connection)
    .await
    .map_err(|e| Error::new(format!("record that {file} begins"), &e))?;
    Ok(())
}

/// Records that nothing of an earlier file is left.
///
/// # Errors
/// The server refused; the next run looks once more.
pub async fn end(connection: &mut PgConnection, schema: &Ident) -> Result<(), Error> {
    sqlx::query("delete from pgcleave.interrupted_migration where schema operator(pg_catalog.=) $1::text")
        .bind(schema.as_str())
        .execute(connection)
        .await
        .map_err(|e| Error::new("record that the migration has ended", &e))?;
    Ok(())
}
