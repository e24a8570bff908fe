//! Runs SQL that was made safe by [`Sql`]. The only file that says `AssertSqlSafe`.

use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::postgres::{PgConnection, PgRow};
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

/// Runs statements that stand in our own source as they are.
///
/// # Errors
/// The server refused one of them; those after it did not run.
pub async fn fixed(connection: &mut PgConnection, doing: &str, sql: &'static str) -> Result<(), Error> {
    connection.execute(sqlx::raw_sql(sql)).await.map_err(|e| Error::new(doing, &e))?;
    Ok(())
}

/// Says which statement of a script failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct ScriptError {
    /// What the server answered.
    pub error: Error,
    /// How many statements had ended before.
    pub finished: usize,
}

/// Runs a user's own script, as a migration is one, in one message.
///
/// It is not ours to make safe: what it may touch is bounded by the login that runs it.
///
/// # Errors
/// The server refused one of its statements.
pub async fn script(connection: &mut PgConnection, doing: &str, script: &str) -> Result<(), ScriptError> {
    let mut finished = 0;
    let mut results = sqlx::raw_sql(AssertSqlSafe(script)).fetch_many(connection);
    loop {
        match results.try_next().await {
            Ok(Some(result)) => finished += usize::from(result.is_left()),
            Ok(None) => return Ok(()),
            Err(e) => return Err(ScriptError { error: Error::new(doing, &e), finished }),
        }
    }
}

/// Runs one query that another library wrote for us, and gives its rows.
///
/// # Errors
/// The server refused it.
pub async fn rows(connection: &mut PgConnection, doing: &str, query: &str) -> Result<Vec<PgRow>, Error> {
    sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(connection).await.map_err(|e| Error::new(doing, &e))
}

/// Gives a query's rows as they come, in the wire's binary form.
pub fn stream<'c>(connection: &'c mut PgConnection, query: &Sql) -> BoxStream<'c, sqlx::Result<PgRow>> {
    sqlx::query(AssertSqlSafe(query.as_str())).persistent(false).fetch(connection)
}
