//! Compares two sides of a schema, each a database or an archive, and names the first rows that differ.

mod difference;
mod own;
mod roles;
mod side;
mod sums;
mod views;

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
    /// Whether all that was compared is the same.
    pub equal: bool,
    /// All tables of both sides, by name.
    pub tables: Vec<TableResult>,
    /// The materialized views that both sides have populated; their differing rows are not named.
    pub materialized_views: Vec<TableResult>,
    /// Definitions, positions, grants and roles that differ.
    pub definitions: Vec<FactDifference>,
    /// What was not compared.
    pub not_compared: Vec<NotCompared>,
}

/// Something that was not compared, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NotCompared {
    /// Roles, memberships, passwords and settings for all databases: both are databases of one server, which has each once.
    SameServer,
    /// Passwords: the login of a side may not read `pg_authid`.
    Passwords,
    /// Passwords: the archive was written without them.
    PasswordsOfArchive,
    /// A materialized view's rows: an archive does not hold them.
    ViewOfArchive {
        /// `schema.view`.
        view: String,
    },
    /// A materialized view's rows: no login of a side may read it.
    ViewUnreadable {
        /// `schema.view`.
        view: String,
    },
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

impl TableResult {
    /// Begins with nothing known.
    fn unknown(table: String) -> Self {
        Self { table, rows: 0, other_rows: 0, equal: false, chunks: None, first_differences: Vec::new() }
    }
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
    let facts = [first.facts(&schema).await?, second.facts(&schema).await?];
    let mut definitions = differing(&facts[0], &facts[1]);
    let (roles, mut not_compared) = roles::compare(first, second).await?;
    definitions.extend(roles);
    let (one, two) = (first.tables(), second.tables());
    let names: BTreeSet<TableName> = one.keys().chain(two.keys()).cloned().collect();
    let archived = matches!(second, Side::Archive(..));
    let pair = |name: &TableName| Pair::of(one.get(name)?, two.get(name)?, archived);
    let pairs: Vec<Pair> = names.iter().filter_map(pair).collect();
    first.reorder(&pairs);
    second.reorder(&pairs);
    let tables = tables(first, second, (&names, &pairs), (options, control, listener)).await?;
    let (materialized_views, others) = views::compare(first, second, [&facts[0], &facts[1]], control).await?;
    not_compared.extend(others);
    let equal = definitions.is_empty() && tables.iter().chain(&materialized_views).all(|t| t.equal);
    Ok(Verified { format: "pgcleave.verify/1", equal, tables, materialized_views, definitions, not_compared })
}

/// Compares the tables' rows.
async fn tables(
    first: &Side,
    second: &Side,
    (names, pairs): (&BTreeSet<TableName>, &[Pair]),
    (options, control, listener): (&Options, &Arc<Control>, Listener<'_>),
) -> Result<Vec<TableResult>, Error> {
    let sums = sums::both(first, second, pairs, options, control, listener).await?;
    let mut tables = Vec::new();
    for name in names {
        let mut result = TableResult::unknown(name.label());
        if let Some(i) = pairs.iter().position(|p| p.name == *name) {
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
    Ok(tables)
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
    /// Pairs two tables; nothing if their columns are not the same, which the definitions tell. Their order is the first
    /// side's, or the second's where that is an archive: an archive's rows are hashed as they are written.
    fn of(a: &Known, b: &Known, second_is_archive: bool) -> Option<Self> {
        let (leads, other) = if second_is_archive { (b, a) } else { (a, b) };
        let both = leads.columns.iter().map(|one| {
            let two = other.columns.iter().find(|column| column.name == one.name)?;
            let base_type = if one.base_type == two.base_type { one.base_type.clone() } else { String::new() };
            Some(Column { name: one.name.clone(), base_type })
        });
        let columns = both.collect::<Option<Vec<_>>>().filter(|both| both.len() == other.columns.len())?;
        let place = |name: &Ident| columns.iter().position(|c| c.name == *name);
        let key = a.key.iter().map(place).collect::<Option<Vec<_>>>().unwrap_or_default();
        Some(Self { name: a.name.clone(), columns, key })
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
