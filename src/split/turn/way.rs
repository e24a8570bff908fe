//! Who is in the way of the fence: found before it, so that nobody waits behind somebody slow.

use std::time::{Duration, Instant};

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::Options;
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::split::ends::Ends;
use crate::split::error::Error;
use crate::split::state::{Side, Split};

/// Transactions that have run for longer are waited for outside the pause, in milliseconds.
const LONG_MILLIS: i64 = 200;

/// How often to look whether they have ended, in milliseconds.
const POLL_MILLIS: u64 = 100;

/// A transaction that holds locks against which the fence's would wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) who: String,
    pub(super) millis: i64,
}

/// Waits until no transaction that has written for long is left on the schema's tables.
pub(super) async fn clear(
    ends: &mut Ends,
    split: &Split,
    from: Side,
    began: Instant,
    options: &Options,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let mut told = None;
    loop {
        if options.interrupt.requested() {
            return Err(Error::Interrupted);
        }
        let mut holders = holders(ends.side(from), &split.schema).await?;
        holders.retain(|holder| holder.millis > LONG_MILLIS);
        let Some(first) = holders.first() else { return Ok(()) };
        if began.elapsed() > Duration::from_secs(options.wait_seconds) {
            let all: Vec<_> = holders.iter().map(|holder| holder.who.as_str()).collect();
            return Err(Error::NotFenced { service: split.service.clone(), why: all.join(", ") });
        }
        if told.as_ref() != Some(&first.who) {
            told = Some(first.who.clone());
            let held_seconds = u64::try_from(first.millis / 1000).unwrap_or(0);
            let what = "transactions that write to the schema".to_owned();
            listener(Event::Waiting { what, holder: first.who.clone(), held_seconds });
        }
        tokio::time::sleep(Duration::from_millis(POLL_MILLIS)).await;
    }
}

/// Gives those who hold locks that conflict with SHARE ROW EXCLUSIVE on the schema's tables, the oldest first.
///
/// Autovacuum gives way by itself to whoever waits for it.
pub(super) async fn holders(connection: &mut PgConnection, schema: &Ident) -> Result<Vec<Holder>, PgError> {
    let rows = sqlx::query(
        "select pg_catalog.format('pid %s of %s (%s)', a.pid, a.usename, coalesce(nullif(a.application_name, ''), a.backend_type)) as who, \
           (extract(epoch from pg_catalog.clock_timestamp() - a.xact_start) * 1000)::pg_catalog.int8 as millis \
         from pg_catalog.pg_stat_activity a \
         where a.pid <> pg_catalog.pg_backend_pid() and a.xact_start is not null and a.backend_type = 'client backend' \
           and exists (select from pg_catalog.pg_locks l join pg_catalog.pg_class c on c.oid = l.relation \
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where l.pid = a.pid and l.granted and l.locktype = 'relation' and n.nspname = $1 and c.relkind in ('r', 'p') \
               and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()) \
               and l.mode not in ('AccessShareLock', 'RowShareLock')) \
         order by a.xact_start, a.pid",
    )
    .bind(schema.as_str())
    .fetch_all(connection)
    .await
    .map_err(|e| PgError::new("ask who is in the way", &e))?;
    Ok(rows.iter().map(|row| Holder { who: row.get("who"), millis: row.get("millis") }).collect())
}
