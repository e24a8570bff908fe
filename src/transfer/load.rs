//! Fills tables from any source, and builds their indexes while others are still filling.
//!
//! Every step leaves a mark in the same transaction, so that a load that was killed goes on where it was:
//! nothing is loaded twice, nothing is left out.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnection;
use tokio::sync::Notify;

use super::control::{Control, Step};
use super::copy::CopyIn;
use super::ddl::PostData;
use super::error::Error;
use super::journal::Journal;
use super::session;
use super::table::{Form, TableName};
use crate::pg::connect::Target;
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

#[derive(Debug, Clone)]
enum Task {
    Piece(usize),
    Index(usize),
    Analyze(TableName),
    Statement(String),
    Steps(Vec<Marked>),
}

/// A step of a name in the journal.
#[derive(Debug, Clone)]
pub struct Marked {
    /// The name.
    pub name: String,
    /// What is to be done.
    pub script: String,
}

/// What can be done now, and what must be done before more can.
struct Board {
    ready: Vec<Task>,
    running: usize,
    /// Per table: how many of its pieces are being loaded.
    filling: HashMap<TableName, usize>,
    /// Per table: how many pieces, then how many indexes are still to do.
    pieces: HashMap<TableName, usize>,
    indexes: HashMap<TableName, usize>,
    /// What an earlier load has done.
    done: HashSet<String>,
    load: Arc<Load>,
}

impl Board {
    fn new(load: &Arc<Load>, done: HashSet<String>) -> Self {
        let mut board = Self {
            ready: Vec::new(),
            running: 0,
            filling: HashMap::new(),
            pieces: HashMap::new(),
            indexes: HashMap::new(),
            done: HashSet::new(),
            load: Arc::clone(load),
        };
        let tables: BTreeSet<&TableName> = load.pieces.iter().map(|p| &p.table).collect();
        for piece in &load.pieces {
            *board.pieces.entry(piece.table.clone()).or_default() += usize::from(!done.contains(&piece.name));
        }
        for (i, index) in load.post.indexes.iter().enumerate() {
            *board.indexes.entry(index.table.clone()).or_default() += usize::from(!done.contains(&index_name(i)));
        }
        let waiting = |(_, piece): &(usize, &Piece)| !done.contains(&piece.name);
        board.ready = load.pieces.iter().enumerate().filter(waiting).map(|(i, _)| Task::Piece(i)).rev().collect();
        board.done = done;
        for table in tables {
            if board.pieces.get(table) == Some(&0) {
                board.filled(table);
            }
        }
        board
    }

    /// Takes what is to be done next: what makes full tables ready, then rows of a table that nobody fills, since two
    /// who fill the same one wait for each other.
    fn next(&mut self) -> Option<Task> {
        let apart = |task: &Task| match task {
            Task::Piece(i) => !self.filling.contains_key(&self.load.pieces[*i].table),
            _ => true,
        };
        let chosen = self.ready.iter().rposition(apart).or(self.ready.len().checked_sub(1))?;
        let task = self.ready.remove(chosen);
        self.running += 1;
        if let Task::Piece(i) = task {
            *self.filling.entry(self.load.pieces[i].table.clone()).or_default() += 1;
        }
        Some(task)
    }

    /// A table's rows are all there.
    fn filled(&mut self, table: &TableName) {
        let indexes = self.load.post.indexes.iter().enumerate();
        let todo = indexes.filter(|(i, index)| index.table == *table && !self.done.contains(&index_name(*i)));
        let todo: Vec<_> = todo.map(|(i, _)| Task::Index(i)).rev().collect();
        if todo.is_empty() {
            self.indexed(table);
        }
        // The end of the list is done first: indexes of what is full go before more rows.
        self.ready.extend(todo);
    }

    /// A table's indexes are all there.
    fn indexed(&mut self, table: &TableName) {
        if self.load.analyze && !self.done.contains(&analyze_name(table)) {
            self.ready.push(Task::Analyze(table.clone()));
        }
    }

    fn finished(&mut self, task: &Task) {
        self.running -= 1;
        let (left, table) = match task {
            Task::Piece(i) => {
                let table = self.load.pieces[*i].table.clone();
                if let Some(others) = self.filling.get_mut(&table) {
                    *others -= 1;
                    if *others == 0 {
                        self.filling.remove(&table);
                    }
                }
                (self.pieces.get_mut(&table), table)
            }
            Task::Index(i) => {
                let table = self.load.post.indexes[*i].table.clone();
                (self.indexes.get_mut(&table), table)
            }
            Task::Analyze(_) | Task::Statement(_) | Task::Steps(_) => return,
        };
        let left = left.expect("every table was counted");
        *left -= 1;
        if *left == 0 {
            match task {
                Task::Piece(_) => self.filled(&table),
                _ => self.indexed(&table),
            }
        }
    }
}

fn index_name(index: usize) -> String {
    format!("index {index}")
}

/// Gives the name of the step that analyzes a table.
#[must_use]
pub fn analyze_name(table: &TableName) -> String {
    format!("analyze {}", table.label())
}

/// Loads all rows, then all that follows them but for the foreign keys' look at the rows, see [`settle()`]. Steps that the
/// journal has are left out.
///
/// `feeds` are as many workers as there should be.
///
/// # Errors
/// A row or a statement was refused, a connection broke, or somebody asked to stop.
pub async fn load<F: Feed>(
    target: &Target,
    load: &Arc<Load>,
    feeds: Vec<F>,
    journal: &Journal,
    control: &Arc<Control>,
    step: &Step<'_>,
) -> Result<(), Error> {
    let mut connection = session::open(target, "pgcleave import").await?;
    let done = journal.done(&mut connection).await?;
    // Whoever closes the journal commits for good, and all that was committed before with it.
    session::run(&mut connection, "prepare the load", "set synchronous_commit = off").await?;
    let board = Board::new(load, done.clone());
    run(target, board, feeds, journal, control, step).await?;

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
    target: &Target,
    load: &Arc<Load>,
    jobs: usize,
    steps: Vec<Marked>,
    journal: &Journal,
    control: &Arc<Control>,
    step: &Step<'_>,
) -> Result<(), Error> {
    let mut board = Board::new(&Arc::default(), HashSet::new());
    // Validating what is valid already does nothing, so that these need no marks.
    board.ready = validations(load).into_iter().map(Task::Statement).collect();
    if !steps.is_empty() {
        board.ready.push(Task::Steps(steps));
    }
    run(target, board, vec![Nothing; jobs], journal, control, step).await
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
    target: &Target,
    board: Board,
    feeds: Vec<F>,
    journal: &Journal,
    control: &Arc<Control>,
    step: &Step<'_>,
) -> Result<(), Error> {
    if board.ready.is_empty() {
        return Ok(());
    }
    let load = Arc::clone(&board.load);
    let shared = Arc::new((Mutex::new(board), Notify::new()));
    let mut workers = Vec::new();
    for feed in feeds {
        let mut connection = session::open(target, "pgcleave import").await?;
        let memory = "set synchronous_commit = off; select pg_catalog.set_config('maintenance_work_mem', '256MB', false) \
            where pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < 268435456";
        session::run(&mut connection, "prepare the load", memory).await?;
        if control.is_limited() {
            // Whoever is to be spared rows in haste is to be spared more processes for an index, too.
            session::run(&mut connection, "prepare the load", "set max_parallel_maintenance_workers = 0").await?;
        }
        let worker = Worker {
            connection,
            feed,
            load: Arc::clone(&load),
            journal: journal.clone(),
            control: Arc::clone(control),
            as_text: HashSet::new(),
        };
        workers.push(worker.work(Arc::clone(&shared)));
    }
    control.run(step, workers).await?;
    Ok(())
}

struct Worker<F> {
    connection: PgConnection,
    feed: F,
    load: Arc<Load>,
    journal: Journal,
    control: Arc<Control>,
    /// Tables some of whose rows cannot be given in their piece's form.
    as_text: HashSet<TableName>,
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
                let task = board.next();
                if task.is_none() && board.running == 0 {
                    return Ok(());
                }
                task
            };
            let Some(task) = task else {
                change.await;
                continue;
            };
            let result = self.run(&task).await;
            match &result {
                Ok(()) => board.lock().expect("no worker panics while it holds the board").finished(&task),
                Err(_) => self.control.fail(),
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
                for Marked { name, script } in steps {
                    self.control.check()?;
                    self.journal.step(&mut self.connection, name, script).await?;
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
            session::run(&mut self.connection, "take a piece back", "rollback").await?;
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
        session::run(&mut self.connection, "commit a piece", "commit").await?;
        Ok(())
    }

    async fn rows(&mut self, number: usize, form: Form, copy_in: &Sql) -> Result<Fed, Error> {
        let table = self.load.pieces[number].table.label();
        session::run(&mut self.connection, "begin a piece", "begin").await?;
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
    use super::super::ddl::ForeignKey;
    use super::*;
    use crate::ident::Ident;

    #[test]
    fn two_workers_fill_the_same_table_only_where_no_other_is_left() {
        let piece = |table: &str, name: &str| {
            let ident = |text| Ident::new(text).expect("a name");
            let table = TableName { schema: ident("s"), name: ident(table) };
            Piece { name: name.to_owned(), table, form: Form::Text, copy_in: sql!("copy"), as_text: None, bytes: 1 }
        };
        let pieces = vec![piece("a", "a 1"), piece("a", "a 2"), piece("a", "a 3"), piece("b", "b 1")];
        let mut board = Board::new(&Arc::new(Load { pieces, ..Load::default() }), HashSet::new());
        let mut next = || match board.next() {
            Some(task @ Task::Piece(i)) => Some((board.load.pieces[i].name.clone(), task)),
            _ => None,
        };
        let (first, second, third) = (next(), next(), next());
        let names = [&first, &second, &third].map(|taken| taken.as_ref().map(|(name, _)| name.as_str()));
        assert_eq!(names, [Some("a 1"), Some("b 1"), Some("a 2")]);
        for (_, task) in [first, second, third].into_iter().flatten() {
            board.finished(&task);
        }
        assert!(matches!(board.next(), Some(Task::Piece(2))), "{:?}", board.ready);
        assert!(board.next().is_none(), "{:?}", board.ready);
    }

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
