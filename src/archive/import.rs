//! Restores an archive.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::error::Error;
use super::file;
use super::layout;
use super::location::Location;
use super::open::{self, Opened};
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::{exec, lock};
use crate::sql;
use crate::transfer::control::{Control, Step};
use crate::transfer::copy::CopyIn;
use crate::transfer::ddl::PostData;
use crate::transfer::encode::{Encoder, Wire};
use crate::transfer::error::Error as TransferError;
use crate::transfer::journal::Journal;
use crate::transfer::load::{self, Fed, Feed, Load, Piece};
use crate::transfer::session;
use crate::transfer::statement;
use crate::transfer::table::{Form, copy_in};
use crate::transfer::wires::{self, Wires};

/// The largest script that is read, in bytes.
const MAX_SQL_BYTES: u64 = 256 << 20;

/// How to import.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many connections load at once.
    pub jobs: usize,
    /// A limit for all of them together, in bytes a second before compression.
    pub max_bytes_per_second: Option<u64>,
    /// A request to stop; what was loaded stays, and the next import goes on from there.
    pub interrupt: Interrupt,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The schema.
    pub schema: Ident,
    /// Tables with rows of their own.
    pub tables: usize,
    /// Rows that the archive holds.
    pub rows: u64,
    /// Whether an earlier import had begun.
    pub resumed: bool,
}

/// Checks an archive and loads it into a database that does not hold its schema yet.
///
/// # Errors
/// The archive is damaged, the target is not empty or too old, or the server refused something. What was loaded by then
/// stays: the same import, run again, goes on from there.
pub async fn import(
    archive: &Location,
    target: &Target,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Imported, Error> {
    let service = archive.label().display().to_string();
    let step = Step { service: &service, step: "check", total_bytes: 0, listener };
    let control = Control::new(options.interrupt.clone(), None);
    let opened = open::open(archive, options.jobs, &control, &step).await?;
    let schema = opened.archive.schema.clone();

    let mut connection = session::open(target, "pgcleave import").await?;
    fits(&mut connection, &opened, listener).await?;
    let lock = format!("import of schema {}", schema.as_str());
    if !lock::try_take(&mut connection, &lock).await? {
        return Err(Error::ImportRunning { schema: schema.as_str().to_owned() });
    }
    let found = first_object(&mut connection, &schema).await?;
    let mut resumed = Journal::begun(&mut connection, &opened.archive.id).await?;
    if !resumed && let Some(found) = found {
        return Err(Error::NotEmpty { schema: schema.as_str().to_owned(), found });
    }
    let mut journal = Journal::open(&mut connection, &opened.archive.id).await?;
    if resumed {
        let done = journal.done(&mut connection).await?;
        if found.is_none() && !opened.archive.tables.is_empty() && done.contains(layout::PRE_DATA) {
            // Somebody has dropped what was loaded, to begin anew.
            journal.close(&mut connection).await?;
            journal = Journal::open(&mut connection, &opened.archive.id).await?;
            resumed = false;
        } else {
            let message = format!("going on with the import of schema {}", schema.as_str());
            listener(Event::Note { message });
            forget_emptied(&mut connection, &journal, &opened).await?;
        }
    }
    steps(&mut connection, &journal, &opened, &[layout::ROLES, layout::EXTENSIONS, layout::PRE_DATA]).await?;
    let wires = wires::read(&mut connection, &schema).await?;
    let load = Arc::new(plan(&opened, &wires).await?);
    let total_bytes = load.pieces.iter().map(|p| p.bytes).sum();
    let control = Control::new(options.interrupt.clone(), options.max_bytes_per_second);
    let step = Step { service: &opened.archive.service, step: "import", total_bytes, listener };
    let feeds = (0..options.jobs.max(1)).map(|_| Files::of(&opened, &wires)).collect();
    load::load(target, &load, feeds, &journal, &control, &step).await?;
    steps(&mut connection, &journal, &opened, &[layout::SEQUENCES, layout::GRANTS]).await?;
    let refreshes = refreshes(&mut connection, &journal, &opened).await?;
    load::settle(target, &load, options.jobs.max(1), refreshes, &journal, &control, &step).await?;
    if opened.archive.files.iter().any(|f| f.path == layout::LEAVE) {
        steps(&mut connection, &journal, &opened, &[layout::LEAVE]).await?;
    }
    journal.close(&mut connection).await?;
    let rows = opened.archive.tables.iter().map(|t| t.rows).sum();
    Ok(Imported { schema, tables: opened.archive.tables.len(), rows, resumed })
}

/// Definitions of a newer server are not understood by an older one; other differences are told.
async fn fits(connection: &mut PgConnection, opened: &Opened, listener: Listener<'_>) -> Result<(), Error> {
    let query = "select pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as number, \
          pg_catalog.pg_encoding_to_char(d.encoding)::pg_catalog.text as encoding, d.datcollate::pg_catalog.text as collate \
        from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()";
    let row = sqlx::query(query).fetch_one(connection).await.map_err(|e| PgError::new("ask what the target is", &e))?;
    let source = &opened.archive.source;
    let target = u32::try_from(row.get::<i32, _>("number")).unwrap_or(0) / 10_000;
    let source_major = source.server_version_num / 10_000;
    if target < source_major {
        return Err(Error::OlderTarget { target, source_major });
    }
    let (encoding, collate): (&str, &str) = (row.get("encoding"), row.get("collate"));
    if encoding != source.encoding && encoding != "UTF8" {
        let message = format!("the target holds text in {encoding}, the archive is from {}", source.encoding);
        listener(Event::Warning { message });
    }
    if collate != source.collate {
        let message = format!("the target sorts text by {collate}, the source by {}", source.collate);
        listener(Event::Note { message });
    }
    Ok(())
}

/// Forgets that rows were loaded into tables that a crash of the server has emptied since: unlogged ones.
async fn forget_emptied(connection: &mut PgConnection, journal: &Journal, opened: &Opened) -> Result<(), Error> {
    let unlogged = "select c.relname::pg_catalog.text from pg_catalog.pg_class c \
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
        where n.nspname = $1 and c.relkind = 'r' and c.relpersistence = 'u' order by 1";
    let names: Vec<String> = sqlx::query_scalar(unlogged)
        .bind(opened.archive.schema.as_str())
        .fetch_all(&mut *connection)
        .await
        .map_err(|e| PgError::new("look for unlogged tables", &e))?;
    for name in names {
        let place = opened.archive.tables.iter().position(|t| t.name.name.as_str() == name);
        let Some(table) = place.map(|i| &opened.archive.tables[i]) else { continue };
        let any = sql!("select from only ", table.name.sql(), " limit 1");
        if exec::rows(connection, "look into an unlogged table", any.as_str()).await?.is_empty() {
            for file in opened.archive.files.iter().filter(|f| f.table == place) {
                journal.forget(connection, &file.path).await?;
            }
            journal.forget(connection, &load::analyze_name(&table.name)).await?;
        }
    }
    Ok(())
}

async fn first_object(connection: &mut PgConnection, schema: &Ident) -> Result<Option<String>, Error> {
    let query = "select pg_catalog.pg_describe_object(d.classid, d.objid, 0) from pg_catalog.pg_depend d \
        join pg_catalog.pg_namespace n on n.oid = d.refobjid \
        where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and n.nspname = $1 \
          and d.classid <> 'pg_catalog.pg_default_acl'::pg_catalog.regclass order by d.classid, d.objid limit 1";
    let found = sqlx::query_scalar(query).bind(schema.as_str()).fetch_optional(connection).await;
    Ok(found.map_err(|e| PgError::new("look into the target's schema", &e))?)
}

async fn text(opened: &Opened, file: &str) -> Result<String, Error> {
    let found = opened.place.small(file, MAX_SQL_BYTES).await?;
    let text = found.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| Error::Damaged { file: file.to_owned(), why: "is gone, too large or not UTF-8".to_owned() })
}

/// Runs whole files, each in one transaction, that have not been run yet.
async fn steps(connection: &mut PgConnection, journal: &Journal, opened: &Opened, files: &[&str]) -> Result<(), Error> {
    let done = journal.done(connection).await?;
    for file in files.iter().filter(|file| !done.contains(**file)) {
        journal.step(connection, file, &text(opened, file).await?).await?;
    }
    // The definitions come with settings of their own.
    Ok(session::pin(connection).await?)
}

async fn plan(opened: &Opened, wires: &Wires) -> Result<Load, Error> {
    let archive = &opened.archive;
    let tables: BTreeSet<_> = archive.tables.iter().map(|t| t.name.clone()).collect();
    let post = PostData::sort(&text(opened, layout::POST_DATA).await?, &tables);
    let piece = |file: &layout::FileEntry| {
        let table = &archive.tables[file.table?];
        let statement = |form| copy_in(&table.name, &table.columns, form);
        let (form, as_text) = match wires.of(&table.name.name, &table.columns) {
            Some(_) => (Form::Binary, Some(statement(Form::Text))),
            None => (Form::Text, None),
        };
        Some(Piece {
            name: file.path.clone(),
            table: table.name.clone(),
            form,
            copy_in: statement(form),
            as_text,
            bytes: file.raw_bytes,
        })
    };
    Ok(Load { pieces: archive.files.iter().filter_map(piece).collect(), post, analyze: true })
}

/// Gives what fills the materialized views and has not been done yet, in the order of what they read.
async fn refreshes(
    connection: &mut PgConnection,
    journal: &Journal,
    opened: &Opened,
) -> Result<Vec<load::Marked>, Error> {
    let done = journal.done(connection).await?;
    let text = text(opened, layout::REFRESH).await?;
    let marked = |refresh: &str| {
        let view = refresh.strip_prefix("refresh materialized view ").unwrap_or(refresh);
        load::Marked { name: refresh.to_owned(), script: format!("{refresh}; analyze {view}") }
    };
    Ok(statement::split(&text).into_iter().filter(|refresh| !done.contains(*refresh)).map(marked).collect())
}

/// Rows from an archive's files.
struct Files {
    place: Location,
    files: Vec<Rows>,
}

struct Rows {
    path: String,
    rows: u64,
    /// What its columns are in binary, where all are known.
    wires: Vec<Wire>,
}

impl Files {
    fn of(opened: &Opened, wires: &Wires) -> Self {
        let rows = |file: &layout::FileEntry| {
            let table = &opened.archive.tables[file.table?];
            let wires = wires.of(&table.name.name, &table.columns).unwrap_or_default();
            Some(Rows { path: file.path.clone(), rows: file.rows, wires })
        };
        Self { place: opened.place.clone(), files: opened.archive.files.iter().filter_map(rows).collect() }
    }
}

impl Feed for Files {
    async fn feed(
        &mut self,
        piece: usize,
        form: Form,
        into: &mut CopyIn<'_>,
        control: &Control,
    ) -> Result<Fed, TransferError> {
        let Rows { path, rows, wires } = &self.files[piece];
        let (mut batches, reading) = file::reader(self.place.clone(), path.clone());
        let mut encoder = (form == Form::Binary).then(|| Encoder::new(wires));
        let (mut encoded, mut passed) = (Vec::new(), 0);
        let not_in_this_form = |passed| {
            control.take_back(passed);
            Ok(Fed::NotInThisForm)
        };
        while let Some(batch) = batches.recv().await {
            if let Some(encoder) = &mut encoder {
                encoded.clear();
                if encoder.push(&batch, &mut encoded).is_err() {
                    return not_in_this_form(passed);
                }
                into.send(&encoded).await?;
            } else {
                into.send(&batch).await?;
            }
            control.passed(batch.len(), 0).await?;
            passed += batch.len() as u64;
        }
        reading.await.expect("the reader does not panic")?;
        if let Some(encoder) = encoder {
            encoded.clear();
            if encoder.finish(&mut encoded).is_err() {
                return not_in_this_form(passed);
            }
            into.send(&encoded).await?;
        }
        control.passed(0, *rows).await?;
        Ok(Fed::Rows(*rows))
    }
}
