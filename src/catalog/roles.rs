//! Roles, memberships and settings.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::{Error, ident};
use crate::ident::Ident;
use crate::model::naming::Naming;
use crate::model::setting;
use crate::model::state::{Membership, MembershipOptions, Role, Setting};
use crate::pg::error::Error as PgError;

pub(super) async fn attributes(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<BTreeMap<Ident, Role>, Error> {
    let rows = sqlx::query(include_str!("sql/roles.sql"))
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read roles", &e))?;
    Ok(rows
        .iter()
        .map(|row| {
            let role = Role {
                login: row.get("login"),
                superuser: row.get("superuser"),
                inherit: row.get("inherit"),
                createrole: row.get("createrole"),
                createdb: row.get("createdb"),
                replication: row.get("replication"),
                bypassrls: row.get("bypassrls"),
                connection_limit: row.get("connection_limit"),
                expires: row.get("expires"),
            };
            (ident(row, "name"), role)
        })
        .collect())
}

/// Reads every membership on whose one side a managed role stands, but for migrations' temporary logins.
pub(super) async fn memberships(
    connection: &mut PgConnection,
    names: &[String],
    naming: &Naming,
) -> Result<BTreeMap<Membership, MembershipOptions>, Error> {
    let rows = sqlx::query(include_str!("sql/memberships.sql"))
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read memberships", &e))?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let grantor: String = row.get("grantor");
        // the grantor may be gone before 16; the membership holds all the same
        let grantor = Ident::new(&grantor).unwrap_or_else(|_| Ident::from_server("?"));
        let membership = Membership { role: ident(row, "role"), member: ident(row, "member"), grantor };
        if naming.is_temporary(&membership.member) {
            continue;
        }
        let options = MembershipOptions { admin: row.get("admin"), inherit: row.get("inherit"), set: row.get("set") };
        found.insert(membership, options);
    }
    Ok(found)
}

pub(super) async fn settings(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<BTreeMap<Setting, String>, Error> {
    let rows = sqlx::query(include_str!("sql/settings.sql"))
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read roles' settings", &e))?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let role = ident(row, "role");
        for entry in row.get::<Vec<String>, _>("settings") {
            let Some((name, value)) = entry.split_once('=') else { continue };
            let name = name.to_ascii_lowercase();
            let value = setting::normalise(&name, value);
            found.insert(Setting { role: role.clone(), name }, value);
        }
    }
    Ok(found)
}

pub(super) async fn other_logins(
    connection: &mut PgConnection,
    names: &[String],
    naming: &Naming,
) -> Result<BTreeSet<Ident>, Error> {
    let rows = sqlx::query(include_str!("sql/other_logins.sql"))
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read logins", &e))?;
    Ok(rows.iter().map(|row| ident(row, "name")).filter(|name| !naming.is_temporary(name)).collect())
}
