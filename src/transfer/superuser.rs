//! Statements that only a superuser can run: what they make can do what a superuser can.

use sqlx::postgres::PgConnection;

use super::lexer::{self, Kind};
use super::statement;
use crate::pg::error::Error as PgError;

/// Gives the languages whose functions only a superuser can make.
///
/// # Errors
/// The server refused the query.
pub async fn untrusted_languages(connection: &mut PgConnection) -> Result<Vec<String>, PgError> {
    let query = "select l.lanname::pg_catalog.text from pg_catalog.pg_language l where not l.lanpltrusted order by 1";
    sqlx::query_scalar(query).fetch_all(connection).await.map_err(|e| PgError::new("look for languages", &e))
}

/// Cuts definitions into parts that the loading login runs and parts that a superuser must run, in order.
///
/// `untrusted` are the languages whose functions only a superuser can make. An object that a superuser makes is given to its
/// owner in the same part.
#[must_use]
pub fn parts<'a>(statements: &[&'a str], untrusted: &[String]) -> Vec<(bool, Vec<&'a str>)> {
    let mut parts: Vec<(bool, Vec<&'a str>)> = Vec::new();
    let mut above = false;
    for text in statements {
        let gives = text.starts_with("ALTER ") && text.contains(" OWNER TO \"");
        above = needs(text, untrusted) || above && gives;
        match parts.last_mut() {
            Some((last, part)) if *last == above => part.push(text),
            _ => parts.push((above, vec![text])),
        }
    }
    parts
}

/// Tells whether only a superuser can run a statement.
#[must_use]
pub fn needs(text: &str, untrusted: &[String]) -> bool {
    let starts = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    if starts(&[
        "CREATE OPERATOR CLASS ",
        "CREATE OPERATOR FAMILY ",
        "ALTER OPERATOR FAMILY ",
        "CREATE TEXT SEARCH PARSER ",
        "CREATE TEXT SEARCH TEMPLATE ",
        "CREATE ACCESS METHOD ",
        "CREATE FOREIGN DATA WRAPPER ",
        "CREATE EVENT TRIGGER ",
        "CREATE LANGUAGE ",
        "CREATE PROCEDURAL LANGUAGE ",
        "CREATE TRUSTED ",
        "CREATE TRANSFORM ",
    ]) {
        return !(text.starts_with("ALTER OPERATOR FAMILY ") && text.contains(" OWNER TO \""));
    }
    if let Some(name) = text.strip_prefix("CREATE TYPE ") {
        let after = statement::table(name).map_or(name, |(_, rest)| rest).trim_start();
        // A type of its own, or the promise of one; all else says AS.
        return after.is_empty() || after.starts_with('(');
    }
    if text.starts_with("CREATE CAST ") {
        return text.contains(" WITHOUT FUNCTION");
    }
    if starts(&["CREATE FUNCTION ", "CREATE PROCEDURE ", "CREATE OR REPLACE FUNCTION ", "CREATE OR REPLACE PROCEDURE "])
    {
        return function_needs(text, untrusted);
    }
    if text.starts_with("CREATE AGGREGATE ") {
        return words(text).any(|(word, _)| word.eq_ignore_ascii_case("internal"));
    }
    false
}

fn function_needs(text: &str, untrusted: &[String]) -> bool {
    let mut not = false;
    for (word, rest) in words(text) {
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        if is("language") {
            let rest = rest.trim_start();
            let plain = || rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let language: String = statement::name(rest).map_or_else(plain, |(name, _)| name.as_str().to_owned());
            if untrusted.contains(&language) {
                return true;
            }
        }
        if is("leakproof") && !not || is("support") {
            return true;
        }
        not = is("not");
    }
    false
}

/// Gives the words outside of literals, names and bodies, each with what follows it.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let words = lexer::pieces(text).filter(|piece| piece.kind == Kind::Word);
    words.map(|piece| (&text[piece.start..piece.end], &text[piece.end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_superuser_can_make_is_known_by_its_statement() {
        let untrusted = ["c".to_owned(), "internal".to_owned(), "plpython3u".to_owned()];
        for text in [
            r#"CREATE FUNCTION "s"."f"() RETURNS int LANGUAGE "c" AS 'x', 'y'"#,
            r#"CREATE FUNCTION "s"."f"() RETURNS int LANGUAGE "plpython3u" AS $$ x $$"#,
            r#"CREATE FUNCTION "s"."f"() RETURNS int LANGUAGE "sql" LEAKPROOF AS 'x'"#,
            r#"CREATE TYPE "s"."t""#,
            "CREATE TYPE \"s\".\"t\" (\n    INPUT = \"s\".\"i\"\n)",
            r#"CREATE OPERATOR CLASS "s"."c" FOR TYPE int USING btree AS OPERATOR 1 <"#,
            r#"CREATE AGGREGATE "s"."a"(int) (SFUNC = x, STYPE = internal)"#,
        ] {
            assert!(needs(text, &untrusted), "{text}");
        }
        for text in [
            r#"CREATE FUNCTION "s"."language"() RETURNS int LANGUAGE "sql" AS 'language c leakproof'"#,
            r#"CREATE FUNCTION "s"."f"() RETURNS int LANGUAGE "plpgsql" NOT LEAKPROOF AS $$ language c $$"#,
            r#"CREATE TYPE "s"."t" AS ENUM ('a')"#,
            r#"ALTER OPERATOR FAMILY "s"."f" USING "btree" OWNER TO "o""#,
            r#"CREATE TABLE "s"."t" (x int)"#,
        ] {
            assert!(!needs(text, &untrusted), "{text}");
        }
    }

    #[test]
    fn what_a_superuser_has_made_is_given_to_its_owner_by_the_same() {
        let statements = [
            r#"CREATE TYPE "s"."t""#,
            r#"CREATE TYPE "s"."e" AS ENUM ('a')"#,
            r#"ALTER TYPE "s"."e" OWNER TO "o""#,
            "CREATE TYPE \"s\".\"t\" (INPUT = x)",
            r#"ALTER TYPE "s"."t" OWNER TO "o""#,
        ];
        let parts = parts(&statements, &[]);
        let cut: Vec<_> = parts.iter().map(|(above, part)| (*above, part.len())).collect();
        assert_eq!(cut, [(true, 1), (false, 2), (true, 2)]);
    }
}
