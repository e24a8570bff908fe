//! Names as PostgreSQL sees them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name PostgreSQL keeps, in bytes (`NAMEDATALEN - 1`); longer ones it truncates silently.
pub const MAX_BYTES: usize = 63;

/// A name of a role, schema or other object: 1 to 63 bytes, no NUL.
///
/// It has no `Display`, so that it cannot be spliced into SQL unquoted: [`sql!`](crate::sql!) quotes it,
/// [`Ident::as_str`] gives it to people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ident(Arc<str>);

/// Says why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentError {
    /// The text is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// The text holds a NUL byte.
    #[error("a name cannot hold a NUL byte")]
    Nul,
    /// The text is longer than [`MAX_BYTES`].
    #[error("the name {name:?} has {bytes} bytes; PostgreSQL keeps {MAX_BYTES}")]
    TooLong {
        /// The text itself.
        name: String,
        /// Its length in bytes.
        bytes: usize,
    },
}

impl Ident {
    /// Checks a text's length and content.
    ///
    /// # Errors
    /// The text is empty, holds a NUL, or passes 63 bytes.
    pub fn new(text: &str) -> Result<Self, IdentError> {
        if text.is_empty() {
            return Err(IdentError::Empty);
        }
        if text.contains('\0') {
            return Err(IdentError::Nul);
        }
        if text.len() > MAX_BYTES {
            return Err(IdentError::TooLong { name: text.to_owned(), bytes: text.len() });
        }
        Ok(Self(Arc::from(text)))
    }

    /// Takes a name that the server itself gave.
    ///
    /// # Panics
    /// When the text is not a name; the server's own names always are.
    #[must_use]
    pub fn from_server(text: &str) -> Self {
        Self::new(text).expect("the server's own names are 1 to 63 bytes without NUL")
    }

    /// Gives the bare name, for people and for comparing; never for SQL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as SQL reads it: in double quotes, or as `U&"…"` where it holds a character that a terminal would
    /// obey instead of show ([`is_invisible`]). The statement can be sent, printed and pasted.
    /// <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>
    #[must_use]
    pub fn sql(&self) -> String {
        use fmt::Write as _;
        if !self.0.chars().any(is_invisible) {
            return self.quoted();
        }
        let mut out = String::from("U&\"");
        for c in self.0.chars() {
            let _ = match c {
                '"' | '\\' => write!(out, "{c}{c}"),
                c if is_invisible(c) && u32::from(c) <= 0xffff => write!(out, "\\{:04x}", u32::from(c)),
                c if is_invisible(c) => write!(out, "\\+{:06x}", u32::from(c)),
                c => write!(out, "{c}"),
            };
        }
        out.push('"');
        out
    }

    /// Returns the name in double quotes, inner quotes doubled, as `regclass` and pg_dump's patterns read it.
    #[must_use]
    pub fn quoted(&self) -> String {
        let mut out = String::with_capacity(self.0.len() + 2);
        out.push('"');
        for c in self.0.chars() {
            if c == '"' {
                out.push('"');
            }
            out.push(c);
        }
        out.push('"');
        out
    }
}

/// Tells whether a character has an effect on a terminal or on the lines around it, but no glyph of its own: control
/// characters, line separators, and what changes the direction of writing.
///
/// The joiners that scripts and emoji need are not among them.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    let direction =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control()
        || direction
        || matches!(c, '\u{ad}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}')
}

impl fmt::Debug for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Ident {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Ident {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl std::borrow::Borrow<str> for Ident {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unquote(quoted: &str) -> String {
        quoted[1..quoted.len() - 1].replace("\"\"", "\"")
    }

    proptest! {
        #[test]
        fn quoting_round_trips(text in "\\PC{1,15}") {
            let ident = Ident::new(&text).expect("short and printable");
            prop_assert_eq!(unquote(&ident.quoted()), text);
        }

        #[test]
        fn length_is_counted_in_bytes(text in "[a-zé漢🦀]{1,80}") {
            prop_assert_eq!(Ident::new(&text).is_ok(), text.len() <= MAX_BYTES);
        }
    }

    #[test]
    fn refuses_what_postgresql_would_change() {
        assert_eq!(Ident::new(""), Err(IdentError::Empty));
        assert_eq!(Ident::new("a\0b"), Err(IdentError::Nul));
        assert!(Ident::new(&"x".repeat(63)).is_ok());
        assert!(matches!(Ident::new(&"x".repeat(64)), Err(IdentError::TooLong { bytes: 64, .. })));
    }

    #[test]
    fn a_name_with_invisible_characters_is_written_with_their_numbers() {
        let written = |name: &str| Ident::new(name).expect("a name").sql();
        assert_eq!(written("plain \\ name"), "\"plain \\ name\"");
        assert_eq!(written("a\nb\"c\\d"), "U&\"a\\000ab\"\"c\\\\d\"");
        assert_eq!(written("rtl\u{202e}x\u{1b}[31m"), "U&\"rtl\\202ex\\001b[31m\"");
    }

    #[test]
    fn a_quote_cannot_end_the_name() {
        let ident = Ident::new("a\"; drop schema b; --").expect("a name, however odd");
        assert_eq!(ident.quoted(), "\"a\"\"; drop schema b; --\"");
    }
}
