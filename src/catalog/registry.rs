//! What the registry knows of services and credentials.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::{Error, ident};
use crate::audit::facts::ManagedService;
use crate::ident::Ident;
use crate::model::moving::Moving;
use crate::model::naming::Slot;
use crate::model::state::Issued;
use crate::pg::error::Error as PgError;
use crate::pg::trust::Verified;
use crate::registry::verified;

/// What the registry knows.
#[derive(Default)]
pub(super) struct Known {
    /// The services with their schemas.
    pub(super) services: BTreeMap<Ident, Ident>,
    pub(super) credentials: BTreeMap<(Ident, String), Issued>,
    /// SHA-256 of the verifiers that the published logins got, where it is known.
    pub(super) verifiers: BTreeMap<(Ident, String), String>,
    /// The role prefix of each service.
    pub(super) prefixes: BTreeMap<Ident, String>,
}

/// Reads what is managed; nothing where there is no registry yet.
pub(super) async fn read(connection: &mut PgConnection, registry: Option<&Verified>) -> Result<Known, Error> {
    if !registry.is_some_and(|registry| registry.has("applied_plan")) {
        return Ok(Known::default());
    }
    let rows = sqlx::query(include_str!("sql/registry.sql"))
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read the registry", &e))?;
    let Known { mut services, mut credentials, mut verifiers, mut prefixes } = Known::default();
    for row in &rows {
        let service = ident(row, "service");
        services.insert(service.clone(), ident(row, "schema"));
        prefixes.insert(service.clone(), row.get("role_prefix"));
        if let Some(name) = row.get::<Option<String>, _>("credential") {
            let active = if row.get::<&str, _>("active") == "a" { Slot::A } else { Slot::B };
            let steady = row.get::<&str, _>("phase") == "steady";
            if let Some(verifier) = row.get::<Option<String>, _>("verifier") {
                verifiers.insert((service.clone(), name.clone()), verifier);
            }
            credentials.insert((service, name), Issued { active, steady });
        }
    }
    Ok(Known { services, credentials, verifiers, prefixes })
}

/// Reads the splits and the services with their credentials; none where there is no registry, or it is closed to this login.
pub(super) async fn known(connection: &mut PgConnection) -> Result<(Vec<Moving>, Vec<ManagedService>), PgError> {
    let registry = verified(connection).await?;
    let splits = splits_of(connection, registry.as_ref()).await?;
    if !registry.is_some_and(|registry| registry.reads("service") && registry.reads("credential")) {
        return Ok((splits, Vec::new()));
    }
    let rows = sqlx::query(include_str!("sql/registry.sql")).fetch_all(connection).await;
    let mut managed: Vec<ManagedService> = Vec::new();
    for row in rows.map_err(|e| PgError::new("read the registry", &e))? {
        let name = ident(&row, "service");
        if managed.last().is_none_or(|last| last.name != name) {
            let (schema, role_prefix) = (ident(&row, "schema"), row.get("role_prefix"));
            managed.push(ManagedService { name, schema, role_prefix, credentials: Vec::new() });
        }
        let service = managed.last_mut().expect("just pushed");
        service.credentials.extend(row.get::<Option<String>, _>("credential"));
    }
    Ok((splits, managed))
}

/// Reads the splits; none where there is no registry, an older one, or one that is closed to this login.
///
/// # Errors
/// The server could not be asked.
pub async fn splits(connection: &mut PgConnection) -> Result<Vec<Moving>, PgError> {
    let registry = verified(connection).await?;
    splits_of(connection, registry.as_ref()).await
}

/// Reads the splits of a registry that was looked at.
pub(super) async fn splits_of(
    connection: &mut PgConnection,
    registry: Option<&Verified>,
) -> Result<Vec<Moving>, PgError> {
    let failed = |e: sqlx::Error| PgError::new("read the registry's splits", &e);
    if !registry.is_some_and(|registry| registry.reads("split")) {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(include_str!("sql/splits.sql")).fetch_all(connection).await.map_err(failed)?;
    let oids = |row: &sqlx::postgres::PgRow, column| {
        let found = row.get::<Option<Vec<i64>>, _>(column);
        found.map(|oids| oids.into_iter().filter_map(|oid| u32::try_from(oid).ok()).collect())
    };
    let moving = |row: &sqlx::postgres::PgRow| Moving {
        service: ident(row, "service"),
        id: row.get("id"),
        phase: row.get("phase"),
        leaves: row.get("leaves"),
        target: row.get("target"),
        kept: row.get::<Option<String>, _>("kept").map(|name| Ident::from_server(&name)),
        write_blocks: oids(row, "write_blocks"),
        roles: oids(row, "roles"),
    };
    Ok(rows.iter().map(moving).collect())
}
