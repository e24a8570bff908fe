//! What a fix takes, and from whom: that decides whether it is printed as SQL that is safe to paste.

use std::collections::{BTreeSet, HashSet, VecDeque};

use serde::Serialize;

use super::facts::acl::AclId;
use super::facts::role::RoleId;
use super::graph::Edge;
use super::scene::Scene;
use super::services::ServiceId;
use crate::model::acl::AclKind;
use crate::model::privilege::{Privilege, Privileges};

/// How many logins a fix names; the others are counted.
const MOST_NAMES: usize = 6;

/// How many logins that lose access are looked for: a chain of a thousand groups is no help to a reader.
const MOST_LOSERS: usize = 20;

/// What may be done with a fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FixClass {
    /// SQL to paste: it takes nothing but what the manifests declare away.
    Safe,
    /// SQL to run after something else: it takes access from the logins that it names.
    After,
    /// The next `pgcleave apply` does it.
    Apply,
    /// A line of a manifest.
    Manifest,
    /// A person must decide: the statement drops, closes or changes what others may use, or there is none.
    #[default]
    Decision,
}

/// From whom a fix takes access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Takes {
    /// From nobody.
    Nobody,
    /// From a role, and from everyone who has it by that role.
    Holder(RoleId),
    /// From everyone who has these privileges by PUBLIC alone.
    Public {
        /// The object's access list.
        acl: AclId,
        /// What kind it is.
        kind: AclKind,
        /// What the fix revokes.
        privileges: Privileges,
    },
    /// From nobody: it is a line of a manifest.
    Manifest,
    /// It is not known from whom, or it takes more than access.
    Unknown,
}

impl Takes {
    /// Finds the logins that lose access by it.
    #[must_use]
    pub fn losers(&self, scene: &Scene<'_>) -> Losers {
        match self {
            Self::Nobody | Self::Manifest | Self::Unknown => Losers::default(),
            Self::Holder(role) => members(scene, *role),
            Self::Public { acl, kind, privileges } => {
                let loses = |login: &RoleId| !holds_without_public(scene, *login, *acl, *kind, *privileges);
                let mut all = scene.logins.iter().copied().filter(loses);
                let roles = all.by_ref().take(MOST_LOSERS).collect();
                Losers { roles, more: all.next().is_some() }
            }
        }
    }

    /// Classes the fix: it is safe only where all who lose by it are foreign to the object and of declared services.
    #[must_use]
    pub fn class(&self, scene: &Scene<'_>, of: Option<ServiceId>, losers: &Losers) -> FixClass {
        let is_declared_away = |role: &RoleId| {
            let service = scene.map.of_role(*role);
            service != of && service.is_some_and(|service| scene.map.is_declared(service))
        };
        match self {
            Self::Nobody => FixClass::Safe,
            Self::Manifest => FixClass::Manifest,
            Self::Unknown => FixClass::Decision,
            Self::Holder(_) | Self::Public { .. } if !losers.more && losers.roles.iter().all(is_declared_away) => {
                FixClass::Safe
            }
            Self::Holder(_) | Self::Public { .. } => FixClass::After,
        }
    }
}

/// The logins that lose access by a fix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losers {
    /// Some of them, or all.
    pub roles: BTreeSet<RoleId>,
    /// Whether there are more.
    pub more: bool,
}

/// Finds the logins that are a role, inherit it or can become it.
fn members(scene: &Scene<'_>, role: RoleId) -> Losers {
    let mut losers = Losers::default();
    let (mut queue, mut seen) = (VecDeque::from([role]), HashSet::from([role]));
    while let Some(role) = queue.pop_front() {
        if scene.role(role).login && scene.is_judged(role) {
            if losers.roles.len() == MOST_LOSERS {
                losers.more = true;
                break;
            }
            losers.roles.insert(role);
        }
        for edge in [Edge::Inherit, Edge::Set] {
            queue.extend(scene.graph.previous(role, edge).iter().copied().filter(|member| seen.insert(*member)));
        }
    }
    losers
}

/// Tells whether some identity that a login can take holds privileges otherwise than by PUBLIC.
fn holds_without_public(scene: &Scene<'_>, login: RoleId, acl: AclId, kind: AclKind, privileges: Privileges) -> bool {
    scene.graph.identities(login).roles().any(|identity| {
        let inherited = scene.inherited(identity);
        let held = scene.facts.acls[acl].held_by(|grantee| grantee.is_some_and(|role| inherited.contains(role)));
        let temporary = kind == AclKind::Database && held.contains(Privilege::Connect);
        // who connects by a group of its own gets TEMPORARY from its service's group where it needs it
        let wanted = if temporary { privileges.without(Privilege::Temporary.into()) } else { privileges };
        wanted.without(held).is_empty()
    })
}

/// One fix as rules make it, before it is known how it may be printed.
#[derive(Debug, Clone, Default)]
pub(super) struct Remedy {
    texts: Vec<String>,
    class: Option<FixClass>,
    losers: BTreeSet<String>,
    more: bool,
    first: BTreeSet<&'static str>,
}

impl Remedy {
    pub(super) fn new(text: String, class: FixClass, first: Option<&'static str>) -> Self {
        Self { texts: vec![text], class: Some(class), first: first.into_iter().collect(), ..Self::default() }
    }

    /// Names those who lose access by it.
    pub(super) fn hits(mut self, names: BTreeSet<String>, more: bool) -> Self {
        (self.losers, self.more) = (names, more);
        self
    }

    /// Adds what ends another part of the same cause; the whole is as dangerous as its worst part.
    pub(super) fn add(&mut self, other: Self) {
        for text in other.texts {
            if !self.texts.iter().any(|known| known.contains(&text)) {
                self.texts.push(text);
            }
        }
        self.class = self.class.max(other.class);
        self.losers.extend(other.losers);
        self.more |= other.more;
        self.first.extend(other.first);
    }

    pub(super) fn class(&self) -> FixClass {
        self.class.unwrap_or(FixClass::Decision)
    }

    /// Gives the logins that lose access by it.
    pub(super) fn losers(&self) -> Vec<String> {
        self.losers.iter().cloned().collect()
    }

    /// Gives the SQL that ends the cause, whatever else it does.
    pub(super) fn statement(&self) -> String {
        self.texts.join("\n")
    }

    /// Writes it so that pasting it does no harm: what is not safe is a comment that says what comes first.
    pub(super) fn printed(&self) -> String {
        let statement = self.statement();
        let is_comment = |line: &str| line.starts_with("--");
        if self.class() == FixClass::Safe || statement.lines().all(is_comment) {
            return statement;
        }
        let mut lines = Vec::new();
        if !self.losers.is_empty() {
            let verb = if self.losers.len() == 1 { "loses" } else { "lose" };
            lines.push(format!("-- {} {verb} access by this: make sure that none of it is needed", self.named()));
        }
        lines.extend(self.first.iter().map(|first| format!("-- {first}")));
        if lines.is_empty() {
            lines.push("-- look first at what uses it: it stops working".to_owned());
        }
        lines.push("-- then run:".to_owned());
        let commented =
            statement.lines().map(|line| if is_comment(line) { line.to_owned() } else { format!("-- {line}") });
        lines.extend(commented);
        lines.join("\n")
    }

    fn named(&self) -> String {
        let names: Vec<&str> = self.losers.iter().take(MOST_NAMES).map(String::as_str).collect();
        let more = match self.losers.len() - names.len() {
            _ if self.more => " and many more".to_owned(),
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(class: FixClass, losers: &[&str]) -> Remedy {
        let losers = losers.iter().map(|name| (*name).to_owned()).collect();
        Remedy::new("revoke select on table a.t from b;".to_owned(), class, None).hits(losers, false)
    }

    #[test]
    fn only_a_safe_fix_is_printed_as_a_statement() {
        assert_eq!(remedy(FixClass::Safe, &[]).printed(), "revoke select on table a.t from b;");
        for class in [FixClass::After, FixClass::Decision] {
            let printed = remedy(class, &["b", "c"]).printed();
            assert!(printed.lines().all(|line| line.starts_with("--")), "{printed}");
            assert!(printed.contains("b, c lose access"), "{printed}");
            assert!(printed.ends_with("-- revoke select on table a.t from b;"), "{printed}");
        }
    }

    #[test]
    fn the_whole_is_as_dangerous_as_its_worst_part() {
        let mut whole = remedy(FixClass::Safe, &[]);
        whole.add(remedy(FixClass::After, &["b"]));
        assert_eq!(whole.class(), FixClass::After);
        assert_eq!(whole.statement(), "revoke select on table a.t from b;");
    }
}
