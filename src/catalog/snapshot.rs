//! All reads of one run in one snapshot, and all again when something was dropped in between.

use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::Error;
use crate::pg::error::Error as PgError;

/// How often everything is read anew when something is dropped in between.
const MOST_READS: u32 = 5;

/// What the server's functions answer when what they are to print was dropped after the snapshot was taken.
const CACHE_LOOKUP_FAILED: &str = "XX000";

/// Reads in one `repeatable read, read only` transaction.
///
/// The rows are those of one snapshot, but the server's functions that print definitions look at the catalogs as they
/// are: when one fails over what was dropped in between, all is read again.
///
/// # Errors
/// A query failed, or what was read is of an unknown form.
pub(super) async fn in_one<T>(
    connection: &mut PgConnection,
    read: impl AsyncFn(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    for _ in 1..MOST_READS {
        match once(connection, &read).await {
            Err(Error::Server(error)) if error.sqlstate() == Some(CACHE_LOOKUP_FAILED) => {}
            answer => return answer,
        }
    }
    once(connection, &read).await
}

async fn once<T>(
    connection: &mut PgConnection,
    read: &impl AsyncFn(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    let begin = "begin transaction isolation level repeatable read, read only; \
                 set local search_path = ''; set local timezone = 'UTC'; set local jit = off;";
    connection.execute(sqlx::raw_sql(begin)).await.map_err(|e| PgError::new("begin to read the catalogs", &e))?;
    let answer = read(connection).await;
    let end = connection.execute(sqlx::raw_sql("rollback")).await;
    let answer = answer?;
    end.map_err(|e| PgError::new("end reading the catalogs", &e))?;
    Ok(answer)
}
