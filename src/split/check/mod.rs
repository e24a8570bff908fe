//! Tells whether a service can move: what is in the way, what it costs to take it out of the way, how much there is.
//!
//! Both sides are only read, each in one snapshot and a fixed number of queries.

pub mod facts;
mod judge;
mod read;
pub mod readiness;

pub use judge::judge;

use super::{Between, Error};
use readiness::Readiness;

/// Looks at both sides and judges; writes nothing.
///
/// # Errors
/// A side could not be reached or read, or there is no such schema.
pub async fn check(between: &Between) -> Result<Readiness, Error> {
    let facts = read::read(between).await?;
    Ok(judge(&between.service, &between.schema, &facts))
}
