//! Compares two sides of a schema, each a database or an archive, and names the first rows that differ.

mod difference;
mod side;
mod sums;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::error::Error;
use super::location::Location;
use crate::event::Listener;
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::pg::connect::Target;
use crate::transfer::control::Control;
use crate::transfer::table::{Column, TableName};

pub use difference::{Difference, What};
use side::Side;

/// One of the two places.
#[expect(clippy::large_enum_variant, reason = "there are never more than two")]
#[derive(Debug, Clone)]
pub enum Place {
    /// A database.
    Database(Target),
    /// An archive.
    Archive(Location),
}

/// What to compare, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The schema; an archive knows its own.
    pub schema: Option<Ident>,
    /// How many connections read at once, on each side.
    pub jobs: usize,
    /// How many differing rows of a table are named.
    pub rows: usize,
    /// How long to wait for a table that somebody else holds locked, in seconds.
    pub lock_seconds: u64,
    /// A request to stop.
    pub interrupt: Interrupt,
}

/// What the comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// `pgcleave.verify/1`.
    pub format: &'static str,
    /// Whether rows, definitions, positions and grants are all the same.
    pub equal: bool,
    /// All tables of both sides, by name.
    pub tables: Vec<TableResult>,
    /// Definitions, positions and grants that differ.
    pub definitions: Vec<FactDifference>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableResult {
    /// `schema.table`.
    pub table: String,
    /// Its rows on the first side.
    pub rows: u64,
    /// Its rows on the second side.
    pub other_rows: u64,
    /// Whether its rows are the same.
    pub equal: bool,
    /// How many of the table's chunks differ, and of how many; nothing where all are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Chunks>,
    /// The first rows that differ, by key.
    pub first_differences: Vec<Difference>,
}

/// Rows are spread over chunks by the hash of their key, which is the same on both sides whatever their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Chunks {
    /// Those that differ.
    pub differ: usize,
    /// All.
    pub of: usize,
}

/// One definition, position or access list that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FactDifference {
    /// Kind and name, as in `index orders_pkey`.
    pub object: String,
    /// What the first side says; nothing if it does not know the object.
    pub first: Option<String>,
    /// What the second side says.
    pub second: Option<String>,
}

/// Compares.
///
/// # Errors
/// A side could not be read, or is no archive, or a damaged one.
pub async fn verify(a: &Place, b: &Place, options: &Options, listener: Listener<'_>) -> Result<Verified, Error> {
    let control = Control::new(options.interrupt.clone(), None);
    let mut first = Side::open(a, options.schema.as_ref(), options, &control, listener).await?;
    let schema = first.schema().clone();
    let mut second = match Side::open(b, Some(&schema), options, &control, listener).await {
        Ok(second) => second,
        Err(error) => return first.end(Err(error)).await,
    };
    let compared = compare(&mut first, &mut second, b, options, &control, listener).await;
    let compared = second.end(compared).await;
    first.end(compared).await
}

/// Compares two sides that are open.
async fn compare(
    first: &mut Side,
    second: &mut Side,
    b: &Place,
    options: &Options,
    control: &Arc<Control>,
    listener: Listener<'_>,
) -> Result<Verified, Error> {
    let schema = first.schema().clone();
    if *second.schema() != schema {
        let why = format!("it holds schema {}, not {}", second.schema().as_str(), schema.as_str());
        let Place::Archive(path) = b else { unreachable!("a database is asked for the first side's schema") };
        return Err(Error::NotAnArchive { path: path.label(), why });
    }
    let definitions = differing(&first.facts(&schema).await?, &second.facts(&schema).await?);
    let (first, second) = (&*first, &*second);
    let (one, two) = (first.tables(), second.tables());
    let names: BTreeSet<TableName> = one.keys().chain(two.keys()).cloned().collect();
    let pairs: Vec<Pair> = names.iter().filter_map(|name| Pair::of(one.get(name)?, two.get(name)?)).collect();
    let sums = sums::both(first, second, &pairs, options, control, listener).await?;
    let mut tables = Vec::new();
    for name in &names {
        let pair = pairs.iter().position(|p| p.name == *name);
        let mut result = TableResult {
            table: name.label(),
            rows: 0,
            other_rows: 0,
            equal: false,
            chunks: None,
            first_differences: Vec::new(),
        };
        if let Some(i) = pair {
            let (a, b) = sums[i];
            (result.rows, result.other_rows, result.equal) = (a.rows, b.rows, a == b);
            if a != b {
                let found = difference::find(first, second, &pairs[i], a.rows.max(b.rows), options, control).await?;
                // The same text in every row: the hashes of two servers may differ where their rows do not.
                result.equal = found.chunks.differ == 0 && a.rows == b.rows;
                result.chunks = (!result.equal).then_some(found.chunks);
                result.first_differences = found.rows;
            }
        }
        tables.push(result);
    }
    let equal = definitions.is_empty() && tables.iter().all(|t| t.equal);
    Ok(Verified { format: "pgcleave.verify/1", equal, tables, definitions })
}

/// A table that both sides have, with the same columns.
#[derive(Debug, Clone)]
struct Pair {
    name: TableName,
    /// Where both sides agree on a base type, it is there; else it is empty.
    columns: Vec<Column>,
    /// Places of the key's columns.
    key: Vec<usize>,
}

/// A table as a side knows it.
#[derive(Debug, Clone)]
struct Known {
    name: TableName,
    columns: Vec<Column>,
    key: Vec<Ident>,
}

impl Pair {
    /// Pairs two tables; nothing if their columns are not the same, which the definitions tell.
    fn of(a: &Known, b: &Known) -> Option<Self> {
        if !a.columns.iter().map(|c| &c.name).eq(b.columns.iter().map(|c| &c.name)) {
            return None;
        }
        let both = a.columns.iter().zip(&b.columns).map(|(a, b)| {
            let base_type = if a.base_type == b.base_type { a.base_type.clone() } else { String::new() };
            Column { name: a.name.clone(), base_type }
        });
        let place = |name: &Ident| a.columns.iter().position(|c| c.name == *name);
        let key = a.key.iter().map(place).collect::<Option<Vec<_>>>().unwrap_or_default();
        Some(Self { name: a.name.clone(), columns: both.collect(), key })
    }
}

fn differing(first: &BTreeMap<String, String>, second: &BTreeMap<String, String>) -> Vec<FactDifference> {
    let objects: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let differ = objects.into_iter().filter(|object| first.get(*object) != second.get(*object));
    differ
        .map(|object| FactDifference {
            object: object.clone(),
            first: first.get(object).cloned(),
            second: second.get(object).cloned(),
        })
        .collect()
}
