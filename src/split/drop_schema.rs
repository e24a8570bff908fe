//! Drops a schema, or roles with what they own, and nothing outside of the schema: the one way in which a split does so.
//!
//! `drop schema … cascade` also drops what depends on the schema from outside: an index of another schema whose operator
//! class belongs to an extension inside, a default that calls a function inside. So everything outside is listed before and
//! after, in the transaction that drops, and where something is gone all stays.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::postgres::PgConnection;

use super::error::Error;
use super::link;
use super::state::Split;
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::Sql;

/// How many objects are named.
const MAX_NAMED: usize = 20;

/// How often to try where somebody else dropped something outside in the same moment, or still holds what a role has.
const TRIES: usize = 3;

/// How long a session that ends may still hold something of a role's.
const PAUSE: Duration = Duration::from_secs(1);

/// An object's address: its catalog, its OID, its column.
type Address = (i64, i64, i32);

/// Drops the schema, if it is there. Members of the split's own publication go with it.
///
/// # Errors
/// Something outside of the schema would be gone with it, or the server refused; then the schema is as it was.
pub(super) async fn drop_schema(connection: &mut PgConnection, split: &Split, schema: &Ident) -> Result<(), Error> {
    let drop = sql!("drop schema if exists ", schema, " cascade");
    guarded(connection, split, schema, &format!("schema {}", schema.as_str()), &drop).await
}

/// Drops roles that the split has made, with what they were given; what they own must be in the schema, or gone already.
///
/// # Errors
/// A role owns something outside of the schema, or the server refused; then all is as it was.
pub(super) async fn drop_roles(connection: &mut PgConnection, split: &Split, roles: &[Ident]) -> Result<(), Error> {
    let there = link::existing(connection, roles).await?;
    if there.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = there.iter().map(Ident::as_str).collect();
    let what = format!("role {}", names.join(", "));
    guarded(connection, split, &split.schema, &what, &link::dropping(&there)).await
}

/// Runs statements that drop roles, and tries again while something depends on one of them.
pub(super) async fn drop_again(connection: &mut PgConnection, drop: &Sql) -> Result<(), PgError> {
    for _ in 1..TRIES {
        match exec::batch(connection, "remove roles", drop).await {
            Err(error) if is_depended_on(&error) => tokio::time::sleep(PAUSE).await,
            done => return done,
        }
    }
    exec::batch(connection, "remove roles", drop).await
}

fn is_depended_on(error: &PgError) -> bool {
    error.sqlstate() == Some("2BP01")
}

/// Runs statements that drop, in one transaction, and takes them back where something outside of the schema is gone.
async fn guarded(
    connection: &mut PgConnection,
    split: &Split,
    schema: &Ident,
    what: &str,
    drop: &Sql,
) -> Result<(), Error> {
    let mut objects = Vec::new();
    for attempt in 1..=TRIES {
        exec::batch(connection, "drop the schema", &sql!("begin")).await?;
        let gone = dropped(connection, split, schema, drop).await;
        let end = if gone.as_ref().is_ok_and(BTreeSet::is_empty) { sql!("commit") } else { sql!("rollback") };
        exec::batch(connection, "drop the schema", &end).await?;
        let gone = match gone {
            Err(error) if attempt < TRIES && is_depended_on(&error) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            gone => gone?,
        };
        if gone.is_empty() {
            return Ok(());
        }
        // They are there again, but for what somebody else has dropped meanwhile.
        let now = outside(connection, split, schema).await?;
        objects = described(connection, gone.intersection(&now)).await?;
        if !objects.is_empty() {
            break;
        }
    }
    if let Some(more @ 1..) = objects.len().checked_sub(MAX_NAMED) {
        objects.truncate(MAX_NAMED);
        objects.push(format!("and {more} more"));
    }
    Err(Error::DropsOutside { what: what.to_owned(), objects })
}

/// Drops in the transaction under way, and gives what is gone outside of the schema.
async fn dropped(
    connection: &mut PgConnection,
    split: &Split,
    schema: &Ident,
    drop: &Sql,
) -> Result<BTreeSet<Address>, PgError> {
    let before = outside(connection, split, schema).await?;
    exec::batch(connection, "drop what the split has made", drop).await?;
    let after = outside(connection, split, schema).await?;
    Ok(before.difference(&after).copied().collect())
}

async fn outside(connection: &mut PgConnection, split: &Split, schema: &Ident) -> Result<BTreeSet<Address>, PgError> {
    let rows: Vec<Address> = sqlx::query_as(include_str!("sql/outside.sql"))
        .bind(schema.as_str())
        .bind(split.publication().as_str())
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("list what lies outside of the schema", &e))?;
    Ok(rows.into_iter().collect())
}

/// Gives what people call these objects; parts of one that is named itself are left out.
async fn described(
    connection: &mut PgConnection,
    gone: impl Iterator<Item = &Address>,
) -> Result<Vec<String>, PgError> {
    let (mut classes, mut oids, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for (class, oid, part) in gone {
        classes.push(*class);
        oids.push(*oid);
        parts.push(*part);
    }
    sqlx::query_scalar(include_str!("sql/described.sql"))
        .bind(&classes)
        .bind(&oids)
        .bind(&parts)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("name what lies outside of the schema", &e))
}
