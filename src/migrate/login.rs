//! The temporary login that a service's migrations run as: made for one run, dropped after it.
//!
//! A real login is a fence that a script cannot climb: RESET ROLE and DISCARD ALL lead back to the owner, and there is
//! no administrator's session behind it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;

use super::error::{Error, in_full};
use super::place::Place;
use crate::credentials::password;
use crate::ident::Ident;
use crate::model::naming::Naming;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::{Comma, Literal};

/// How many sessions it may have: one to migrate, one to cancel the first, one to spare for a lost connection.
const CONNECTION_LIMIT: i64 = 3;

/// How long the sessions of a killed run may take to end, in tenths of a second.
const END_TENTHS: u32 = 300;

/// A login that was made.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) name: Ident,
    pub(super) password: SecretString,
}

/// Makes a login that becomes the schema's owner when it connects.
pub(super) async fn create(admin: &mut PgConnection, naming: &Naming, place: &Place) -> Result<Login, Error> {
    let mut random = [0; 4];
    getrandom::fill(&mut random)?;
    let name = naming.temporary_login(&tag(place), &format!("{:08x}", u32::from_be_bytes(random)))?;
    let password = password::generate()?;
    let verifier = password::verifier(&password);
    let mut sql = sql!(
        "create role ",
        name,
        " login connection limit ",
        CONNECTION_LIMIT,
        " valid until ",
        Literal(&place.expires),
        " password ",
        Literal(verifier.expose_secret()),
        "; grant ",
        place.owner,
        " to ",
        name
    );
    if place.options {
        sql.push_static(" with inherit true, set true");
    }
    let settings = sql!("; alter role ", name, " in database ", place.database);
    sql.push(&sql!(settings, " set role = ", place.owner, settings, " set search_path = ", Comma(&place.search_path)));
    exec::batch(admin, "create the temporary login", &sql).await?;
    Ok(Login { name, password })
}

/// Drops what killed runs on the same schema have left; only under the schema's lock.
pub(super) async fn sweep(admin: &mut PgConnection, naming: &Naming, place: &Place) -> Result<Vec<Ident>, Error> {
    let prefix = naming.temporary_login(&tag(place), "")?;
    let names: Vec<String> = sqlx::query_scalar(include_str!("sql/leftovers.sql"))
        .bind(prefix.as_str())
        .fetch_all(&mut *admin)
        .await
        .map_err(|e| PgError::new("look for earlier logins", &e))?;
    let names: Vec<Ident> = names.iter().map(|name| Ident::from_server(name)).collect();
    for name in &names {
        end_sessions(admin, name, place).await?;
        remove(admin, name, place).await?;
    }
    Ok(names)
}

/// Drops a login. What it has made under its own name goes to the owner.
pub(super) async fn remove(admin: &mut PgConnection, name: &Ident, place: &Place) -> Result<(), Error> {
    let error = match exec::batch(admin, "drop the temporary login", &sql!("drop role ", name)).await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let stays = |error: &PgError| Error::Stays { login: name.clone(), message: in_full(error) };
    if error.sqlstate() != Some("2BP01") {
        return Err(stays(&error));
    }
    let mut sql = sql!("begin; ");
    if !place.superuser {
        sql.push(&sql!(borrow(name, place), borrow(&place.owner, place)));
    }
    sql.push(&sql!("reassign owned by ", name, " to ", place.owner, "; drop owned by ", name, "; "));
    if !place.superuser {
        // the server finds the grantor as it did for the grant
        sql.push(&sql!("revoke ", place.owner, " from current_user; "));
    }
    sql.push(&sql!("drop role ", name, "; commit"));
    let dropped = exec::batch(admin, "drop the temporary login and what it owns", &sql).await;
    if dropped.is_err() {
        let _ = exec::batch(admin, "roll back", &sql!("rollback")).await;
    }
    dropped.map_err(|error| stays(&error))
}

/// Ends a login's sessions, and waits until they are gone.
async fn end_sessions(admin: &mut PgConnection, name: &Ident, place: &Place) -> Result<(), Error> {
    if sessions(admin, name).await? == 0 {
        return Ok(());
    }
    let mut sql = sql!("begin; ");
    if !place.superuser {
        // Only whoever has a role's privileges may end its sessions; the rollback takes them back.
        sql.push(&borrow(name, place));
    }
    sql.push(&sql!(
        "select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a where a.usename = ",
        Literal(name.as_str()),
        "; rollback"
    ));
    let ended = exec::batch(admin, "end an earlier run's sessions", &sql).await;
    if ended.is_err() {
        let _ = exec::batch(admin, "roll back", &sql!("rollback")).await;
    }
    ended?;
    for _ in 0..END_TENTHS {
        if sessions(admin, name).await? == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Error::Leftover { sessions: sessions(admin, name).await? })
}

async fn sessions(admin: &mut PgConnection, name: &Ident) -> Result<i64, Error> {
    let count = sqlx::query_scalar(include_str!("sql/sessions.sql")).bind(name.as_str()).fetch_one(admin).await;
    Ok(count.map_err(|e| PgError::new("count an earlier run's sessions", &e))?)
}

/// Grants the administrator a role's privileges.
fn borrow(role: &Ident, place: &Place) -> sql::Sql {
    let mut sql = sql!("grant ", role, " to current_user");
    sql.push_static(if place.options { " with inherit true, set true; " } else { "; " });
    sql
}

/// Says in eight digits which schema of which database.
fn tag(place: &Place) -> String {
    let mut hash = Sha256::new();
    hash.update(place.database.as_str());
    hash.update([0]);
    hash.update(place.schema.as_str());
    hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
