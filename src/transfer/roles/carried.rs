//! The roles that an export of a schema carries, as a server has them now: `verify` compares them.

use std::collections::BTreeSet;

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::{Parsed, Role, all, fetch, ident, memberships, privileges, settings};
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::transfer::logins::{self, Logins};

/// The roles that an export carries, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Carried {
    /// All of them.
    pub all: BTreeSet<Ident>,
    /// Those of the service itself: their LOGIN, password, memberships and settings go along.
    pub own: BTreeSet<Ident>,
}

/// The roles of these names, and what belongs to them.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// What an archive would say of them.
    pub parsed: Parsed,
    /// Those that are superusers here.
    pub superusers: BTreeSet<Ident>,
    /// Those that may connect to this database, through whatever role.
    pub connects: BTreeSet<Ident>,
    /// The stored verifiers of the service's own roles; nothing where this login may not read them.
    pub verifiers: Option<Logins>,
}

/// Names the roles that an export of a schema carries.
///
/// Administrators (CREATEROLE) that own nothing in the schema are left out: they are members of the owners as their server
/// makes them, from 16 on of every role that they create.
///
/// # Errors
/// The server refused a query.
pub async fn carried(connection: &mut PgConnection, schema: &Ident, service: &str) -> Result<Carried, PgError> {
    let query = "select r.rolname::pg_catalog.text from pg_catalog.pg_roles r where r.rolcreaterole and not r.rolsuper";
    let administrators: BTreeSet<String> = sqlx::query_scalar(query)
        .fetch_all(&mut *connection)
        .await
        .map_err(|e| PgError::new("ask who administers roles", &e))?
        .into_iter()
        .collect();
    let mut carried = Carried::default();
    for found in all(connection, schema, service).await? {
        if !found.owns && administrators.contains(found.role.name.as_str()) {
            continue;
        }
        if found.own && !found.superuser && !found.predefined {
            carried.own.insert(found.role.name.clone());
        }
        carried.all.insert(found.role.name);
    }
    Ok(carried)
}

/// Reads the roles of these names, as an export would carry them.
///
/// # Errors
/// The server refused a query.
pub async fn state(connection: &mut PgConnection, carried: &Carried) -> Result<State, PgError> {
    let names: Vec<&str> = carried.all.iter().map(Ident::as_str).collect();
    let rows = fetch(sqlx::query(include_str!("sql/named.sql")).bind(&names), connection).await?;
    let superuser = |row: &PgRow| row.get::<bool, _>("superuser");
    let own = |row: &PgRow| carried.own.contains(&ident(row, "name")) && !superuser(row);
    let ids = |wanted: &dyn Fn(&PgRow) -> bool| -> Vec<i64> {
        rows.iter().filter(|row| wanted(row)).map(|row| row.get("oid")).collect()
    };
    let (all, own_ids) = (ids(&|_| true), ids(&own));
    let role = |row: &PgRow| Role { login: row.get::<bool, _>("login") && own(row), ..super::role(row) };
    let (on_database, defaults) = privileges(connection, &all, &own_ids).await?;
    let parsed = Parsed {
        roles: rows.iter().filter(|row| !row.get::<bool, _>("predefined")).map(role).collect(),
        memberships: memberships(connection, &all, &own_ids).await?,
        settings: settings(connection, &own_ids).await?,
        on_database,
        defaults,
        ..Parsed::default()
    };
    let own: Vec<Ident> = rows.iter().filter(|row| own(row)).map(|row| ident(row, "name")).collect();
    let verifiers =
        if logins::readable(connection).await? { Some(logins::named(connection, &own).await?) } else { None };
    let those = |column: &str| rows.iter().filter(|row| row.get(column)).map(|row| ident(row, "name")).collect();
    Ok(State { parsed, superusers: those("superuser"), connects: those("connects"), verifiers })
}

/// Names the running server, so that two of its databases are known to be of one; nothing where this login may not know.
///
/// # Errors
/// The server refused the query.
pub async fn server(connection: &mut PgConnection) -> Result<Option<String>, PgError> {
    let query = "select case when pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute') \
        then (select c.system_identifier::pg_catalog.text from pg_catalog.pg_control_system() c) \
          || ' ' || pg_catalog.pg_postmaster_start_time()::pg_catalog.text end";
    sqlx::query_scalar(query).fetch_one(connection).await.map_err(|e| PgError::new("ask which server this is", &e))
}
