//! A schema straight from one database into another, without a file between them.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::postgres::PgConnection;

use super::chunk::{self, Chunk};
use super::control::{Control, Step};
use super::copy::CopyIn;
use super::ddl::{Definitions, PostData};
use super::error::Error;
use super::journal::Journal;
use super::load::{self, Fed, Feed, Load, Piece};
use super::rows;
use super::session;
use super::snapshot::Snapshot;
use super::table::{Form, Table};
use crate::pg::connect::Target;

/// What to clone, and how.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Where the rows are.
    pub source: &'a Target,
    /// Where they go.
    pub target: &'a Target,
    /// What is seen of the source.
    pub snapshot: &'a Snapshot,
    /// The tables' definitions, and what follows their rows.
    pub definitions: &'a Definitions,
    /// How many connections copy at once, on each side.
    pub jobs: usize,
    /// Whether the target's statistics are made anew.
    pub analyze: bool,
    /// The clone's name in the target's journal, which no other has; whoever cleans up after a kill closes that
    /// journal, since a clone cannot go on with another snapshot.
    pub id: &'a str,
}

/// What was cloned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cloned {
    /// Tables with rows of their own.
    pub tables: usize,
    /// Their rows.
    pub rows: u64,
}

/// Makes the tables in the target, fills them, and builds indexes and constraints while others still load.
///
/// Roles and extensions must be there, the schema may be; sequences keep their first value, and materialized views are
/// empty: see [`surroundings`](super::surroundings).
///
/// # Errors
/// The target holds one of the tables already, a server refused something, a connection broke, or somebody asked to
/// stop. What was cloned by then stays.
pub async fn clone(options: &Options<'_>, control: &Arc<Control>, step: &Step<'_>) -> Result<Cloned, Error> {
    let mut connection = session::open(options.target, "pgcleave clone").await?;
    let journal = Journal::open(&mut connection, options.id).await?;
    journal.step(&mut connection, "definitions", &options.definitions.pre_data).await?;
    session::pin(&mut connection).await?;
    let cloned = rows(options, &journal, control, step).await?;
    journal.close(&mut connection).await?;
    Ok(cloned)
}

/// Fills tables that are there and empty.
async fn rows(
    options: &Options<'_>,
    journal: &Journal,
    control: &Arc<Control>,
    step: &Step<'_>,
) -> Result<Cloned, Error> {
    let tables = &options.snapshot.tables;
    let own: BTreeSet<_> = tables.iter().filter(|t| !t.partitioned).map(|t| t.name.clone()).collect();
    let post = PostData::sort(&options.definitions.post_data, &own);
    let chunks = chunk::cut(tables, options.jobs);
    let piece = |chunk: &Chunk| {
        let table = &tables[chunk.table];
        let form = form(table);
        let name = format!("rows {} {}", table.name.label(), chunk.number);
        let as_text = (form == Form::Binary).then(|| table.copy_in(Form::Text));
        Piece { name, table: table.name.clone(), form, copy_in: table.copy_in(form), as_text, bytes: chunk.bytes }
    };
    let pieces: Vec<_> = chunks.iter().map(piece).collect();
    let total_bytes = pieces.iter().map(|p| p.bytes).sum();
    let load = Arc::new(Load { pieces, post, analyze: options.analyze });
    let (tables, chunks) = (Arc::new(tables.clone()), Arc::new(chunks));
    let mut feeds = Vec::new();
    for _ in 0..options.jobs.max(1) {
        let connection = options.snapshot.join(options.source, "pgcleave clone").await?;
        feeds.push(Rows { connection, tables: Arc::clone(&tables), chunks: Arc::clone(&chunks) });
    }
    let before = control.rows();
    let step = Step { total_bytes, ..*step };
    load::load(options.target, &load, feeds, journal, control, &step).await?;
    load::settle(options.target, &load, options.jobs.max(1), Vec::new(), journal, control, &step).await?;
    Ok(Cloned { tables: own.len(), rows: control.rows() - before })
}

/// Binary costs the target's server half of what text does; text is for values whose binary form means something in
/// their own database alone.
fn form(table: &Table) -> Form {
    if table.binary { Form::Binary } else { Form::Text }
}

/// Rows from the source's snapshot.
struct Rows {
    connection: PgConnection,
    tables: Arc<Vec<Table>>,
    chunks: Arc<Vec<Chunk>>,
}

impl Feed for Rows {
    async fn feed(&mut self, piece: usize, form: Form, into: &mut CopyIn<'_>, control: &Control) -> Result<Fed, Error> {
        let chunk = &self.chunks[piece];
        let poured = rows::pour(&mut self.connection, &self.tables, chunk, form, control, into).await?;
        Ok(poured.map_or(Fed::NotInThisForm, |poured| Fed::Rows(poured.sum.rows)))
    }
}
