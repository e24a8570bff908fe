//! Tries statements as a login, each in a subtransaction of its own, all of them undone.

use sqlx::postgres::PgConnection;

use super::attempt::{Action, Attempt};
use crate::pg::error::Error;

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

const BEGIN_READ: &str = "begin transaction read only; \
    set local search_path = ''; set local statement_timeout = 0; set local lock_timeout = '5s'";
const BEGIN_WRITE: &str = "begin transaction read write; \
    set local search_path = ''; set local statement_timeout = 0; set local lock_timeout = '5s'";

/// Goes through the statements in `pgcleave.attempts` and leaves the SQLSTATEs in `pgcleave.answers`. An attempt that
/// succeeds is undone by an error of our own (PGC00).
const TRY: &str = "do $try$
declare
  attempt text;
  said text;
  answers text[] := '{}';
begin
  for attempt in
    select t.value
    from pg_catalog.jsonb_array_elements_text(pg_catalog.current_setting('pgcleave.attempts')::pg_catalog.jsonb)
      with ordinality as t (value, n)
    order by t.n
  loop
    begin
      if attempt like 'create %' then
        execute attempt;
      else
        execute attempt into said;
        if said = 'refused' then
          raise exception using errcode = '42501';
        end if;
      end if;
      raise exception using errcode = 'PGC00';
    exception when others then
      answers := pg_catalog.array_append(answers, sqlstate);
    end;
  end loop;
  perform pg_catalog.set_config('pgcleave.answers', pg_catalog.array_to_string(answers, ','), true);
end
$try$";

/// Makes the attempts; gives an answer for each, in order.
///
/// # Errors
/// The server could not be asked.
pub async fn make(connection: &mut PgConnection, attempts: &[&Attempt]) -> Result<Vec<Answer>, Error> {
    let mut answers = vec![Answer::Untold; attempts.len()];
    // making a table is refused in a read-only transaction before any privilege is looked at; all else is tried read-only
    for writes in [false, true] {
        let chosen: Vec<_> =
            attempts.iter().enumerate().filter(|(_, a)| (a.action == Action::Create) == writes).collect();
        for batch in chosen.chunks(BATCH) {
            let statements: Vec<_> = batch.iter().map(|(_, attempt)| attempt.statement.as_str()).collect();
            let begin = if writes { BEGIN_WRITE } else { BEGIN_READ };
            let states = run(connection, begin, &statements).await?;
            for ((index, _), state) in batch.iter().zip(&states) {
                answers[*index] = Answer::from_sqlstate(state);
            }
        }
    }
    Ok(answers)
}

async fn run(connection: &mut PgConnection, begin: &'static str, statements: &[&str]) -> Result<Vec<String>, Error> {
    let failed = |e: sqlx::Error| Error::new("try what the login reaches", &e);
    let list = serde_json::to_string(statements).expect("texts are always JSON");
    sqlx::raw_sql(begin).execute(&mut *connection).await.map_err(failed)?;
    sqlx::query("select pg_catalog.set_config('pgcleave.attempts', $1, true)")
        .bind(list)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    sqlx::raw_sql(TRY).execute(&mut *connection).await.map_err(failed)?;
    let answers: String = sqlx::query_scalar("select pg_catalog.current_setting('pgcleave.answers')")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    sqlx::raw_sql("rollback").execute(&mut *connection).await.map_err(failed)?;
    Ok(answers.split(',').map(str::to_owned).collect())
}
