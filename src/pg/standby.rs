//! A server that only follows another one cannot be changed: said before anything is tried.

use sqlx::postgres::PgConnection;

use super::error::Error;

/// Refuses a server in recovery.
///
/// # Errors
/// It is one, or it could not be asked.
pub async fn refuse(connection: &mut PgConnection) -> Result<(), Error> {
    let standby: bool = sqlx::query_scalar("select pg_catalog.pg_is_in_recovery()")
        .fetch_one(connection)
        .await
        .map_err(|e| Error::new("ask whether the server is a standby", &e))?;
    if standby { Err(Error::Standby) } else { Ok(()) }
}
