//! The ways in: whole scripts, routines' bodies, expressions.

use squawk_syntax::SourceFile;

use super::reference::{Certainty, Reference};
use super::walk::{self, Found, Site};
use super::{body, effort, script};

/// Why a text, or a part of it, could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreadable {
    /// The byte where it begins.
    pub at: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its column, from 1, in characters.
    pub column: usize,
    /// What the parser says.
    pub message: String,
}

/// Gives every reference of a script to an object whose schema is named, by place.
///
/// It looks into routines' bodies, DO blocks and the SQL that these put together; comments and data do not count.
/// A `search_path` that is set is a reference itself: what follows it may be looked up there. Names without a schema
/// are looked up along the search path that is given, each of its schemas being [`Certainty::Possible`]; none is
/// given where they are the service's own.
#[must_use]
pub fn references(sql: &str, search_path: &[&str]) -> Vec<Reference> {
    let all = find(sql, 0, sql.len(), !search_path.is_empty(), |site, found| walk::text(sql, site, found));
    all.iter().flat_map(|reference| along(reference, search_path)).collect()
}

/// Gives the references of a routine's body as `prosrc` or `pg_get_function_sqlbody` print it.
///
/// Bodies in languages other than `sql` and `plpgsql` are [`Certainty::Unprovable`]; `c` and `internal` have none.
#[must_use]
pub fn body_references(language: &str, body: &str, search_path: &[&str]) -> Vec<Reference> {
    Body::read(language, body).along(search_path)
}

/// A routine's body as it was read once, for any number of search paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body(Vec<Reference>);

impl Body {
    /// Reads a body, as [`body_references`] takes it.
    #[must_use]
    pub fn read(language: &str, body: &str) -> Self {
        Self(read_body(language, body))
    }

    /// Gives the references, where names without a schema are looked up along a search path.
    #[must_use]
    pub fn along(&self, search_path: &[&str]) -> Vec<Reference> {
        self.0.iter().flat_map(|reference| along(reference, search_path)).collect()
    }
}

fn read_body(language: &str, body: &str) -> Vec<Reference> {
    let standard = || {
        let first = body.split_whitespace().next().unwrap_or_default();
        first.eq_ignore_ascii_case("begin") || first.eq_ignore_ascii_case("return")
    };
    match language {
        "plpgsql" => {
            let (before, after) = body::dollar_quotes("do ", body);
            wrapped(&before, body, &after, true)
        }
        "sql" if standard() => wrapped("create function f() returns int language sql ", body, "", true),
        "sql" => find(body, 0, body.len(), true, |site, found| walk::text(body, site, found)),
        "c" | "internal" => Vec::new(),
        _ => find(body, 0, body.len(), true, |site, found| {
            found.push(Found::unknown(site, 0..body.trim_end().len()));
        }),
    }
}

/// Gives the references of an expression: a default, a check, a policy, a predicate.
#[must_use]
pub fn expression_references(expression: &str, search_path: &[&str]) -> Vec<Reference> {
    let all = wrapped("select ", expression, "", !search_path.is_empty());
    all.iter().flat_map(|reference| along(reference, search_path)).collect()
}

/// Gives what the parser does not understand in a script.
///
/// Bodies of routines are not judged: their language has its own parser, on the server.
#[must_use]
pub fn syntax_errors(sql: &str) -> Vec<Unreadable> {
    let errors: Vec<(usize, String)> = if effort::is_too_much(sql) {
        vec![(0, "it nests too deeply, or chains too many operators, to be read".to_owned())]
    } else {
        let parse = SourceFile::parse(sql);
        // Asked for its errors, the parser reads the bodies too.
        let errors = if body::all_fit(&parse.syntax_node()) { parse.errors() } else { Vec::new() };
        errors.iter().map(|error| (usize::from(error.range().start()), error.message().to_owned())).collect()
    };
    let mut lines = Lines::new(sql);
    let mut seen = std::collections::BTreeSet::new();
    // After the first error of a line the parser guesses.
    errors
        .into_iter()
        .map(|(at, message)| {
            let (line, column) = lines.of(at);
            Unreadable { at, line, column, message }
        })
        .filter(|error| seen.insert(error.line))
        .collect()
}

/// Finds in a text with something before and after it that makes it a statement.
fn wrapped(before: &str, text: &str, after: &str, looked_up: bool) -> Vec<Reference> {
    let whole = format!("{before}{text}{after}");
    find(text, before.len(), text.len(), looked_up, |site, found| walk::text(&whole, site, found))
}

/// Completes a reference: a name without a schema may be in each schema of the path.
fn along(reference: &Reference, search_path: &[&str]) -> Vec<Reference> {
    let Reference { schema, used, certainty, .. } = reference;
    if schema.is_some() || used.is_role() || *certainty == Certainty::Unprovable {
        return vec![reference.clone()];
    }
    let in_schema = |schema: &&str| Reference {
        schema: Some((*schema).to_owned()),
        certainty: Certainty::Possible,
        ..reference.clone()
    };
    search_path.iter().map(in_schema).collect()
}

/// Runs a search and gives what it found, by place; `skipped` bytes stand before the text. Names without a schema are
/// among it where they are to be looked up.
fn find(
    text: &str,
    skipped: usize,
    length: usize,
    looked_up: bool,
    search: impl FnOnce(&Site<'_>, &mut Vec<Found>),
) -> Vec<Reference> {
    let mut found = Vec::new();
    let place = |at: usize| at.saturating_sub(skipped).min(length);
    let site = Site { place: &place, certainty: Certainty::Proven, nested: 0, looked_up };
    search(&site, &mut found);
    found.sort();
    found.dedup();
    let mut lines = Lines::new(text);
    let mut references = Vec::new();
    for found in found {
        let (line, column) = lines.of(found.at);
        let length = span(text, found.at, found.end);
        let Found { at, used, needs, schema, name, certainty, .. } = found;
        references.push(Reference { at, line, column, length, used, needs, schema, name, certainty });
    }
    references
}

/// Counts the characters of a range, on its first line.
fn span(text: &str, at: usize, end: usize) -> usize {
    let part = text.get(at..end.max(at)).unwrap_or_default();
    part.lines().next().unwrap_or_default().chars().count().max(1)
}

/// Tells lines and columns of bytes that come in rising order, in one pass.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1, column: 1 }
    }

    fn of(&mut self, byte: usize) -> (usize, usize) {
        if byte < self.at {
            *self = Self::new(self.text);
        }
        let byte =
            (self.at..=byte.min(self.text.len())).rev().find(|b| self.text.is_char_boundary(*b)).unwrap_or(self.at);
        let passed = &self.text[self.at..byte];
        match passed.rfind('\n') {
            Some(last) => {
                self.line += script::line_at(passed, passed.len()) - 1;
                self.column = 1 + passed[last + 1..].chars().count();
            }
            None => self.column += passed.chars().count(),
        }
        self.at = byte;
        (self.line, self.column)
    }
}

#[cfg(test)]
mod tests;
