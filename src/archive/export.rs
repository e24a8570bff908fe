//! Writes an archive.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sqlx::Row;
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinHandle;

use super::error::Error;
use super::file::{self, Written};
use super::folder::Partial;
use super::layout::{self, Archive, FileEntry, Source, TableEntry};
use super::location::Location;
use super::restore;
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::session::SessionKind;
use crate::transfer::chunk::{self, Chunk};
use crate::transfer::control::{Control, Step};
use crate::transfer::copy::RowSum;
use crate::transfer::coupling::{self, Coupling, CouplingKind};
use crate::transfer::error::Error as TransferError;
use crate::transfer::facts::{self, Facts};
use crate::transfer::pg_dump::PgDump;
use crate::transfer::readers::{Readers, Worker};
use crate::transfer::rows::{self, Poured};
use crate::transfer::sequences::{self, Positions};
use crate::transfer::snapshot::Snapshot;
use crate::transfer::surroundings::Surroundings;
use crate::transfer::table::{Form, Table};
use crate::transfer::{ddl, surroundings};

/// How many files of a worker may be on their way to the disk while it copies the next one.
const MAX_ENDING: usize = 2;

/// A piece of which little is in memory while it ends, in bytes on disk.
const SMALL_BYTES: u64 = 1 << 20;

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
    /// The folder to look for pg_dump in first; nothing for what the environment says.
    pub programs: Option<PathBuf>,
    /// A request to stop.
    pub interrupt: Interrupt,
}

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Where: a folder or an address.
    pub path: PathBuf,
    /// What archive.json says.
    pub archive: Archive,
    /// All bytes in the folder.
    pub bytes: u64,
}

/// Looks for what ties the schema to its database; refuses what blocks and was not allowed.
///
/// # Errors
/// Something blocks, or the server could not be asked.
pub(super) async fn couplings(
    target: &Target,
    options: &Options,
    blocks: fn(CouplingKind) -> bool,
    listener: Listener<'_>,
) -> Result<Vec<Coupling>, Error> {
    let mut connection = target.connect(SessionKind::Administrator, "pgcleave export").await?;
    let mut found = coupling::find(&mut connection, &options.schema).await?;
    // The rows are read by other logins, which say what they may not read.
    found.retain(|coupling| !coupling.kind.hides_rows());
    let (splits, found): (Vec<_>, Vec<_>) = found.into_iter().partition(Coupling::is_of_a_split);
    if !splits.is_empty() && blocks(CouplingKind::Needs) {
        return Err(Error::Splitting(options.schema.as_str().to_owned()));
    }
    let allowed = |c: &Coupling| !blocks(c.kind) || options.allow.contains(&c.kind);
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

/// Writes an archive of a schema into a new folder, or under an empty prefix.
///
/// # Errors
/// Something is there, something ties the schema, the server refused, or the disk did; nothing is left behind.
pub async fn export(
    target: &Target,
    to: &Location,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Exported, Error> {
    to.is_free()?;
    let couplings = couplings(target, options, CouplingKind::blocks, listener).await?;
    let control = Control::new(options.interrupt.clone(), options.max_bytes_per_second);
    let mut readers = Readers::open(target, &options.schema, options.jobs).await?;
    let exported = read(target, to, options, couplings, &mut readers, (&control, listener)).await;
    readers.end(exported).await
}

/// Writes the archive with the logins that read the rows.
async fn read(
    target: &Target,
    to: &Location,
    options: &Options,
    couplings: Vec<Coupling>,
    readers: &mut Readers,
    (control, listener): (&Arc<Control>, Listener<'_>),
) -> Result<Exported, Error> {
    let mut snapshot = Snapshot::take(target, readers, options.lock_seconds).await?;
    let taken_at = OffsetDateTime::now_utc().format(&Rfc3339).expect("the present can be written");
    // Some of them take a lock for a moment, which an ALTER TABLE that waits for the readers would hold up.
    let facts = facts::read(&mut snapshot.holder, &options.schema).await?;
    let mut source = source(&mut snapshot).await?;
    let major = source.server_version_num / 10_000;
    let dump = match &options.programs {
        Some(folder) => PgDump::find_in(Some(folder), major).await?,
        None => PgDump::find(major).await?,
    };
    source.pg_dump.clone_from(&dump.version);
    let mut folder = Partial::start(to, &[layout::DATA]).await?;
    let known = Known { couplings, source, taken_at, dump, facts };
    let writing = write(readers, snapshot, known, &mut folder, options, control, listener);
    match writing.await {
        Ok((archive, bytes)) => Ok(Exported { path: to.label(), archive, bytes }),
        Err(error) => {
            folder.discard().await;
            Err(error)
        }
    }
}

/// What is known before the first row.
struct Known {
    couplings: Vec<Coupling>,
    source: Source,
    taken_at: String,
    dump: PgDump,
    facts: Facts,
}

async fn write(
    readers: &mut Readers,
    mut snapshot: Snapshot,
    known: Known,
    folder: &mut Partial,
    options: &Options,
    control: &Arc<Control>,
    listener: Listener<'_>,
) -> Result<(Archive, u64), Error> {
    let Known { couplings, source, taken_at, dump, facts } = known;
    let tables = Arc::new(std::mem::take(&mut snapshot.tables));
    let dumper = readers.dumper().await?;
    let copying = copy(&snapshot, &tables, folder, options, control, listener);
    let dumping = ddl::dump(&dump, &dumper, &options.schema, &snapshot.id, control);
    // Both must have ended before the folder can go away.
    let (copied, dumped) = tokio::join!(copying, dumping);
    let (copied, definitions) = (copied?, dumped?);
    let positions = sequences::positions(readers).await?;
    let around = Around::read(&mut snapshot.holder, &couplings, &positions, options).await?;
    let mut texts = around.texts;
    texts.extend([(layout::PRE_DATA, definitions.pre_data), (layout::POST_DATA, definitions.post_data)]);
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
        owner: around.owner,
        owners: around.owners,
        verifiers: options.verifiers,
        couplings,
        tables: Vec::new(),
        files: Vec::new(),
        facts,
    };
    archive.facts.extend(positions.facts);
    fill(&mut archive, &tables, copied);
    let bytes = finish(folder, &mut archive, texts).await?;
    Ok((archive, bytes))
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

/// What stands around the schema: roles, extensions, refreshes.
struct Around {
    texts: Vec<Text>,
    owner: Option<Ident>,
    owners: Vec<Ident>,
}

impl Around {
    async fn read(
        connection: &mut PgConnection,
        couplings: &[Coupling],
        positions: &Positions,
        options: &Options,
    ) -> Result<Self, Error> {
        let around =
            surroundings::read(connection, &options.schema, &options.service, couplings, options.verifiers).await?;
        let Surroundings { roles, logins: _, extensions, grants, refreshes, act, leave, .. } = around;
        let texts = vec![
            (layout::ROLES, roles + &act),
            (layout::EXTENSIONS, extensions),
            (layout::SEQUENCES, positions.sql.as_str().to_owned()),
            (layout::GRANTS, grants),
            (layout::REFRESH, refreshes),
            (layout::LEAVE, leave),
        ];
        Ok(Self { texts, owner: around.owner, owners: around.owners })
    }
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
        workers.push(work(
            snapshot.worker("pgcleave export"),
            Arc::clone(&queue),
            Arc::clone(tables),
            folder.place.clone(),
            Arc::clone(control),
        ));
    }
    let step = Step { service: &options.service, step: "export", total_bytes, listener };
    let pieces = control.run(&step, workers).await?;
    Ok(pieces.into_iter().flatten().collect())
}

async fn work(
    mut worker: Worker,
    queue: Arc<Mutex<VecDeque<(usize, Chunk)>>>,
    tables: Arc<Vec<Table>>,
    place: Location,
    control: Arc<Control>,
) -> Result<Vec<Piece>, TransferError> {
    let (mut done, mut ending) = (Vec::new(), VecDeque::new());
    let mut result = Ok(());
    while result.is_ok() {
        let next = queue.lock().expect("no worker panics while it holds the queue").pop_front();
        let Some((number, chunk)) = next else { break };
        let table = &tables[chunk.table];
        let path = layout::data_file(number, table.name.name.as_str(), chunk.number);
        let (mut send, writing) = file::writer(place.clone(), path.clone(), chunk.bytes, true);
        let sent = async {
            control.check()?;
            let connection = worker.session(table).await?;
            rows::pour(connection, &tables, &chunk, Form::Text, &control, &mut send).await
        }
        .await;
        let sent = sent.map(|poured| poured.expect("every row has a text form"));
        drop(send);
        let stopped = sent.is_err();
        let small = chunk.bytes < SMALL_BYTES;
        ending.push_back(Ending { chunk, path, sent, writing });
        // The disk may take its time with a file while the next one's rows come.
        let most = if place.keeps_at_once() || small { MAX_ENDING } else { 0 };
        while result.is_ok() && (stopped || ending.len() > most) {
            let Some(first) = ending.pop_front() else { break };
            result = first.end().await.map(|piece| done.push(piece));
        }
    }
    // None is left under way, whatever happened: nobody must write into what is cleared away.
    for last in ending {
        let ended = last.end().await.map(|piece| done.push(piece));
        result = result.and(ended);
    }
    result.map(|()| done)
}

/// A piece whose rows have all come, and whose file is about to be kept.
struct Ending {
    chunk: Chunk,
    path: String,
    sent: Result<Poured, TransferError>,
    writing: JoinHandle<Result<Written, TransferError>>,
}

impl Ending {
    async fn end(self) -> Result<Piece, TransferError> {
        // A full disk is why the pump stopped, and not the other way round.
        let written = self.writing.await.expect("the writer does not panic")?;
        let Poured { sum, bytes: raw_bytes } = self.sent?;
        Ok(Piece { chunk: self.chunk, path: self.path, written, raw_bytes, sum })
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

/// Writes all small files, archive.json last, and gives the archive its name.
async fn finish(folder: &mut Partial, archive: &mut Archive, mut texts: Vec<Text>) -> Result<u64, Error> {
    let pre_data = texts.iter().find(|(name, _)| *name == layout::PRE_DATA).map_or("", |(_, text)| text);
    texts.push((layout::RESTORE, restore::script(archive, pre_data)));
    for (name, text) in texts {
        let mode = if name == layout::RESTORE { 0o700 } else { 0o600 };
        let Written { bytes, sha256 } = folder.put(name, text.as_bytes(), mode).await?;
        archive.files.push(FileEntry { path: name.to_owned(), bytes, sha256, table: None, rows: 0, raw_bytes: 0 });
    }
    archive.files.sort_by(|a, b| a.path.cmp(&b.path));
    let index = serde_json::to_string_pretty(archive).expect("it has only texts for keys") + "\n";
    let of_index = file::measured(index.as_bytes());
    let mut sums: Vec<_> = archive.files.iter().map(|f| (f.path.as_str(), f.sha256.as_str())).collect();
    sums.push((layout::INDEX, &of_index.sha256));
    sums.sort_unstable();
    let sums: String = sums.iter().map(|(path, hash)| format!("{hash}  {path}\n")).collect();
    let sums = folder.put(layout::SUMS, sums.as_bytes(), 0o600).await?;
    folder.still_ours().await?;
    folder.put(layout::INDEX, index.as_bytes(), 0o600).await?;
    folder.finish().await?;
    Ok(archive.files.iter().map(|f| f.bytes).sum::<u64>() + of_index.bytes + sums.bytes)
}

pub(super) fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    file::hex(&bytes)
}
