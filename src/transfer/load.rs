//! Fills tables from any source, and builds their indexes while others are still filling.
//!
//! Every step leaves a mark in the same transaction, so that a load that was killed goes on where it was:
//! nothing is loaded twice, nothing is left out.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnection;
use tokio::sync::Notify;

pub use super::board::analyze_name;
use super::board::{Board, Task, index_name};
use super::control::{Control, Step};
use super::copy::CopyIn;
use super::error::Error;
use super::journal::Journal;
use super::loader::Loader;
use super::post_data::PostData;
use super::table::{Form, TableName};
use crate::event::Event;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::Sql;

/// How many definitions go into one transaction: each may lock a table or two.
const STEPS_TOGETHER: usize = 50;

/// What fills the tables: rows come from here.
pub trait Feed: Send + 'static {
    /// Sends all rows of one piece in a form.
    fn feed(
        &mut self,
        piece: usize,
        form: Form,
        into: &mut CopyIn<'_>,
        control: &Control,
    ) -> impl Future<Output = Result<Fed, Error>> + Send;

    /// Tells whether a piece can be sent again after the server has refused it.
    fn repeatable(&self) -> bool {
        false
    }
}

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fed {
    /// So many rows were sent.
    Rows(u64),
    /// Some row cannot be given in this form.
    NotInThisForm,
}

/// One piece of one table's rows.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Its name in the journal.
    pub name: String,
    /// The table.
    pub table: TableName,
    /// The form in which its rows come.
    pub form: Form,
    /// The statement that takes them.
    pub copy_in: Sql,
    /// The statement that takes them as text, where some of them may not come in that form.
    pub as_text: Option<Sql>,
    /// About how many bytes it has.
    pub bytes: u64,
}

/// What to load.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// All rows, in the order in which they should be loaded.
    pub pieces: Vec<Piece>,
    /// What follows the rows.
    pub post: PostData,
    /// Whether each table is analyzed once it has its indexes.
    pub analyze: bool,
}

/// A load's journal, and what an earlier load had done when this one began.
#[derive(Debug, Clone, Copy)]
pub struct Marks<'a> {
    /// The journal.
    pub journal: &'a Journal,
    /// The steps that were done.
    pub done: &'a HashSet<String>,
}

/// A step of a name in the journal.
#[derive(Debug, Clone)]
pub struct Marked {
    /// The name.
    pub name: String,
    /// What is to be done.
    pub script: String,
    /// What is not done where the server refuses it: the load goes on, and says so. Without it the load ends.
    pub optional: Option<String>,
}

/// Loads all rows, then all that follows them but for the foreign keys' look at the rows, see [`settle()`]. Steps that the
/// journal has are left out.
///
/// `feeds` are as many workers as there should be.
///
/// # Errors
/// A row or a statement was refused, a connection broke, or somebody asked to stop.
pub async fn load<F: Feed>(
    loader: &Loader,
    load: &Arc<Load>,
    feeds: Vec<F>,
    journal: &Marks<'_>,
    control: &Arc<Control>,
    step: &Step<'_>,
) -> Result<(), Error> {
    let mut connection = loader.connect("pgcleave import").await?;
    let Marks { journal, done } = *journal;
    // Whoever closes the journal commits for good, and all that was committed before with it.
    exec::fixed(&mut connection, "prepare the load", "set synchronous_commit = off").await?;
    let board = Board::new(load, done.clone());
    run(loader, board, feeds, journal, control, step).await?;

    let middle = load.post.middle.iter().enumerate().map(|(i, sql)| (format!("middle {i}"), sql.as_str()));
    let keys = load.post.foreign_keys.iter().enumerate().map(|(i, key)| (format!("foreign key {i}"), key.sql.as_str()));
    let steps: Vec<_> = middle.chain(keys).filter(|(name, _)| !done.contains(name)).collect();
    for some in steps.chunks(STEPS_TOGETHER) {
        control.check()?;
        journal.steps(&mut connection, some).await?;
    }
    Ok(())
}

/// Lets the foreign keys look at the rows of what [`load()`] has loaded. Beside them one worker runs `steps`, in order:
/// what reads the rows and is no table's, such as materialized views.
///
/// # Errors
/// As [`load()`]; a row that has no counterpart is one.
pub async fn settle(
    loader: &Loader,
    load: &Arc<Load>,
    jobs: usize,
    steps: Vec<Marked>,
    journal: &Marks<'_>,
    control: &Arc<Control>,
    step: &Step<'_>,
) -> Result<(), Error> {
    // Validating what is valid already does nothing, so that these need no marks.
    let validations = validations(load).into_iter().map(Task::Statement).collect();
    let access = access(load, journal.done);
    let journal = journal.journal;
    let steps = (!steps.is_empty()).then_some(Task::Steps(steps));
    let refused = if access.is_empty() {
        together(validations, steps, loader, jobs, journal, control, step).await?
    } else {
        // A view that is filled sees what policies let its owner see, and a check of a key sees all rows.
        together(validations, None, loader, jobs, journal, control, step).await?;
        together(Vec::new(), Some(Task::Steps(access)), loader, 1, journal, control, step).await?;
        together(Vec::new(), steps, loader, 1, journal, control, step).await?
    };
    refused.into_iter().for_each(|message| (step.listener)(Event::Warning { message }));
    Ok(())
}

/// Gives what limits access to relations and has not been done yet.
fn access(load: &Load, done: &HashSet<String>) -> Vec<Marked> {
    let all = load.post.access.iter().enumerate();
    let marked = all.map(|(i, sql)| Marked { name: format!("access {i}"), script: sql.clone(), optional: None });
    marked.filter(|step| !done.contains(&step.name)).collect()
}

async fn together(
    mut ready: Vec<Task>,
    more: Option<Task>,
    loader: &Loader,
    jobs: usize,
    journal: &Journal,
    control: &Arc<Control>,
    step: &Step<'_>,
) -> Result<Vec<String>, Error> {
    ready.extend(more);
    let mut board = Board::new(&Arc::default(), HashSet::new());
    board.ready = ready;
    run(loader, board, vec![Nothing; jobs], journal, control, step).await
}

/// Gives the statements that look at the rows; those of the largest tables are last, where they are taken first.
fn validations(load: &Load) -> Vec<String> {
    let mut bytes: HashMap<&TableName, u64> = HashMap::new();
    for piece in &load.pieces {
        *bytes.entry(&piece.table).or_default() += piece.bytes;
    }
    let mut keys: Vec<_> = load.post.foreign_keys.iter().filter(|key| key.validate.is_some()).collect();
    keys.sort_by_key(|key| bytes.get(&key.table).copied().unwrap_or(0));
    keys.into_iter().filter_map(|key| key.validate.clone()).collect()
}

/// Feeds nothing.
#[derive(Clone)]
struct Nothing;

impl Feed for Nothing {
    async fn feed(
        &mut self,
        _piece: usize,
        _form: Form,
        _into: &mut CopyIn<'_>,
        _control: &Control,
    ) -> Result<Fed, Error> {
        Ok(Fed::Rows(0))
    }
}

async fn run<F: Feed>(
    loader: &Loader,
    board: Board,
    feeds: Vec<F>,
    journal: &Journal,
    control: &Arc<Control>,
    step: &Step<'_>,
) -> Result<Vec<String>, Error> {
    if board.ready.is_empty() {
        return Ok(Vec::new());
    }
    let load = Arc::clone(&board.load);
    let shared = Arc::new((Mutex::new(board), Notify::new()));
    let mut workers = Vec::new();
    for feed in feeds {
        workers.push(Worker {
            connection: connected(loader, control).await?,
            loader: loader.clone(),
            feed,
            load: Arc::clone(&load),
            journal: journal.clone(),
            control: Arc::clone(control),
            as_text: HashSet::new(),
            left_out: Vec::new(),
        });
    }
    let workers = workers.into_iter().map(|worker| worker.work(Arc::clone(&shared))).collect();
    control.run(step, workers).await?;
    let mut board = shared.0.lock().expect("no worker panics while it holds the board");
    Ok(std::mem::take(&mut board.left_out))
}

/// Connects a worker.
async fn connected(loader: &Loader, control: &Control) -> Result<PgConnection, Error> {
    let mut connection = loader.connect("pgcleave import").await?;
    let memory = "set synchronous_commit = off; select pg_catalog.set_config('maintenance_work_mem', '256MB', false) \
            where pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < 268435456";
    exec::fixed(&mut connection, "prepare the load", memory).await?;
    if control.is_limited() {
        // A limited load also builds each index in one process, to spare the server.
        exec::fixed(&mut connection, "prepare the load", "set max_parallel_maintenance_workers = 0").await?;
    }
    Ok(connection)
}

/// Tells whether rows that the server refused may be accepted once other tables are full: a check or a generated column can
/// call a function that reads them.
fn may_need_other_rows(error: &Error) -> bool {
    let Error::Server(error) = error else { return false };
    // data exception, constraint violation, an error that a function raises
    error.sqlstate().is_some_and(|code| ["22", "23", "P0"].iter().any(|class| code.starts_with(class)))
}

/// Tells whether a statement was refused for what it is: not for want of room, and not since somebody ended it.
#[must_use]
pub(crate) fn is_its_own(error: &PgError) -> bool {
    let PgError::Statement(statement) = error else { return false };
    !["08", "53", "57", "58", "XX"].iter().any(|class| statement.sqlstate.starts_with(class))
}

struct Worker<F> {
    connection: PgConnection,
    loader: Loader,
    feed: F,
    load: Arc<Load>,
    journal: Journal,
    control: Arc<Control>,
    /// Tables some of whose rows cannot be given in their piece's form.
    as_text: HashSet<TableName>,
    /// What the server has refused and the load goes on without, in sentences.
    left_out: Vec<String>,
}

impl<F: Feed> Worker<F> {
    async fn work(mut self, shared: Arc<(Mutex<Board>, Notify)>) -> Result<(), Error> {
        let (board, changed) = &*shared;
        loop {
            // Registered before looking, so that no change is missed in between.
            let change = changed.notified();
            tokio::pin!(change);
            change.as_mut().enable();
            self.control.check()?;
            let task = {
                let mut board = board.lock().expect("no worker panics while it holds the board");
                match board.next() {
                    None if board.running == 0 => match board.refused() {
                        // The others have nothing to do any more, and return.
                        Some(error) => {
                            changed.notify_waiters();
                            return Err(error);
                        }
                        None => return Ok(()),
                    },
                    task => task,
                }
            };
            let Some(task) = task else {
                change.await;
                continue;
            };
            let result = self.run(&task).await;
            let result = match (result, &task) {
                (Err(error), Task::Piece(i)) if self.feed.repeatable() && may_need_other_rows(&error) => {
                    self.control.take_back(self.load.pieces[*i].bytes);
                    // A connection whose copy failed is out of step.
                    let connection = connected(&self.loader, &self.control).await;
                    board.lock().expect("no worker panics while it holds the board").postpone(*i, error);
                    connection.map(|connection| self.connection = connection)
                }
                (Ok(()), task) => {
                    let mut board = board.lock().expect("no worker panics while it holds the board");
                    board.left_out.append(&mut self.left_out);
                    board.finished(task);
                    Ok(())
                }
                (Err(error), _) => Err(error),
            };
            if result.is_err() {
                self.control.fail();
            }
            changed.notify_waiters();
            result?;
        }
    }

    async fn run(&mut self, task: &Task) -> Result<(), Error> {
        match task {
            Task::Piece(i) => self.piece(*i).await,
            Task::Index(i) => {
                let sql = self.load.post.indexes[*i].sql.clone();
                self.journal.step(&mut self.connection, &index_name(*i), &sql).await
            }
            Task::Analyze(table) => {
                let sql = sql!("analyze ", table.sql());
                self.journal.step(&mut self.connection, &analyze_name(table), sql.as_str()).await
            }
            Task::Statement(sql) => {
                let done = exec::script(&mut self.connection, "validate a foreign key", sql).await;
                done.map_err(|e| e.error.into())
            }
            Task::Steps(steps) => {
                for Marked { name, script, optional } in steps {
                    self.control.check()?;
                    match (self.journal.step(&mut self.connection, name, script).await, optional) {
                        (Err(Error::Server(error)), Some(what)) if is_its_own(&error) => {
                            self.left_out.push(format!("{what}: {error}"));
                        }
                        (done, _) => done?,
                    }
                }
                Ok(())
            }
        }
    }

    /// Rows and mark in one transaction. After an error the connection goes with the worker.
    async fn piece(&mut self, number: usize) -> Result<(), Error> {
        let load = Arc::clone(&self.load);
        let piece = &load.pieces[number];
        let as_text = piece.as_text.as_ref().filter(|_| self.as_text.contains(&piece.table));
        let mut fed = match as_text {
            Some(as_text) => self.rows(number, Form::Text, as_text).await?,
            None => self.rows(number, piece.form, &piece.copy_in).await?,
        };
        if let (Fed::NotInThisForm, Some(as_text)) = (fed, &piece.as_text) {
            exec::fixed(&mut self.connection, "take a piece back", "rollback").await?;
            // Otherwise the rows that were sent by then would take room for good.
            let vacuum = sql!("vacuum ", piece.table.sql());
            exec::script(&mut self.connection, "free what a piece has taken", vacuum.as_str())
                .await
                .map_err(|e| e.error)?;
            self.as_text.insert(piece.table.clone());
            fed = self.rows(number, Form::Text, as_text).await?;
        }
        assert!(matches!(fed, Fed::Rows(_)), "every row has a text form");
        self.journal.mark(&mut self.connection, &piece.name).await?;
        exec::fixed(&mut self.connection, "commit a piece", "commit").await?;
        Ok(())
    }

    async fn rows(&mut self, number: usize, form: Form, copy_in: &Sql) -> Result<Fed, Error> {
        let table = self.load.pieces[number].table.label();
        exec::fixed(&mut self.connection, "begin a piece", "begin").await?;
        let mut copy = CopyIn::start(&mut self.connection, &format!("load {table}"), copy_in).await?;
        let fed = self.feed.feed(number, form, &mut copy, &self.control).await?;
        let Fed::Rows(sent) = fed else {
            copy.abandon().await?;
            return Ok(fed);
        };
        let taken = copy.finish().await?;
        if sent == taken { Ok(fed) } else { Err(Error::RowsLost { table, sent, taken }) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::post_data::ForeignKey;
    use super::*;
    use crate::ident::Ident;

    #[test]
    fn the_key_of_the_largest_table_looks_at_the_rows_first() {
        let ident = |text: &str| Ident::new(text).expect("a name");
        let table = |name: &str| TableName { schema: ident("s"), name: ident(name) };
        let piece = |name: &str, bytes| {
            let copy_in = sql!("copy");
            Piece { name: String::new(), table: table(name), form: Form::Text, copy_in, as_text: None, bytes }
        };
        let key = |name: &str| {
            let validate = Some(format!("validate {name}"));
            ForeignKey { table: table(name), sql: String::new(), validate }
        };
        let pieces = vec![piece("small", 1), piece("large", 2), piece("large", 2), piece("mid", 3)];
        let foreign_keys = vec![key("large"), key("mid"), key("empty"), key("small")];
        let post = PostData { foreign_keys, ..PostData::default() };
        let mut order = validations(&Load { pieces, post, ..Load::default() });
        order.reverse();
        assert_eq!(order, ["validate large", "validate mid", "validate small", "validate empty"]);
    }
}
