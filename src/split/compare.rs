//! Whether all rows were the same on both sides at the fence, by snapshots that were taken there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnection;

use super::error::Error;
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::transfer::chunk::{self, Chunk};
use crate::transfer::control::{Control, Step};
use crate::transfer::copy::RowSum;
use crate::transfer::error::Error as TransferError;
use crate::transfer::readers::{Readers, Worker};
use crate::transfer::rows;
use crate::transfer::snapshot::Snapshot;
use crate::transfer::sum;
use crate::transfer::table::{Column, Form, Table};

/// A side at the fence.
pub(super) struct Frozen {
    pub(super) snapshot: Snapshot,
}

/// Opens the logins that read both sides' rows, for a comparison that is still to come.
pub(super) async fn readers(targets: [&Target; 2], schema: &Ident, jobs: usize) -> Result<[Readers; 2], Error> {
    let [one, two] = targets;
    let first = Readers::open(one, schema, jobs).await?;
    Ok([first, Readers::open(two, schema, jobs).await?])
}

/// Drops them. What stays is a warning, since the next command drops it: what was done is done.
pub(super) async fn drop_readers(readers: [Readers; 2], listener: Listener<'_>) {
    for readers in readers {
        if let Err(error) = readers.end(Ok::<(), Error>(())).await {
            listener(Event::Warning { message: error.to_string() });
        }
    }
}

/// Gives the tables whose rows differ, by name.
pub(super) async fn differing(
    sides: [Frozen; 2],
    service: &str,
    jobs: usize,
    control: &Arc<Control>,
    listener: Listener<'_>,
) -> Result<Vec<String>, Error> {
    let [one, two] = sides;
    let names = |frozen: &Frozen| -> Vec<_> { frozen.snapshot.tables.iter().map(|t| t.name.label()).collect() };
    let (first, second) = (names(&one), names(&two));
    let mut differ: Vec<String> = first.iter().filter(|name| !second.contains(name)).cloned().collect();
    differ.extend(second.iter().filter(|name| !first.contains(name)).cloned());
    let bytes = |frozen: &Frozen| frozen.snapshot.tables.iter().map(|t| t.bytes).sum::<u64>();
    let step = Step { service, step: "compare", total_bytes: bytes(&one) + bytes(&two), listener };
    let mut workers = Vec::new();
    for (number, (this, other)) in [(&one, &two), (&two, &one)].into_iter().enumerate() {
        let queue = Arc::new(Mutex::new(queue(&this.snapshot.tables, &other.snapshot.tables, jobs)));
        let tables = Arc::new(this.snapshot.tables.clone());
        for _ in 0..jobs.max(1) {
            workers.push(work(
                this.snapshot.worker("pgcleave compare"),
                Arc::clone(&queue),
                Arc::clone(&tables),
                Arc::clone(control),
                number,
            ));
        }
    }
    let mut sums = std::collections::BTreeMap::<String, [RowSum; 2]>::new();
    for (table, side, found) in control.run(&step, workers).await?.into_iter().flatten() {
        sums.entry(table).or_default()[side].merge(found);
    }
    for (table, [a, b]) in sums {
        // Two servers of different versions may hash the same row differently: its text decides.
        if a != b && !same_text(&one, &two, &table, control).await? {
            differ.push(table);
        }
    }
    differ.sort();
    Ok(differ)
}

struct Item {
    table: String,
    at: usize,
    query: crate::sql::Sql,
    bytes: u64,
}

fn queue(tables: &[Table], others: &[Table], jobs: usize) -> VecDeque<Item> {
    let item = |chunk: Chunk| {
        let table = &tables[chunk.table];
        let other = others.iter().find(|t| t.name == table.name)?;
        let columns = both(&table.columns, &other.columns);
        Some(Item {
            table: table.name.label(),
            at: chunk.table,
            query: sum::query(&table.name, &columns, &chunk),
            bytes: chunk.bytes,
        })
    };
    chunk::cut(tables, jobs).into_iter().filter_map(item).collect()
}

/// A base type counts where both sides have it; what only one side has makes the sums differ.
fn both(columns: &[Column], others: &[Column]) -> Vec<Column> {
    let same = |column: &Column| others.contains(column);
    let base = |column: &Column| if same(column) { column.base_type.clone() } else { String::new() };
    columns.iter().map(|column| Column { name: column.name.clone(), base_type: base(column) }).collect()
}

async fn work(
    mut worker: Worker,
    queue: Arc<Mutex<VecDeque<Item>>>,
    tables: Arc<Vec<Table>>,
    control: Arc<Control>,
    side: usize,
) -> Result<Vec<(String, usize, RowSum)>, TransferError> {
    let mut sums = Vec::new();
    loop {
        let next = queue.lock().expect("no worker panics while it holds the queue").pop_front();
        let Some(item) = next else { return Ok(sums) };
        control.check()?;
        let connection = worker.session(&tables[item.at]).await?;
        let found = sum::inside(connection, &format!("hash {}", item.table), &item.query).await?;
        control.passed(usize::try_from(item.bytes).unwrap_or(usize::MAX), found.rows).await?;
        sums.push((item.table, side, found));
    }
}

async fn same_text(one: &Frozen, two: &Frozen, table: &str, control: &Control) -> Result<bool, Error> {
    let mut sums = Vec::new();
    for side in [one, two] {
        let tables = &side.snapshot.tables;
        let Some(at) = tables.iter().position(|t| t.name.label() == table) else { return Ok(false) };
        let whole = Chunk { table: at, number: 0, pages: None, bytes: 0 };
        let mut worker = side.snapshot.worker("pgcleave compare");
        let connection = worker.session(&tables[at]).await?;
        sums.push(rows::pour(connection, tables, &whole, Form::Text, control, &mut ()).await?.map(|read| read.sum));
    }
    Ok(sums[0] == sums[1])
}

/// Exports a snapshot in a session that is open already, in one round trip; it lives as long as the session.
pub(super) async fn freeze(connection: &mut PgConnection) -> Result<(String, String), PgError> {
    let failed = |e: sqlx::Error| PgError::new("take a snapshot at the fence", &e);
    let rows = sqlx::raw_sql(
        "begin transaction isolation level repeatable read, read only; \
         select pg_catalog.pg_export_snapshot() as id, pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text as lsn",
    )
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let row = rows.first().expect("a select without a table gives one row");
    Ok((sqlx::Row::get(row, "id"), sqlx::Row::get(row, "lsn")))
}
