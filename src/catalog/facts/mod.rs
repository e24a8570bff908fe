//! PostgreSQL → [`Facts`]: what the audit judges, read in one snapshot by a fixed number of queries.

mod attached;
mod couplings;
mod objects;
mod outside;
mod reader;
mod roles;

use sqlx::postgres::PgConnection;

use super::Error;
use crate::audit::facts::{Facts, ForeignRegistry};
use crate::pg::error::Error as PgError;
use reader::Reader;

/// Reads everything in one snapshot.
///
/// Catalogs that this session may not read are left out and listed in [`Facts::not_readable`].
///
/// # Errors
/// A query failed, the server is older than 15, or an access list is of an unknown form.
pub async fn read(connection: &mut PgConnection) -> Result<Facts, Error> {
    super::snapshot::in_one(connection, read_in_snapshot).await
}

async fn read_in_snapshot(connection: &mut PgConnection) -> Result<Facts, Error> {
    // what the audit reports must not keep it from reporting
    let (known, foreign_registry) = match super::registry::known(connection).await {
        Err(PgError::Distrusted(distrusted)) => (Default::default(), Some(*distrusted)),
        known => (known?, None),
    };
    let mut reader = Reader::start(connection).await?;
    roles::read(&mut reader).await?;
    objects::read(&mut reader).await?;
    attached::read(&mut reader).await?;
    outside::read(&mut reader).await?;
    couplings::read(&mut reader).await?;
    let mut facts = reader.finish();
    (facts.splits, facts.managed) = known;
    facts.foreign_registry = foreign_registry.map(|found| ForeignRegistry { listed: found.listed, fix: found.fix });
    Ok(facts)
}
