//! Privileges, as access lists abbreviate them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sql::{Piece, Sql};

/// One privilege of PostgreSQL.
/// <https://www.postgresql.org/docs/current/ddl-priv.html#PRIVILEGE-ABBREVS-TABLE>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is PostgreSQL's own word")]
#[repr(u8)]
pub enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Maintain,
    Usage,
    Execute,
    Create,
    Connect,
    Temporary,
    Set,
    AlterSystem,
}

use Privilege::*;

/// All privileges with their letter in an access list and their SQL keyword.
const TABLE: [(Privilege, char, &str); 15] = [
    (Select, 'r', "select"),
    (Insert, 'a', "insert"),
    (Update, 'w', "update"),
    (Delete, 'd', "delete"),
    (Truncate, 'D', "truncate"),
    (References, 'x', "references"),
    (Trigger, 't', "trigger"),
    (Maintain, 'm', "maintain"),
    (Usage, 'U', "usage"),
    (Execute, 'X', "execute"),
    (Create, 'C', "create"),
    (Connect, 'c', "connect"),
    (Temporary, 'T', "temporary"),
    (Set, 's', "set"),
    (AlterSystem, 'A', "alter system"),
];

impl Privilege {
    /// Finds the privilege of an access list's letter.
    #[must_use]
    pub fn from_letter(letter: char) -> Option<Self> {
        TABLE.iter().find(|(_, l, _)| *l == letter).map(|(p, _, _)| *p)
    }

    /// Finds the privilege of a SQL keyword, in any case; `temp` is `temporary`.
    #[must_use]
    pub fn from_keyword(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let word = if word == "temp" { "temporary" } else { word.as_str() };
        TABLE.iter().find(|(_, _, k)| *k == word).map(|(p, _, _)| *p)
    }

    /// Gives the SQL keyword in lower case.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        TABLE[self as usize].2
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.keyword().to_ascii_uppercase())
    }
}

impl Serialize for Privilege {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.keyword())
    }
}

impl<'de> Deserialize<'de> for Privilege {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::from_keyword(&word).ok_or_else(|| serde::de::Error::custom(format!("{word:?} is no privilege")))
    }
}

/// A set of privileges, as bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Privileges(u16);

impl Privileges {
    /// Holds none.
    pub const NONE: Self = Self(0);

    /// Holds those named.
    #[must_use]
    pub const fn of(list: &[Privilege]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < list.len() {
            bits |= 1 << list[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Tells whether a privilege is in the set.
    #[must_use]
    pub fn contains(self, privilege: Privilege) -> bool {
        self.0 & (1 << privilege as u8) != 0
    }

    /// Joins two sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Keeps what is in both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Takes the other set away.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Tells whether the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Goes through the set in the fixed order of [`Privilege`].
    pub fn iter(self) -> impl Iterator<Item = Privilege> + Clone {
        TABLE.iter().map(|(p, _, _)| *p).filter(move |p| self.contains(*p))
    }
}

impl From<Privilege> for Privileges {
    fn from(privilege: Privilege) -> Self {
        Self::of(&[privilege])
    }
}

impl FromIterator<Privilege> for Privileges {
    fn from_iter<I: IntoIterator<Item = Privilege>>(iter: I) -> Self {
        iter.into_iter().fold(Self::NONE, |set, p| set.union(p.into()))
    }
}

impl Piece for Privileges {
    fn write(&self, out: &mut Sql) {
        for (i, p) in self.iter().enumerate() {
            if i > 0 {
                out.push_static(", ");
            }
            out.push_static(p.keyword());
        }
    }
}

impl fmt::Display for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(|p| p.to_string()).collect();
        f.write_str(&words.join(", "))
    }
}

impl fmt::Debug for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Privileges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Privileges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Privilege>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_and_keyword_finds_its_own_row() {
        for (i, (privilege, letter, keyword)) in TABLE.into_iter().enumerate() {
            assert_eq!(privilege as usize, i);
            assert_eq!(Privilege::from_letter(letter), Some(privilege));
            assert_eq!(Privilege::from_keyword(keyword), Some(privilege));
        }
    }
}
