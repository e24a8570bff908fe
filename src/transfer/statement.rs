//! Splits a dump into statements, and reads the names at their beginning.

use crate::ident::Ident;

use super::lexer::{self, Kind, after_quote};
use super::table::TableName;

/// Splits SQL text at its top-level semicolons; comments before a statement and empty statements are left out.
///
/// It knows strings, escape strings, quoted names, dollar quotes, comments, parentheses and `BEGIN ATOMIC … END`.
#[must_use]
pub fn split(text: &str) -> Vec<&str> {
    let (mut statements, mut start) = (Vec::new(), None);
    let (mut parentheses, mut blocks) = (0_usize, 0_usize);
    let mut previous_word = "";
    for piece in lexer::pieces(text) {
        let content = &text[piece.start..piece.end];
        match piece.kind {
            Kind::Blank | Kind::Comment => continue,
            Kind::Word => {
                let is = |other: &str| content.eq_ignore_ascii_case(other);
                if is("atomic") && previous_word.eq_ignore_ascii_case("begin") || blocks > 0 && is("case") {
                    blocks += 1;
                } else if blocks > 0 && is("end") {
                    blocks -= 1;
                }
                start.get_or_insert(piece.start);
                previous_word = content;
                continue;
            }
            Kind::Other => match content {
                "(" => parentheses += 1,
                ")" => parentheses = parentheses.saturating_sub(1),
                ";" if parentheses == 0 && blocks == 0 => {
                    if let Some(start) = start.take() {
                        statements.push(&text[start..piece.start]);
                    }
                    previous_word = "";
                    continue;
                }
                _ => {}
            },
            Kind::Literal(_) | Kind::Name | Kind::Dollar => {}
        }
        start.get_or_insert(piece.start);
        previous_word = "";
    }
    statements.extend(start.map(|start| text[start..].trim_end()));
    statements
}

/// Tells whether a statement grants or revokes privileges on a table, view or sequence, or on columns.
#[must_use]
pub fn grants_on_relation(text: &str) -> bool {
    if !text.starts_with("GRANT ") && !text.starts_with("REVOKE ") {
        return false;
    }
    let words = lexer::pieces(text).filter(|piece| piece.kind == Kind::Word);
    let mut words = words.map(|piece| &text[piece.start..piece.end]).skip_while(|word| *word != "ON").skip(1);
    matches!(words.next(), Some("TABLE" | "SEQUENCE"))
}

/// Gives the statements at the beginning that grant or revoke privileges on relations: one, or those of another grantor
/// between `SET SESSION AUTHORIZATION` and `RESET SESSION AUTHORIZATION`, as pg_dump writes them.
#[must_use]
pub fn access<'a, 't>(statements: &'a [&'t str]) -> Option<&'a [&'t str]> {
    let first = statements.first()?;
    if grants_on_relation(first) {
        return Some(&statements[..1]);
    }
    first.strip_prefix("SET SESSION AUTHORIZATION ")?;
    let end = statements.iter().position(|text| *text == "RESET SESSION AUTHORIZATION")?;
    let inside = &statements[1..end];
    (!inside.is_empty() && inside.iter().all(|text| grants_on_relation(text))).then(|| &statements[..=end])
}

/// Reads a quoted name at the beginning of a text, and gives what follows it.
#[must_use]
pub fn name(text: &str) -> Option<(Ident, &str)> {
    let end = after_quote(text.strip_prefix('"').map(|_| text.as_bytes())?, 0, b'"', false);
    let inner = text.get(1..end.checked_sub(1)?)?.replace("\"\"", "\"");
    Some((Ident::new(&inner).ok()?, &text[end..]))
}

/// Reads a quoted, qualified name at the beginning of a text, and gives what follows it.
#[must_use]
pub fn table(text: &str) -> Option<(TableName, &str)> {
    let (schema, rest) = name(text)?;
    let (name, rest) = name(rest.strip_prefix('.')?)?;
    Some((TableName { schema, name }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_inside_something_ends_nothing() {
        let statements = [
            r"insert into t values ('a;''b\', E'\';')",
            r#"create view "v;""" as select 1"#,
            "create function f() returns void language plpgsql as $b$ begin perform $$;$$; end; $b$",
            "create rule r as on update to t do ( select 1; select 2; )",
            "create function g() returns int begin atomic select case when true then 1 end; select 2; end",
            "select a$1, $1, x /* ; /* ; */ ; */ from t",
        ];
        let text = format!("-- a; comment\n\n/* ; */ {};\n\n;", statements.join(";\n-- another\n"));
        assert_eq!(split(&text), statements);
    }

    #[test]
    fn privileges_on_relations_are_told_from_others() {
        for (text, yes) in [
            (r#"REVOKE ALL ON TABLE "s"."t" FROM "o""#, true),
            (r#"GRANT SELECT("a ON FUNCTION b"),UPDATE ON TABLE "s"."t" TO "o""#, true),
            (r#"GRANT USAGE ON SEQUENCE "s"."q" TO PUBLIC"#, true),
            (r#"GRANT ALL ON FUNCTION "s"."ON TABLE"() TO "o""#, false),
            (r#"GRANT USAGE ON SCHEMA "TABLE" TO "o""#, false),
            ("CREATE TABLE x ()", false),
        ] {
            assert_eq!(grants_on_relation(text), yes, "{text}");
        }
    }

    #[test]
    fn names_lose_their_quotes() {
        let (table, rest) = table(r#""a""b"."c.d" ADD"#).expect("a qualified name");
        assert_eq!((table.schema.as_str(), table.name.as_str(), rest), ("a\"b", "c.d", " ADD"));
        assert_eq!(name("plain"), None);
    }
}
