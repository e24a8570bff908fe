//! The empty schema and the extensions that it needs, which only the administrator can make.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::roles::Extension;
use crate::ident::Ident;
use crate::model::extension_schema;
use crate::pg::error::Error as PgError;
use crate::sql;
use crate::sql::Sql;

/// Reads the extensions of these names, in the order in which they were made.
pub(super) async fn read(connection: &mut PgConnection, needed: &[String]) -> Result<Vec<Extension>, PgError> {
    let rows = sqlx::query(
        "select e.extname::pg_catalog.text as name, n.nspname::pg_catalog.text as schema \
         from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace \
         where e.extname = any ($1) and e.extname <> 'plpgsql' order by e.oid",
    )
    .bind(needed)
    .fetch_all(connection)
    .await
    .map_err(|e| PgError::new("read the extensions", &e))?;
    let extension = |row: &sqlx::postgres::PgRow| {
        let schema = Ident::from_server(row.get("schema"));
        let schema = (schema.as_str() != "pg_catalog").then_some(schema);
        Extension { name: Ident::from_server(row.get("name")), schema }
    };
    Ok(rows.iter().map(extension).collect())
}

/// Reads who owns a schema.
pub(super) async fn owner(connection: &mut PgConnection, schema: &Ident) -> Result<Option<Ident>, PgError> {
    let query = "select r.rolname::pg_catalog.text from pg_catalog.pg_namespace n \
        join pg_catalog.pg_roles r on r.oid = n.nspowner where n.nspname = $1";
    let found: Option<String> = sqlx::query_scalar(query)
        .bind(schema.as_str())
        .fetch_optional(connection)
        .await
        .map_err(|e| PgError::new("read the schema's owner", &e))?;
    Ok(found.map(|name| Ident::from_server(&name)))
}

/// Makes the schema and the extensions.
///
/// The schema gets its owner after the extensions: an extension's script runs with its schema first in the search path, so
/// that nobody else may create anything there meanwhile.
pub(super) fn script(schema: &Ident, owner: Option<&Ident>, extensions: &[Extension]) -> Sql {
    let mut out = sql!("create schema if not exists ", schema, ";\n");
    for extension in extensions {
        if let Some(home) = &extension.schema {
            out.push(&sql!("create schema if not exists ", home, ";\n"));
        }
        for statement in extension_schema::create(&extension.name, extension.schema.as_ref()) {
            out.push(&sql!(statement, ";\n"));
        }
    }
    if let Some(owner) = owner {
        out.push(&sql!("alter schema ", schema, " owner to ", owner, ";\n"));
    }
    out
}

/// Tells whether an extension is there.
pub(crate) async fn is_there(connection: &mut PgConnection, name: &Ident) -> Result<bool, PgError> {
    let query = "select exists (select from pg_catalog.pg_extension e where e.extname = $1)";
    let found = sqlx::query_scalar(query).bind(name.as_str()).fetch_one(connection).await;
    found.map_err(|e| PgError::new("look for an extension", &e))
}
