//! The first look: one number a table on each side, whatever the order of its rows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::super::error::Error;
use super::side::Side;
use super::{Options, Pair};
use crate::event::Listener;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::{Comma, Sql};
use crate::transfer::chunk::{self, Chunk};
use crate::transfer::control::{Control, Step};
use crate::transfer::copy::{CopyOut, RowSum};
use crate::transfer::error::Error as TransferError;
use crate::transfer::table::{Column, Form, Table};

/// Types whose equality is sameness to the last bit, so that the server's own hash of them tells all differences.
///
/// Of numeric 1.0 and 1.00 are equal, of float8 0 and -0, of char(n) trailing blanks, and an enum's hash is its OID:
/// those are hashed as text.
const EXACT: [&str; 12] =
    ["bool", "int2", "int4", "int8", "text", "varchar", "uuid", "date", "timestamp", "timestamptz", "time", "bytea"];

/// Gives each pair's sums on both sides. Between two databases the servers hash; an archive knows its sums, and its
/// counterpart's rows are hashed here as they come.
pub(super) async fn both(
    first: &Side,
    second: &Side,
    pairs: &[Pair],
    options: &Options,
    control: &Arc<Control>,
    listener: Listener<'_>,
) -> Result<Vec<(RowSum, RowSum)>, Error> {
    let databases = matches!((first, second), (Side::Database { .. }, Side::Database { .. }));
    let total_bytes = bytes(first) + bytes(second);
    let step = Step { service: first.schema().as_str(), step: "verify", total_bytes, listener };
    let mut workers = Vec::new();
    for (number, side) in [first, second].into_iter().enumerate() {
        if let Side::Database { target, snapshot, tables, .. } = side {
            let work = Arc::new(work(tables, pairs, options.jobs, databases));
            for _ in 0..options.jobs.clamp(1, work.length.max(1)) {
                let connection = snapshot.join(target, "pgcleave verify").await?;
                workers.push(sum(connection, Arc::clone(&work), Arc::clone(control), number));
            }
        }
    }
    let mut sums = vec![[RowSum::default(); 2]; pairs.len()];
    for (number, table, part) in control.run(&step, workers).await?.into_iter().flatten() {
        sums[table][number].merge(part);
    }
    for (number, side) in [first, second].into_iter().enumerate() {
        for (table, pair) in pairs.iter().enumerate() {
            if let Some(written) = side.written(&pair.name) {
                sums[table][number] = written;
            }
        }
    }
    Ok(sums.into_iter().map(|[a, b]| (a, b)).collect())
}

fn bytes(side: &Side) -> u64 {
    match side {
        Side::Database { tables, .. } => tables.iter().map(|t| t.bytes).sum(),
        Side::Archive(_) => 0,
    }
}

/// What one side's workers share.
struct Work {
    queue: Mutex<VecDeque<Item>>,
    length: usize,
    inside: bool,
}

struct Item {
    pair: usize,
    label: String,
    statement: Sql,
    bytes: u64,
}

fn work(tables: &[Table], pairs: &[Pair], jobs: usize, inside: bool) -> Work {
    let item = |chunk: Chunk| {
        let name = &tables[chunk.table].name;
        let pair = pairs.iter().position(|p| p.name == *name)?;
        let statement = if inside { hash(&pairs[pair], &chunk) } else { chunk.copy_out(tables, Form::Text) };
        Some(Item { pair, label: name.label(), statement, bytes: chunk.bytes })
    };
    let queue: VecDeque<_> = chunk::cut(tables, jobs).into_iter().filter_map(item).collect();
    Work { length: queue.len(), queue: Mutex::new(queue), inside }
}

/// Gives the query that counts and hashes a chunk's rows inside the server.
fn hash(pair: &Pair, chunk: &Chunk) -> Sql {
    let values = pair.columns.iter().map(value);
    sql!(
        "select pg_catalog.count(*) as rows, \
         coalesce(pg_catalog.sum(pg_catalog.hash_record_extended(row(",
        Comma(values),
        "), 0)), 0)::pg_catalog.text as sum from only ",
        pair.name.sql(),
        chunk.condition()
    )
}

fn value(column: &Column) -> Sql {
    let name = &column.name;
    match column.base_type.as_str() {
        // Whatever the column's collation takes for equal.
        "text" | "varchar" => sql!(name, "::pg_catalog.text collate \"C\""),
        exact if EXACT.contains(&exact) => sql!(name),
        // Its cast to text would drop trailing blanks.
        "bpchar" => sql!("case when ", name, " is null then null else pg_catalog.concat(", name, ") end collate \"C\""),
        _ => sql!(name, "::pg_catalog.text collate \"C\""),
    }
}

async fn sum(
    mut connection: PgConnection,
    work: Arc<Work>,
    control: Arc<Control>,
    side: usize,
) -> Result<Vec<(usize, usize, RowSum)>, TransferError> {
    let mut sums = Vec::new();
    loop {
        let next = work.queue.lock().expect("no worker panics while it holds the queue").pop_front();
        let Some(item) = next else { return Ok(sums) };
        control.check()?;
        let doing = format!("hash {}", item.label);
        let sum = if work.inside {
            let sum = inside(&mut connection, &doing, &item.statement).await?;
            control.passed(usize::try_from(item.bytes).unwrap_or(usize::MAX), sum.rows).await?;
            sum
        } else {
            outside(&mut connection, &doing, &item.statement, &control).await?
        };
        sums.push((side, item.pair, sum));
    }
}

async fn inside(connection: &mut PgConnection, doing: &str, query: &Sql) -> Result<RowSum, PgError> {
    let rows = exec::rows(connection, doing, query.as_str()).await?;
    let row = rows.first().expect("an aggregate gives one row");
    let sum: i128 = row.get::<&str, _>("sum").parse().expect("a sum of integers is one");
    let rows = u64::try_from(row.get::<i64, _>("rows")).expect("a count is not negative");
    Ok(RowSum { rows, sum: sum.cast_unsigned() })
}

async fn outside(
    connection: &mut PgConnection,
    doing: &str,
    statement: &Sql,
    control: &Control,
) -> Result<RowSum, TransferError> {
    let mut rows = CopyOut::start(connection, doing, statement).await?;
    let (mut batch, mut before) = (Vec::new(), 0);
    loop {
        rows.next(&mut batch).await?;
        if batch.is_empty() {
            return Ok(rows.sum);
        }
        control.passed(batch.len(), rows.sum.rows - before).await?;
        before = rows.sum.rows;
    }
}
