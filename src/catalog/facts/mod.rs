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

/// Reads everything in one `repeatable read, read only` transaction.
///
/// Catalogs that this session may not read are left out and listed in [`Facts::not_readable`].
///
/// # Errors
/// A query failed, the server is older than 15, or an access list is of an unknown form.
pub async fn read(connection: &mut PgConnection) -> Result<Facts, Error> {
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
