//! Advisory locks, which every login can take: only an administrator's counts.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;

use super::error::Error;
use super::lock::{Holder, LockError, POLL_MILLIS};
use crate::event::{Event, Listener};
use crate::ident::Ident;

/// The first half of an advisory lock key of pgcleave ("pgcl" in ASCII), so that it meets nobody else's.
pub(crate) const CLASS: i32 = 0x7067_636c;

/// How much longer the pause between two tries may be by chance, in milliseconds: two that met each other go apart.
const JITTER_MILLIS: u64 = 50;

/// Takes the advisory lock on `what` for this session, waiting at most `wait_seconds`; tells the listener whom it waits
/// for.
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
        let holder = holder(connection, what, None).await?;
        if let Some(holder) = &holder
            && wait_seconds > 0
            && told != Some(holder.pid)
        {
            told = Some(holder.pid);
            listener(Event::Waiting {
                what: what.to_owned(),
                holder: holder.who.clone(),
                held_seconds: holder.seconds,
            });
        }
        if started.elapsed() >= Duration::from_secs(wait_seconds) {
            let holder = holder.map_or_else(|| "another session".to_owned(), |h| h.to_string());
            return Err(LockError::Held { what: what.to_owned(), holder });
        }
        let jitter = u64::from(random_class()?.unsigned_abs()) % JITTER_MILLIS;
        tokio::time::sleep(Duration::from_millis(POLL_MILLIS + jitter)).await;
    }
}

/// Takes the lock on `what` for this session if no administrator holds it.
///
/// The second half of the key says what is locked. Where a stranger has taken the ordinary key, a random first half does
/// as well, since whoever takes the lock looks for all keys with this second half.
///
/// # Errors
/// The server could not be asked.
pub async fn try_take(connection: &mut PgConnection, what: &str) -> Result<bool, Error> {
    if !try_key(connection, CLASS, what).await? {
        if holder(connection, what, None).await?.is_some() {
            return Ok(false);
        }
        if !try_key(connection, random_class()?, what).await? {
            return Ok(false);
        }
    }
    if holder(connection, what, None).await?.is_none() {
        return Ok(true);
    }
    release(connection, what).await?;
    Ok(false)
}

async fn try_key(connection: &mut PgConnection, class: i32, what: &str) -> Result<bool, Error> {
    sqlx::query_scalar("select pg_catalog.pg_try_advisory_lock($1::int4, pg_catalog.hashtext($2::text))")
        .bind(class)
        .bind(what)
        .fetch_one(connection)
        .await
        .map_err(|e| Error::new(format!("lock {what}"), &e))
}

fn random_class() -> Result<i32, Error> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::Broken { doing: "make a lock's key".into(), message: e.to_string() })?;
    Ok(i32::from_be_bytes(bytes) & i32::MAX)
}

/// Gives the lock on `what` back.
///
/// # Errors
/// The server could not be asked.
pub async fn release(connection: &mut PgConnection, what: &str) -> Result<(), Error> {
    sqlx::query(
        "select pg_catalog.pg_advisory_unlock(l.classid::int8::int4, pg_catalog.hashtext($1::text)) \
         from pg_catalog.pg_locks l \
         where l.locktype operator(pg_catalog.=) 'advisory' and l.objsubid operator(pg_catalog.=) 2 \
           and l.pid operator(pg_catalog.=) pg_catalog.pg_backend_pid() and l.granted and l.objid operator(pg_catalog.=) \
             (pg_catalog.hashtext($1::text)::int8 operator(pg_catalog.&) 4294967295)::oid",
    )
    .bind(what)
    .execute(connection)
    .await
    .map_err(|e| Error::new(format!("unlock {what}"), &e))?;
    Ok(())
}

/// Finds the other administrator who holds the lock on `what`, or on the lock's table.
pub(super) async fn holder(
    connection: &mut PgConnection,
    what: &str,
    table: Option<&Ident>,
) -> Result<Option<Holder>, Error> {
    let row = sqlx::query(include_str!("sql/lock_holder.sql"))
        .bind(what)
        .bind(table.map(Ident::as_str))
        .fetch_optional(connection)
        .await
        .map_err(|e| Error::new(format!("ask who holds {what}"), &e))?;
    Ok(row.as_ref().map(Holder::from))
}
