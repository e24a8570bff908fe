//! SQL text that is safe by construction.
//!
//! A [`Sql`] is made of literals in our own source, quoted names and quoted values; nothing else has a way in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ident::{Ident, is_invisible};

/// A piece of SQL: one or more statements, or a part of one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sql(String);

impl Sql {
    /// Starts with nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends text from our own source.
    pub fn push_static(&mut self, text: &'static str) {
        self.0.push_str(text);
    }

    /// Appends a quoted or otherwise safe piece.
    pub fn push(&mut self, piece: &impl Piece) {
        piece.write(self);
    }

    /// Gives the text, to send or to show.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether nothing was appended yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What may stand in a [`Sql`] besides our own literals.
pub trait Piece {
    /// Appends itself, quoted where it must be.
    fn write(&self, out: &mut Sql);
}

impl<T: Piece + ?Sized> Piece for &T {
    fn write(&self, out: &mut Sql) {
        (**self).write(out);
    }
}

impl Piece for Sql {
    fn write(&self, out: &mut Sql) {
        out.0.push_str(&self.0);
    }
}

impl Piece for Ident {
    fn write(&self, out: &mut Sql) {
        out.0.push_str(&self.sql());
    }
}

impl Piece for i64 {
    fn write(&self, out: &mut Sql) {
        out.0.push_str(&self.to_string());
    }
}

/// A schema-qualified name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Qualified<'a>(pub &'a Ident, pub &'a Ident);

impl Piece for Qualified<'_> {
    fn write(&self, out: &mut Sql) {
        self.0.write(out);
        out.0.push('.');
        self.1.write(out);
    }
}

/// A schema-qualified name as a text value, to be cast to `regclass` and the like, which know no `U&"…"`.
#[derive(Debug, Clone, Copy)]
pub struct NameLiteral<'a>(pub &'a Ident, pub &'a Ident);

impl Piece for NameLiteral<'_> {
    fn write(&self, out: &mut Sql) {
        Literal(&format!("{}.{}", self.0.quoted(), self.1.quoted())).write(out);
    }
}

/// A text value in DDL, where nothing can be bound.
///
/// Quoting follows `quote_literal`: a backslash makes it an escape string, which reads the same whatever
/// `standard_conforming_strings` says. Characters that a terminal would obey are written as escapes, too.
/// <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS>
#[derive(Debug, Clone, Copy)]
pub struct Literal<'a>(pub &'a str);

impl Piece for Literal<'_> {
    fn write(&self, out: &mut Sql) {
        debug_assert!(!self.0.contains('\0'), "no text value of PostgreSQL holds a NUL");
        use fmt::Write as _;
        if self.0.contains(|c| c == '\\' || is_invisible(c)) {
            out.0.push('E');
        }
        out.0.push('\'');
        for c in self.0.chars() {
            let _ = match c {
                '\'' | '\\' => write!(out.0, "{c}{c}"),
                '\n' => write!(out.0, "\\n"),
                '\t' => write!(out.0, "\\t"),
                c if is_invisible(c) && u32::from(c) <= 0xffff => write!(out.0, "\\u{:04x}", u32::from(c)),
                c if is_invisible(c) => write!(out.0, "\\U{:08x}", u32::from(c)),
                c => write!(out.0, "{c}"),
            };
        }
        out.0.push('\'');
    }
}

/// A routine's argument types, as the server prints them or a checked manifest normalises them.
///
/// Type names come with their quotes, modifiers and arrays; what could end the list is left out when written.
#[derive(Debug, Clone, Copy)]
pub struct TypeList<'a>(pub &'a str);

impl Piece for TypeList<'_> {
    fn write(&self, out: &mut Sql) {
        let mut rest = self.0.chars().peekable();
        while let Some(c) = rest.next() {
            if c != '"' {
                out.0.extend(Some(c).filter(|c| c.is_alphanumeric() || "_$ ,.[]".contains(*c)));
                continue;
            }
            let mut name = String::new();
            while let Some(c) = rest.next() {
                if c == '"' && rest.next_if_eq(&'"').is_none() {
                    break;
                }
                name.push(c);
            }
            if let Ok(name) = Ident::new(&name) {
                name.write(out);
            }
        }
    }
}

/// Pieces with `, ` between them.
#[derive(Debug, Clone)]
pub struct Comma<I>(pub I);

impl<I> Piece for Comma<I>
where
    I: IntoIterator + Clone,
    I::Item: Piece,
{
    fn write(&self, out: &mut Sql) {
        for (i, piece) in self.0.clone().into_iter().enumerate() {
            if i > 0 {
                out.push_static(", ");
            }
            piece.write(out);
        }
    }
}

/// Joins literals of our own source, names and values into a [`Sql`](crate::sql::Sql).
///
/// ```
/// use pgcleave::{ident::Ident, sql};
/// let schema = Ident::new("or\"ders").unwrap();
/// assert_eq!(sql!("drop schema ", schema).as_str(), r#"drop schema "or""ders""#);
/// ```
///
/// A plain string is no piece, so that nothing gets in unquoted:
/// ```compile_fail
/// let schema = String::from("orders; drop schema billing");
/// pgcleave::sql!("drop schema ", schema);
/// ```
#[macro_export]
macro_rules! sql {
    (@push $out:ident;) => {};
    (@push $out:ident; $text:literal $(, $($rest:tt)*)?) => {
        $out.push_static($text);
        $( $crate::sql!(@push $out; $($rest)*); )?
    };
    (@push $out:ident; $piece:expr $(, $($rest:tt)*)?) => {
        $crate::sql::Piece::write(&$piece, &mut $out);
        $( $crate::sql!(@push $out; $($rest)*); )?
    };
    ($($parts:tt)*) => {{
        let mut out = $crate::sql::Sql::new();
        $crate::sql!(@push out; $($parts)*);
        out
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_makes_an_escape_string() {
        assert_eq!(sql!(Literal("it's")).as_str(), "'it''s'");
        assert_eq!(sql!(Literal(r"a\'b")).as_str(), r"E'a\\''b'");
        assert_eq!(sql!(Literal("a\nb\u{1b}\u{202e}")).as_str(), r"E'a\nb\u001b\u202e'");
    }

    #[test]
    fn a_type_list_cannot_be_left() {
        let odd = TypeList(r#"uuid); drop schema s; --, "a)b".c[], "d""e", timestamp with time zone, "f; "#);
        let written = r#"uuid drop schema s , "a)b".c[], "d""e", timestamp with time zone, "f; ""#;
        assert_eq!(sql!(odd).as_str(), written);
        assert_eq!(sql!(TypeList("\"a\nb\".c[]")).as_str(), "U&\"a\\000ab\".c[]");
    }

    #[test]
    fn lists_and_qualified_names_quote_each_part() {
        let (a, b) = (Ident::new("A b").expect("ok"), Ident::new("c.d").expect("ok"));
        assert_eq!(
            sql!("drop table ", Comma([Qualified(&a, &b), Qualified(&b, &a)])).as_str(),
            r#"drop table "A b"."c.d", "c.d"."A b""#
        );
    }
}
