//! Runs SQL that was made safe by [`Sql`]. The only file that says `AssertSqlSafe`.

use futures_util::TryStreamExt;
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

/// Runs many statements in one message, and tells how many of them were done when one was refused.
///
/// # Errors
/// The number of statements that were done, and why the next one was refused; those after it did not run.
pub async fn counted(connection: &mut PgConnection, doing: &str, sql: &Sql) -> Result<(), (usize, Error)> {
    let mut done = 0;
    let mut results = connection.fetch_many(sqlx::raw_sql(AssertSqlSafe(sql.as_str())));
    loop {
        match results.try_next().await {
            Ok(Some(sqlx::Either::Left(_))) => done += 1,
            Ok(Some(sqlx::Either::Right(_))) => {}
            Ok(None) => return Ok(()),
            Err(error) => return Err((done, Error::new(doing, &error))),
        }
    }
}
