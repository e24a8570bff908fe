//! What of a load can be done now, and what must be done before more can.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::error::Error;
use super::load::{Load, Marked, Piece};
use super::table::TableName;

#[derive(Debug, Clone)]
pub(super) enum Task {
    Piece(usize),
    Index(usize),
    Analyze(TableName),
    Statement(String),
    Steps(Vec<Marked>),
}

/// What can be done now, and what must be done before more can.
pub(super) struct Board {
    pub(super) ready: Vec<Task>,
    pub(super) running: usize,
    /// Per table: how many of its pieces are being loaded.
    filling: HashMap<TableName, usize>,
    /// Per table: how many pieces, then how many indexes are still to do.
    pieces: HashMap<TableName, usize>,
    indexes: HashMap<TableName, usize>,
    /// Pieces that the server refused: they are tried again once all others are loaded, as long as each round loads one.
    postponed: Vec<(usize, Error)>,
    /// Whether a piece was loaded since the postponed ones were last tried.
    progress: bool,
    /// What an earlier load has done.
    done: HashSet<String>,
    /// What the server has refused and the load goes on without, in sentences.
    pub(super) left_out: Vec<String>,
    pub(super) load: Arc<Load>,
}

impl Board {
    pub(super) fn new(load: &Arc<Load>, done: HashSet<String>) -> Self {
        let mut board = Self {
            ready: Vec::new(),
            running: 0,
            left_out: Vec::new(),
            filling: HashMap::new(),
            pieces: HashMap::new(),
            indexes: HashMap::new(),
            postponed: Vec::new(),
            progress: false,
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
    pub(super) fn next(&mut self) -> Option<Task> {
        if self.ready.is_empty() && self.running == 0 && self.progress {
            self.progress = false;
            self.ready = self.postponed.drain(..).map(|(i, _)| Task::Piece(i)).rev().collect();
        }
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

    /// Puts off a piece whose rows the server refused: a check may read tables that are not full yet.
    pub(super) fn postpone(&mut self, piece: usize, error: Error) {
        self.running -= 1;
        self.released(piece);
        self.postponed.push((piece, error));
    }

    /// Gives the error of the first piece that was put off and could not be loaded at the end either.
    pub(super) fn refused(&mut self) -> Option<Error> {
        (!self.postponed.is_empty()).then(|| self.postponed.remove(0).1)
    }

    /// Nobody fills a piece's table by it any more.
    fn released(&mut self, piece: usize) {
        let table = &self.load.pieces[piece].table;
        if let Some(others) = self.filling.get_mut(table) {
            *others -= 1;
            if *others == 0 {
                self.filling.remove(table);
            }
        }
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

    pub(super) fn finished(&mut self, task: &Task) {
        self.running -= 1;
        let (left, table) = match task {
            Task::Piece(i) => {
                self.progress = true;
                self.released(*i);
                let table = self.load.pieces[*i].table.clone();
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

pub(super) fn index_name(index: usize) -> String {
    format!("index {index}")
}

/// Gives the name of the step that analyzes a table.
#[must_use]
pub fn analyze_name(table: &TableName) -> String {
    format!("analyze {}", table.label())
}

#[cfg(test)]
mod tests {
    use super::super::table::Form;
    use super::*;
    use crate::ident::Ident;
    use crate::sql;

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
}
