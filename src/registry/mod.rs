//! What pgcleave keeps in the database it looks after: schema `pgcleave`, run by refinery like any service's.

pub mod credential;
mod error;
mod history;
pub mod moved;
mod plan;
mod service;
pub mod split;

use refinery_core::Migration;
use sqlx::postgres::PgConnection;

pub use error::RegistryError;
pub use history::{Recorded, migrations, record_migrations};
pub use plan::record_plan;
pub use service::{Registered, record_service, services};

use crate::ident::Ident;
use crate::pg::error::Error;
use crate::pg::refinery::Session;
use crate::pg::{exec, lock};
use crate::sql;

/// The schema's name.
pub const SCHEMA: &str = "pgcleave";

/// The registry's own migrations, oldest first.
const MIGRATIONS: [(&str, &str); 3] = [
    ("V1__registry", include_str!("../../migrations/pgcleave/V1__registry.sql")),
    ("V2__migration_history", include_str!("../../migrations/pgcleave/V2__migration_history.sql")),
    ("V3__split", include_str!("../../migrations/pgcleave/V3__split.sql")),
];

/// How long to wait while somebody else brings the registry up to date, in seconds.
const WAIT_SECONDS: u64 = 60;

/// How far a database's registry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Absent,
    Version(i64),
}

/// Tells whether the database has a registry at all.
///
/// # Errors
/// The server could not be asked.
pub async fn exists(connection: &mut PgConnection) -> Result<bool, Error> {
    sqlx::query_scalar(
        "select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = 'pgcleave' and c.relname = 'refinery_schema_history')",
    )
    .fetch_one(connection)
    .await
    .map_err(|e| Error::new("look for the registry", &e))
}

/// Makes the registry, or brings it up to date; writes nothing when there is nothing to do.
///
/// The schema belongs to whoever is logged in: a superuser, or a role that has CREATE on the database.
///
/// # Errors
/// The registry was made by a newer pgcleave, or the server refused.
pub async fn ensure(connection: &mut PgConnection) -> Result<(), RegistryError> {
    let known = known()?;
    let newest = known.last().map_or(0, Migration::version);
    if is_current(connection, newest).await? {
        return Ok(());
    }
    lock::take(connection, "the registry", WAIT_SECONDS, &|_| ()).await?;
    let made = make(connection, &known, newest).await;
    let released = lock::release(connection, "the registry").await;
    made?;
    Ok(released?)
}

async fn make(connection: &mut PgConnection, known: &[Migration], newest: i64) -> Result<(), RegistryError> {
    // Whoever held the lock before us may have done it.
    if is_current(connection, newest).await? {
        return Ok(());
    }
    exec::batch(connection, "create the registry", &sql!("create schema if not exists pgcleave")).await?;
    Session::new(connection).run(&Ident::from_server(SCHEMA), known).await?;
    Ok(())
}

async fn is_current(connection: &mut PgConnection, newest: i64) -> Result<bool, RegistryError> {
    match age(connection).await? {
        Age::Version(found) if found > newest => Err(RegistryError::Newer { found, newest }),
        Age::Version(found) => Ok(found == newest),
        Age::Absent => Ok(false),
    }
}

/// Sees that this login may read the registry, if there is one.
///
/// # Errors
/// It belongs to another administrator, or the server could not be asked.
pub async fn readable(connection: &mut PgConnection) -> Result<(), RegistryError> {
    let foreign: Option<String> = sqlx::query_scalar(
        "select r.rolname::text from pg_catalog.pg_namespace n join pg_catalog.pg_roles r on r.oid = n.nspowner \
         where n.nspname = 'pgcleave' and not pg_catalog.has_schema_privilege(n.oid, 'USAGE')",
    )
    .fetch_optional(connection)
    .await
    .map_err(|e| Error::new("look for the registry's owner", &e))?;
    foreign.map_or(Ok(()), |owner| Err(RegistryError::Foreign { owner }))
}

async fn age(connection: &mut PgConnection) -> Result<Age, RegistryError> {
    if !exists(connection).await? {
        return Ok(Age::Absent);
    }
    readable(connection).await?;
    let version: Option<i64> =
        sqlx::query_scalar("select pg_catalog.max(h.version)::int8 from pgcleave.refinery_schema_history h")
            .fetch_one(connection)
            .await
            .map_err(|e| Error::new("read the registry's version", &e))?;
    Ok(version.map_or(Age::Absent, Age::Version))
}

fn known() -> Result<Vec<Migration>, RegistryError> {
    MIGRATIONS.iter().map(|(stem, sql)| Ok(Migration::unapplied(stem, sql)?)).collect()
}
