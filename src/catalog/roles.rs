//! Roles, memberships and settings.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::{Error, ident};
use crate::ident::Ident;
use crate::model::naming::is_temporary_login;
use crate::model::privilege::{Privilege, Privileges};
use crate::model::setting;
use crate::model::state::{EverywhereSetting, Membership, MembershipOptions, OtherLogin, Role, Setting};
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

/// Reads every membership on whose one side a managed role stands, but for those of temporary logins.
pub(super) async fn memberships(
    connection: &mut PgConnection,
    names: &[String],
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
        if is_temporary_login(&membership.member) {
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

/// Reads the settings that roles have in every database.
pub(super) async fn everywhere(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<BTreeMap<Setting, EverywhereSetting>, Error> {
    let rows = sqlx::query(include_str!("sql/everywhere_settings.sql"))
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read roles' settings for every database", &e))?;
    let setting = |row: &sqlx::postgres::PgRow| {
        let (name, value) = row.get::<&str, _>("setting").split_once('=')?;
        let setting = Setting { role: ident(row, "role"), name: name.to_ascii_lowercase() };
        Some((setting, EverywhereSetting { value: value.to_owned(), resettable: row.get("resettable") }))
    };
    Ok(rows.iter().filter_map(setting).collect())
}

/// Reads which of the logins have no password.
pub(super) async fn without_password(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<BTreeSet<Ident>, Error> {
    let rows = sqlx::query(include_str!("sql/without_password.sql"))
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read which logins have no password", &e))?;
    Ok(rows.iter().map(|row| ident(row, "name")).collect())
}

/// Reads which of these logins have another verifier than the one whose SHA-256 stands beside it.
pub(super) async fn changed_passwords(
    connection: &mut PgConnection,
    issued: Vec<(Ident, String)>,
) -> Result<BTreeSet<Ident>, Error> {
    let (logins, hashes): (Vec<String>, Vec<String>) =
        issued.into_iter().map(|(login, hash)| (login.as_str().to_owned(), hash)).unzip();
    let rows = sqlx::query(include_str!("sql/changed_passwords.sql"))
        .bind(logins)
        .bind(hashes)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read which passwords were changed", &e))?;
    Ok(rows.iter().map(|row| ident(row, "name")).collect())
}

/// Reads the logins that are not managed; `described` are the schemas of services that are only described.
pub(super) async fn other_logins(
    connection: &mut PgConnection,
    managed: &[String],
    described: &[String],
) -> Result<BTreeMap<Ident, OtherLogin>, Error> {
    let rows = sqlx::query(include_str!("sql/other_logins.sql"))
        .bind(managed)
        .bind(described)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read logins", &e))?;
    let privileges = |row: &PgRow, column: &str| -> Privileges {
        row.get::<Vec<String>, _>(column).iter().filter_map(|word| Privilege::from_keyword(word)).collect()
    };
    let login = |row: &PgRow| OtherLogin {
        replication: row.get("replication"),
        uses: row.get("uses"),
        described: row.get("described"),
        managed: row.get::<Vec<String>, _>("managed").iter().map(|name| Ident::from_server(name)).collect(),
        kept_on_database: privileges(row, "kept_database"),
        kept_on_public: privileges(row, "kept_public"),
        sessions: u64::try_from(row.get::<i64, _>("sessions")).unwrap_or_default(),
    };
    let named = rows.iter().map(|row| (ident(row, "name"), login(row)));
    Ok(named.filter(|(name, _)| !is_temporary_login(name)).collect())
}
