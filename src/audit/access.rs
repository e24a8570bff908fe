//! What a login can do with an object, answered from the catalog alone.
//!
//! `has_table_privilege` and its like miss memberships that can only be SET, and leave out USAGE on the schema. This
//! asks every identity that the login can take, and wants USAGE and the privilege in the same identity.

use std::collections::{HashMap, VecDeque};

use super::facts::Facts;
use super::facts::acl::AclId;
use super::facts::object::{Object, SchemaId};
use super::facts::relation::RelationKind;
use super::facts::role::RoleId;
use super::graph::{Edge, Graph, Reach};
use super::name::shown;
use super::scene::by_predefined_roles;
use crate::model::acl::AclKind;
use crate::model::privilege::{Privilege, Privileges};

/// What grants of single columns can give.
const BY_COLUMN: Privileges =
    Privileges::of(&[Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::References]);

/// One login, with every identity that its sessions can take.
#[derive(Debug)]
pub struct Access<'a> {
    facts: &'a Facts,
    login: RoleId,
    identities: Reach,
    /// What each identity inherits, in the order of `identities`.
    inherited: Vec<Reach>,
    /// Every role that the login comes to act as, with the role before it; ADMIN OPTION counts.
    led_to: HashMap<RoleId, (RoleId, Edge)>,
}

/// A privilege that is held, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The identity that holds it.
    pub identity: RoleId,
    /// Whether the login holds it without SET ROLE.
    pub at_once: bool,
    /// Whether it is held on the whole object, not only on columns.
    pub whole: bool,
}

impl<'a> Access<'a> {
    /// Walks the memberships from one login.
    #[must_use]
    pub fn new(facts: &'a Facts, graph: &Graph, login: RoleId) -> Self {
        let identities = graph.identities(login);
        let inherited = identities.roles().map(|identity| graph.inherited(identity)).collect();
        let led_to = led_to(facts, graph, login);
        Self { facts, login, identities, inherited, led_to }
    }

    /// Finds the nearest identity that holds one of these privileges on an object, with USAGE on its schema.
    #[must_use]
    pub fn holds(&self, object: Object, any: Privileges) -> Option<Held> {
        let schema = self.facts.schema_of(object).filter(|_| !matches!(object, Object::Schema(_)));
        let asked = self.identities.roles().zip(&self.inherited);
        let usable = asked
            .filter(|(identity, inherited)| schema.is_none_or(|schema| self.may_use(*identity, inherited, schema)));
        let mut found = usable.filter_map(|(identity, inherited)| {
            let on = |acl, kind| !self.held(identity, inherited, acl, kind).intersection(any).is_empty();
            let whole = acl_of(self.facts, object).is_some_and(|(kind, acl)| on(acl, kind));
            let columns = || self.columns(object).iter().any(|acl| on(*acl, AclKind::Column));
            let is_held = whole || (!any.intersection(BY_COLUMN).is_empty() && columns());
            is_held.then_some(Held { identity, at_once: identity == self.login, whole })
        });
        found.next()
    }

    /// Tells whether the login may call a routine whose name was looked up long ago, as a view's are: without USAGE.
    #[must_use]
    pub fn may_execute(&self, routine: Object) -> bool {
        let Some((kind, acl)) = acl_of(self.facts, routine) else { return false };
        let mut asked = self.identities.roles().zip(&self.inherited);
        asked.any(|(identity, inherited)| self.held(identity, inherited, acl, kind).contains(Privilege::Execute))
    }

    fn columns(&self, object: Object) -> Vec<AclId> {
        match object {
            Object::Relation(at) => {
                let oid = self.facts.relations[at as usize].oid;
                self.facts.columns_of(oid).iter().map(|column| column.acl).collect()
            }
            _ => Vec::new(),
        }
    }

    fn may_use(&self, identity: RoleId, inherited: &Reach, schema: SchemaId) -> bool {
        let acl = self.facts.schema_row(schema).acl;
        self.held(identity, inherited, acl, AclKind::Schema).contains(Privilege::Usage)
    }

    fn held(&self, identity: RoleId, inherited: &Reach, acl: AclId, kind: AclKind) -> Privileges {
        if self.facts.roles[identity].superuser {
            return kind.all(self.facts.session.major);
        }
        let held = self.facts.acls[acl].held_by(|grantee| grantee.is_none_or(|role| inherited.contains(role)));
        let predefined = |name: &str| self.facts.roles.find(name).is_some_and(|role| inherited.contains(role));
        held.union(by_predefined_roles(kind, predefined))
    }

    /// Goes through the roles that the login comes to act as, itself left out, nearest first by name.
    pub fn roles(&self) -> impl Iterator<Item = RoleId> {
        let mut roles: Vec<RoleId> = self.led_to.keys().copied().collect();
        roles.sort_unstable();
        roles.into_iter()
    }

    /// Gives the way to a role, as `orders_app -set-> team -inherit-> billing_reader`.
    #[must_use]
    pub fn way(&self, role: RoleId) -> String {
        let mut steps = Vec::new();
        let mut at = role;
        while let Some((before, edge)) = self.led_to.get(&at) {
            steps.push(format!(" -{}-> {}", edge.word(), shown(&self.facts.roles[at].name)));
            at = *before;
        }
        steps.reverse();
        format!("{}{}", shown(&self.facts.roles[self.login].name), steps.concat())
    }
}

/// Walks every membership breadth-first, a nearer and stronger edge first.
///
/// The login can SET ROLE and then inherit. A role that it inherits may be granted on by its ADMIN OPTION. SET after
/// INHERIT does not compose, and is left out.
fn led_to(facts: &Facts, graph: &Graph, login: RoleId) -> HashMap<RoleId, (RoleId, Edge)> {
    let mut before: HashMap<RoleId, (RoleId, Edge)> = HashMap::new();
    // whether a role is an identity, or its privileges are only inherited
    let mut queue = VecDeque::from([(login, true)]);
    let mut seen = std::collections::HashSet::from([(login, true)]);
    while let Some((role, is_identity)) = queue.pop_front() {
        let edges: &[Edge] =
            if is_identity { &[Edge::Set, Edge::Inherit, Edge::Admin] } else { &[Edge::Inherit, Edge::Admin] };
        for edge in edges {
            for next in graph.next(role, *edge) {
                // who has ADMIN OPTION can grant the role to itself, with SET
                let becomes = *edge != Edge::Inherit;
                if seen.insert((*next, becomes)) {
                    queue.push_back((*next, becomes));
                    if *next != login {
                        before.entry(*next).or_insert((role, *edge));
                    }
                }
            }
        }
        let grants_itself_all = facts.session.major < 16 && facts.roles[role].create_role && is_identity;
        if grants_itself_all {
            for (next, row) in
                facts.roles.iter().filter(|(next, row)| *next != login && !row.superuser && !row.dangling)
            {
                if !row.is_system() && seen.insert((next, true)) {
                    queue.push_back((next, true));
                    before.entry(next).or_insert((role, Edge::CreateRole));
                }
            }
        }
    }
    before
}

/// Gives an object's access list with its kind.
fn acl_of(facts: &Facts, object: Object) -> Option<(AclKind, AclId)> {
    Some(match object {
        Object::Relation(at) => {
            let relation = &facts.relations[at as usize];
            let is_sequence = relation.kind == RelationKind::Sequence;
            (if is_sequence { AclKind::Sequence } else { AclKind::Relation }, relation.acl)
        }
        Object::Routine(at) => (AclKind::Routine, facts.routines[at as usize].acl),
        Object::Type(at) => (AclKind::Type, facts.types[at as usize].acl),
        Object::Schema(id) => (AclKind::Schema, facts.schema_row(id).acl),
        Object::Column(at) => (AclKind::Column, facts.columns[at as usize].acl),
        _ => return None,
    })
}
