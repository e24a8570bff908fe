//! Who can act as whom: the closure over memberships.
//!
//! A session of `p` can take the identity of every role in `set*(p)`. Under an identity `i` it holds what the roles in
//! `inherit*(i)` hold. Inherit-then-set does not compose: a membership that is only inherited gives no right to SET ROLE
//! any further. All walks are breadth-first over arrays, so that a chain of a thousand roles costs no stack.
//! <https://www.postgresql.org/docs/current/role-membership.html>

use std::collections::HashMap;

use super::facts::Facts;
use super::facts::role::{Membership, RoleId};

/// How one role leads to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edge {
    /// The member holds the role's privileges.
    Inherit,
    /// The member may SET ROLE to it.
    Set,
    /// The member may grant it to itself.
    Admin,
    /// The member has CREATEROLE on a server before 16, where that is enough to grant itself any role but superusers.
    CreateRole,
}

impl Edge {
    /// Gives the word that a path is printed with.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Inherit => "inherit",
            Self::Set => "set",
            Self::Admin => "admin",
            Self::CreateRole => "createrole",
        }
    }
}

/// The edges of one kind, packed: those of role `r` are `to[start[r]..start[r + 1]]`, sorted.
#[derive(Debug, Clone, Default)]
struct Edges {
    start: Vec<u32>,
    to: Vec<RoleId>,
}

impl Edges {
    fn new(roles: usize, mut pairs: Vec<(RoleId, RoleId)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let mut start = vec![0; roles + 1];
        for (from, _) in &pairs {
            start[from.at() + 1] += 1;
        }
        for i in 0..roles {
            start[i + 1] += start[i];
        }
        Self { start, to: pairs.into_iter().map(|(_, to)| to).collect() }
    }

    fn of(&self, role: RoleId) -> &[RoleId] {
        let (from, to) = (self.start[role.at()] as usize, self.start[role.at() + 1] as usize);
        &self.to[from..to]
    }
}

/// The memberships of a server as graph.
#[derive(Debug, Clone)]
pub struct Graph {
    roles: usize,
    inherit: Edges,
    set: Edges,
    admin: Edges,
    inherit_back: Edges,
    set_back: Edges,
    admin_back: Edges,
}

impl Graph {
    /// Builds the graph; the owner of the current database is a member of `pg_database_owner` without a row saying so.
    #[must_use]
    pub fn new(facts: &Facts) -> Self {
        let implicit = facts.current_database().zip(facts.roles.find("pg_database_owner")).map(|(database, role)| {
            let member = database.owner;
            Membership { role, member, grantor: member, admin: false, inherit: true, set: true }
        });
        let all = || facts.memberships.iter().chain(&implicit);
        let roles = facts.roles.len();
        let edges = |keep: fn(&Membership) -> bool, turn: bool| {
            let pair = |m: &Membership| if turn { (m.role, m.member) } else { (m.member, m.role) };
            Edges::new(roles, all().filter(|m| keep(m)).map(pair).collect())
        };
        Self {
            roles,
            inherit: edges(|m| m.inherit, false),
            set: edges(|m| m.set, false),
            admin: edges(|m| m.admin, false),
            inherit_back: edges(|m| m.inherit, true),
            set_back: edges(|m| m.set, true),
            admin_back: edges(|m| m.admin, true),
        }
    }

    /// Gives the roles that a role leads to in one step.
    #[must_use]
    pub fn next(&self, role: RoleId, edge: Edge) -> &[RoleId] {
        match edge {
            Edge::Inherit => self.inherit.of(role),
            Edge::Set => self.set.of(role),
            Edge::Admin => self.admin.of(role),
            Edge::CreateRole => &[],
        }
    }

    /// Gives the roles that lead to a role in one step.
    #[must_use]
    pub fn previous(&self, role: RoleId, edge: Edge) -> &[RoleId] {
        match edge {
            Edge::Inherit => self.inherit_back.of(role),
            Edge::Set => self.set_back.of(role),
            Edge::Admin => self.admin_back.of(role),
            Edge::CreateRole => &[],
        }
    }

    /// Finds all roles that a role leads to over edges of one kind, each with the way to it.
    #[must_use]
    pub fn reach(&self, from: RoleId, edge: Edge) -> Reach {
        let mut reach = Reach { edge, nodes: vec![(from, 0)], at: HashMap::from([(from, 0)]) };
        let mut at = 0;
        while let Some((role, _)) = reach.nodes.get(at as usize).copied() {
            for next in self.next(role, edge) {
                if !reach.at.contains_key(next) {
                    reach.at.insert(*next, reach.nodes.len() as u32);
                    reach.nodes.push((*next, at));
                }
            }
            at += 1;
        }
        reach
    }

    /// Gives `inherit*(identity)`: the roles whose privileges an identity holds, itself first.
    #[must_use]
    pub fn inherited(&self, identity: RoleId) -> Reach {
        self.reach(identity, Edge::Inherit)
    }

    /// Gives `set*(role)`: the identities that a session of the role can take, itself first.
    #[must_use]
    pub fn identities(&self, role: RoleId) -> Reach {
        self.reach(role, Edge::Set)
    }

    /// Gives all identities that inherit from one of these roles, these included.
    #[must_use]
    pub fn inheritors(&self, roles: impl IntoIterator<Item = RoleId>) -> RoleSet {
        let mut set = RoleSet::new(self.roles);
        let mut queue: Vec<RoleId> = roles.into_iter().filter(|r| set.insert(*r)).collect();
        while let Some(role) = queue.pop() {
            queue.extend(self.previous(role, Edge::Inherit).iter().copied().filter(|r| set.insert(*r)));
        }
        set
    }
}

impl Graph {
    /// Gives all roles that one of these leads to over edges of any kind, these included.
    #[must_use]
    pub fn led_to(&self, roles: impl IntoIterator<Item = RoleId>) -> RoleSet {
        let mut set = RoleSet::new(self.roles);
        let mut queue: Vec<RoleId> = roles.into_iter().filter(|r| set.insert(*r)).collect();
        while let Some(role) = queue.pop() {
            for edge in [Edge::Inherit, Edge::Set, Edge::Admin] {
                queue.extend(self.next(role, edge).iter().copied().filter(|r| set.insert(*r)));
            }
        }
        set
    }
}

/// Everything that one role leads to over edges of one kind, in the order of the distance.
#[derive(Debug, Clone)]
pub struct Reach {
    edge: Edge,
    /// Each role with the position of the one before it.
    nodes: Vec<(RoleId, u32)>,
    at: HashMap<RoleId, u32>,
}

impl Reach {
    /// Goes through the roles, nearest first; the start is one of them.
    pub fn roles(&self) -> impl Iterator<Item = RoleId> {
        self.nodes.iter().map(|(role, _)| *role)
    }

    /// Tells whether a role is reached.
    #[must_use]
    pub fn contains(&self, role: RoleId) -> bool {
        self.at.contains_key(&role)
    }

    /// Gives the steps to a role, without the start.
    #[must_use]
    pub fn steps_to(&self, role: RoleId) -> Option<Vec<(Edge, RoleId)>> {
        let mut steps = Vec::new();
        let mut at = *self.at.get(&role)?;
        while at != 0 {
            let (role, previous) = self.nodes[at as usize];
            steps.push((self.edge, role));
            at = previous;
        }
        steps.reverse();
        Some(steps)
    }
}

/// A set of roles, one bit for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSet(Vec<u64>);

impl RoleSet {
    /// Starts with none of so many roles.
    #[must_use]
    pub fn new(roles: usize) -> Self {
        Self(vec![0; roles.div_ceil(64)])
    }

    /// Adds a role, and tells whether it is new.
    pub fn insert(&mut self, role: RoleId) -> bool {
        let (word, bit) = (&mut self.0[role.at() / 64], 1 << (role.at() % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Tells whether a role is in the set.
    #[must_use]
    pub fn contains(&self, role: RoleId) -> bool {
        self.0.get(role.at() / 64).is_some_and(|word| word & (1 << (role.at() % 64)) != 0)
    }

    /// Tells whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}
