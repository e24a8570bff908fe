//! Default privileges.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::{Error, ident, objects::Acls};
use crate::ident::Ident;
use crate::model::acl::Acl;
use crate::model::state::{Class, DefaultPrivilege};
use crate::pg::error::Error as PgError;

pub(super) async fn read(
    connection: &mut PgConnection,
    roles: &[String],
    acls: &mut Acls,
) -> Result<BTreeMap<DefaultPrivilege, Acl>, Error> {
    let rows = sqlx::query(include_str!("sql/default_privileges.sql"))
        .bind(roles)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read default privileges", &e))?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let class = match row.get::<&str, _>("class") {
            "r" => Class::Relation,
            "S" => Class::Sequence,
            "f" => Class::Routine,
            _ => Class::Type,
        };
        let creator = ident(row, "creator");
        let acl = acls.effective(class.acl_kind(), &creator, row.get("acl"))?;
        let schema = row.get::<Option<&str>, _>("schema").map(Ident::from_server);
        found.insert(DefaultPrivilege { creator, schema, class }, (*acl).clone());
    }
    Ok(found)
}
