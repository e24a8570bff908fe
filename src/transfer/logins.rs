//! The passwords of a service's logins, as far as they stand in the way of a move.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::roles;
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::pg::password;

/// Logins with their SCRAM verifiers; without one where nobody lets us read it.
pub type Logins = BTreeMap<Ident, Option<SecretString>>;

/// Reads the logins that come along with a schema, and whose passwords do.
///
/// # Errors
/// The server refused a query.
pub async fn of_service(connection: &mut PgConnection, schema: &Ident, service: &str) -> Result<Logins, PgError> {
    let names = roles::own(connection, schema, service).await?;
    named(connection, &names).await
}

/// Tells whether this login may read stored passwords.
///
/// # Errors
/// The server refused a query.
pub async fn readable(connection: &mut PgConnection) -> Result<bool, PgError> {
    sqlx::query_scalar("select pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'select')")
        .fetch_one(connection)
        .await
        .map_err(|e| PgError::new("look for logins and their passwords", &e))
}

/// Reads those of these names that are there.
///
/// # Errors
/// The server refused a query.
pub async fn named(connection: &mut PgConnection, names: &[Ident]) -> Result<Logins, PgError> {
    let failed = |e: sqlx::Error| PgError::new("look for logins and their passwords", &e);
    let names: Vec<&str> = names.iter().map(Ident::as_str).collect();
    let query = if readable(&mut *connection).await? {
        "select rolname::pg_catalog.text as name, rolpassword as verifier from pg_catalog.pg_authid \
         where rolname = any ($1) and (rolcanlogin or rolpassword is not null)"
    } else {
        "select rolname::pg_catalog.text as name, null::pg_catalog.text as verifier from pg_catalog.pg_roles \
         where rolname = any ($1) and rolcanlogin"
    };
    let rows = sqlx::query(query).bind(&names).fetch_all(connection).await.map_err(failed)?;
    let verifier = |text: Option<String>| text.map(SecretString::from);
    Ok(rows.iter().map(|row| (Ident::from_server(row.get("name")), verifier(row.get("verifier")))).collect())
}

/// A login that can use what is in a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct User {
    /// Its name.
    pub name: Ident,
    /// Whether it uses this schema and nothing else, or belongs to the service, so that it comes along.
    pub own: bool,
    /// Whether nothing but grants ties it to the schema.
    pub granted: bool,
    /// The roles with privileges that it is a member of.
    pub through: Vec<Ident>,
    /// What its password is stored as.
    pub password: Password,
}

/// What a password is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Password {
    /// A SCRAM verifier.
    Scram,
    /// An MD5 hash.
    Md5,
    /// It has none.
    Absent,
    /// This login may not read it.
    Unreadable,
}

/// Reads the logins that can use what is in a schema: those that come along with it, and others.
///
/// # Errors
/// The server refused a query.
pub async fn users(connection: &mut PgConnection, schema: &Ident, service: &str) -> Result<Vec<User>, PgError> {
    let found = roles::users(&mut *connection, schema, service).await?;
    let may_read = readable(&mut *connection).await?;
    let names: Vec<_> = found.iter().map(|user| user.name.clone()).collect();
    let stored = named(connection, &names).await?;
    let kind = |name: &Ident| match stored.get(name).and_then(text) {
        _ if !may_read => Password::Unreadable,
        None => Password::Absent,
        Some(stored) if password::is_md5(stored) => Password::Md5,
        Some(_) => Password::Scram,
    };
    let user = |user: roles::User| {
        let password = kind(&user.name);
        User { name: user.name, own: user.own, granted: user.granted, through: user.through, password }
    };
    Ok(found.into_iter().map(user).collect())
}

/// Gives the logins of a service that another server has already, with passwords that are not known to be the same.
#[must_use]
pub fn taken(service: &Logins, there: &Logins) -> Vec<Ident> {
    let differs = |name: &&Ident| {
        let (ours, theirs) = (text(&service[*name]), there.get(*name).map(text));
        theirs.is_some_and(|theirs| ours.is_none() || ours != theirs)
    };
    service.keys().filter(differs).cloned().collect()
}

fn text(verifier: &Option<SecretString>) -> Option<&str> {
    verifier.as_ref().map(|verifier| verifier.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_with_the_same_password_is_nobody_elses() {
        let logins = |all: &[(&str, Option<&str>)]| -> Logins {
            all.iter().map(|(name, v)| (Ident::from_server(name), v.map(SecretString::from))).collect()
        };
        let ours = logins(&[("a", Some("x")), ("b", Some("x")), ("c", None), ("d", Some("x")), ("e", None)]);
        let there = logins(&[("a", Some("x")), ("b", Some("y")), ("c", None), ("f", Some("x")), ("d", None)]);
        let names: Vec<_> = taken(&ours, &there).iter().map(|name| name.as_str().to_owned()).collect();
        assert_eq!(names, ["b", "c", "d"]);
    }
}
