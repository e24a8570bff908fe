//! The first look: one number a table on each side, whatever the order of its rows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::super::error::Error;
use super::side::Side;
use super::{Options, Pair};
use crate::event::Listener;
use crate::sql::Sql;
use crate::transfer::chunk::{self, Chunk};
use crate::transfer::control::{Control, Step};
use crate::transfer::copy::RowSum;
use crate::transfer::error::Error as TransferError;
use crate::transfer::readers::Worker;
use crate::transfer::rows;
use crate::transfer::sum;
use crate::transfer::table::{Form, Table};

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
        if let Side::Database { snapshot, tables, .. } = side {
            let work = Arc::new(work(tables, pairs, options.jobs, databases));
            for _ in 0..options.jobs.clamp(1, work.length.max(1)) {
                workers.push(work_off(
                    snapshot.worker("pgcleave verify"),
                    Arc::clone(&work),
                    Arc::clone(control),
                    number,
                ));
            }
        }
    }
    let mut sums = vec![[RowSum::default(); 2]; pairs.len()];
    for (number, table, part) in control.run(&step, workers).await?.into_iter().flatten() {
        sums[table][number].merge(part);
    }
    for (number, side) in [first, second].into_iter().enumerate() {
        for (table, pair) in pairs.iter().enumerate() {
            if let Side::Archive(..) = side {
                sums[table][number] = match side.written(pair) {
                    Some(written) => written,
                    None => hashed(side, pair, control).await?,
                };
            }
        }
    }
    Ok(sums.into_iter().map(|[a, b]| (a, b)).collect())
}

/// Hashes an archive's rows in the pair's order of columns.
async fn hashed(side: &Side, pair: &Pair, control: &Control) -> Result<RowSum, Error> {
    let mut sum = RowSum::default();
    side.lines(pair, control, |line| sum.add(line)).await?;
    Ok(sum)
}

fn bytes(side: &Side) -> u64 {
    match side {
        Side::Database { tables, .. } => tables.iter().map(|t| t.bytes).sum(),
        Side::Archive(..) => 0,
    }
}

/// What one side's workers share.
struct Work {
    queue: Mutex<VecDeque<Item>>,
    length: usize,
    tables: Arc<Vec<Table>>,
}

struct Item {
    pair: usize,
    label: String,
    chunk: Chunk,
    /// The query by which the server hashes; nothing where rows are hashed here.
    inside: Option<Sql>,
}

fn work(tables: &Arc<Vec<Table>>, pairs: &[Pair], jobs: usize, inside: bool) -> Work {
    let item = |chunk: Chunk| {
        let name = &tables[chunk.table].name;
        let pair = pairs.iter().position(|p| p.name == *name)?;
        let inside = inside.then(|| sum::query(name, &pairs[pair].columns, &chunk));
        Some(Item { pair, label: name.label(), chunk, inside })
    };
    let queue: VecDeque<_> = chunk::cut(tables, jobs).into_iter().filter_map(item).collect();
    Work { length: queue.len(), queue: Mutex::new(queue), tables: Arc::clone(tables) }
}

async fn work_off(
    mut worker: Worker,
    work: Arc<Work>,
    control: Arc<Control>,
    side: usize,
) -> Result<Vec<(usize, usize, RowSum)>, TransferError> {
    let mut sums = Vec::new();
    loop {
        let next = work.queue.lock().expect("no worker panics while it holds the queue").pop_front();
        let Some(item) = next else { return Ok(sums) };
        control.check()?;
        let connection = worker.session(&work.tables[item.chunk.table]).await?;
        let found = if let Some(query) = &item.inside {
            let found = sum::inside(connection, &format!("hash {}", item.label), query).await?;
            control.passed(usize::try_from(item.chunk.bytes).unwrap_or(usize::MAX), found.rows).await?;
            found
        } else {
            let read = rows::pour(connection, &work.tables, &item.chunk, Form::Text, &control, &mut ()).await?;
            read.expect("every row has a text form").sum
        };
        sums.push((side, item.pair, found));
    }
}
