//! Schemas, extensions, and which functions the exposed views call.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::{Error, ident, objects::Acls};
use crate::ident::Ident;
use crate::model::acl::AclKind;
use crate::model::state::Schema;
use crate::pg::error::Error as PgError;

/// Reads the named schemas, and those that are nobody's: `public` and those of extensions.
pub(super) async fn schemas(
    connection: &mut PgConnection,
    names: &[String],
    acls: &mut Acls,
) -> Result<(BTreeMap<Ident, Schema>, BTreeSet<Ident>), Error> {
    let rows = sqlx::query(include_str!("sql/schemas.sql"))
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read schemas", &e))?;
    let (mut schemas, mut grants_on) = (BTreeMap::new(), BTreeSet::new());
    for row in &rows {
        let (name, owner) = (ident(row, "name"), ident(row, "owner"));
        let acl = acls.effective(AclKind::Schema, &owner, row.get("acl"))?;
        if row.get("grants_on") {
            grants_on.insert(name.clone());
        }
        schemas.insert(name, Schema { owner, acl, objects: BTreeMap::new() });
    }
    Ok((schemas, grants_on))
}

pub(super) async fn extensions(connection: &mut PgConnection) -> Result<BTreeMap<Ident, Ident>, Error> {
    let rows = sqlx::query(include_str!("sql/extensions.sql"))
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read extensions", &e))?;
    Ok(rows.iter().map(|row| (ident(row, "name"), ident(row, "schema"))).collect())
}

/// Reads the extensions that the server offers and only a superuser may install.
pub(super) async fn untrusted(connection: &mut PgConnection) -> Result<BTreeSet<Ident>, Error> {
    let rows = sqlx::query(include_str!("sql/untrusted_extensions.sql"))
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read which extensions are trusted", &e))?;
    Ok(rows.iter().map(|row| ident(row, "name")).collect())
}

pub(super) async fn view_calls(
    connection: &mut PgConnection,
    schemas: &[String],
    views: &BTreeSet<Ident>,
) -> Result<BTreeSet<(String, String)>, Error> {
    let views: Vec<String> = views.iter().map(|v| v.as_str().to_owned()).collect();
    let rows = sqlx::query(include_str!("sql/view_calls.sql"))
        .bind(schemas)
        .bind(views)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read what views call", &e))?;
    Ok(rows.iter().map(|row| (row.get("view"), row.get("routine"))).collect())
}

pub(super) async fn invokers(
    connection: &mut PgConnection,
    schemas: &[String],
) -> Result<BTreeSet<(String, String)>, Error> {
    let rows = sqlx::query(include_str!("sql/invokers.sql"))
        .bind(schemas)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read with whose rights functions run", &e))?;
    Ok(rows.iter().map(|row| (row.get("schema"), row.get("name"))).collect())
}
