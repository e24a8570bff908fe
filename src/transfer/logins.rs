//! The passwords of a service's logins, as far as they stand in the way of a move.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::roles;
use crate::ident::Ident;
use crate::pg::error::Error as PgError;

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

/// Reads those of these names that are there.
///
/// # Errors
/// The server refused a query.
pub async fn named(connection: &mut PgConnection, names: &[Ident]) -> Result<Logins, PgError> {
    let failed = |e: sqlx::Error| PgError::new("look for logins and their passwords", &e);
    let names: Vec<&str> = names.iter().map(Ident::as_str).collect();
    let readable: bool = sqlx::query_scalar("select pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'select')")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let query = if readable {
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
