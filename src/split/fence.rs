//! The fence's row: a number written on one side, and seen on the other once all before it has arrived.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;

use super::error::Error;
use crate::registry;

/// How often to look for the number, in microseconds.
const POLL_MICROS: u64 = 500;

/// Writes the next number.
pub(super) async fn write(from: &mut PgConnection, split: &str) -> Result<i64, Error> {
    let n = registry::split::fence(from, split).await? + 1;
    registry::split::write_fence(from, split, n).await?;
    Ok(n)
}

/// Waits until a number has arrived; gives how long that took, or nothing if it took too long.
pub(super) async fn arrival(
    to: &mut PgConnection,
    split: &str,
    n: i64,
    bound: Duration,
) -> Result<Option<Duration>, Error> {
    let started = Instant::now();
    loop {
        if registry::split::fence(to, split).await? >= n {
            return Ok(Some(started.elapsed()));
        }
        if started.elapsed() >= bound {
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_micros(POLL_MICROS)).await;
    }
}
