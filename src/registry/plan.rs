//! The plans that changed something.

use sqlx::postgres::PgConnection;

use crate::pg::error::Error;

/// Records an applied plan; `plan` is its JSON as it was saved, without any secret. Gives its number.
///
/// # Errors
/// The text is no JSON, or the server refused.
pub async fn record_plan(
    connection: &mut PgConnection,
    fingerprint: &str,
    changes: i32,
    plan: &str,
) -> Result<i64, Error> {
    sqlx::query_scalar(
        "insert into pgcleave.applied_plan (fingerprint, changes, plan) values ($1, $2, $3::pg_catalog.jsonb) \
         returning id",
    )
    .bind(fingerprint)
    .bind(changes)
    .bind(plan)
    .fetch_one(connection)
    .await
    .map_err(|e| Error::new("record the applied plan", &e))
}
