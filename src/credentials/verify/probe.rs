//! Tries statements as a login, each in a subtransaction of its own, all of them undone.

use sqlx::postgres::PgConnection;

use super::attempt::{Action, Attempt};
use crate::pg::attempt::each;
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
    /// Whatever fails later than the check of privileges has been let through.
    fn from_sqlstate(state: &str) -> Self {
        match state {
            "42501" => Self::Refused,
            // undefined table, column, function, object, schema; no such role; an object cache that is out of date
            "42P01" | "42703" | "42883" | "42704" | "3F000" | "22023" | "XX000" => Self::Gone,
            // syntax, lock, deadlock, resources, cancelled
            "42601" | "55P03" | "40P01" | "40001" | "57014" => Self::Untold,
            other if other.starts_with("53") => Self::Untold,
            _ => Self::Reached,
        }
    }
}

/// Makes the attempts; gives an answer for each, in order.
///
/// # Errors
/// The server could not be asked.
pub async fn make(connection: &mut PgConnection, attempts: &[&Attempt]) -> Result<Vec<Answer>, Error> {
    let mut answers = vec![Answer::Untold; attempts.len()];
    // making a table is refused in a read-only transaction before any privilege is looked at; all else is tried read-only
    for writes in [false, true] {
        let mut begin = sql!("begin transaction ");
        begin.push_static(if writes { "read write" } else { "read only" });
        begin.push_static(
            "; set local search_path = ''; set local statement_timeout = 0; set local lock_timeout = '5s'",
        );
        let chosen: Vec<_> =
            attempts.iter().enumerate().filter(|(_, a)| (a.action == Action::Create) == writes).collect();
        for batch in chosen.chunks(BATCH) {
            let statements: Vec<_> = batch.iter().map(|(_, attempt)| attempt.statement.as_str()).collect();
            let states = each(connection, &begin, &statements).await?;
            for ((index, _), state) in batch.iter().zip(&states) {
                answers[*index] = Answer::from_sqlstate(state);
            }
        }
    }
    Ok(answers)
}
