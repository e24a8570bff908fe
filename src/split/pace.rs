//! How fast it goes, and how long it still takes: two looks, a moment apart.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;

use super::ends::Ends;
use super::link::{self, Lag};
use super::state::{Phase, Side, Split};
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;

/// How long between the two looks, in milliseconds.
const BETWEEN_MILLIS: u64 = 500;

/// What is left counts as nothing below that, in bytes: a transaction or two are always under way.
const SMALL_BYTES: i64 = 64 * 1024;

/// How long to wait for a table whose size is asked for, in milliseconds.
const LOCK_MILLIS: i64 = 100;

/// How far it is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Grows with what has been done.
    done: i64,
    left: i64,
}

/// What two looks tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pace {
    /// What the copy has written so far and about how much there is, in bytes.
    pub(super) copied: Option<(u64, u64)>,
    /// What is done in a second.
    pub(super) bytes_per_second: Option<u64>,
    /// Nothing where it does not come nearer to its end.
    pub(super) seconds_to_go: Option<u64>,
}

/// Looks twice at a copy, or at replication that is `lag` behind; other phases have no pace.
pub(super) async fn read(ends: &mut Ends, split: &Split, lag: &Lag) -> Result<Pace, PgError> {
    let began = Instant::now();
    let wait = Duration::from_millis(BETWEEN_MILLIS);
    if split.phase == Phase::Copying {
        let total = size(&mut ends.source, &split.schema).await?;
        let look = |done: Option<i64>, total: i64| done.map(|done| Look { done, left: (total - done).max(0) });
        let Some(total) = total else { return Ok(Pace::default()) };
        let first = look(size(&mut ends.target, &split.schema).await?, total);
        tokio::time::sleep(wait).await;
        let second = look(size(&mut ends.target, &split.schema).await?, total);
        let (Some(first), Some(second)) = (first, second) else { return Ok(Pace::default()) };
        return Ok(Pace {
            copied: Some((positive(second.done), positive(total))),
            ..of(first, second, began.elapsed())
        });
    }
    if !lag.slot || lag.bytes < SMALL_BYTES {
        return Ok(Pace { seconds_to_go: lag.slot.then_some(0), ..Pace::default() });
    }
    let look = |lag: &Lag| Look { done: lag.confirmed, left: lag.bytes };
    tokio::time::sleep(wait).await;
    let followed = if split.writable == Side::Source { &mut ends.source } else { &mut ends.target };
    let later = link::lag(followed, &split.link(split.writable)).await?;
    Ok(of(look(lag), look(&later), began.elapsed()))
}

/// Judges two looks.
fn of(first: Look, second: Look, between: Duration) -> Pace {
    let millis = i64::try_from(between.as_millis()).unwrap_or(i64::MAX).max(1);
    let per_second = |bytes: i64| bytes.saturating_mul(1000) / millis;
    let nearer = per_second(first.left - second.left);
    Pace {
        copied: None,
        bytes_per_second: Some(positive(per_second(second.done - first.done))),
        seconds_to_go: (nearer > 0).then(|| positive(second.left / nearer)),
    }
}

fn positive(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// Adds up what the schema's tables take; nothing while one of them is locked.
async fn size(connection: &mut PgConnection, schema: &Ident) -> Result<Option<i64>, PgError> {
    exec::batch(connection, "bound the wait", &sql!("set lock_timeout = ", LOCK_MILLIS)).await?;
    let asked: Result<i64, sqlx::Error> = sqlx::query_scalar(
        "select coalesce(pg_catalog.sum(pg_catalog.pg_table_size(c.oid)), 0)::pg_catalog.int8 from pg_catalog.pg_class c \
         where c.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1) and c.relkind = 'r'",
    )
    .bind(schema.as_str())
    .fetch_one(&mut *connection)
    .await;
    let asked = match asked {
        Ok(bytes) => Some(bytes),
        Err(error) => match PgError::new("ask for the tables' size", &error) {
            refused if refused.sqlstate() == Some("55P03") => None,
            error => return Err(error),
        },
    };
    exec::batch(connection, "lift the bound", &sql!("set lock_timeout = 0")).await?;
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(done: i64, left: i64) -> Look {
        Look { done, left }
    }

    #[test]
    fn what_comes_nearer_has_a_time_to_go() {
        let pace = of(at(0, 1000), at(500, 600), Duration::from_secs(1));
        assert_eq!((pace.bytes_per_second, pace.seconds_to_go), (Some(500), Some(1)));
    }

    #[test]
    fn what_falls_behind_has_none() {
        let pace = of(at(0, 1000), at(500, 1600), Duration::from_millis(500));
        assert_eq!((pace.bytes_per_second, pace.seconds_to_go), (Some(1000), None));
    }
}
