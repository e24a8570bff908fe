//! Tells a server a password that it has to know in clear, without any log seeing it.
//!
//! It travels as COPY data, which no setting logs, and becomes part of a statement only inside the server, where
//! `log_statement` does not look. What looks there all the same (`pg_stat_statements.track = all`, pgaudit) is the
//! superuser's choice.

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnection;

use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::Literal;

/// Maps the bridge's owner to the other side's login, in the transaction under way.
pub(super) async fn map(
    connection: &mut PgConnection,
    bridge: &Ident,
    caller: &Ident,
    password: &SecretString,
) -> Result<(), PgError> {
    let doing = "make the user mapping";
    let table = sql!("create temporary table pg_temp.pgcleave_secret (secret pg_catalog.text) on commit drop");
    exec::batch(connection, doing, &table).await?;
    let mut copy =
        connection.copy_in_raw("copy pg_temp.pgcleave_secret from stdin").await.map_err(|e| PgError::new(doing, &e))?;
    let line = format!("{}\n", password.expose_secret());
    copy.send(line.as_bytes()).await.map_err(|e| PgError::new(doing, &e))?;
    copy.finish().await.map_err(|e| PgError::new(doing, &e))?;
    let (name, login) = (Literal(bridge.as_str()), Literal(caller.as_str()));
    // caught and raised anew, so that no context repeats the statement
    let block = sql!(
        "do $pgcleave$
declare
  secret pg_catalog.text := (select s.secret from pg_temp.pgcleave_secret s);
begin
  execute pg_catalog.format('drop user mapping if exists for %1$I server %1$I', ",
        name,
        ");
  execute pg_catalog.format('create user mapping for %1$I server %1$I options (user %2$L, password %3$L)', ",
        name,
        ", ",
        login,
        ", secret);
exception when others then
  raise exception using errcode = sqlstate, message = sqlerrm;
end
$pgcleave$; drop table pg_temp.pgcleave_secret"
    );
    exec::batch(connection, doing, &block).await
}
