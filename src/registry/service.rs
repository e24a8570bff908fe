//! Which services pgcleave manages here.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::trust;
use crate::ident::Ident;
use crate::pg::error::Error;

/// One service that was applied at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its name.
    pub name: Ident,
    /// Its schema.
    pub schema: Ident,
    /// The prefix of its roles' names.
    pub role_prefix: String,
}

/// Lists the services, by name.
///
/// # Errors
/// There is no registry, or the server could not be asked.
pub async fn services(connection: &mut PgConnection) -> Result<Vec<Registered>, Error> {
    trust::verified(connection).await?;
    let rows = sqlx::query("select s.name, s.schema, s.role_prefix from pgcleave.service s order by s.name")
        .fetch_all(connection)
        .await
        .map_err(|e| Error::new("list the registered services", &e))?;
    Ok(rows
        .iter()
        .map(|row| Registered {
            name: Ident::from_server(row.get("name")),
            schema: Ident::from_server(row.get("schema")),
            role_prefix: row.get("role_prefix"),
        })
        .collect())
}

/// Records that a service was applied just now.
///
/// # Errors
/// Another service has the schema, or the server refused.
pub async fn record_service(connection: &mut PgConnection, service: &Registered) -> Result<(), Error> {
    sqlx::query(
        "insert into pgcleave.service (name, schema, role_prefix) values ($1, $2, $3) \
         on conflict (name) do update set schema = excluded.schema, role_prefix = excluded.role_prefix, \
           last_applied = pg_catalog.now()",
    )
    .bind(service.name.as_str())
    .bind(service.schema.as_str())
    .bind(&service.role_prefix)
    .execute(connection)
    .await
    .map_err(|e| Error::new(format!("register the service {}", service.name.as_str()), &e))?;
    Ok(())
}
