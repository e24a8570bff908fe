//! What the registry knows of services and credentials.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::{Error, ident};
use crate::ident::Ident;
use crate::model::moving::Moving;
use crate::model::naming::Slot;
use crate::model::state::Issued;
use crate::pg::error::Error as PgError;

type Known = (BTreeMap<Ident, Ident>, BTreeMap<(Ident, String), Issued>);

pub(super) async fn read(connection: &mut PgConnection) -> Result<Known, Error> {
    let rows = sqlx::query(include_str!("sql/registry.sql"))
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read the registry", &e))?;
    let (mut services, mut credentials) = Known::default();
    for row in &rows {
        let service = ident(row, "service");
        services.insert(service.clone(), ident(row, "schema"));
        if let Some(name) = row.get::<Option<String>, _>("credential") {
            let active = if row.get::<&str, _>("active") == "a" { Slot::A } else { Slot::B };
            let steady = row.get::<&str, _>("phase") == "steady";
            credentials.insert((service, name), Issued { active, steady });
        }
    }
    Ok((services, credentials))
}

/// Tells whether the registry knows splits and this login may read them.
const READABLE: &str = "select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    where n.nspname = 'pgcleave' and c.relname = 'split' and pg_catalog.has_schema_privilege(n.oid, 'usage') \
      and pg_catalog.has_table_privilege(c.oid, 'select'))";

/// Reads the splits; none where there is no registry, an older one, or one that is closed to this login.
///
/// # Errors
/// The server could not be asked.
pub async fn splits(connection: &mut PgConnection) -> Result<Vec<Moving>, PgError> {
    let failed = |e: sqlx::Error| PgError::new("read the registry's splits", &e);
    let readable: bool = sqlx::query_scalar(READABLE).fetch_one(&mut *connection).await.map_err(failed)?;
    if !readable {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(include_str!("sql/splits.sql")).fetch_all(connection).await.map_err(failed)?;
    let moving = |row: &sqlx::postgres::PgRow| Moving {
        service: ident(row, "service"),
        id: row.get("id"),
        phase: row.get("phase"),
        leaves: row.get("leaves"),
        target: row.get("target"),
        kept: row.get::<Option<String>, _>("kept").map(|name| Ident::from_server(&name)),
    };
    Ok(rows.iter().map(moving).collect())
}
