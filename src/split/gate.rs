//! The triggers that close a side: made beforehand, enabled while the other side takes the writes.
//!
//! Privileges alone do not close a side, since owners, views and SECURITY DEFINER code pass them. And they are not taken
//! away besides, because a refused privilege would hide the message that names the new place. The worker that applies
//! replicated changes does not fire such triggers.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;

use super::error::Error;
use super::state::{Side, Split};
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::{Literal, Sql};
use crate::transfer::error::Error as TransferError;
use crate::transfer::table::Table;

/// How long one table is tried, in seconds.
const MAX_SECONDS: u64 = 120;

/// How long the first try waits for its lock, in milliseconds; writers wait behind it.
const FIRST_WAIT_MILLIS: u64 = 50;

/// How long the pause between two tries may become, in milliseconds.
const MAX_PAUSE_MILLIS: u64 = 2000;

/// Names the trigger.
pub(super) fn trigger(split: &Split) -> Ident {
    Ident::from_server(&format!("pgcleave_{}_moved", split.id))
}

/// Makes the triggers on one side, table by table, so that nobody waits for long; those that are there are made anew.
pub(super) async fn make(
    connection: &mut PgConnection,
    split: &Split,
    side: Side,
    tables: &[Table],
    closed: bool,
) -> Result<(), Error> {
    let (schema, place) = (split.schema.as_str(), &split.place(side.other()).label);
    let message = format!("schema {schema} is written at {place}");
    let hint = "The service moves or has moved: connect there.";
    for table in tables {
        let (name, on) = (trigger(split), table.name.sql());
        let mut make = sql!("drop trigger if exists ", name, " on ", on, "; create trigger ", name);
        make.push(&sql!(" before insert or update or delete or truncate on ", on, " for each statement"));
        let (message, hint) = (Literal(&message), Literal(hint));
        make.push(&sql!(" execute function pgcleave.split_moved(", message, ", ", hint, ")"));
        if !closed {
            make.push(&sql!("; alter table only ", on, " disable trigger ", name));
        }
        patiently(connection, split, "make the block of a table", &make).await?;
    }
    Ok(())
}

/// Removes the triggers on one side.
pub(super) async fn remove(connection: &mut PgConnection, split: &Split, tables: &[Table]) -> Result<(), Error> {
    for table in tables {
        patiently(connection, split, "remove the block of a table", &removal(split, table)).await?;
    }
    Ok(())
}

/// Gives the statement that removes a table's trigger.
pub(super) fn removal(split: &Split, table: &Table) -> Sql {
    sql!("drop trigger if exists ", trigger(split), " on ", table.name.sql())
}

/// Gives the statements that close a side (or open it); they take SHARE ROW EXCLUSIVE on each table.
pub(super) fn set(split: &Split, tables: &[Table], closed: bool) -> Sql {
    let mut out = Sql::new();
    for table in tables {
        out.push(&sql!("alter table only ", table.name.sql()));
        out.push_static(if closed { " enable trigger " } else { " disable trigger " });
        out.push(&sql!(trigger(split), "; "));
    }
    out
}

/// Runs statements in one transaction, with a short wait for locks and growing pauses in between.
async fn patiently(connection: &mut PgConnection, split: &Split, doing: &str, statements: &Sql) -> Result<(), Error> {
    let started = Instant::now();
    let mut pause = FIRST_WAIT_MILLIS;
    while started.elapsed() < Duration::from_secs(MAX_SECONDS) {
        let wait = i64::try_from(FIRST_WAIT_MILLIS + pause / 10).expect("it is small");
        let all = sql!("begin; set local lock_timeout = ", wait, "; ", statements, "; commit");
        match exec::batch(connection, doing, &all).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                exec::batch(connection, "begin again", &sql!("rollback")).await?;
                if !matches!(error.sqlstate(), Some("55P03" | "40P01")) {
                    return Err(error.into());
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
        pause = (pause * 2).min(MAX_PAUSE_MILLIS);
    }
    Err(TransferError::TableLocked { schema: split.schema.as_str().to_owned(), seconds: MAX_SECONDS }.into())
}

/// Tells whether a side is open: none of the triggers is enabled.
pub(super) async fn open(connection: &mut PgConnection, split: &Split) -> Result<bool, PgError> {
    sqlx::query_scalar("select not exists (select from pg_catalog.pg_trigger where tgname = $1 and tgenabled <> 'D')")
        .bind(trigger(split).as_str())
        .fetch_one(connection)
        .await
        .map_err(|e| PgError::new("ask whether the side is open", &e))
}

/// Tells whether a side is closed: every table of the schema has its trigger, and it is enabled.
pub(super) async fn closed(connection: &mut PgConnection, split: &Split) -> Result<bool, PgError> {
    sqlx::query_scalar(
        "select not exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1 and c.relkind in ('r', 'p') \
           and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             and d.objid = c.oid and d.deptype = 'e') \
           and not exists (select from pg_catalog.pg_trigger t where t.tgrelid = c.oid and t.tgname = $2 and t.tgenabled <> 'D'))",
    )
    .bind(split.schema.as_str())
    .bind(trigger(split).as_str())
    .fetch_one(connection)
    .await
    .map_err(|e| PgError::new("ask whether the side is closed", &e))
}
