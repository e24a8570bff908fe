//! Roles' settings in the form in which two of them can be compared.

use crate::ident::Ident;
use crate::sql::{Comma, Literal, Piece, Sql};

/// The parameters whose value is a list of names, which SET quotes one by one.
const NAME_LISTS: [&str; 1] = ["search_path"];

/// Gives a value in one form: lists of names with each name quoted, all else as it is.
///
/// `SET search_path = a, b` and `SET search_path = 'a, b'` are not the same: the latter is one name.
#[must_use]
pub fn normalise(parameter: &str, stored: &str) -> String {
    if NAME_LISTS.contains(&parameter) { name_list(&names(stored)) } else { stored.to_owned() }
}

/// Gives the normal form of a list of names.
#[must_use]
pub fn name_list(names: &[Ident]) -> String {
    names.iter().map(Ident::quoted).collect::<Vec<_>>().join(", ")
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
        let list = names(value);
        if list.is_empty() { out.push_static("''") } else { Comma(list.iter()).write(out) }
    }
}

/// Splits `a, "b c"` into names; names that are too long or empty are left out, as the server leaves them out.
#[must_use]
pub fn names(list: &str) -> Vec<Ident> {
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
    found.iter().filter_map(|name| Ident::new(name).ok()).collect()
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
    }

    #[test]
    fn a_list_is_set_name_by_name() {
        let value = normalise("search_path", r#"a, "b""c""#);
        assert_eq!(sql!(Value("search_path", &value)).as_str(), r#""a", "b""c""#);
        assert_eq!(sql!(Value("search_path", "")).as_str(), "''");
        assert_eq!(sql!(Value("application_name", "it's")).as_str(), "'it''s'");
    }
}
