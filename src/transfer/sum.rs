//! One number for many rows, whatever their order: computed inside the server, or from the rows as they pass.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::chunk::Chunk;
use super::copy::RowSum;
use super::table::{Column, TableName, text};
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::{Comma, Sql};

/// Types whose equality is sameness to the last bit, so that the server's own hash of them tells all differences.
///
/// Of numeric 1.0 and 1.00 are equal, of float8 0 and -0, of char(n) trailing blanks, and an enum's hash is its OID:
/// those are hashed as text.
const EXACT: [&str; 12] =
    ["bool", "int2", "int4", "int8", "text", "varchar", "uuid", "date", "timestamp", "timestamptz", "time", "bytea"];

/// Gives the query that counts and hashes a chunk's rows inside the server.
#[must_use]
pub fn query(table: &TableName, columns: &[Column], chunk: &Chunk) -> Sql {
    let values = columns.iter().map(value);
    sql!(
        "select pg_catalog.count(*) as rows, \
         coalesce(pg_catalog.sum(pg_catalog.hash_record_extended(row(",
        Comma(values),
        "), 0)), 0)::pg_catalog.text as sum from only ",
        table.sql(),
        chunk.condition()
    )
}

fn value(column: &Column) -> Sql {
    match column.base_type.as_str() {
        // Whatever the column's collation takes for equal.
        "text" | "varchar" => sql!(column.name, "::pg_catalog.text collate \"C\""),
        exact if EXACT.contains(&exact) => sql!(column.name),
        _ => sql!(text(&column.name), " collate \"C\""),
    }
}

/// Runs such a query.
///
/// # Errors
/// The server refused it.
///
/// # Panics
/// Never: the query's one row holds two integers.
pub async fn inside(connection: &mut PgConnection, doing: &str, query: &Sql) -> Result<RowSum, PgError> {
    let rows = exec::rows(connection, doing, query.as_str()).await?;
    let row = rows.first().expect("an aggregate gives one row");
    let sum: i128 = row.get::<&str, _>("sum").parse().expect("a sum of integers is one");
    let rows = u64::try_from(row.get::<i64, _>("rows")).expect("a count is not negative");
    Ok(RowSum { rows, sum: sum.cast_unsigned() })
}
