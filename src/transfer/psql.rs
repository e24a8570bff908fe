//! What psql does with a dump's text besides sending it: commands that begin with a backslash, and `COPY` from the file.
//!
//! A definition is text from the source's server, and its literals from whoever owns the schema. `pg_dump`'s output is an
//! input of psql on the host that restores, so that a command in it runs there (CVE-2025-8714).

use super::lexer::{self, Kind, Prefix};
use super::statement;

/// A text that psql would not only send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} holds {what}")]
pub struct Unsafe {
    /// The line of the text, from 1.
    pub line: usize,
    /// What is there.
    pub what: &'static str,
}

/// Checks that psql sends every statement of a text as it is, and does nothing else.
///
/// # Errors
/// It holds a backslash outside of literals, names, bodies and comments, a `COPY`, or a literal that psql and the server
/// may not end at the same place.
pub fn check(text: &str) -> Result<(), Unsafe> {
    let fails = |at: usize, what| Err(Unsafe { line: text[..at].matches('\n').count() + 1, what });
    for piece in lexer::pieces(text) {
        let content = &text[piece.start..piece.end];
        match piece.kind {
            Kind::Other if content == "\\" => {
                return fails(piece.start, "a backslash outside of a literal, which psql takes for a command");
            }
            // Some versions end `1e'…'` elsewhere.
            Kind::Literal(Prefix::Another) if content.contains('\\') => {
                return fails(piece.start, "a literal with a backslash that is no escape string");
            }
            _ => {}
        }
    }
    for statement in statement::split(text) {
        if statement.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("copy")) {
            let at = statement.as_ptr().addr() - text.as_ptr().addr();
            return fails(at, "a COPY, after which psql reads rows from the file");
        }
    }
    Ok(())
}

/// Makes every literal with a backslash an escape string.
///
/// Code of the service may run while psql restores, and turn `standard_conforming_strings` off: psql hears of it, and ends
/// the literals that follow elsewhere. An escape string reads the same with both.
#[must_use]
pub fn with_escape_strings(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in lexer::pieces(text) {
        let content = &text[piece.start..piece.end];
        if piece.kind == Kind::Literal(Prefix::None) && content.contains('\\') {
            out.push('E');
            out.push_str(&content.replace('\\', "\\\\"));
        } else {
            out.push_str(content);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_wherever_psql_would_find_them() {
        for text in [
            "select 1;\n\\! id\n",
            "create view v as select 1 \\! id\n",
            "-- a\r\\! id\n",
            "/* a */ \\! id",
            "select e '\\' \\! id",
            "select E'a\\'' \\! id",
            "select 'a'\n'b' \\! id",
            "select $a$ ' $a$ \\! id",
            "select 1$a$ ' $a$ \\! id --'",
            "select \"a\\\" \\! id",
            "copy t from stdin;\n\\.\n",
            "select 1; COPY t from stdin; select '\n\\.\n\\! id\n'",
        ] {
            assert!(check(text).is_err(), "{text:?}");
        }
        for text in [
            "select '\n\\! id\n'",
            "select E'\\\\! \\' id'",
            "create function f() as $$\n\\! id\n$$",
            "-- \\! id\n/* \n\\! id\n */ select 1",
            "select \"\n\\! id\n\"",
            "create table copy (a int)",
        ] {
            assert_eq!(check(text), Ok(()), "{text:?}");
        }
        assert_eq!(check("a\nb\n\\! id").map_err(|e| e.line), Err(3));
    }

    #[test]
    fn a_literal_with_a_backslash_reads_the_same_whatever_a_setting_says() {
        assert_eq!(with_escape_strings(r"x 'a\' y"), r"x E'a\\' y");
        assert_eq!(with_escape_strings("x 'a'\n'\\' y"), "x E'a'\n'\\\\' y");
        for same in ["x 'a' y", r"x E'\'' y", r"$$ '\' $$", r#""'\'""#, r"-- '\'"] {
            assert_eq!(with_escape_strings(same), same);
        }
    }
}
