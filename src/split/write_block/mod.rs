//! Write blocks: the triggers that close a side, made beforehand, enabled while the other side takes the writes.
//!
//! The record knows each by its OID; `inspect` looks at them in the catalog, and never by a write.
//!
//! Privileges alone do not close a side, since owners, views and SECURITY DEFINER code pass them. And they are not taken
//! away besides, because a refused privilege would hide the message that names the new place. The worker that applies
//! replicated changes does not fire such triggers.

mod inspect;

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;

pub(super) use inspect::{Fault, faults};

use super::ends::Ends;
use super::error::Error;
use super::state::{Side, Split, Unequal};
use crate::event::{Event, Listener};
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

/// What the trigger of a side raises: the message and the hint.
fn words(split: &Split, side: Side) -> (String, &'static str) {
    let (schema, place) = (split.schema.as_str(), &split.place(side.other()).label);
    let hint = "The service moves or has moved: connect there.";
    (format!("schema {schema} is written at {place}"), hint)
}

/// Sees that each table of a side has its write block as it was made, and makes those anew that are missing or changed,
/// table by table, so that nobody waits for long. Gives what was wrong; the record is the caller's to write.
pub(super) async fn ensure(
    connection: &mut PgConnection,
    split: &mut Split,
    side: Side,
    closed: bool,
) -> Result<Vec<Fault>, Error> {
    let found = faults(connection, split, side, closed).await?;
    for fault in &found {
        make(connection, split, side, fault, closed).await?;
    }
    let made = inspect::made(connection, split).await?;
    *split.blocks.of(side) = Some(made);
    if let Some(still) = faults(connection, split, side, closed).await?.first() {
        let why = still.message(side);
        return Err(Error::Overtaken(format!(
            "{why}, and cannot be made again: look at pgcleave.split_moved() and at who else changes the table's triggers"
        )));
    }
    Ok(found)
}

/// Makes the write blocks of a side that are missing or changed; gives the tables whose block did not keep writers out.
///
/// A fault of the closed side is in the record before it is mended: all rows are to be compared then, whatever becomes of
/// this command.
pub(super) async fn restore(ends: &mut Ends, split: &mut Split, listener: Listener<'_>) -> Result<Vec<String>, Error> {
    let closed = split.writable.other();
    let found = faults(ends.side(closed), split, closed, true).await?;
    if !found.is_empty() && closed == Side::Source && split.unequal.is_none() {
        split.unequal = Some(Unequal::NotCompared);
        ends.write(split).await?;
    }
    for fault in &found {
        let then = match closed {
            Side::Source => "all rows of both sides are to be compared",
            Side::Target => "split cutover compares all rows of both sides",
        };
        let message = format!("{}: it is made again, and {then}", fault.message(closed));
        listener(Event::Warning { message });
    }
    let before = split.blocks.clone();
    for side in [Side::Source, Side::Target] {
        ensure(ends.side(side), split, side, side == closed).await?;
    }
    if split.blocks != before {
        ends.write(split).await?;
    }
    Ok(found.iter().map(|fault| fault.table.label()).collect())
}

async fn make(
    connection: &mut PgConnection,
    split: &Split,
    side: Side,
    fault: &Fault,
    closed: bool,
) -> Result<(), Error> {
    let (name, on) = (trigger(split), fault.table.sql());
    let mut make = sql!("drop trigger if exists ", name, " on ", on, "; ");
    if let Some(renamed) = fault.name.as_ref().filter(|found| **found != name) {
        make.push(&sql!("drop trigger if exists ", *renamed, " on ", on, "; "));
    }
    let (message, hint) = words(split, side);
    make.push(&sql!("create trigger ", name));
    make.push(&sql!(" before insert or update or delete or truncate on ", on, " for each statement"));
    let (message, hint) = (Literal(&message), Literal(hint));
    make.push(&sql!(" execute function pgcleave.split_moved(", message, ", ", hint, ")"));
    if !closed {
        make.push(&sql!("; alter table only ", on, " disable trigger ", name));
    }
    patiently(connection, split, "make the write block of a table", &make).await
}

/// Removes the triggers on one side.
pub(super) async fn remove(connection: &mut PgConnection, split: &Split, tables: &[Table]) -> Result<(), Error> {
    for table in tables {
        patiently(connection, split, "remove the write block of a table", &removal(split, table)).await?;
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
