//! What pgcleave keeps in the database it looks after: schema `pgcleave`, run by refinery like any service's.

pub mod credential;
mod error;
mod history;
pub mod interrupted;
pub mod moved;
pub mod owner;
mod plan;
mod service;
pub mod split;
mod trust;

use refinery_core::Migration;
use sqlx::postgres::PgConnection;

pub use error::RegistryError;
pub use history::{Baseline, OtherHistory, Recorded, baselines, migrations, record_migrations};
pub use plan::record_plan;
pub use service::{Registered, record_service, services};
pub use trust::verified;

use crate::ident::Ident;
use crate::pg::error::Error;
use crate::pg::history::TABLE as HISTORY;
use crate::pg::refinery::Session;
use crate::pg::trust::close;
use crate::pg::{exec, lock, standby};
use crate::sql;

/// The schema's name.
pub const SCHEMA: &str = "pgcleave";

/// The registry's own migrations, oldest first.
const MIGRATIONS: [(&str, &str); 5] = [
    ("V1__registry", include_str!("../../migrations/pgcleave/V1__registry.sql")),
    ("V2__migration_history", include_str!("../../migrations/pgcleave/V2__migration_history.sql")),
    ("V3__split", include_str!("../../migrations/pgcleave/V3__split.sql")),
    ("V4__interrupted_migration", include_str!("../../migrations/pgcleave/V4__interrupted_migration.sql")),
    ("V5__verifier", include_str!("../../migrations/pgcleave/V5__verifier.sql")),
];

/// How long to wait while somebody else brings the registry up to date, in seconds.
const WAIT_SECONDS: u64 = 60;

/// How far a database's registry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// There is no schema.
    Absent,
    /// The schema is there and in trusted hands; a run that was killed left no version.
    Empty,
    Version(i64),
}

/// Tells whether the database has a registry at all.
///
/// # Errors
/// The server could not be asked.
pub async fn exists(connection: &mut PgConnection) -> Result<bool, Error> {
    trust::has(connection, HISTORY).await
}

/// Makes the registry, or brings it up to date; writes nothing when there is nothing to do.
///
/// The schema belongs to whoever is logged in: a superuser, or a role that has CREATE on the database.
///
/// # Errors
/// The registry was made by a newer pgcleave, or the server refused.
pub async fn ensure(connection: &mut PgConnection) -> Result<(), RegistryError> {
    standby::refuse(connection).await?;
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
    let schema = Ident::from_server(SCHEMA);
    if age(connection).await? == Age::Absent {
        // never `if not exists`: a schema that is there keeps its owner
        let create = sql!("begin; create schema ", schema);
        let closed = match exec::batch(connection, "create the registry", &create).await {
            Ok(()) => close(connection, &schema).await,
            Err(error) => Err(error),
        };
        let end = if closed.is_ok() { sql!("commit") } else { sql!("rollback") };
        exec::batch(connection, "create the registry", &end).await?;
        closed?;
    }
    Session::new(connection).run(&schema, known).await?;
    close(connection, &schema).await?;
    Ok(())
}

async fn is_current(connection: &mut PgConnection, newest: i64) -> Result<bool, RegistryError> {
    match age(connection).await? {
        Age::Version(found) if found > newest => Err(RegistryError::Newer { found, newest }),
        Age::Version(found) => Ok(found == newest),
        Age::Absent | Age::Empty => Ok(false),
    }
}

/// Sees that this login may read the registry, if there is one.
///
/// # Errors
/// It belongs to another administrator, or the server could not be asked.
pub async fn readable(connection: &mut PgConnection) -> Result<(), RegistryError> {
    match trust::verified(connection).await? {
        Some(registry) if !registry.is_usable() => Err(RegistryError::Foreign { owner: registry.owner().to_owned() }),
        _ => Ok(()),
    }
}

async fn age(connection: &mut PgConnection) -> Result<Age, RegistryError> {
    match trust::verified(connection).await? {
        None => return Ok(Age::Absent),
        Some(registry) if !registry.is_usable() => {
            return Err(RegistryError::Foreign { owner: registry.owner().to_owned() });
        }
        Some(registry) if !registry.has(HISTORY) => return Ok(Age::Empty),
        Some(_) => {}
    }
    let version: Option<i64> =
        sqlx::query_scalar("select pg_catalog.max(h.version)::int8 from pgcleave.refinery_schema_history h")
            .fetch_one(connection)
            .await
            .map_err(|e| Error::new("read the registry's version", &e))?;
    Ok(version.map_or(Age::Empty, Age::Version))
}

fn known() -> Result<Vec<Migration>, RegistryError> {
    MIGRATIONS.iter().map(|(stem, sql)| Ok(Migration::unapplied(stem, sql)?)).collect()
}
