//! Removes logins with their sessions and their grants.

use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::create::Server;
use super::error::Error;
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::pg::trust;
use crate::pg::{exec, lock};
use crate::sql;
use crate::sql::{Literal, Sql};

/// How long the sessions of a killed command may take to end, in tenths of a second.
const END_TENTHS: u32 = 300;

/// Removes what killed commands left in this database, and in databases that are gone; tells the listener.
///
/// What this administrator cannot remove, since another one made it, stays and is a warning. Returns the errors of logins
/// whose sessions do not end: what these do may still be under way.
///
/// # Errors
/// The server could not be asked.
pub async fn sweep(admin: &mut PgConnection, listener: Listener<'_>) -> Result<Vec<Error>, PgError> {
    let server = Server::read(admin).await?;
    let mut running = Vec::new();
    let dead = dead(admin, &server).await?;
    if !dead.is_empty() {
        trust::event_triggers(admin).await?;
    }
    for name in dead {
        let removed = match end_sessions(admin, &server, &name).await {
            Ok(()) => remove(admin, &server, &name).await,
            Err(error @ Error::Leftover { .. }) => {
                running.push(error);
                continue;
            }
            Err(error) => Err(error),
        };
        let name = name.as_str();
        listener(match removed {
            Ok(()) => {
                Event::Note { message: format!("dropped the temporary login {name} of a command that was killed") }
            }
            Err(error) => Event::Warning { message: error.to_string() },
        });
    }
    Ok(running)
}

async fn dead(admin: &mut PgConnection, server: &Server) -> Result<Vec<Ident>, PgError> {
    let names: Vec<String> = sqlx::query_scalar(include_str!("sql/dead.sql"))
        .bind(i64::from(server.database_oid))
        .bind(i64::from(lock::CLASS))
        .fetch_all(admin)
        .await
        .map_err(|e| PgError::new("look for temporary logins of killed commands", &e))?;
    Ok(names.iter().map(|name| Ident::from_server(name)).collect())
}

/// Drops a login, ends sessions that it still has, and takes back its grants. What it owns goes to the role that it is a member of.
///
/// # Errors
/// The server refused; the login stays, and the next sweep tries again.
pub async fn remove(admin: &mut PgConnection, server: &Server, name: &Ident) -> Result<(), Error> {
    let mut sql = sql!("begin; ", acting(server, name), ending(name), "drop role ", name, "; commit");
    let mut dropped = run(admin, "drop the temporary login", &sql).await;
    if dropped.as_ref().is_err_and(|error| error.sqlstate() == Some("2BP01")) {
        sql = with_belongings(admin, server, name).await?;
        dropped = run(admin, "drop the temporary login and what depends on it", &sql).await;
    }
    dropped.map_err(|error| Error::Stays { login: name.clone(), message: error.in_full() })?;
    Ok(lock::release(admin, name.as_str()).await?)
}

/// Returns the statements that drop a login on which something depends.
async fn with_belongings(admin: &mut PgConnection, server: &Server, name: &Ident) -> Result<Sql, Error> {
    let row = sqlx::query(include_str!("sql/owned.sql"))
        .bind(name.as_str())
        .fetch_one(admin)
        .await
        .map_err(|e| PgError::new("ask what a temporary login owns", &e))?;
    let mut sql = sql!("begin; ", acting(server, name), ending(name));
    if row.get("owns") {
        let Some(heir) = row.get::<Option<String>, _>("heir").map(|heir| Ident::from_server(&heir)) else {
            let message = "it owns objects, and is a member of no role that could have them".to_owned();
            return Err(Error::Stays { login: name.clone(), message });
        };
        sql.push(&sql!(
            acting(server, &heir),
            "reassign owned by ",
            name,
            " to ",
            heir,
            "; drop owned by ",
            name,
            "; "
        ));
        if !server.superuser {
            // the server finds the grantor as it did for the grant
            sql.push(&sql!("revoke ", heir, " from current_user; "));
        }
    } else {
        sql.push(&sql!("drop owned by ", name, "; "));
    }
    sql.push(&sql!("drop role ", name, "; commit"));
    Ok(sql)
}

/// Ends a login's sessions, and waits until they are gone.
async fn end_sessions(admin: &mut PgConnection, server: &Server, name: &Ident) -> Result<(), Error> {
    if sessions(admin, name).await? == 0 {
        return Ok(());
    }
    // The rollback takes the membership back.
    let sql = sql!("begin; ", acting(server, name), ending(name), "rollback");
    run(admin, "end the sessions of a temporary login", &sql).await?;
    for _ in 0..END_TENTHS {
        if sessions(admin, name).await? == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Error::Leftover { login: name.clone(), sessions: sessions(admin, name).await? })
}

async fn sessions(admin: &mut PgConnection, name: &Ident) -> Result<i64, PgError> {
    let count = sqlx::query_scalar(include_str!("sql/sessions.sql")).bind(name.as_str()).fetch_one(admin).await;
    count.map_err(|e| PgError::new("count the sessions of a temporary login", &e))
}

/// Runs a transaction, and rolls back what is left of it when it fails.
async fn run(admin: &mut PgConnection, doing: &str, sql: &Sql) -> Result<(), PgError> {
    let done = exec::batch(admin, doing, sql).await;
    if done.is_err() {
        let _ = exec::batch(admin, "roll back", &sql!("rollback")).await;
    }
    done
}

/// Gives the administrator a role's privileges: only who has them may end its sessions or move its objects.
#[must_use]
pub fn acting(server: &Server, role: &Ident) -> Sql {
    if server.superuser {
        return Sql::new();
    }
    let mut sql = sql!("grant ", role, " to current_user");
    sql.push_static(server.options());
    sql.push_static("; ");
    sql
}

fn ending(name: &Ident) -> Sql {
    sql!(
        "select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a where a.usename = ",
        Literal(name.as_str()),
        "; "
    )
}
