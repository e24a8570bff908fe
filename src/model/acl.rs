//! Access lists: who granted which privilege to whom.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::privilege::{Privilege, Privileges};
use crate::ident::Ident;
use crate::sql::{Piece, Sql};

/// Who holds a privilege.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grantee {
    /// Everybody, now and later.
    Public,
    /// One role and those that inherit from it.
    Role(Ident),
}

impl Grantee {
    /// Gives the role, or nothing for PUBLIC.
    #[must_use]
    pub fn role(&self) -> Option<&Ident> {
        match self {
            Self::Public => None,
            Self::Role(role) => Some(role),
        }
    }

    /// Gives the bare name for people: `PUBLIC` or the role's.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.role().map_or("PUBLIC", Ident::as_str)
    }
}

impl Piece for Grantee {
    fn write(&self, out: &mut Sql) {
        match self {
            Self::Public => out.push_static("public"),
            Self::Role(role) => role.write(out),
        }
    }
}

/// What an access list belongs to, as far as `acldefault()` tells kinds apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is PostgreSQL's own word")]
#[serde(rename_all = "snake_case")]
pub enum AclKind {
    Relation,
    Column,
    Sequence,
    Routine,
    Type,
    Schema,
    Database,
    LargeObject,
    Language,
    Tablespace,
    ForeignDataWrapper,
    ForeignServer,
    Parameter,
}

impl AclKind {
    /// Gives the privileges that exist for the kind; `MAINTAIN` from 17 on.
    #[must_use]
    pub fn all(self, server_major: u32) -> Privileges {
        use Privilege::*;
        const RELATION: Privileges = Privileges::of(&[Select, Insert, Update, Delete, Truncate, References, Trigger]);
        match self {
            Self::Relation if server_major >= 17 => RELATION.union(Maintain.into()),
            Self::Relation => RELATION,
            Self::Column => Privileges::of(&[Select, Insert, Update, References]),
            Self::Sequence => Privileges::of(&[Usage, Select, Update]),
            Self::Routine => Execute.into(),
            Self::Type | Self::Language | Self::ForeignDataWrapper | Self::ForeignServer => Usage.into(),
            Self::Schema => Privileges::of(&[Usage, Create]),
            Self::Database => Privileges::of(&[Create, Connect, Temporary]),
            Self::LargeObject => Privileges::of(&[Select, Update]),
            Self::Tablespace => Create.into(),
            Self::Parameter => Privileges::of(&[Set, AlterSystem]),
        }
    }

    /// Gives what PUBLIC holds where no access list is stored (`acldefault`, src/backend/utils/adt/acl.c).
    #[must_use]
    pub fn public_default(self) -> Privileges {
        use Privilege::*;
        match self {
            Self::Routine => Execute.into(),
            Self::Type | Self::Language => Usage.into(),
            Self::Database => Privileges::of(&[Connect, Temporary]),
            _ => Privileges::NONE,
        }
    }
}

/// The privileges of one grantee from one grantor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Granted {
    /// All that was granted.
    pub privileges: Privileges,
    /// Those of them that may be granted on.
    pub grantable: Privileges,
}

/// An effective access list: never NULL, one entry for each grantee and grantor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Acl(#[serde(with = "as_list")] BTreeMap<(Grantee, Ident), Granted>);

/// Says what is wrong with a text that should be an access list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the access list {text:?}")]
pub struct AclError {
    /// The text as the server gave it.
    pub text: String,
}

impl Acl {
    /// Holds no entry at all, as after `REVOKE ALL` from everybody, the owner included.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Gives the list that a stored NULL stands for (`acldefault`).
    #[must_use]
    pub fn default_for(kind: AclKind, owner: &Ident, server_major: u32) -> Self {
        let mut acl = Self::empty();
        acl.grant(Grantee::Public, owner, kind.public_default());
        if kind != AclKind::Column {
            acl.grant(Grantee::Role(owner.clone()), owner, kind.all(server_major));
        }
        acl
    }

    /// Reads the text form of an `aclitem[]`, as in `{owner=r*w/owner,=r/owner}`.
    ///
    /// # Errors
    /// The text is not of that form.
    pub fn parse(text: &str) -> Result<Self, AclError> {
        let fail = || AclError { text: text.to_owned() };
        let mut acl = Self::empty();
        for item in split_array(text).ok_or_else(fail)? {
            let (grantee, grantor, granted) = parse_item(&item).ok_or_else(fail)?;
            acl.add(grantee, grantor, granted);
        }
        Ok(acl)
    }

    /// Adds privileges without grant option.
    pub fn grant(&mut self, grantee: Grantee, grantor: &Ident, privileges: Privileges) {
        self.add(grantee, grantor.clone(), Granted { privileges, grantable: Privileges::NONE });
    }

    /// Adds an entry to what the same grantee has from the same grantor.
    pub fn add(&mut self, grantee: Grantee, grantor: Ident, granted: Granted) {
        if granted.privileges.is_empty() {
            return;
        }
        let entry = self.0.entry((grantee, grantor)).or_default();
        entry.privileges = entry.privileges.union(granted.privileges);
        entry.grantable = entry.grantable.union(granted.grantable);
    }

    /// Goes through the entries as (grantee, grantor, granted), sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&Grantee, &Ident, Granted)> {
        self.0.iter().map(|((grantee, grantor), granted)| (grantee, grantor, *granted))
    }

    /// Gives what one grantor granted to one grantee.
    #[must_use]
    pub fn get(&self, grantee: &Grantee, grantor: &Ident) -> Granted {
        self.0.get(&(grantee.clone(), grantor.clone())).copied().unwrap_or_default()
    }

    /// Gives what a grantee holds from all grantors together.
    #[must_use]
    pub fn held_by(&self, grantee: &Grantee) -> Privileges {
        self.iter().filter(|(g, _, _)| *g == grantee).fold(Privileges::NONE, |set, (_, _, g)| set.union(g.privileges))
    }

    /// Tells whether no entry is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Splits the text form of a one-dimensional array into its elements, unescaped.
fn split_array(text: &str) -> Option<Vec<String>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let (mut item, mut quoted) = (String::new(), false);
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => item.push(chars.next()?),
            '"' => quoted = !quoted,
            ',' if !quoted => items.push(std::mem::take(&mut item)),
            c => item.push(c),
        }
    }
    if !inner.is_empty() {
        items.push(item);
    }
    (!quoted).then_some(items)
}

/// Reads one `grantee=privileges/grantor`.
fn parse_item(item: &str) -> Option<(Grantee, Ident, Granted)> {
    let (grantee, rest) = parse_role(item)?;
    let mut granted = Granted::default();
    let (letters, rest) = rest.strip_prefix('=')?.split_once('/')?;
    let mut last = None;
    for c in letters.chars() {
        if c == '*' {
            granted.grantable = granted.grantable.union(Privileges::from(last?));
        } else {
            let privilege = Privilege::from_letter(c)?;
            granted.privileges = granted.privileges.union(privilege.into());
            last = Some(privilege);
        }
    }
    let (grantor, rest) = parse_role(rest)?;
    let grantee = if grantee.is_empty() { Grantee::Public } else { Grantee::Role(Ident::new(&grantee).ok()?) };
    (rest.is_empty()).then_some((grantee, Ident::new(&grantor).ok()?, granted))
}

/// Reads a role's name up to an unquoted `=` or the end, as `putid` of acl.c writes it.
fn parse_role(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut quoted = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            '=' if !quoted => return Some((name, &text[at..])),
            c => name.push(c),
        }
    }
    (!quoted).then_some((name, ""))
}

/// Serialises the map as a list, since JSON keys are texts.
mod as_list {
    use super::{BTreeMap, Deserialize, Granted, Grantee, Ident, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Entry {
        grantee: Grantee,
        grantor: Ident,
        #[serde(flatten)]
        granted: Granted,
    }

    pub(super) fn serialize<S: serde::Serializer>(
        map: &BTreeMap<(Grantee, Ident), Granted>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map.iter().map(|((grantee, grantor), granted)| Entry {
            grantee: grantee.clone(),
            grantor: grantor.clone(),
            granted: *granted,
        }))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<(Grantee, Ident), Granted>, D::Error> {
        let list = Vec::<Entry>::deserialize(deserializer)?;
        Ok(list.into_iter().map(|e| ((e.grantee, e.grantor), e.granted)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str) -> Ident {
        Ident::new(name).expect("a name")
    }

    #[test]
    fn reads_grant_options_and_public() {
        let acl = Acl::parse("{o=arwd/o,=r/o,d=r*w/o}").expect("an access list");
        assert_eq!(acl.held_by(&Grantee::Public), Privilege::Select.into());
        let d = acl.get(&Grantee::Role(role("d")), &role("o"));
        assert_eq!(d.grantable, Privilege::Select.into());
        assert_eq!(d.privileges, Privileges::of(&[Privilege::Select, Privilege::Update]));
    }

    #[test]
    fn reads_names_that_need_quotes() {
        // what 15 and 18 print for a role named `we"ird,=/{}\ role`
        let acl = Acl::parse(r#"{"\"we\"\"ird,=/{}\\ role\"=U/o"}"#).expect("an access list");
        assert_eq!(acl.held_by(&Grantee::Role(role(r#"we"ird,=/{}\ role"#))), Privilege::Usage.into());
    }

    #[test]
    fn an_empty_list_is_not_a_null_one() {
        assert!(Acl::parse("{}").expect("an access list").is_empty());
        let null = Acl::default_for(AclKind::Routine, &role("o"), 17);
        assert_eq!(null.held_by(&Grantee::Public), Privilege::Execute.into());
    }

    #[test]
    fn refuses_what_is_no_access_list() {
        for text in ["", "{", "{a}", "{a=}", "{a=?/b}", "{a=*/b}", "{\"a=r/b}"] {
            assert!(Acl::parse(text).is_err(), "{text}");
        }
    }
}
