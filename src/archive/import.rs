//! Restores an archive.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::postgres::PgConnection;

use super::error::Error;
use super::file;
use super::layout;
use super::open::{self, Opened};
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::lock;
use crate::transfer::control::{Control, Step};
use crate::transfer::copy::CopyIn;
use crate::transfer::ddl::PostData;
use crate::transfer::error::Error as TransferError;
use crate::transfer::journal::Journal;
use crate::transfer::load::{self, Feed, Load, Piece};
use crate::transfer::session;
use crate::transfer::statement;
use crate::transfer::table::{Form, copy_in};

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
    archive: &Path,
    target: &Target,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Imported, Error> {
    let service = archive.display().to_string();
    let step = Step { service: &service, step: "check", total_bytes: 0, listener };
    let control = Control::new(options.interrupt.clone(), None);
    let opened = open::open(archive, options.jobs, &control, &step).await?;
    let schema = opened.archive.schema.clone();

    let mut connection = session::open(target, "pgcleave import").await?;
    fits(&mut connection, &opened).await?;
    let lock = format!("import of schema {}", schema.as_str());
    if !lock::try_take(&mut connection, &lock).await? {
        return Err(Error::ImportRunning { schema: schema.as_str().to_owned() });
    }
    let resumed = Journal::begun(&mut connection, &opened.archive.id).await?;
    if resumed {
        let message = format!("going on with the import of schema {}", schema.as_str());
        listener(Event::Note { message });
    } else if let Some(found) = first_object(&mut connection, &schema).await? {
        return Err(Error::NotEmpty { schema: schema.as_str().to_owned(), found });
    }
    let journal = Journal::open(&mut connection, &opened.archive.id).await?;
    steps(&mut connection, &journal, &opened, &[layout::ROLES, layout::EXTENSIONS, layout::PRE_DATA]).await?;
    let load = Arc::new(plan(&opened)?);
    let total_bytes = load.pieces.iter().map(|p| p.bytes).sum();
    let control = Control::new(options.interrupt.clone(), options.max_bytes_per_second);
    let step = Step { service: &opened.archive.service, step: "import", total_bytes, listener };
    let feeds = (0..options.jobs.max(1)).map(|_| Files::of(&opened)).collect();
    load::load(target, &load, feeds, &journal, &control, &step).await?;
    steps(&mut connection, &journal, &opened, &[layout::SEQUENCES, layout::GRANTS]).await?;
    refresh(&mut connection, &journal, &opened, &control).await?;
    journal.close(&mut connection).await?;
    let rows = opened.archive.tables.iter().map(|t| t.rows).sum();
    Ok(Imported { schema, tables: opened.archive.tables.len(), rows, resumed })
}

/// Definitions of a newer server are not understood by an older one.
async fn fits(connection: &mut PgConnection, opened: &Opened) -> Result<(), Error> {
    let number: i32 = sqlx::query_scalar("select pg_catalog.current_setting('server_version_num')::pg_catalog.int4")
        .fetch_one(connection)
        .await
        .map_err(|e| PgError::new("ask for the server's version", &e))?;
    let target = u32::try_from(number).unwrap_or(0) / 10_000;
    let source_major = opened.archive.source.server_version_num / 10_000;
    if target < source_major { Err(Error::OlderTarget { target, source_major }) } else { Ok(()) }
}

async fn first_object(connection: &mut PgConnection, schema: &Ident) -> Result<Option<String>, Error> {
    let query = "select pg_catalog.pg_describe_object(d.classid, d.objid, 0) from pg_catalog.pg_depend d \
        join pg_catalog.pg_namespace n on n.oid = d.refobjid \
        where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and n.nspname = $1 \
          and d.classid <> 'pg_catalog.pg_default_acl'::pg_catalog.regclass order by d.classid, d.objid limit 1";
    let found = sqlx::query_scalar(query).bind(schema.as_str()).fetch_optional(connection).await;
    Ok(found.map_err(|e| PgError::new("look into the target's schema", &e))?)
}

fn text(opened: &Opened, file: &str) -> Result<String, Error> {
    let path = opened.path.join(file);
    Ok(std::fs::read_to_string(&path).map_err(|e| TransferError::file("read", &path, e))?)
}

/// Runs whole files, each in one transaction, that have not been run yet.
async fn steps(connection: &mut PgConnection, journal: &Journal, opened: &Opened, files: &[&str]) -> Result<(), Error> {
    let done = journal.done(connection).await?;
    for file in files.iter().filter(|file| !done.contains(**file)) {
        journal.step(connection, file, &text(opened, file)?).await?;
    }
    // The definitions come with settings of their own.
    Ok(session::pin(connection).await?)
}

fn plan(opened: &Opened) -> Result<Load, Error> {
    let archive = &opened.archive;
    let tables: BTreeSet<_> = archive.tables.iter().map(|t| t.name.clone()).collect();
    let post = PostData::sort(&text(opened, layout::POST_DATA)?, &tables);
    let piece = |file: &layout::FileEntry| {
        let table = &archive.tables[file.table?];
        Some(Piece {
            name: file.path.clone(),
            table: table.name.clone(),
            copy_in: copy_in(&table.name, &table.columns, Form::Text),
            bytes: file.raw_bytes,
        })
    };
    Ok(Load { pieces: archive.files.iter().filter_map(piece).collect(), post, analyze: true })
}

async fn refresh(
    connection: &mut PgConnection,
    journal: &Journal,
    opened: &Opened,
    control: &Control,
) -> Result<(), Error> {
    let done = journal.done(connection).await?;
    for refresh in statement::split(&text(opened, layout::REFRESH)?) {
        control.check()?;
        if !done.contains(refresh) {
            let view = refresh.strip_prefix("refresh materialized view ").unwrap_or(refresh);
            journal.step(connection, refresh, &format!("{refresh}; analyze {view}")).await?;
        }
    }
    Ok(())
}

/// Rows from an archive's files.
struct Files {
    files: Vec<(PathBuf, u64)>,
}

impl Files {
    fn of(opened: &Opened) -> Self {
        let data = opened.archive.files.iter().filter(|f| f.table.is_some());
        Self { files: data.map(|f| (opened.path.join(&f.path), f.rows)).collect() }
    }
}

impl Feed for Files {
    async fn feed(&mut self, piece: usize, into: &mut CopyIn<'_>, control: &Control) -> Result<u64, TransferError> {
        let (path, rows) = &self.files[piece];
        let (mut batches, reading) = file::reader(path.clone());
        while let Some(batch) = batches.recv().await {
            into.send(&batch).await?;
            control.passed(batch.len(), 0).await?;
        }
        reading.await.expect("the reader does not panic")?;
        Ok(*rows)
    }
}
