//! Advisory locks that say who holds them.

use std::time::{Duration, Instant};

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Error;
use crate::error::{Coded, Verdict};
use crate::event::{Event, Listener};

/// The first half of every advisory lock key of pgcleave ("pgcl" in ASCII), so that it meets nobody else's.
const CLASS: i32 = 0x7067_636c;

/// How long to sleep between two tries, in milliseconds; polling, since a session that waits inside
/// `pg_advisory_lock` deadlocks with CREATE INDEX CONCURRENTLY.
const POLL_MILLIS: u64 = 100;

/// Says why a lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it, and went on holding it for as long as we waited.
    #[error("{what} is locked by {holder}")]
    Held {
        /// What the lock protects.
        what: String,
        /// Who holds it and since when.
        holder: String,
    },
    /// The server could not be asked.
    #[error(transparent)]
    Server(#[from] Error),
}

impl Coded for LockError {
    fn code(&self) -> &'static str {
        match self {
            Self::Held { .. } => "lock-held",
            Self::Server(error) => error.code(),
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Held { .. } => Verdict::Refused,
            Self::Server(error) => error.verdict(),
        }
    }
}

/// Takes the lock on `what` for this session, waiting at most `wait_seconds`; tells the listener whom it waits for.
///
/// The lock is this database's and goes with the session.
///
/// # Errors
/// Somebody still holds it at the end of the wait, or the server could not be asked.
pub async fn take(
    connection: &mut PgConnection,
    what: &str,
    wait_seconds: u64,
    listener: Listener<'_>,
) -> Result<(), LockError> {
    let started = Instant::now();
    let mut told = None;
    loop {
        if try_take(connection, what).await? {
            return Ok(());
        }
        let holder = holder(connection, what).await?;
        if started.elapsed() >= Duration::from_secs(wait_seconds) {
            let holder = holder.map_or_else(|| "another session".to_owned(), |h| h.to_string());
            return Err(LockError::Held { what: what.to_owned(), holder });
        }
        if let Some(holder) = holder
            && told != Some(holder.pid)
        {
            told = Some(holder.pid);
            listener(Event::Waiting { what: what.to_owned(), holder: holder.who, held_seconds: holder.seconds });
        }
        tokio::time::sleep(Duration::from_millis(POLL_MILLIS)).await;
    }
}

/// Takes the lock on `what` for this session if nobody holds it.
///
/// # Errors
/// The server could not be asked.
pub async fn try_take(connection: &mut PgConnection, what: &str) -> Result<bool, Error> {
    sqlx::query_scalar("select pg_catalog.pg_try_advisory_lock($1, pg_catalog.hashtext($2))")
        .bind(CLASS)
        .bind(what)
        .fetch_one(connection)
        .await
        .map_err(|e| Error::new(format!("lock {what}"), &e))
}

/// Gives the lock on `what` back.
///
/// # Errors
/// The server could not be asked.
pub async fn release(connection: &mut PgConnection, what: &str) -> Result<(), Error> {
    sqlx::query("select pg_catalog.pg_advisory_unlock($1, pg_catalog.hashtext($2))")
        .bind(CLASS)
        .bind(what)
        .execute(connection)
        .await
        .map_err(|e| Error::new(format!("unlock {what}"), &e))?;
    Ok(())
}

/// Who holds a lock.
struct Holder {
    pid: i32,
    who: String,
    seconds: u64,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} for {} s", self.who, self.seconds)
    }
}

async fn holder(connection: &mut PgConnection, what: &str) -> Result<Option<Holder>, Error> {
    let row = sqlx::query(
        "select l.pid, \
           pg_catalog.format('%s (%s, pid %s%s)', coalesce(nullif(a.application_name, ''), 'a session'), \
             coalesce(a.usename::text, 'unknown role'), l.pid, \
             coalesce(' from ' || pg_catalog.host(a.client_addr), '')) as who, \
           coalesce(extract(epoch from pg_catalog.clock_timestamp() - a.backend_start), 0)::bigint as seconds \
         from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid \
         where l.locktype = 'advisory' and l.granted and l.classid = $1::int8::oid \
           and l.objid = (pg_catalog.hashtext($2)::int8 & 4294967295)::oid \
           and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()) \
         order by l.pid limit 1",
    )
    .bind(i64::from(CLASS))
    .bind(what)
    .fetch_optional(connection)
    .await
    .map_err(|e| Error::new(format!("ask who holds {what}"), &e))?;
    Ok(row.map(|row| Holder {
        pid: row.get("pid"),
        who: row.get("who"),
        seconds: u64::try_from(row.get::<i64, _>("seconds")).unwrap_or(0),
    }))
}
