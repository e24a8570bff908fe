//! A whole database → [`Observed`], when no manifest says what to look at.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::{Error, Scope, administrator, ident};
use crate::ident::Ident;
use crate::model::naming::Naming;
use crate::model::state::Observed;
use crate::pg::error::Error as PgError;

/// All that a database shows where services meet.
#[derive(Debug)]
pub struct Survey {
    /// All roles and schemas but the server's own.
    pub observed: Observed,
    /// The role prefixes of the registry's services, the most frequent first.
    pub prefixes: Vec<String>,
    /// The extensions that a schema's objects depend on, by schema.
    pub extensions: BTreeMap<Ident, BTreeSet<Ident>>,
    /// The schemas that are members of extensions.
    pub extension_schemas: BTreeSet<Ident>,
}

/// Reads everything in one `repeatable read, read only` transaction.
///
/// # Errors
/// The server refused a query, is too old, or keeps the registry from this login.
pub async fn survey(connection: &mut PgConnection) -> Result<Survey, Error> {
    super::snapshot::in_one(connection, read).await
}

async fn read(connection: &mut PgConnection) -> Result<Survey, Error> {
    let registry = administrator::read(connection).await?.registry;
    crate::registry::verified(connection).await?;
    let names = rows(connection, "read the names of roles and schemas", include_str!("sql/names.sql")).await?;
    let of = |kind: &str| -> BTreeSet<Ident> {
        names.iter().filter(|row| row.get::<&str, _>("kind") == kind).map(|row| ident(row, "name")).collect()
    };
    let prefixes = if registry {
        rows(connection, "read the registry", include_str!("sql/prefixes.sql")).await?
    } else {
        Vec::new()
    };
    let prefixes: Vec<String> = prefixes.iter().map(|row| row.get("prefix")).collect();
    let uses = rows(connection, "read what depends on extensions", include_str!("sql/extension_uses.sql")).await?;
    let mut extensions: BTreeMap<Ident, BTreeSet<Ident>> = BTreeMap::new();
    for row in &uses {
        extensions.entry(ident(row, "schema")).or_default().insert(ident(row, "extension"));
    }
    let naming = Naming { prefix: prefixes.first().cloned().unwrap_or_default() };
    let scope =
        Scope { naming, roles: of("role"), schemas: of("schema"), views: BTreeSet::new(), described: BTreeSet::new() };
    let observed = super::read(connection, &scope).await?;
    Ok(Survey { observed, prefixes, extensions, extension_schemas: of("extension schema") })
}

async fn rows(
    connection: &mut PgConnection,
    doing: &str,
    query: &'static str,
) -> Result<Vec<sqlx::postgres::PgRow>, Error> {
    Ok(sqlx::query(query).fetch_all(connection).await.map_err(|e| PgError::new(doing, &e))?)
}
