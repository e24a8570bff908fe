//! One side of a comparison: where its tables, its definitions and its rows come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr;

use super::super::error::Error;
use super::super::file;
use super::super::open::{self, Opened};
use super::{Known, Options, Pair, Place};
use crate::event::Listener;
use crate::ident::Ident;
use crate::transfer::chunk::Chunk;
use crate::transfer::control::{Control, Step};
use crate::transfer::copy::RowSum;
use crate::transfer::error::Error as TransferError;
use crate::transfer::facts::{self, Facts};
use crate::transfer::readers::Readers;
use crate::transfer::rows::{self, Sink};
use crate::transfer::sequences;
use crate::transfer::snapshot::Snapshot;
use crate::transfer::table::{Column, Form, Table, TableName};

/// One side, at one moment.
pub(super) enum Side {
    Database { schema: Ident, snapshot: Box<Snapshot>, readers: Box<Readers>, tables: Arc<Vec<Table>> },
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
                let mut readers = Readers::open(target, &schema, options.jobs).await?;
                let mut snapshot = match Snapshot::take(target, &mut readers, options.lock_seconds).await {
                    Ok(snapshot) => snapshot,
                    Err(error) => return readers.end(Err(error.into())).await,
                };
                let tables = Arc::new(std::mem::take(&mut snapshot.tables));
                Ok(Self::Database { schema, snapshot: Box::new(snapshot), readers: Box::new(readers), tables })
            }
        }
    }

    /// Drops the logins that read the rows, whatever became of the comparison.
    pub(super) async fn end<T>(self, compared: Result<T, Error>) -> Result<T, Error> {
        match self {
            Self::Database { readers, .. } => readers.end(compared).await,
            Self::Archive(_) => compared,
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
            Self::Database { snapshot, readers, .. } => {
                let mut facts = facts::read(&mut snapshot.holder, schema).await?;
                facts.extend(sequences::positions(readers).await?.facts);
                Ok(facts)
            }
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
        line: impl FnMut(&[u8]) + Send,
    ) -> Result<(), Error> {
        let mut lines = Lines { begun: Vec::new(), line };
        match self {
            Self::Database { snapshot, tables, .. } => {
                let table = tables.iter().position(|t| t.name == pair.name).expect("both sides have it");
                let chunk = Chunk { table, number: 0, pages: None, bytes: 0 };
                let mut worker = snapshot.worker("pgcleave verify");
                let connection = worker.session(&tables[table]).await?;
                rows::pour(connection, tables, &chunk, Form::Text, control, &mut lines).await?;
                Ok(())
            }
            Self::Archive(opened) => {
                let archive = &opened.archive;
                let mine = |i: usize| archive.tables[i].name == pair.name;
                for entry in archive.files.iter().filter(|f| f.table.is_some_and(mine)) {
                    let (mut batches, reading) = file::reader(opened.place.clone(), entry.path.clone());
                    while let Some(batch) = batches.recv().await {
                        lines.add(&batch);
                        control.passed(batch.len(), 0).await?;
                    }
                    reading.await.expect("the reader does not panic")?;
                }
                Ok(())
            }
        }
    }
}

/// Splits bytes that end anywhere into lines.
struct Lines<F> {
    begun: Vec<u8>,
    line: F,
}

impl<F: FnMut(&[u8])> Lines<F> {
    fn add(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr(b'\n', bytes) {
            if self.begun.is_empty() {
                (self.line)(&bytes[..end]);
            } else {
                self.begun.extend_from_slice(&bytes[..end]);
                (self.line)(&self.begun);
                self.begun.clear();
            }
            bytes = &bytes[end + 1..];
        }
        self.begun.extend_from_slice(bytes);
    }
}

impl<F: FnMut(&[u8]) + Send> Sink for Lines<F> {
    async fn take(&mut self, bytes: Bytes) -> Result<(), TransferError> {
        self.add(&bytes);
        Ok(())
    }
}
