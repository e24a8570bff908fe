//! One side of a comparison: where its tables, its definitions and its rows come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr;

use super::super::error::Error;
use super::super::open::{self, Opened};
use super::super::{file, import, layout};
use super::roles::{self, Passwords, Roles};
use super::{Known, Options, Pair, Place, own};
use crate::event::Listener;
use crate::ident::Ident;
use crate::transfer::chunk::Chunk;
use crate::transfer::control::{Control, Step};
use crate::transfer::copy::RowSum;
use crate::transfer::error::Error as TransferError;
use crate::transfer::facts::{self, Facts};
use crate::transfer::readers::Readers;
use crate::transfer::roles::{self as carried, Carried, Parsed};
use crate::transfer::rows::{self, Sink};
use crate::transfer::sequences;
use crate::transfer::snapshot::Snapshot;
use crate::transfer::table::{Column, Form, Table, TableName};
use crate::transfer::views::{self, MaterializedView};

/// One side, at one moment.
pub(super) enum Side {
    Database {
        schema: Ident,
        snapshot: Box<Snapshot>,
        readers: Box<Readers>,
        tables: Arc<Vec<Table>>,
        views: Vec<MaterializedView>,
    },
    Archive(Box<Opened>, Box<Parsed>),
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
                let opened = open::open(path, options.jobs, control, &step).await?;
                let parsed = own::without(parsed(&opened).await?);
                Ok(Self::Archive(Box::new(opened), Box::new(parsed)))
            }
            Place::Database(target) => {
                let none =
                    || TransferError::NoSchema { schema: "(none given)".into(), database: target.database().into() };
                let schema = schema.ok_or_else(none)?.clone();
                let readers = Readers::open(target, &schema, options.jobs).await?;
                let mut readers = readers.with_materialized_views();
                let mut snapshot = match Snapshot::take(target, &mut readers, options.lock_seconds).await {
                    Ok(snapshot) => snapshot,
                    Err(error) => return readers.end(Err(error.into())).await,
                };
                let views = match views::read(&mut snapshot.holder, &readers).await {
                    Ok(views) => views,
                    Err(error) => return readers.end(Err(error.into())).await,
                };
                let tables = Arc::new(std::mem::take(&mut snapshot.tables));
                Ok(Self::Database { schema, snapshot: Box::new(snapshot), readers: Box::new(readers), tables, views })
            }
        }
    }

    /// Drops the logins that read the rows, whatever became of the comparison.
    pub(super) async fn end<T>(self, compared: Result<T, Error>) -> Result<T, Error> {
        match self {
            Self::Database { readers, .. } => readers.end(compared).await,
            Self::Archive(..) => compared,
        }
    }

    pub(super) fn schema(&self) -> &Ident {
        match self {
            Self::Database { schema, .. } => schema,
            Self::Archive(opened, _) => &opened.archive.schema,
        }
    }

    pub(super) async fn facts(&mut self, schema: &Ident) -> Result<Facts, Error> {
        match self {
            Self::Database { snapshot, readers, .. } => {
                let mut facts = facts::read(&mut snapshot.holder, schema).await?;
                facts.extend(sequences::positions(readers).await?.facts);
                Ok(own::without_objects(facts))
            }
            Self::Archive(opened, _) => Ok(own::without_objects(opened.archive.facts.clone())),
        }
    }

    /// Names the archive's service.
    pub(super) fn service(&self) -> Option<&str> {
        match self {
            Self::Database { .. } => None,
            Self::Archive(opened, _) => Some(&opened.archive.service),
        }
    }

    /// Names the roles that an export carries.
    pub(super) async fn carried(&mut self, service: &str) -> Result<Carried, Error> {
        match self {
            Self::Database { snapshot, schema, .. } => {
                Ok(carried::carried(&mut snapshot.holder, schema, service).await?)
            }
            Self::Archive(_, parsed) => Ok(roles::carried(parsed)),
        }
    }

    /// Tells what is known of these roles.
    pub(super) async fn roles(&mut self, carried: &Carried) -> Result<Roles, Error> {
        match self {
            Self::Database { snapshot, .. } => {
                let server = carried::server(&mut snapshot.holder).await?;
                let state = carried::state(&mut snapshot.holder, carried).await?;
                let carried::State { parsed, superusers, connects, verifiers } = state;
                let passwords = verifiers.map_or(Passwords::Unreadable, Passwords::Known);
                Ok(Roles { parsed, superusers, passwords, connects: Some(connects), server })
            }
            Self::Archive(opened, parsed) => {
                let with = opened.archive.verifiers;
                let passwords =
                    if with { Passwords::Archived(roles::archived(parsed)) } else { Passwords::NotArchived };
                Ok(Roles { parsed: (**parsed).clone(), passwords, ..Roles::default() })
            }
        }
    }

    /// Reads each pair's columns in the pair's order: those of an inherited table may stand in another one.
    pub(super) fn reorder(&mut self, pairs: &[Pair]) {
        let Self::Database { tables, .. } = self else { return };
        for table in Arc::make_mut(tables) {
            if let Some(pair) = pairs.iter().find(|pair| pair.name == table.name) {
                table.columns.sort_by_key(|column| pair.columns.iter().position(|c| c.name == column.name));
            }
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
            Self::Archive(opened, _) => {
                let column = |name: &Ident| Column { name: name.clone(), base_type: String::new() };
                let tables = opened.archive.tables.iter();
                tables.map(|t| known(&t.name, t.columns.iter().map(column).collect(), &t.key)).collect()
            }
        }
    }

    /// Gives what an archive says of its table's rows; nothing where their columns stand in another order.
    pub(super) fn written(&self, pair: &Pair) -> Option<RowSum> {
        let Self::Archive(opened, _) = self else { return None };
        let table = opened.archive.tables.iter().find(|t| t.name == pair.name)?;
        let in_order = table.columns.iter().eq(pair.columns.iter().map(|c| &c.name));
        in_order.then_some(())?;
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
            Self::Archive(opened, _) => {
                let archive = &opened.archive;
                let mine = |i: usize| archive.tables[i].name == pair.name;
                let table = archive.tables.iter().find(|t| t.name == pair.name).expect("both sides have it");
                let mut lines = Lines { begun: Vec::new(), line: in_order(pair, &table.columns, lines.line) };
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

/// Reads the files that say what an archive has of roles.
async fn parsed(opened: &Opened) -> Result<Parsed, Error> {
    let mut parsed = Parsed::default();
    for file in [layout::ROLES, layout::GRANTS] {
        let text = import::text(opened, file).await?;
        parsed.add(&text).map_err(|statement| Error::Statement { file: file.to_owned(), statement })?;
    }
    Ok(parsed)
}

/// Gives a COPY line's values in the pair's order.
fn in_order(pair: &Pair, columns: &[Ident], mut line: impl FnMut(&[u8]) + Send) -> impl FnMut(&[u8]) + Send {
    let place = |column: &Column| columns.iter().position(|name| *name == column.name);
    let places: Vec<usize> = pair.columns.iter().filter_map(place).collect();
    let same = places.iter().copied().eq(0..columns.len());
    move |bytes| {
        if same {
            return line(bytes);
        }
        let values: Vec<&[u8]> = bytes.split(|b| *b == b'\t').collect();
        let ordered: Vec<&[u8]> = places.iter().map(|i| values.get(*i).copied().unwrap_or_default()).collect();
        line(&ordered.join(&b'\t'));
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
