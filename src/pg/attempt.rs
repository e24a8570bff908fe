//! Tries statements, each in a subtransaction of its own, and undoes all of them.

use sqlx::postgres::PgConnection;

use super::error::Error;
use super::exec;
use crate::sql::Sql;

/// The SQLSTATE of an attempt that succeeded: the error of our own by which it is undone.
pub const SUCCEEDED: &str = "PGC00";

/// The SQLSTATE of an attempt that was refused for want of a privilege.
pub const REFUSED: &str = "42501";

/// One statement to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The statement.
    pub sql: &'a str,
    /// Whether it is a query whose answer `refused` counts as [`REFUSED`].
    pub asks: bool,
}

/// Goes through the statements in `pgcleave.attempts` and leaves the SQLSTATEs in `pgcleave.answers`.
///
/// Every type, function and operator is named with its schema: the settings of the session are the login's own. What
/// an attempt sets is undone with its subtransaction.
const TRY: &str = "do language plpgsql $try$
declare
  attempt pg_catalog.text;
  asks pg_catalog.bool;
  said pg_catalog.text;
  answers pg_catalog.text[] := '{}';
begin
  for attempt, asks in
    select t.value operator(pg_catalog.->>) 0, (t.value operator(pg_catalog.->>) 1)::pg_catalog.bool
    from pg_catalog.jsonb_array_elements(pg_catalog.current_setting('pgcleave.attempts')::pg_catalog.jsonb)
      with ordinality as t (value, n)
    order by t.n
  loop
    begin
      if asks then
        execute attempt into said;
        if said operator(pg_catalog.=) 'refused' then
          raise exception using errcode = '42501';
        end if;
      else
        execute attempt;
      end if;
      raise exception using errcode = 'PGC00';
    exception when others then
      answers := pg_catalog.array_append(answers, sqlstate);
    end;
  end loop;
  perform pg_catalog.set_config('pgcleave.answers', pg_catalog.array_to_string(answers, ','), true);
end
$try$";

/// Keeps names and operators of users out of the statements and of what looks at their answers.
const PIN: &str = "set local search_path to pg_catalog, pg_temp";

/// Tries the statements in one transaction, begun by `begin`, and rolls it back whatever happened.
///
/// Gives the SQLSTATE of each, in order; [`SUCCEEDED`] for one that nothing kept from being done. The locks of those
/// that succeed may be held to the end: bound their number.
///
/// # Errors
/// The transaction could not be begun, or the server could not be asked.
pub async fn each(
    connection: &mut PgConnection,
    begin: &Sql,
    statements: &[Statement<'_>],
) -> Result<Vec<String>, Error> {
    if statements.is_empty() {
        return Ok(Vec::new());
    }
    let tried = within(connection, begin, statements).await;
    let end = sqlx::raw_sql("rollback").execute(&mut *connection).await;
    let tried = tried?;
    end.map_err(|e| Error::new("end the trying", &e))?;
    Ok(tried)
}

async fn within(
    connection: &mut PgConnection,
    begin: &Sql,
    statements: &[Statement<'_>],
) -> Result<Vec<String>, Error> {
    let failed = |e: sqlx::Error| Error::new("try what can be reached", &e);
    let list: Vec<(&str, bool)> = statements.iter().map(|s| (s.sql, s.asks)).collect();
    let list = serde_json::to_string(&list).expect("texts are always JSON");
    exec::batch(connection, "begin to try", begin).await?;
    sqlx::raw_sql(PIN).execute(&mut *connection).await.map_err(failed)?;
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
    Ok(answers.split(',').map(str::to_owned).collect())
}
