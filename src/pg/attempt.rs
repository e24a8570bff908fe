//! Tries statements, each in a subtransaction of its own, and undoes all of them.

use sqlx::postgres::PgConnection;

use super::error::Error;
use super::exec;
use crate::sql::Sql;

/// The SQLSTATE of an attempt that succeeded: the error of our own by which it is undone.
pub const SUCCEEDED: &str = "PGC00";

/// Goes through the statements in `pgcleave.attempts` and leaves the SQLSTATEs in `pgcleave.answers`. A query that
/// answers `refused` counts as refused (42501).
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

/// Tries the statements in one transaction, begun by `begin`, and rolls it back whatever happened.
///
/// Gives the SQLSTATE of each, in order; [`SUCCEEDED`] for one that nothing kept from being done. The locks of those
/// that succeed may be held to the end: bound their number.
///
/// # Errors
/// The transaction could not be begun, or the server could not be asked.
pub async fn each(connection: &mut PgConnection, begin: &Sql, statements: &[&str]) -> Result<Vec<String>, Error> {
    let tried = within(connection, begin, statements).await;
    let end = sqlx::raw_sql("rollback").execute(&mut *connection).await;
    let tried = tried?;
    end.map_err(|e| Error::new("end the trying", &e))?;
    Ok(tried)
}

async fn within(connection: &mut PgConnection, begin: &Sql, statements: &[&str]) -> Result<Vec<String>, Error> {
    let failed = |e: sqlx::Error| Error::new("try what can be reached", &e);
    let list = serde_json::to_string(statements).expect("texts are always JSON");
    exec::batch(connection, "begin to try", begin).await?;
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
