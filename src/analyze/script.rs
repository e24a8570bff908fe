//! Reads a migration before it runs: its statements, and what would break out of its transaction or its role.

use std::borrow::Cow;
use std::ops::Range;

use squawk_syntax::ast::{self, AstNode as _};
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode, SyntaxToken};

use super::effort;

/// The comment that lets a script run one statement at a time, without a transaction around it.
pub const NO_TRANSACTION: &str = "pgcleave: no-transaction";

/// A script, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Whether all of it runs in one transaction; not so when its header says [`NO_TRANSACTION`].
    pub transaction: bool,
    /// Each statement's bytes, without the semicolon; empty statements are left out, as the server does.
    pub statements: Vec<Range<usize>>,
    /// What keeps it from being run, by line.
    pub obstacles: Vec<Obstacle>,
}

/// Something in a script that keeps it from being run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Obstacle {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What it is.
    pub kind: ObstacleKind,
    /// The first words of it.
    pub words: String,
}

/// Why something in a script keeps it from being run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObstacleKind {
    /// It begins, ends or splits the transaction that the file runs in.
    Transaction,
    /// It leaves the owner's role, or changes roles.
    Role,
    /// It is a command of psql, which the server does not know.
    Psql,
    /// It wants rows from the client, or sends rows to it.
    CopyStream,
    /// It cannot run in a transaction.
    NoTransaction,
}

impl ObstacleKind {
    /// Says what to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Transaction => {
                "remove it: each file runs in one transaction, committed together with its history row"
            }
            Self::Role => "remove it: a migration runs as the service's owner; roles come from the manifests",
            Self::Psql => "write it as SQL: migrations do not run through psql",
            Self::CopyStream => "use INSERT … VALUES: a migration has no input or output stream",
            Self::NoTransaction => {
                "put it in a file of its own that begins with `-- pgcleave: no-transaction`: it runs one statement at a time"
            }
        }
    }
}

impl Obstacle {
    /// Says what is wrong, without the line.
    #[must_use]
    pub fn message(&self) -> String {
        let why = match self.kind {
            ObstacleKind::Transaction => "would break the file's transaction",
            ObstacleKind::Role => "would leave or change the role that the file runs as",
            ObstacleKind::Psql => "is a command of psql",
            ObstacleKind::CopyStream => "needs a client's stream",
            ObstacleKind::NoTransaction => "cannot run in a transaction",
        };
        format!("{} {why}", self.words)
    }
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message())
    }
}

/// Reads a script. What the parser does not understand is left to the server to judge.
#[must_use]
pub fn read(text: &str) -> Script {
    read_marked(text, false)
}

/// Reads a script that something outside of it can have marked: then no transaction is around it.
#[must_use]
pub fn read_marked(text: &str, alone: bool) -> Script {
    if effort::is_too_much(text) {
        let transaction = !alone && !text.trim_start().trim_start_matches('-').trim_start().starts_with(NO_TRANSACTION);
        let whole = std::iter::once(0..text.len());
        return Script { transaction, statements: whole.collect(), obstacles: vec![] };
    }
    let root = SourceFile::parse(text).syntax_node();
    let tokens: Vec<Word> = significant(&root).map(|t| Word::new(&t, start(&t))).collect();
    let transaction = !alone && !header_says_no_transaction(&root);
    let mut found = Vec::new();
    let mut statements = Vec::new();
    for statement in split(&tokens) {
        let (first, last) = (&statement[0], &statement[statement.len() - 1]);
        // psql's own lines have no semicolon: what follows one on its line is its argument, not SQL.
        if let Some(meta) = statement.iter().find(|w| w.text == "\\") {
            found.push((meta.at, ObstacleKind::Psql, psql_command(text, meta.at)));
        }
        if let Some(kind) = judge(&words(statement)) {
            found.push((first.at, kind, summary(statement)));
            if kind == ObstacleKind::CopyStream {
                // What follows is data.
                break;
            }
        }
        statements.push(first.at..last.at + last.bytes);
    }
    found.extend(set_config_calls(&tokens));
    found.extend(in_do_blocks(&root));
    found.retain(|(_, kind, _)| transaction || *kind != ObstacleKind::NoTransaction);
    let mut obstacles: Vec<_> = found.into_iter().map(|(at, kind, words)| obstacle(text, at, kind, words)).collect();
    obstacles.sort();
    obstacles.dedup();
    Script { transaction, statements, obstacles }
}

fn obstacle(text: &str, at: usize, kind: ObstacleKind, words: String) -> Obstacle {
    let before = String::from_utf8_lossy(&text.as_bytes()[..at.min(text.len())]);
    let column = 1 + before.chars().rev().take_while(|c| *c != '\n').count();
    Obstacle { line: line_at(text, at), column, kind, words }
}

/// Blanks the data that follow COPY … FROM STDIN, up to the line `\\.`: they are no SQL, and every place stays where it is.
#[must_use]
pub fn without_data(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    let mut after = 0;
    // each round reads the script anew, since data can look like anything
    for _ in 0..MOST_COPIES {
        let Some(data) = next_data(&text, after) else { return text };
        after = data.end;
        let blank = |b: u8| if b == b'\n' { '\n' } else { ' ' };
        let blanked: String = text.as_bytes()[data.clone()].iter().map(|b| blank(*b)).collect();
        text = Cow::Owned(format!("{}{blanked}{}", &text[..data.start], &text[data.end..]));
    }
    text
}

/// How many blocks of data are blanked in one script.
const MOST_COPIES: usize = 50;

/// Finds the lines of data after a COPY that begins after a byte.
fn next_data(text: &str, after: usize) -> Option<Range<usize>> {
    let is_worth_it = text.len() > after && text[after..].to_ascii_uppercase().contains("STDIN");
    if !is_worth_it || effort::is_too_much(text) {
        return None;
    }
    let root = SourceFile::parse(text).syntax_node();
    let tokens: Vec<Word> = significant(&root).map(|t| Word::new(&t, start(&t))).collect();
    let copy = split(&tokens).into_iter().find(|statement| {
        let words = words(statement);
        statement[0].at >= after && words[0] == "COPY" && words.contains(&"STDIN")
    })?;
    let last = &copy[copy.len() - 1];
    let end = last.at + last.bytes;
    let first = end + text[end..].find(';').and_then(|at| Some(at + text[end + at..].find('\n')? + 1))?;
    let mut at = first;
    for line in text[first..].split_inclusive('\n') {
        at += line.len();
        if line.trim_end() == "\\." {
            break;
        }
    }
    Some(first..at)
}

/// Gives the line of a byte, from 1.
#[must_use]
pub fn line_at(text: &str, byte: usize) -> usize {
    1 + text.as_bytes()[..byte.min(text.len())].iter().filter(|b| **b == b'\n').count()
}

/// Gives the line of a character as the server counts them, from 1.
#[must_use]
pub fn line_of_position(text: &str, position: usize) -> usize {
    1 + text.chars().take(position.saturating_sub(1)).filter(|c| *c == '\n').count()
}

/// One token that means something.
#[derive(Debug, Clone)]
struct Word {
    /// Upper case, for keywords; as it stands, for strings.
    text: String,
    at: usize,
    bytes: usize,
}

impl Word {
    fn new(token: &SyntaxToken, at: usize) -> Self {
        Self { text: token.text().to_uppercase(), at, bytes: token.text().len() }
    }
}

fn start(token: &SyntaxToken) -> usize {
    usize::from(token.text_range().start())
}

/// Gives the tokens that mean something.
pub(super) fn significant(node: &SyntaxNode) -> impl Iterator<Item = SyntaxToken> {
    node.descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT))
}

fn words(statement: &[Word]) -> Vec<&str> {
    statement.iter().map(|w| w.text.as_str()).collect()
}

/// Gives the words up to the first that is no keyword, at most four.
fn summary(statement: &[Word]) -> String {
    let words = statement.iter().map(|w| w.text.as_str());
    words.take_while(|w| w.chars().all(|c| c.is_ascii_alphabetic())).take(4).collect::<Vec<_>>().join(" ")
}

fn psql_command(text: &str, at: usize) -> String {
    text[at..].split_whitespace().next().unwrap_or("\\").to_owned()
}

/// Splits at semicolons outside parentheses and outside the body of `BEGIN ATOMIC … END`, as psql does.
fn split(tokens: &[Word]) -> Vec<&[Word]> {
    let mut statements = Vec::new();
    let (mut first, mut parentheses, mut blocks) = (0, 0_usize, 0_usize);
    for (i, word) in tokens.iter().enumerate() {
        match word.text.as_str() {
            "(" => parentheses += 1,
            ")" => parentheses = parentheses.saturating_sub(1),
            "ATOMIC" if i > first && tokens[i - 1].text == "BEGIN" => blocks += 1,
            "CASE" if blocks > 0 => blocks += 1,
            "END" => blocks = blocks.saturating_sub(1),
            ";" if parentheses == 0 && blocks == 0 => {
                statements.push(&tokens[first..i]);
                first = i + 1;
            }
            _ => {}
        }
    }
    statements.push(&tokens[first..]);
    statements.retain(|statement| !statement.is_empty());
    statements
}

/// Judges one statement by its words, in upper case.
fn judge(words: &[&str]) -> Option<ObstacleKind> {
    use ObstacleKind::{CopyStream, NoTransaction, Role, Transaction};
    let has = |word: &str| words.contains(&word);
    let kind = match words {
        ["BEGIN" | "COMMIT" | "ROLLBACK" | "ABORT" | "END" | "SAVEPOINT" | "RELEASE", ..]
        | ["START" | "PREPARE", "TRANSACTION", ..] => Transaction,
        ["SET", "LOCAL" | "SESSION", setting, ..] | ["SET" | "RESET", setting, ..] if is_role_setting(setting) => Role,
        ["SET" | "RESET", "SESSION", "AUTHORIZATION", ..] | ["SET", "SESSION" | "LOCAL", "SESSION", ..] => Role,
        ["RESET" | "DISCARD", "ALL", ..] => Role,
        ["CREATE" | "ALTER" | "DROP", "ROLE" | "USER" | "GROUP", next, ..] if *next != "MAPPING" => Role,
        ["REASSIGN" | "DROP", "OWNED", ..] => Role,
        ["COPY", ..] if has("STDIN") || has("STDOUT") => CopyStream,
        ["CREATE", "INDEX", "CONCURRENTLY", ..]
        | ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", ..]
        | ["DROP", "INDEX", "CONCURRENTLY", ..] => NoTransaction,
        ["REINDEX", rest @ ..] if has("CONCURRENTLY") || reindexes_many(rest) => NoTransaction,
        ["ALTER", "TABLE", ..] if has("DETACH") && has("CONCURRENTLY") => NoTransaction,
        ["VACUUM", ..] | ["CLUSTER"] | ["ALTER", "SYSTEM", ..] => NoTransaction,
        ["CREATE" | "DROP", "DATABASE" | "TABLESPACE", ..] => NoTransaction,
        _ => return None,
    };
    Some(kind)
}

fn is_role_setting(word: &str) -> bool {
    matches!(word.trim_matches('"'), "ROLE" | "SESSION_AUTHORIZATION")
}

fn reindexes_many(rest: &[&str]) -> bool {
    rest.iter().any(|word| matches!(*word, "SCHEMA" | "DATABASE" | "SYSTEM"))
}

type Found = (usize, ObstacleKind, String);

/// Finds `set_config('role', …)`, the function behind SET.
fn set_config_calls(tokens: &[Word]) -> Vec<Found> {
    let calls = tokens.windows(3).filter(|w| {
        w[0].text.trim_matches('"') == "SET_CONFIG" && w[1].text == "(" && is_role_setting(w[2].text.trim_matches('\''))
    });
    calls.map(|w| (w[0].at, ObstacleKind::Role, format!("set_config({}, …)", w[2].text.to_lowercase()))).collect()
}

/// Looks into the bodies of DO, which run at once; those of functions run later, in a transaction of their caller's.
fn in_do_blocks(root: &SyntaxNode) -> Vec<Found> {
    let mut found = Vec::new();
    if !super::body::all_fit(root) {
        return found;
    }
    for body in root.descendants().filter_map(ast::Do::cast).filter_map(|block| block.plpgsql()) {
        let in_file = |token: &SyntaxToken| usize::from(body.source_range(token.text_range()).start());
        let tree = body.syntax();
        let tokens: Vec<Word> = significant(&tree).map(|t| Word::new(&t, in_file(&t))).collect();
        found.extend(set_config_calls(&tokens));
        for node in tree.descendants().filter(|node| runs(node.kind())) {
            let statement: Vec<Word> = significant(&node).map(|t| Word::new(&t, in_file(&t))).collect();
            if let Some(kind) = judge(&words(&statement)) {
                found.push((statement[0].at, kind, format!("{} in a DO block", summary(&statement))));
            }
        }
    }
    found
}

fn runs(kind: SyntaxKind) -> bool {
    matches!(kind, SyntaxKind::PLPGSQL_COMMIT_STMT | SyntaxKind::PLPGSQL_ROLLBACK_STMT) || ast::Stmt::can_cast(kind)
}

/// Looks for [`NO_TRANSACTION`] in the comments before the first statement.
fn header_says_no_transaction(root: &SyntaxNode) -> bool {
    root.descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .take_while(|token| matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT))
        .any(|token| token.text().trim_start_matches('-').trim() == NO_TRANSACTION)
}

#[cfg(test)]
mod tests;
