//! Recognises a pooler that gives each transaction another session of the server.
//!
//! Behind such a pooler neither a lock nor a setting of a session lasts, and what this tool writes would not be protected
//! by what it holds.

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::connect::Target;
use super::error::Error;
use super::session::SessionKind;
use super::transport::Connected;
use crate::{sql, sql::Sql};

/// How often two connections are compared: another client may get the session in between.
const TRIES: u32 = 3;

/// The session of the server that a connection had first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backend(i32);

impl Backend {
    /// Returns the connection's session, once it is certain that it keeps it from one transaction to the next.
    ///
    /// The connection stays idle while a second one begins a transaction. If that has the same session of the server, a
    /// pooler has handed it on.
    ///
    /// # Errors
    /// A pooler in transaction mode is between, or the server could not be asked.
    pub async fn lasting(target: &Target, connection: &mut PgConnection) -> Result<Self, Error> {
        let mut beside = target.connect(SessionKind::Tested, "pgcleave, looking for a pooler").await?;
        let found = compare(target, connection, &mut beside).await;
        let _ = beside.close().await;
        found
    }

    /// Returns a statement that fails in any other session.
    #[must_use]
    pub fn guard(self) -> Sql {
        sql!(
            "do $pgcleave$ begin if pg_catalog.pg_backend_pid() operator(pg_catalog.<>) ",
            i64::from(self.0),
            " then raise exception 'this is another session of the server than before: a pooler in transaction mode is \
             between' using errcode = 'PGC70'; end if; end $pgcleave$"
        )
    }

    /// Checks, within a transaction that has just begun, that the connection still has this session.
    ///
    /// # Errors
    /// It has another one, or the server could not be asked.
    pub async fn check(self, connection: &mut PgConnection, doing: &str) -> Result<(), Error> {
        if pid(connection).await? == self.0 { Ok(()) } else { Err(Error::SessionChanged { doing: doing.to_owned() }) }
    }
}

/// Tells whether the session is the one that the server itself named: a pooler names sessions of its own.
pub(super) async fn is_direct(connected: &mut Connected) -> Result<bool, Error> {
    Ok(connected.process == Some(pid(&mut connected.connection).await?))
}

/// Refuses a pooler in transaction mode that does not take our startup options.
pub(super) async fn refuse(target: &Target) -> Result<(), Error> {
    let mut connection = target.connect_console("pgcleave, looking for a pooler").await?;
    let mut beside = target.connect_console("pgcleave, looking for a pooler").await?;
    compare(target, &mut connection, &mut beside).await.map(|_| ())
}

/// Compares the session of a connection, which stays idle, with that of a transaction beside it.
pub(super) async fn compare(
    target: &Target,
    connection: &mut PgConnection,
    beside: &mut PgConnection,
) -> Result<Backend, Error> {
    let mut first = None;
    for _ in 0..TRIES {
        let own = pid(connection).await?;
        let failed = |error: sqlx::Error| Error::new("look for a pooler", &error);
        sqlx::raw_sql("begin").execute(&mut *beside).await.map_err(failed)?;
        let other = pid(beside).await?;
        sqlx::raw_sql("rollback").execute(&mut *beside).await.map_err(failed)?;
        if own == other || first.is_some_and(|first| first != own) {
            return Err(Error::TransactionPooler { target: target.label() });
        }
        first = Some(own);
    }
    Ok(Backend(first.expect("there is a try at least")))
}

/// Returns the process of the server that serves a connection; without a prepared statement, which a pooler may lose.
async fn pid(connection: &mut PgConnection) -> Result<i32, Error> {
    use sqlx::Row as _;
    let row = sqlx::raw_sql("select pg_catalog.pg_backend_pid()")
        .fetch_one(connection)
        .await
        .map_err(|error| Error::new("look for a pooler", &error))?;
    Ok(row.get(0))
}
