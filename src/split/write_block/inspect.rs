//! Whether write blocks are as they were made, as the catalog says.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::{trigger, words};
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::registry;
use crate::split::state::{Block, Side, Split};
use crate::transfer::table::TableName;

/// What is wrong with one table's write block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::split) struct Fault {
    /// The table.
    pub(in crate::split) table: TableName,
    /// What the trigger is called now, if it is there.
    pub(super) name: Option<Ident>,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Missing,
    /// `tgenabled` is another than it has to be.
    Switched(char),
    /// Its events, arguments, condition or function are not those that it was made with.
    Changed,
}

impl Fault {
    /// Says it in one sentence.
    pub(in crate::split) fn message(&self, side: Side) -> String {
        let what = match self.what {
            What::Missing => "is missing",
            What::Switched('D') => "is disabled",
            What::Switched('A') => "is enabled always, which stops replication",
            What::Switched('R') => "is enabled for replication only",
            What::Switched(_) => "is enabled, although this side has the writes",
            What::Changed => "was changed",
        };
        format!("the write block of {} on the {} {what}", self.table.label(), side.as_str())
    }
}

/// Gives the tables of a side whose write block is not as it was made and has to be.
///
/// A record of an older pgcleave has no OIDs: there a trigger is ours that has the name, the arguments and the function.
pub(in crate::split) async fn faults(
    connection: &mut PgConnection,
    split: &Split,
    side: Side,
    closed: bool,
) -> Result<Vec<Fault>, PgError> {
    let known = split.blocks.get(side);
    let oids: Vec<i64> = known.iter().copied().flatten().map(|block| i64::from(block.trigger)).collect();
    let (message, hint) = words(split, side);
    let rows = sqlx::query(include_str!("sql/inspect.sql"))
        .bind(split.schema.as_str())
        .bind(&oids)
        .bind(known.is_none())
        .bind(trigger(split).as_str())
        .bind(message)
        .bind(hint)
        .bind(registry::split::moved_source())
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("look at the write blocks", &e))?;
    let wanted = if closed { 'O' } else { 'D' };
    let fault = |row: &sqlx::postgres::PgRow| {
        let state: Option<String> = row.get("state");
        let state = state.as_deref().and_then(|state| state.chars().next());
        let what = match state {
            None => What::Missing,
            Some(_) if !row.get::<bool, _>("as_made") => What::Changed,
            Some(state) if state != wanted => What::Switched(state),
            Some(_) => return None,
        };
        let name = Ident::from_server(row.get("relation"));
        let table = TableName { schema: split.schema.clone(), name };
        Some(Fault { table, name: row.get::<Option<&str>, _>("trigger").map(Ident::from_server), what })
    };
    Ok(rows.iter().filter_map(fault).collect())
}

/// Gives the OIDs of the write blocks that have just been made, or found as they were made.
pub(super) async fn made(connection: &mut PgConnection, split: &Split) -> Result<Vec<Block>, PgError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select c.relname::pg_catalog.text, t.oid::pg_catalog.int8 from pg_catalog.pg_trigger t \
         join pg_catalog.pg_class c on c.oid = t.tgrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1 and t.tgname = $2 and not t.tgisinternal order by 1",
    )
    .bind(split.schema.as_str())
    .bind(trigger(split).as_str())
    .fetch_all(connection)
    .await
    .map_err(|e| PgError::new("read the write blocks", &e))?;
    let block = |(table, oid): &(String, i64)| Block {
        table: Ident::from_server(table),
        trigger: u32::try_from(*oid).expect("an OID has 32 bits"),
    };
    Ok(rows.iter().map(block).collect())
}
