//! Restores an archive.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::administrator::Administrator;
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
use crate::pg::pooler::Backend;
use crate::pg::session::SessionKind;
use crate::pg::trust;
use crate::pg::{exec, lock, standby};
use crate::sql;
use crate::temporary_login;
use crate::transfer::control::{Control, Step};
use crate::transfer::copy::CopyIn;
use crate::transfer::ddl::access_last;
use crate::transfer::definitions::Prepared;
use crate::transfer::encode::{Encoder, Wire};
use crate::transfer::error::Error as TransferError;
use crate::transfer::journal::Journal;
use crate::transfer::load::{self, Fed, Feed, Load, Marks, Piece};
use crate::transfer::loader::{Loader, Owners};
use crate::transfer::post_data::PostData;
use crate::transfer::psql;
use crate::transfer::sequences;
use crate::transfer::statement;
use crate::transfer::superuser;
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
    /// What the operator has accepted.
    pub allow: Vec<Allow>,
    /// A request to stop; what was loaded stays, and the next import goes on from there.
    pub interrupt: Interrupt,
}

/// What an archive may do only if the operator says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allow {
    /// Objects of superusers, and statements that need one, run in the administrator's session.
    SuperuserObjects,
    /// Roles that the target has already run the archive's definitions, or get its roles as members.
    ExistingRoles,
}

impl Allow {
    /// All of them, with their names on the command line.
    pub const ALL: [(&'static str, Self); 2] =
        [("superuser-objects", Self::SuperuserObjects), ("existing-roles", Self::ExistingRoles)];
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

    let mut admin = target.connect(SessionKind::Administrator, "pgcleave import").await?;
    Backend::lasting(target, &mut admin).await?;
    standby::refuse(&mut admin).await?;
    fits(&mut admin, &opened, listener).await?;
    let lock = format!("import of schema {}", schema.as_str());
    if !lock::try_take(&mut admin, &lock).await? {
        return Err(Error::ImportRunning { schema: schema.as_str().to_owned() });
    }
    trust::event_triggers(&mut admin).await?;
    temporary_login::sweep(&mut admin, listener).await?;
    let mut import = Import::read(&opened, admin, options).await?;
    let resumed = import.begin(listener).await?;
    import.administrator.create(&mut import.admin, &import.journal, &import.done).await?;
    let owners = owners(&opened, &import.administrator, options);
    let loader = Loader::start(&mut import.admin, target, &owners).await?;
    let loaded = import.load(&loader, options, listener).await;
    let finished = loader.finish(&mut import.admin).await;
    loaded?;
    finished?;
    let rows = opened.archive.tables.iter().map(|t| t.rows).sum();
    Ok(Imported { schema, tables: opened.archive.tables.len(), rows, resumed })
}

fn owners<'a>(opened: &'a Opened, administrator: &'a Administrator, options: &Options) -> Owners<'a> {
    Owners {
        schema: &opened.archive.schema,
        owner: administrator.owner.as_ref(),
        all: &administrator.owners,
        superusers: options.allow.contains(&Allow::SuperuserObjects),
        jobs: options.jobs,
    }
}

/// An import under way.
struct Import<'a> {
    opened: &'a Opened,
    admin: PgConnection,
    administrator: Administrator,
    definitions: Prepared,
    post_data: String,
    journal: Journal,
    /// What an earlier import of the same archive had done.
    done: HashSet<String>,
}

impl<'a> Import<'a> {
    /// Reads all that the archive would do, and refuses what it must not; nothing is changed.
    async fn read(opened: &'a Opened, mut admin: PgConnection, options: &Options) -> Result<Self, Error> {
        for file in opened.archive.files.iter().filter(|file| file.path.ends_with(".sql")) {
            let text = text(opened, &file.path).await?;
            psql::check(&text).map_err(|why| TransferError::Unsafe { text: file.path.clone(), why })?;
        }
        let journal = Journal::look(&mut admin, &opened.archive.id).await?;
        let done = journal.done(&mut admin).await?;
        // Archives of earlier versions have the privileges on relations in their pre-data.
        let (pre_data, post_data) =
            access_last(&text(opened, layout::PRE_DATA).await?, &text(opened, layout::POST_DATA).await?);
        let administrator = Administrator::read(opened, &mut admin, &pre_data, &done).await?;
        administrator.permitted(&mut admin, &options.allow).await?;
        let untrusted = superuser::untrusted_languages(&mut admin).await?;
        let owners = owners(opened, &administrator, options);
        let definitions = Prepared::new(&pre_data, &owners, &untrusted);
        definitions.permitted(&owners)?;
        Ok(Self { opened, admin, administrator, definitions, post_data, journal, done })
    }

    /// Opens the journal, and tells whether an earlier import goes on.
    async fn begin(&mut self, listener: Listener<'_>) -> Result<bool, Error> {
        let archive = &self.opened.archive;
        let found = first_object(&mut self.admin, &archive.schema).await?;
        if let Some(found) = found.as_ref().filter(|_| self.done.is_empty()) {
            return Err(Error::NotEmpty { schema: archive.schema.as_str().to_owned(), found: found.clone() });
        }
        if found.is_none() && !archive.tables.is_empty() && self.done.contains(layout::PRE_DATA) {
            // Somebody has dropped what was loaded, to begin anew; the roles are there.
            self.journal.close(&mut self.admin).await?;
            self.done.retain(|step| step.starts_with("role "));
            self.journal = Journal::open(&mut self.admin, &archive.id).await?;
            for step in &self.done {
                self.journal.mark(&mut self.admin, step).await?;
            }
            return Ok(false);
        }
        self.journal = Journal::open(&mut self.admin, &archive.id).await?;
        if self.done.is_empty() {
            return Ok(false);
        }
        listener(Event::Note { message: format!("going on with the import of schema {}", archive.schema.as_str()) });
        for above in self.definitions.above() {
            listener(Event::Note { message: format!("runs as the administrator: {above}") });
        }
        Ok(true)
    }

    async fn load(&mut self, loader: &Loader, options: &Options, listener: Listener<'_>) -> Result<(), Error> {
        let opened = self.opened;
        if let Some(login) = loader.login() {
            self.journal.admit(&mut self.admin, login).await?;
        }
        forget_emptied(&mut self.admin, loader, &self.journal, &mut self.done, opened).await?;
        let marks = Marks { journal: &self.journal, done: &self.done };
        self.definitions.run(&mut self.admin, loader, &marks, layout::PRE_DATA).await?;
        let wires = wires::read(&mut self.admin, &opened.archive.schema).await?;
        let load = Arc::new(plan(opened, &self.post_data, &wires));
        let total_bytes = load.pieces.iter().map(|p| p.bytes).sum();
        let control = Control::new(options.interrupt.clone(), options.max_bytes_per_second);
        let step = Step { service: &opened.archive.service, step: "import", total_bytes, listener };
        let feeds = (0..options.jobs.max(1)).map(|_| Files::of(opened, &wires)).collect();
        load::load(loader, &load, feeds, &marks, &control, &step).await?;
        self.script(loader, layout::SEQUENCES, &text(opened, layout::SEQUENCES).await?).await?;
        self.administrator.grant(&mut self.admin, &self.journal, &self.done, listener).await?;
        self.script(loader, "default privileges", &self.administrator.defaults()).await?;
        let refreshes = refreshes(&self.done, opened).await?;
        load::settle(loader, &load, options.jobs.max(1), refreshes, &marks, &control, &step).await?;
        self.definitions.close(loader, &marks).await?;
        self.administrator.close(&mut self.admin, &self.journal).await?;
        Ok(self.journal.close(&mut self.admin).await?)
    }

    /// Runs a script as the owners, in one transaction, if it has not been run yet.
    async fn script(&self, loader: &Loader, name: &str, script: &str) -> Result<(), Error> {
        if self.done.contains(name) || script.is_empty() {
            return Ok(());
        }
        let mut connection = loader.connect("pgcleave import").await?;
        Ok(self.journal.step(&mut connection, name, script).await?)
    }
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
async fn forget_emptied(
    admin: &mut PgConnection,
    loader: &Loader,
    journal: &Journal,
    done: &mut HashSet<String>,
    opened: &Opened,
) -> Result<(), Error> {
    if !done.contains(layout::PRE_DATA) {
        return Ok(());
    }
    let unlogged = "select c.relname::pg_catalog.text from pg_catalog.pg_class c \
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
        where n.nspname = $1 and c.relkind = 'r' and c.relpersistence = 'u' order by 1";
    let names: Vec<String> = sqlx::query_scalar(unlogged)
        .bind(opened.archive.schema.as_str())
        .fetch_all(&mut *admin)
        .await
        .map_err(|e| PgError::new("look for unlogged tables", &e))?;
    let mut connection = loader.connect("pgcleave import").await?;
    for name in names {
        let place = opened.archive.tables.iter().position(|t| t.name.name.as_str() == name);
        let Some(table) = place.map(|i| &opened.archive.tables[i]) else { continue };
        let any = sql!("select from only ", table.name.sql(), " limit 1");
        if !exec::rows(&mut connection, "look into an unlogged table", any.as_str()).await?.is_empty() {
            continue;
        }
        let files = opened.archive.files.iter().filter(|f| f.table == place).map(|file| file.path.clone());
        for step in files.chain([load::analyze_name(&table.name)]) {
            journal.forget(admin, &step).await?;
            done.remove(&step);
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

pub(super) async fn text(opened: &Opened, file: &str) -> Result<String, Error> {
    let found = opened.place.small(file, MAX_SQL_BYTES).await?;
    let text = found.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| Error::Damaged { file: file.to_owned(), why: "is gone, too large or not UTF-8".to_owned() })
}

fn plan(opened: &Opened, post_data: &str, wires: &Wires) -> Load {
    let archive = &opened.archive;
    let tables: BTreeSet<_> = archive.tables.iter().map(|t| t.name.clone()).collect();
    let post = PostData::sort(post_data, &tables);
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
    Load { pieces: archive.files.iter().filter_map(piece).collect(), post, analyze: true }
}

/// Gives what fills the materialized views and has not been done yet, in the order of what they read.
async fn refreshes(done: &HashSet<String>, opened: &Opened) -> Result<Vec<load::Marked>, Error> {
    let text = text(opened, layout::REFRESH).await?;
    let marked = |refresh: &str| {
        let view = refresh.strip_prefix("refresh materialized view ").unwrap_or(refresh);
        // A policy that hides rows from the owner hides them from its view, too.
        let script = format!("set local row_security = on; {refresh}; analyze {view}");
        let optional = Some(sequences::not_filled(refresh));
        load::Marked { name: refresh.to_owned(), script, optional }
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

    fn repeatable(&self) -> bool {
        true
    }
}
