//! Access lists, each distinct one kept once.

use std::collections::HashMap;

use super::role::{RoleId, Roles};
use crate::model::acl::{Acl, AclError, AclKind, Grantee};
use crate::model::privilege::Privileges;

/// An access list's position in [`Acls`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AclId(u32);

/// What one grantor gave to one grantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Who holds it; nothing for PUBLIC.
    pub grantee: Option<RoleId>,
    /// Who gave it.
    pub grantor: RoleId,
    /// What.
    pub privileges: Privileges,
    /// Those of them that may be granted on.
    pub grantable: Privileges,
}

/// One effective access list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AclList {
    /// Its entries.
    pub entries: Box<[Entry]>,
    /// Whether the server stores it; otherwise it is what `acldefault()` gives.
    pub stored: bool,
}

/// What makes a list distinct: its kind, and its text or, without one, the owner that the default is for.
type Key = (AclKind, Option<RoleId>, Option<Box<str>>);

/// All distinct access lists. They repeat: a thousand tables of a service share one.
#[derive(Debug, Clone, Default)]
pub struct Acls {
    lists: Vec<AclList>,
    index: HashMap<Key, AclId>,
}

impl std::ops::Index<AclId> for Acls {
    type Output = AclList;

    fn index(&self, id: AclId) -> &AclList {
        &self.lists[id.0 as usize]
    }
}

impl Acls {
    /// Keeps an access list's text, or the default where there is none.
    ///
    /// # Errors
    /// The text is no access list that this version knows.
    pub fn intern(
        &mut self,
        roles: &mut Roles,
        kind: AclKind,
        owner: RoleId,
        text: Option<&str>,
        server_major: u32,
    ) -> Result<AclId, AclError> {
        // only a default depends on the owner
        let key = (kind, text.is_none().then_some(owner), text.map(Box::from));
        if let Some(id) = self.index.get(&key) {
            return Ok(*id);
        }
        let acl = match text {
            Some(text) => Acl::parse(text)?,
            None => Acl::default_for(kind, &roles[owner].name, server_major),
        };
        let entries = acl
            .iter()
            .map(|(grantee, grantor, granted)| Entry {
                grantee: match grantee {
                    Grantee::Public => None,
                    Grantee::Role(role) => Some(roles.by_acl_name(role)),
                },
                grantor: roles.by_acl_name(grantor),
                privileges: granted.privileges,
                grantable: granted.grantable,
            })
            .collect();
        let id = AclId(u32::try_from(self.lists.len()).expect("there are fewer lists than OIDs"));
        self.lists.push(AclList { entries, stored: text.is_some() });
        self.index.insert(key, id);
        Ok(id)
    }

    /// Keeps what one list gives beyond another; nothing where there is nothing.
    pub fn beyond(&mut self, list: AclId, initial: AclId) -> Option<AclId> {
        let before = |entry: &Entry| self[initial].held_by(|grantee| grantee == entry.grantee);
        let more = self[list].entries.iter().map(|e| Entry { privileges: e.privileges.without(before(e)), ..*e });
        let entries: Box<[Entry]> = more.filter(|e| !e.privileges.is_empty()).collect();
        if entries.is_empty() {
            return None;
        }
        let id = AclId(u32::try_from(self.lists.len()).expect("there are fewer lists than OIDs"));
        self.lists.push(AclList { entries, stored: true });
        Some(id)
    }

    /// Tells how many distinct lists there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lists.len()
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }
}

impl AclList {
    /// Gives what PUBLIC holds.
    #[must_use]
    pub fn public(&self) -> Privileges {
        self.held_by(|grantee| grantee.is_none())
    }

    /// Gives what all grantees that pass hold together; PUBLIC is nothing.
    #[must_use]
    pub fn held_by(&self, passes: impl Fn(Option<RoleId>) -> bool) -> Privileges {
        self.entries
            .iter()
            .filter(|e| passes(e.grantee))
            .fold(Privileges::NONE, |held, entry| held.union(entry.privileges))
    }
}
