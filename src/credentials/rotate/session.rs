//! Who is connected as a login, and closing it.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::ident::Ident;
use crate::pg::error::Error;
use crate::pg::exec;
use crate::sql;

/// A session that is on a login.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Session {
    /// The server process.
    pub pid: i32,
    /// The database that it is in.
    pub database: Option<String>,
    /// What it calls itself, where the administrator may see that.
    pub application: Option<String>,
    /// Where it comes from, where the administrator may see that.
    pub client: Option<String>,
    /// How long it has been connected, in seconds, where the administrator may see that.
    pub connected_seconds: Option<i64>,
}

impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {}", self.pid)?;
        if let Some(application) = &self.application {
            write!(f, " {application}")?;
        }
        if let Some(client) = &self.client {
            write!(f, " from {client}")?;
        }
        if let Some(seconds) = self.connected_seconds {
            write!(f, " for {seconds} s")?;
        }
        Ok(())
    }
}

/// Lists the sessions that are on a login, in any database, by pid.
///
/// # Errors
/// The server could not be asked.
pub async fn on(connection: &mut PgConnection, login: &Ident) -> Result<Vec<Session>, Error> {
    // a role that is not a member of pg_read_all_stats sees names and pids of others, and null for the rest
    let rows = sqlx::query(
        "select pid, datname::text as database, nullif(application_name, '') as application, \
           pg_catalog.host(client_addr) as client, \
           extract(epoch from pg_catalog.clock_timestamp() - backend_start)::int8 as connected_seconds \
         from pg_catalog.pg_stat_activity where usename = $1::name order by pid",
    )
    .bind(login.as_str())
    .fetch_all(connection)
    .await
    .map_err(|e| Error::new("list the sessions of a login", &e))?;
    let session = |row: &sqlx::postgres::PgRow| Session {
        pid: row.get("pid"),
        database: row.get("database"),
        application: row.get("application"),
        client: row.get("client"),
        connected_seconds: row.get("connected_seconds"),
    };
    Ok(rows.iter().map(session).collect())
}

/// Closes a login: nobody can log in as it any more; sessions that are open stay.
///
/// # Errors
/// The server refused.
pub async fn close(connection: &mut PgConnection, login: &Ident) -> Result<(), Error> {
    exec::batch(connection, "close the old login", &sql!("alter role ", login, " nologin password null")).await
}

/// Ends the sessions on a login; gives how many there were.
///
/// An administrator that is not a superuser needs the login's own privileges for that, and takes them for this one
/// transaction.
///
/// # Errors
/// The server refused.
pub async fn terminate(connection: &mut PgConnection, login: &Ident) -> Result<usize, Error> {
    let may: bool = sqlx::query_scalar(
        "select r.rolsuper or pg_catalog.pg_has_role(r.rolname, 'pg_signal_backend', 'usage') \
           or pg_catalog.pg_has_role(r.rolname, $1::name, 'usage') \
         from pg_catalog.pg_roles r where r.rolname = current_user",
    )
    .bind(login.as_str())
    .fetch_one(&mut *connection)
    .await
    .map_err(|e| Error::new("look at the administrator's own role", &e))?;
    let major: i32 = sqlx::query_scalar("select pg_catalog.current_setting('server_version_num')::int4 / 10000")
        .fetch_one(&mut *connection)
        .await
        .map_err(|e| Error::new("ask the server's version", &e))?;
    exec::batch(connection, "begin to end sessions", &sql!("begin")).await?;
    let result = terminate_inside(connection, login, may, major).await;
    let end = if result.is_ok() { sql!("commit") } else { sql!("rollback") };
    exec::batch(connection, "end sessions", &end).await?;
    result
}

async fn terminate_inside(connection: &mut PgConnection, login: &Ident, may: bool, major: i32) -> Result<usize, Error> {
    if !may {
        let options = if major >= 16 { sql!(" with inherit true") } else { sql!("") };
        let grant = sql!("grant ", login, " to current_user", options);
        exec::batch(connection, "take the old login's privileges", &grant).await?;
    }
    let ended: i64 = sqlx::query_scalar(
        "select pg_catalog.count(*) filter (where pg_catalog.pg_terminate_backend(pid)) \
         from pg_catalog.pg_stat_activity where usename = $1::name and pid <> pg_catalog.pg_backend_pid()",
    )
    .bind(login.as_str())
    .fetch_one(&mut *connection)
    .await
    .map_err(|e| Error::new("end the sessions of the old login", &e))?;
    if !may {
        let revoke = sql!("revoke ", login, " from current_user");
        exec::batch(connection, "give the old login's privileges back", &revoke).await?;
    }
    Ok(usize::try_from(ended).unwrap_or(0))
}
