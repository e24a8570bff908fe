//! Sessions that write and read every value the same way, whatever the server's and the role's settings are.

use sqlx::Executor;
use sqlx::postgres::PgConnection;

use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;

/// What a value's text form depends on, and what could cut a long copy short.
///
/// `lc_monetary` is pinned for `money`; `row_security = off` makes hidden rows an error and never a short file.
/// `transaction_timeout` exists from 17 on. A server that can watch its clients ends what a killed one has left running,
/// within a second: it would go on for nobody, and keep its locks. Where the network fell silent, that takes half a minute.
const SETTINGS: &str = "\
    set client_encoding = 'UTF8'; set extra_float_digits = 3; set datestyle = 'ISO, YMD'; \
    set intervalstyle = postgres; set bytea_output = hex; set timezone = 'UTC'; set lc_monetary = 'C'; \
    set xmloption = content; set default_transaction_read_only = off; set standard_conforming_strings = on; set row_security = off; set search_path = ''; \
    set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set max_parallel_workers_per_gather = 0; set jit = off; \
    set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3; set tcp_user_timeout = 25000; \
    select pg_catalog.set_config(name, '0', false) from pg_catalog.pg_settings where name = 'transaction_timeout'; \
    do $$ begin set client_connection_check_interval = 1000; exception when invalid_parameter_value then null; end $$";

/// The same for psql, through `PGOPTIONS`: what restore.sh needs to read every value back.
pub const PGOPTIONS: &str = "-c datestyle=ISO,YMD -c intervalstyle=postgres -c timezone=UTC -c lc_monetary=C \
    -c xmloption=content -c search_path= -c row_security=off -c default_transaction_read_only=off \
    -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c synchronous_commit=off";

/// Connects with pinned settings.
///
/// # Errors
/// The server could not be reached, or turned the login away.
pub async fn open(target: &Target, application: &str) -> Result<PgConnection, PgError> {
    let mut connection = target.connect(application).await?;
    pin(&mut connection).await?;
    Ok(connection)
}

/// Pins the settings again, after a script that may have set others.
///
/// # Errors
/// The connection broke.
pub async fn pin(connection: &mut PgConnection) -> Result<(), PgError> {
    run(connection, "pin the session's settings", SETTINGS).await
}

/// Runs statements of our own source.
pub(super) async fn run(connection: &mut PgConnection, doing: &str, sql: &'static str) -> Result<(), PgError> {
    connection.execute(sqlx::raw_sql(sql)).await.map_err(|e| PgError::new(doing, &e))?;
    Ok(())
}
