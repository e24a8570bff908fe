//! A schema straight from one database into another, without a file between them.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::chunk::{self, Chunk};
use super::control::{Control, Step};
use super::copy::CopyIn;
use super::ddl::Definitions;
use super::definitions::Prepared;
use super::error::Error;
use super::journal::Journal;
use super::load::{self, Fed, Feed, Load, Marks, Piece};
use super::loader::{Loader, Owners};
use super::post_data::PostData;
use super::readers::Worker;
use super::rows;
use super::snapshot::Snapshot;
use super::superuser;
use super::table::{Form, Table};
use crate::pg::connect::Target;
use crate::pg::session::SessionKind;

/// What to clone, and how.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Where the rows are.
    pub source: &'a Target,
    /// Where they go.
    pub target: &'a Target,
    /// Whose definitions they are.
    pub owners: Owners<'a>,
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
    let mut admin = options.target.connect(SessionKind::Administrator, "pgcleave clone").await?;
    let untrusted = superuser::untrusted_languages(&mut admin).await?;
    let definitions = Prepared::new(&options.definitions.pre_data, &options.owners, &untrusted);
    definitions.permitted(&options.owners)?;
    let journal = Journal::open(&mut admin, options.id).await?;
    let loader = Loader::start(&mut admin, options.target, &options.owners).await?;
    let cloned: Result<Cloned, Error> = async {
        if let Some(login) = loader.login() {
            journal.admit(&mut admin, login).await?;
        }
        let done = HashSet::new();
        let marks = Marks { journal: &journal, done: &done };
        definitions.run(&mut admin, &loader, &marks, "definitions").await?;
        let cloned = rows(options, &loader, &marks, control, step).await?;
        definitions.close(&loader, &marks).await?;
        Ok(cloned)
    }
    .await;
    let closed = match cloned {
        Ok(_) => journal.close(&mut admin).await,
        Err(_) => Ok(()),
    };
    let finished = loader.finish(&mut admin).await;
    let cloned = cloned?;
    closed.and(finished)?;
    Ok(cloned)
}

/// Fills tables that are there and empty.
async fn rows(
    options: &Options<'_>,
    loader: &Loader,
    journal: &Marks<'_>,
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
        let worker = options.snapshot.worker("pgcleave clone");
        feeds.push(Rows { worker, tables: Arc::clone(&tables), chunks: Arc::clone(&chunks) });
    }
    let before = control.rows();
    let step = Step { total_bytes, ..*step };
    load::load(loader, &load, feeds, journal, control, &step).await?;
    load::settle(loader, &load, options.jobs.max(1), Vec::new(), journal, control, &step).await?;
    Ok(Cloned { tables: own.len(), rows: control.rows() - before })
}

/// Binary costs the target's server half of what text does; text is for values whose binary form means something in
/// their own database alone.
fn form(table: &Table) -> Form {
    if table.binary { Form::Binary } else { Form::Text }
}

/// Rows from the source's snapshot.
struct Rows {
    worker: Worker,
    tables: Arc<Vec<Table>>,
    chunks: Arc<Vec<Chunk>>,
}

impl Feed for Rows {
    async fn feed(&mut self, piece: usize, form: Form, into: &mut CopyIn<'_>, control: &Control) -> Result<Fed, Error> {
        let chunk = &self.chunks[piece];
        let connection = self.worker.session(&self.tables[chunk.table]).await?;
        let poured = rows::pour(connection, &self.tables, chunk, form, control, into).await?;
        Ok(poured.map_or(Fed::NotInThisForm, |poured| Fed::Rows(poured.sum.rows)))
    }
}
