//! Writes an archive.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sqlx::Row;
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::Error;
use super::file::{self, Written};
use super::folder::Partial;
use super::layout::{self, Archive, FileEntry, Source, TableEntry};
use super::restore;
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::sql::Sql;
use crate::transfer::chunk::{self, Chunk};
use crate::transfer::control::{Control, Step};
use crate::transfer::copy::{BATCH_BYTES, CopyOut, RowSum};
use crate::transfer::coupling::{self, Coupling, CouplingKind};
use crate::transfer::error::Error as TransferError;
use crate::transfer::facts::Facts;
use crate::transfer::pg_dump::PgDump;
use crate::transfer::snapshot::Snapshot;
use crate::transfer::surroundings::Surroundings;
use crate::transfer::table::{Form, Table};
use crate::transfer::{ddl, facts, session, surroundings};

/// What to export, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The service's name; the schema's where no manifest knows it.
    pub service: String,
    /// The schema.
    pub schema: Ident,
    /// How many connections copy at once.
    pub jobs: usize,
    /// A limit for all of them together, in bytes a second before compression.
    pub max_bytes_per_second: Option<u64>,
    /// How long to wait for a table that somebody else holds locked, in seconds.
    pub lock_seconds: u64,
    /// Kinds of coupling that are accepted although they leave the copy incomplete.
    pub allow: Vec<CouplingKind>,
    /// Whether the logins' SCRAM verifiers go along.
    pub verifiers: bool,
    /// The service's manifest, to go along.
    pub manifest: Option<String>,
    /// A request to stop.
    pub interrupt: Interrupt,
}

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Where.
    pub path: PathBuf,
    /// What archive.json says.
    pub archive: Archive,
    /// All bytes in the folder.
    pub bytes: u64,
}

/// Looks for what ties the schema to its database; refuses what was not allowed.
///
/// # Errors
/// Something blocks, or the server could not be asked.
pub async fn couplings(target: &Target, options: &Options, listener: Listener<'_>) -> Result<Vec<Coupling>, Error> {
    let mut connection = session::open(target, "pgcleave export").await?;
    let found = coupling::find(&mut connection, &options.schema).await?;
    let allowed = |c: &Coupling| !c.kind.blocks() || options.allow.contains(&c.kind) && !c.kind.hides_rows();
    let (allowed, blocking): (Vec<_>, Vec<_>) = found.iter().cloned().partition(allowed);
    for coupling in &allowed {
        let message = format!("{} ({})", coupling.message(), coupling.fix());
        match coupling.kind {
            CouplingKind::Extension | CouplingKind::EventTrigger | CouplingKind::NeededBy => {
                listener(Event::Note { message });
            }
            _ => listener(Event::Warning { message }),
        }
    }
    if blocking.is_empty() {
        return Ok(found);
    }
    Err(Error::Coupled { schema: options.schema.as_str().to_owned(), couplings: blocking })
}

/// Writes an archive of a schema into a new folder.
///
/// # Errors
/// The folder exists, something ties the schema, the server refused, or the disk did; nothing is left behind.
pub async fn export(target: &Target, to: &Path, options: &Options, listener: Listener<'_>) -> Result<Exported, Error> {
    if to.symlink_metadata().is_ok() {
        return Err(Error::Exists(to.to_owned()));
    }
    let couplings = couplings(target, options, listener).await?;
    let control = Control::new(options.interrupt.clone(), options.max_bytes_per_second);
    let mut snapshot = Snapshot::take(target, &options.schema, options.lock_seconds).await?;
    let taken_at = OffsetDateTime::now_utc().format(&Rfc3339).expect("the present can be written");
    let mut source = source(&mut snapshot).await?;
    let dump = PgDump::find(source.server_version_num / 10_000).await?;
    source.pg_dump.clone_from(&dump.version);
    let folder = Partial::start(to)?;
    folder.folder("data").map_err(Error::from)?;

    let tables = Arc::new(std::mem::take(&mut snapshot.tables));
    let copying = copy(target, &snapshot, &tables, &folder, options, &control, listener);
    let dumping = ddl::dump(&dump, target, &options.schema, &snapshot.id, &control);
    // Both must have ended before the folder can go away.
    let (copied, dumped) = tokio::join!(copying, dumping);
    let (copied, definitions) = (copied?, dumped?);
    let mut texts = vec![(layout::PRE_DATA, definitions.pre_data), (layout::POST_DATA, definitions.post_data)];
    let (more, positions) = around(&mut snapshot.holder, &couplings, options).await?;
    texts.extend(more);
    if let Some(manifest) = &options.manifest {
        texts.push(("manifest.yaml", manifest.clone()));
    }
    let mut archive = Archive {
        format: layout::FORMAT.to_owned(),
        id: random_id(),
        service: options.service.clone(),
        schema: options.schema.clone(),
        taken_at,
        written_by: concat!("pgcleave ", env!("CARGO_PKG_VERSION")).to_owned(),
        source,
        verifiers: options.verifiers,
        couplings,
        tables: Vec::new(),
        files: Vec::new(),
        facts: facts::read(&mut snapshot.holder, &options.schema).await?,
    };
    // A sequence that moves meanwhile must read the same in both places.
    archive.facts.extend(positions);
    fill(&mut archive, &tables, copied);
    let bytes = finish(folder, &mut archive, texts)?;
    Ok(Exported { path: to.to_owned(), archive, bytes })
}

async fn source(snapshot: &mut Snapshot) -> Result<Source, Error> {
    let query = "select d.datname::pg_catalog.text as database, pg_catalog.current_setting('server_version') as version, \
          pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as number, \
          pg_catalog.pg_encoding_to_char(d.encoding)::pg_catalog.text as encoding, d.datcollate::pg_catalog.text as collate, \
          d.datctype::pg_catalog.text as ctype, pg_catalog.pg_database_collation_actual_version(d.oid) as collation_version \
        from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()";
    let row = sqlx::query(query)
        .fetch_one(&mut snapshot.holder)
        .await
        .map_err(|e| PgError::new("ask what the source is", &e))?;
    Ok(Source {
        database: row.get("database"),
        server_version: row.get("version"),
        server_version_num: u32::try_from(row.get::<i32, _>("number")).unwrap_or(0),
        encoding: row.get("encoding"),
        collate: row.get("collate"),
        ctype: row.get("ctype"),
        collation_version: row.get("collation_version"),
        lsn: snapshot.lsn.clone(),
        pg_dump: String::new(),
    })
}

/// A file under the name that it has in the archive.
type Text = (&'static str, String);

/// Reads what stands around the schema: roles, extensions, positions, refreshes.
async fn around(
    connection: &mut PgConnection,
    couplings: &[Coupling],
    options: &Options,
) -> Result<(Vec<Text>, Facts), Error> {
    let Surroundings { roles, extensions, sequences, grants, refreshes, positions } =
        surroundings::read(connection, &options.schema, &options.service, couplings, options.verifiers).await?;
    let texts = vec![
        (layout::ROLES, roles),
        (layout::EXTENSIONS, extensions),
        (layout::SEQUENCES, sequences),
        (layout::GRANTS, grants),
        (layout::REFRESH, refreshes),
    ];
    Ok((texts, positions))
}

/// A piece that is on disk.
struct Piece {
    chunk: Chunk,
    path: String,
    written: Written,
    raw_bytes: u64,
    sum: RowSum,
}

async fn copy(
    target: &Target,
    snapshot: &Snapshot,
    tables: &Arc<Vec<Table>>,
    folder: &Partial,
    options: &Options,
    control: &Arc<Control>,
    listener: Listener<'_>,
) -> Result<Vec<Piece>, Error> {
    let chunks: VecDeque<_> = chunk::cut(tables, options.jobs).into_iter().enumerate().collect();
    let total_bytes = chunks.iter().map(|(_, c)| c.bytes).sum();
    let jobs = options.jobs.clamp(1, chunks.len().max(1));
    let queue = Arc::new(Mutex::new(chunks));
    let mut workers = Vec::new();
    for _ in 0..jobs {
        let connection = snapshot.join(target, "pgcleave export").await?;
        workers.push(work(
            connection,
            Arc::clone(&queue),
            Arc::clone(tables),
            folder.path.clone(),
            Arc::clone(control),
        ));
    }
    let step = Step { service: &options.service, step: "export", total_bytes, listener };
    let pieces = control.run(&step, workers).await?;
    Ok(pieces.into_iter().flatten().collect())
}

async fn work(
    mut connection: PgConnection,
    queue: Arc<Mutex<VecDeque<(usize, Chunk)>>>,
    tables: Arc<Vec<Table>>,
    folder: PathBuf,
    control: Arc<Control>,
) -> Result<Vec<Piece>, TransferError> {
    let mut done = Vec::new();
    loop {
        let next = queue.lock().expect("no worker panics while it holds the queue").pop_front();
        let Some((number, chunk)) = next else { return Ok(done) };
        control.check()?;
        let table = &tables[chunk.table];
        let path = layout::data_file(number, table.name.name.as_str(), chunk.number);
        let (send, writing) = file::writer(folder.join(&path), true);
        let statement = chunk.copy_out(&tables, Form::Text);
        let doing = format!("copy {}", table.name.label());
        let sent = pump(&mut connection, &doing, &statement, &send, &control).await;
        drop(send);
        let written = writing.await.expect("the writer does not panic");
        // A full disk is why the pump stopped, and not the other way round.
        let written = written?;
        let (raw_bytes, sum) = sent?;
        done.push(Piece { chunk, path, written, raw_bytes, sum });
    }
}

/// Moves rows from the server to the writer.
pub(super) async fn pump(
    connection: &mut PgConnection,
    doing: &str,
    statement: &Sql,
    to: &tokio::sync::mpsc::Sender<Vec<u8>>,
    control: &Control,
) -> Result<(u64, RowSum), TransferError> {
    let mut rows = CopyOut::start(connection, doing, statement).await?;
    let (mut raw_bytes, mut before) = (0, 0);
    loop {
        let mut batch = Vec::with_capacity(BATCH_BYTES + BATCH_BYTES / 4);
        rows.next(&mut batch).await?;
        if batch.is_empty() {
            return Ok((raw_bytes, rows.sum));
        }
        let length = batch.len();
        raw_bytes += u64::try_from(length).expect("a length fits");
        to.send(batch).await.map_err(|_| TransferError::Stopped)?;
        control.passed(length, rows.sum.rows - before).await?;
        before = rows.sum.rows;
    }
}

/// Enters tables and their files.
fn fill(archive: &mut Archive, tables: &[Table], mut pieces: Vec<Piece>) {
    pieces.sort_by(|a, b| a.path.cmp(&b.path));
    let mut places = vec![None; tables.len()];
    for (i, table) in tables.iter().enumerate().filter(|(_, t)| !t.partitioned) {
        places[i] = Some(archive.tables.len());
        let mut sum = RowSum::default();
        pieces.iter().filter(|p| p.chunk.table == i).for_each(|p| sum.merge(p.sum));
        archive.tables.push(TableEntry {
            name: table.name.clone(),
            columns: table.columns.iter().map(|c| c.name.clone()).collect(),
            key: table.key.clone(),
            rows: sum.rows,
            row_sum: sum.hex(),
        });
    }
    archive.files.extend(pieces.into_iter().map(|piece| FileEntry {
        path: piece.path,
        bytes: piece.written.bytes,
        sha256: piece.written.sha256,
        table: places[piece.chunk.table],
        rows: piece.sum.rows,
        raw_bytes: piece.raw_bytes,
    }));
}

/// Writes all small files, the hashes last, and gives the folder its name.
fn finish(folder: Partial, archive: &mut Archive, mut texts: Vec<Text>) -> Result<u64, Error> {
    texts.push((layout::RESTORE, restore::script(archive)));
    for (name, text) in texts {
        let path = folder.path.join(name);
        let Written { bytes, sha256 } = file::write_whole(&path, text.as_bytes())?;
        let mode = if name == layout::RESTORE { 0o755 } else { 0o600 };
        if name == layout::RESTORE || name == layout::ROLES {
            set_mode(&path, mode).map_err(|e| TransferError::file("set the mode of", &path, e))?;
        }
        archive.files.push(FileEntry { path: name.to_owned(), bytes, sha256, table: None, rows: 0, raw_bytes: 0 });
    }
    archive.files.sort_by(|a, b| a.path.cmp(&b.path));
    let text = serde_json::to_string_pretty(archive).expect("it has only texts for keys") + "\n";
    let index = file::write_whole(&folder.path.join(layout::INDEX), text.as_bytes())?;
    let mut sums: Vec<_> = archive.files.iter().map(|f| (f.path.as_str(), f.sha256.as_str())).collect();
    sums.push((layout::INDEX, &index.sha256));
    sums.sort_unstable();
    let sums: String = sums.iter().map(|(path, hash)| format!("{hash}  {path}\n")).collect();
    let sums = file::write_whole(&folder.path.join(layout::SUMS), sums.as_bytes())?;
    folder.finish()?;
    Ok(archive.files.iter().map(|f| f.bytes).sum::<u64>() + index.bytes + sums.bytes)
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    file::hex(&bytes)
}
