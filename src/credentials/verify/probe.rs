//! Tries statements as a login, each in a subtransaction of its own, all of them undone.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::ident::Ident;
use crate::pg::attempt::{REFUSED, SUCCEEDED, Statement, each};
use crate::pg::error::Error;
use crate::sql;

/// How many attempts one transaction makes: the locks of those that succeed are held to its end.
const BATCH: usize = 500;

/// How the server answered an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It let the login through.
    Reached,
    /// It refused for want of a privilege (42501).
    Refused,
    /// The object is not there any more.
    Gone,
    /// It could not be tried, for example since the object was locked.
    Untold,
}

impl Answer {
    /// Reads what became of a statement.
    ///
    /// Only what is known to fail behind the check of privileges has been let through: planning fails before it.
    fn from_sqlstate(state: &str) -> Self {
        match state {
            // done and undone by ourselves; a write in a read-only transaction; a value out of a sequence's range
            SUCCEEDED | "25006" | "22003" => Self::Reached,
            REFUSED => Self::Refused,
            // undefined table, column, function, object, schema; no such role; an object cache that is out of date
            "42P01" | "42703" | "42883" | "42704" | "3F000" | "22023" | "XX000" => Self::Gone,
            _ => Self::Untold,
        }
    }
}

/// One attempt that is made.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// The statement.
    pub sql: &'a str,
    /// Whether it asks the server's functions about privileges.
    pub asks: bool,
    /// Whether it makes a table: that is refused in a read-only transaction before any privilege is looked at.
    pub creates: bool,
}

/// How a session of the login begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// The role that it acts as, when that is not the login.
    pub role: Option<Ident>,
    /// Where a setting comes from that makes its transactions read-only, as `pg_settings` names it.
    pub read_only: Option<String>,
}

/// Looks at how a session of the login begins, before anything is set.
///
/// # Errors
/// The server could not be asked.
pub async fn beginning(connection: &mut PgConnection) -> Result<Beginning, Error> {
    let failed = |e: sqlx::Error| Error::new("look at how a session begins", &e);
    sqlx::raw_sql("begin; set local search_path to pg_catalog, pg_temp")
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    let row = sqlx::query(include_str!("sql/beginning.sql")).fetch_one(&mut *connection).await;
    sqlx::raw_sql("rollback").execute(&mut *connection).await.map_err(failed)?;
    let row = row.map_err(failed)?;
    Ok(Beginning { role: row.get::<Option<&str>, _>("role").map(Ident::from_server), read_only: row.get("read_only") })
}

/// Makes the attempts; gives an answer for each, in order.
///
/// # Errors
/// The server could not be asked.
pub async fn make(connection: &mut PgConnection, attempts: &[Made<'_>]) -> Result<Vec<Answer>, Error> {
    let mut answers = vec![Answer::Untold; attempts.len()];
    for writes in [false, true] {
        let mut begin = sql!("begin transaction ");
        begin.push_static(if writes { "read write" } else { "read only" });
        begin.push_static("; set local statement_timeout = 0; set local lock_timeout = '5s'");
        let chosen: Vec<_> = attempts.iter().enumerate().filter(|(_, a)| a.creates == writes).collect();
        for batch in chosen.chunks(BATCH) {
            let statements: Vec<_> =
                batch.iter().map(|(_, made)| Statement { sql: made.sql, asks: made.asks }).collect();
            let states = each(connection, &begin, &statements).await?;
            for ((index, _), state) in batch.iter().zip(&states) {
                answers[*index] = Answer::from_sqlstate(state);
            }
        }
    }
    Ok(answers)
}
