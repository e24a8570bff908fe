//! One side of a comparison: where its tables, its definitions and its rows come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::super::error::Error;
use super::super::file;
use super::super::open::{self, Opened};
use super::{Known, Options, Pair, Place};
use crate::event::Listener;
use crate::ident::Ident;
use crate::pg::connect::Target;
use crate::transfer::chunk::Chunk;
use crate::transfer::control::{Control, Step};
use crate::transfer::copy::{CopyOut, RowSum};
use crate::transfer::error::Error as TransferError;
use crate::transfer::facts::{self, Facts};
use crate::transfer::snapshot::Snapshot;
use crate::transfer::table::{Column, Form, Table, TableName};

/// One side, at one moment.
#[expect(clippy::large_enum_variant, reason = "there are never more than two")]
pub(super) enum Side {
    Database { target: Target, schema: Ident, snapshot: Box<Snapshot>, tables: Arc<Vec<Table>> },
    Archive(Box<Opened>),
}

impl Side {
    /// Takes a snapshot, or checks the archive's files.
    pub(super) async fn open(
        place: &Place,
        schema: Option<&Ident>,
        options: &Options,
        control: &Arc<Control>,
        listener: Listener<'_>,
    ) -> Result<Self, Error> {
        match place {
            Place::Archive(path) => {
                let service = path.label().display().to_string();
                let step = Step { service: &service, step: "check", total_bytes: 0, listener };
                Ok(Self::Archive(Box::new(open::open(path, options.jobs, control, &step).await?)))
            }
            Place::Database(target) => {
                let none =
                    || TransferError::NoSchema { schema: "(none given)".into(), database: target.database().into() };
                let schema = schema.ok_or_else(none)?.clone();
                let mut snapshot = Snapshot::take(target, &schema, options.lock_seconds).await?;
                let tables = Arc::new(std::mem::take(&mut snapshot.tables));
                Ok(Self::Database { target: target.clone(), schema, snapshot: Box::new(snapshot), tables })
            }
        }
    }

    pub(super) fn schema(&self) -> &Ident {
        match self {
            Self::Database { schema, .. } => schema,
            Self::Archive(opened) => &opened.archive.schema,
        }
    }

    pub(super) async fn facts(&mut self, schema: &Ident) -> Result<Facts, Error> {
        match self {
            Self::Database { snapshot, .. } => Ok(facts::read(&mut snapshot.holder, schema).await?),
            Self::Archive(opened) => Ok(opened.archive.facts.clone()),
        }
    }

    /// Gives the tables that hold rows of their own.
    pub(super) fn tables(&self) -> BTreeMap<TableName, Known> {
        let known = |name: &TableName, columns: Vec<Column>, key: &[Ident]| {
            (name.clone(), Known { name: name.clone(), columns, key: key.to_vec() })
        };
        match self {
            Self::Database { tables, .. } => {
                let own = tables.iter().filter(|t| !t.partitioned);
                own.map(|t| known(&t.name, t.columns.clone(), &t.key)).collect()
            }
            Self::Archive(opened) => {
                let column = |name: &Ident| Column { name: name.clone(), base_type: String::new() };
                let tables = opened.archive.tables.iter();
                tables.map(|t| known(&t.name, t.columns.iter().map(column).collect(), &t.key)).collect()
            }
        }
    }

    /// Gives what an archive says of its table's rows.
    pub(super) fn written(&self, name: &TableName) -> Option<RowSum> {
        let Self::Archive(opened) = self else { return None };
        let table = opened.archive.tables.iter().find(|t| t.name == *name)?;
        Some(RowSum { rows: table.rows, sum: u128::from_str_radix(&table.row_sum, 16).ok()? })
    }

    /// Reads all rows of a table as COPY lines, without their line feeds.
    pub(super) async fn lines(
        &self,
        pair: &Pair,
        control: &Control,
        mut line: impl FnMut(&[u8]) + Send,
    ) -> Result<(), Error> {
        match self {
            Self::Database { target, snapshot, tables, .. } => {
                let table = tables.iter().position(|t| t.name == pair.name).expect("both sides have it");
                let chunk = Chunk { table, number: 0, pages: None, bytes: 0 };
                let mut connection = snapshot.join(target, "pgcleave verify").await?;
                let doing = format!("read {}", pair.name.label());
                let statement = chunk.copy_out(tables, Form::Text);
                let mut rows = CopyOut::start(&mut connection, &doing, &statement).await?;
                loop {
                    let batch = rows.next().await?;
                    let Some(whole) = batch.strip_suffix(b"\n") else { return Ok(()) };
                    whole.split(|b| *b == b'\n').for_each(&mut line);
                    control.passed(batch.len(), 0).await?;
                }
            }
            Self::Archive(opened) => {
                let archive = &opened.archive;
                let mine = |i: usize| archive.tables[i].name == pair.name;
                for entry in archive.files.iter().filter(|f| f.table.is_some_and(mine)) {
                    let (batches, reading) = file::reader(opened.place.clone(), entry.path.clone());
                    split(batches, control, &mut line).await?;
                    reading.await.expect("the reader does not panic")?;
                }
                Ok(())
            }
        }
    }
}

/// Splits batches that know nothing of rows into lines.
async fn split(
    mut batches: mpsc::Receiver<Vec<u8>>,
    control: &Control,
    line: &mut (impl FnMut(&[u8]) + Send),
) -> Result<(), TransferError> {
    let mut begun = Vec::new();
    while let Some(batch) = batches.recv().await {
        let mut rest = batch.as_slice();
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            if begun.is_empty() {
                line(&rest[..end]);
            } else {
                begun.extend_from_slice(&rest[..end]);
                line(&begun);
                begun.clear();
            }
            rest = &rest[end + 1..];
        }
        begun.extend_from_slice(rest);
        control.passed(batch.len(), 0).await?;
    }
    Ok(())
}
