//! Statements that make what the manifest makes: the service's schema, and extensions.

use squawk_syntax::SourceFile;

use super::{effort, script};

/// A statement that the service's owner may not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Provided {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) kind: ProvidedKind,
    /// The name of what it makes, as the server reads it; nothing where the statement does not say.
    pub(super) name: Option<String>,
    /// Whether it says IF NOT EXISTS.
    pub(super) is_careful: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProvidedKind {
    Schema,
    Extension,
}

impl ProvidedKind {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Schema => "CREATE SCHEMA",
            Self::Extension => "CREATE EXTENSION",
        }
    }
}

/// Finds CREATE SCHEMA and CREATE EXTENSION in a script.
pub(super) fn provided(text: &str) -> Vec<Provided> {
    if effort::is_too_much(text) {
        return Vec::new();
    }
    let statements = script::read(text).statements.into_iter();
    statements.filter_map(|range| statement(&text[..range.start], &text[range])).collect()
}

fn statement(before: &str, text: &str) -> Option<Provided> {
    text.get(..6).filter(|word| word.eq_ignore_ascii_case("create"))?;
    let root = SourceFile::parse(text).syntax_node();
    let words: Vec<String> = script::significant(&root).take(8).map(|token| token.text().to_owned()).collect();
    let upper: Vec<String> = words.iter().map(|word| word.to_uppercase()).collect();
    let kind = match upper.get(1)?.as_str() {
        "SCHEMA" => ProvidedKind::Schema,
        "EXTENSION" => ProvidedKind::Extension,
        _ => return None,
    };
    let is_careful = upper.get(2..5).is_some_and(|words| words == ["IF", "NOT", "EXISTS"]);
    let name = words.get(if is_careful { 5 } else { 2 }).filter(|word| !word.eq_ignore_ascii_case("authorization"));
    Some(Provided {
        line: script::line_at(before, before.len()),
        column: 1 + before.chars().rev().take_while(|c| *c != '\n').count(),
        kind,
        name: name.map(|name| unquoted(name)),
        is_careful,
    })
}

fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(name) => name.replace("\"\"", "\""),
        None => name.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_server_reads_them() {
        let text = "create table a ();\n  Create Extension if not exists \"uuid-ossp\" schema public;\n\
                    CREATE SCHEMA Orders create table b (); create schema authorization x;\n\
                    do $$ begin create schema y; end $$; -- create extension z";
        let found: Vec<_> = provided(text)
            .into_iter()
            .map(|found| (found.line, found.column, found.kind.words(), found.name, found.is_careful))
            .collect();
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(
            found,
            [
                (2, 3, "CREATE EXTENSION", name("uuid-ossp"), true),
                (3, 1, "CREATE SCHEMA", name("orders"), false),
                (3, 41, "CREATE SCHEMA", None, false),
            ]
        );
    }
}
