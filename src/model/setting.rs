//! Roles' settings in the form in which two of them can be compared.

use crate::ident::Ident;
use crate::sql::{Comma, Literal, Piece, Sql};

/// The parameters whose value is a list of names, each quoted by itself (GUC_LIST_QUOTE in PostgreSQL's source).
const NAME_LISTS: [&str; 6] = [
    "search_path",
    "temp_tablespaces",
    "session_preload_libraries",
    "local_preload_libraries",
    "shared_preload_libraries",
    "unix_socket_directories",
];

/// The lists of libraries that each new session loads: one that is not there ends every login.
const LIBRARY_LISTS: [&str; 2] = ["session_preload_libraries", "local_preload_libraries"];

/// Gives a value in one form: lists of names with each name quoted, all else as it is.
///
/// `SET search_path = a, b` and `SET search_path = 'a, b'` are not the same: the latter is one name.
#[must_use]
pub fn normalise(parameter: &str, stored: &str) -> String {
    if !NAME_LISTS.contains(&parameter) {
        return stored.to_owned();
    }
    let quote = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
    words(stored).iter().map(quote).collect::<Vec<_>>().join(", ")
}

/// Gives the normal form of a list of names.
#[must_use]
pub fn name_list(names: &[Ident]) -> String {
    names.iter().map(Ident::quoted).collect::<Vec<_>>().join(", ")
}

/// Gives the libraries that a setting makes each new session load, as LOAD takes them.
#[must_use]
pub fn libraries(parameter: &str, value: &str) -> Vec<String> {
    let listed = if LIBRARY_LISTS.contains(&parameter) { words(value) } else { Vec::new() };
    // the server finds these in one folder only, unless they say so themselves
    let local = |name: String| match parameter {
        "local_preload_libraries" if !name.contains('/') => format!("$libdir/plugins/{name}"),
        _ => name,
    };
    listed.into_iter().map(local).collect()
}

/// A normalised value, as SET takes it.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a>(pub &'a str, pub &'a str);

impl Piece for Value<'_> {
    fn write(&self, out: &mut Sql) {
        let Self(parameter, value) = *self;
        if !NAME_LISTS.contains(&parameter) {
            return Literal(value).write(out);
        }
        let list = words(value);
        if list.is_empty() {
            return out.push_static("''");
        }
        // as identifiers where they are some, which reads better; a path may be longer than one
        let idents: Result<Vec<Ident>, _> = list.iter().map(|name| Ident::new(name)).collect();
        match idents {
            Ok(idents) => Comma(idents.iter()).write(out),
            Err(_) => Comma(list.iter().map(|name| Literal(name))).write(out),
        }
    }
}

/// Gives the values to set one by one: a list's names, or the value itself.
#[must_use]
pub fn values(parameter: &str, stored: &str) -> Vec<String> {
    if !NAME_LISTS.contains(&parameter) {
        return vec![stored.to_owned()];
    }
    let names: Vec<_> = names(stored).iter().map(|name| name.as_str().to_owned()).collect();
    if names.is_empty() { vec![String::new()] } else { names }
}

/// Splits `a, "b c"` into names; names that are too long or empty are left out, as the server leaves them out.
#[must_use]
pub fn names(list: &str) -> Vec<Ident> {
    words(list).iter().filter_map(|name| Ident::new(name).ok()).collect()
}

/// Splits `a, "b c"` into names, whatever their length; empty ones are left out.
fn words(list: &str) -> Vec<String> {
    let (mut found, mut name, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(std::mem::take(&mut name)),
            c if c.is_whitespace() && !quoted => {}
            c => name.push(c),
        }
    }
    found.push(name);
    found.retain(|name| !name.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql;

    #[test]
    fn a_quoted_list_is_one_name() {
        assert_eq!(normalise("search_path", "orders, extensions"), r#""orders", "extensions""#);
        assert_eq!(normalise("search_path", r#""orders, extensions""#), r#""orders, extensions""#);
        assert_eq!(normalise("statement_timeout", "5s"), "5s");
        let libraries = "auto_explain, $libdir/other";
        assert_eq!(normalise("session_preload_libraries", libraries), r#""auto_explain", "$libdir/other""#);
        assert_eq!(normalise("session_preload_libraries", r#""auto_explain",x"#), r#""auto_explain", "x""#);
        assert_eq!(normalise("temp_tablespaces", ""), "");
    }

    #[test]
    fn the_libraries_of_a_session_are_known() {
        assert_eq!(libraries("session_preload_libraries", r#""a", "b/c""#), ["a", "b/c"]);
        assert_eq!(libraries("local_preload_libraries", r#""a""#), ["$libdir/plugins/a"]);
        assert!(libraries("search_path", r#""a""#).is_empty());
    }

    #[test]
    fn a_list_is_set_name_by_name() {
        let value = normalise("search_path", r#"a, "b""c""#);
        assert_eq!(sql!(Value("search_path", &value)).as_str(), r#""a", "b""c""#);
        assert_eq!(sql!(Value("search_path", "")).as_str(), "''");
        let long = format!("{}, b", "x".repeat(70));
        let value = normalise("session_preload_libraries", &long);
        let expected = format!("'{}', 'b'", "x".repeat(70));
        assert_eq!(sql!(Value("session_preload_libraries", &value)).as_str(), expected);
        assert_eq!(sql!(Value("application_name", "it's")).as_str(), "'it''s'");
    }
}
