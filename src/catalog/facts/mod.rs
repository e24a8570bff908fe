//! PostgreSQL → [`Facts`]: what the audit judges, read in one snapshot by a fixed number of queries.

mod attached;
mod couplings;
mod objects;
mod outside;
mod reader;
mod roles;

use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::Error;
use crate::audit::facts::Facts;
use crate::pg::error::Error as PgError;
use reader::Reader;

/// How often everything is read anew when something is dropped in between.
const MOST_READS: u32 = 5;

/// What the server's functions answer when what they are to print was dropped after the snapshot was taken.
const CACHE_LOOKUP_FAILED: &str = "XX000";

/// Reads everything in one `repeatable read, read only` transaction.
///
/// The rows are those of one snapshot, but the server's functions that print definitions look at the catalogs as they
/// are: when one fails over what was dropped in between, all is read again.
///
/// Catalogs that this session may not read are left out and listed in [`Facts::not_readable`].
///
/// # Errors
/// A query failed, the server is older than 15, or an access list is of an unknown form.
pub async fn read(connection: &mut PgConnection) -> Result<Facts, Error> {
    for _ in 1..MOST_READS {
        match read_once(connection).await {
            Err(Error::Server(error)) if error.sqlstate() == Some(CACHE_LOOKUP_FAILED) => {}
            answer => return answer,
        }
    }
    read_once(connection).await
}

async fn read_once(connection: &mut PgConnection) -> Result<Facts, Error> {
    let begin = "begin transaction isolation level repeatable read, read only; \
                 set local search_path = ''; set local timezone = 'UTC'; set local jit = off;";
    connection.execute(sqlx::raw_sql(begin)).await.map_err(|e| PgError::new("begin to read the catalogs", &e))?;
    let facts = read_in_snapshot(connection).await;
    let end = connection.execute(sqlx::raw_sql("rollback")).await;
    let facts = facts?;
    end.map_err(|e| PgError::new("end reading the catalogs", &e))?;
    Ok(facts)
}

async fn read_in_snapshot(connection: &mut PgConnection) -> Result<Facts, Error> {
    let mut reader = Reader::start(connection).await?;
    roles::read(&mut reader).await?;
    objects::read(&mut reader).await?;
    attached::read(&mut reader).await?;
    outside::read(&mut reader).await?;
    couplings::read(&mut reader).await?;
    Ok(reader.finish())
}
