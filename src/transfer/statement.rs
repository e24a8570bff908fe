//! Splits a dump into statements, and reads the names at their beginning.

use crate::ident::Ident;

use super::table::TableName;

/// Splits SQL text at its top-level semicolons; comments before a statement and empty statements are left out.
///
/// It knows strings, escape strings, quoted names, dollar quotes, comments, parentheses and `BEGIN ATOMIC … END`.
#[must_use]
pub fn split(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let (mut statements, mut start, mut at) = (Vec::new(), None, 0);
    let (mut parentheses, mut blocks) = (0_usize, 0_usize);
    let mut previous_word = "";
    while at < bytes.len() {
        let from = at;
        let byte = bytes[at];
        match byte {
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = find(bytes, at, b"\n").unwrap_or(bytes.len());
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = after_comment(bytes, at);
                continue;
            }
            b'\'' => at = after_quote(bytes, at, b'\'', matches!(previous_word, "e" | "E")),
            b'"' => at = after_quote(bytes, at, b'"', false),
            b'$' => at = after_dollar_quote(bytes, at),
            _ if is_word(byte) => {
                at += bytes[at..].iter().take_while(|b| is_word(**b) || **b == b'$').count();
                let word = &text[from..at];
                let is = |other: &str| word.eq_ignore_ascii_case(other);
                if is("atomic") && previous_word.eq_ignore_ascii_case("begin") || blocks > 0 && is("case") {
                    blocks += 1;
                } else if blocks > 0 && is("end") {
                    blocks -= 1;
                }
                start.get_or_insert(from);
                previous_word = word;
                continue;
            }
            _ => at += 1,
        }
        match byte {
            b'(' => parentheses += 1,
            b')' => parentheses = parentheses.saturating_sub(1),
            b';' if parentheses == 0 && blocks == 0 => {
                if let Some(start) = start.take() {
                    statements.push(&text[start..from]);
                }
                previous_word = "";
                continue;
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            start.get_or_insert(from);
            previous_word = "";
        }
    }
    statements.extend(start.map(|start| text[start..].trim_end()));
    statements
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    bytes[from..].windows(needle.len()).position(|w| w == needle).map(|i| from + i)
}

fn after_comment(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn after_quote(bytes: &[u8], mut at: usize, quote: u8, escapes: bool) -> usize {
    at += 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            b if b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn after_dollar_quote(bytes: &[u8], at: usize) -> usize {
    let tag = bytes[at + 1..].iter().take_while(|b| is_word(**b)).count();
    let end = at + 1 + tag;
    if bytes.get(end) != Some(&b'$') || bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
        return at + 1;
    }
    find(bytes, end + 1, &bytes[at..=end]).map_or(bytes.len(), |close| close + end + 1 - at)
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
    fn names_lose_their_quotes() {
        let (table, rest) = table(r#""a""b"."c.d" ADD"#).expect("a qualified name");
        assert_eq!((table.schema.as_str(), table.name.as_str(), rest), ("a\"b", "c.d", " ADD"));
        assert_eq!(name("plain"), None);
    }
}
