//! Runs SQL that was made safe by [`Sql`]. The only file that says `AssertSqlSafe`.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::error::Error;
use crate::sql::Sql;

/// Runs one or more statements in one message, and waits for all of them.
///
/// Without an explicit `begin` the message is one transaction.
///
/// # Errors
/// The server refused one of them; those after it did not run.
pub async fn batch(connection: &mut PgConnection, doing: &str, sql: &Sql) -> Result<(), Error> {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.as_str()))).await.map_err(|e| Error::new(doing, &e))?;
    Ok(())
}

/// Runs a user's own script, as a migration is one, in one message.
///
/// It is not ours to make safe: what it may touch is bounded by the login that runs it.
///
/// # Errors
/// The server refused one of its statements.
pub async fn script(connection: &mut PgConnection, doing: &str, script: &str) -> Result<(), Error> {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.map_err(|e| Error::new(doing, &e))?;
    Ok(())
}
