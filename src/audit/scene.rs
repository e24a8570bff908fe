//! What all rules share: the facts, the closure, who belongs where, and the few questions every rule asks.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::facts::Facts;
use super::facts::acl::AclId;
use super::facts::object::{Object, SchemaId, Securable};
use super::facts::role::{Membership, Role, RoleId};
use super::facts::routine::Routine;
use super::graph::{Edge, Graph, Reach, RoleSet};
use super::name::shown;
use super::path::Path;
use super::services::{Map, ServiceId, Services};
pub use super::ways::Reacher;
use super::ways::{MOST_STEPS, Ways};
use crate::analyze::Body;
use crate::model::acl::AclKind;
use crate::model::privilege::{Privilege, Privileges};

/// How many (PUBLIC grant, login) pairs are told one by one; beyond it PUBLIC itself is the principal.
const MOST_PUBLIC_PAIRS: usize = 20_000;

/// For each role the services whose objects it owns or was granted something on.
type Holders = HashMap<RoleId, BTreeSet<Option<ServiceId>>>;

/// Memberships by what was granted to whom.
#[derive(Debug, Default)]
struct Memberships<'a> {
    of: HashMap<(RoleId, RoleId), Vec<&'a Membership>>,
    /// Each role with everyone who has granted it to somebody else.
    granted: HashSet<(RoleId, RoleId)>,
}

impl<'a> Memberships<'a> {
    fn new(facts: &'a Facts) -> Self {
        let mut memberships = Self::default();
        for membership in &facts.memberships {
            memberships.of.entry((membership.role, membership.member)).or_default().push(membership);
            if membership.grantor != membership.member {
                memberships.granted.insert((membership.role, membership.grantor));
            }
        }
        memberships
    }
}

/// The facts with everything that is derived from them once.
#[derive(Debug)]
pub struct Scene<'a> {
    /// What was read.
    pub facts: &'a Facts,
    /// Who can act as whom.
    pub graph: Graph,
    /// Who belongs where.
    pub map: Map,
    /// The login roles that are no superusers and not the server's own.
    pub logins: Vec<RoleId>,
    memberships: Memberships<'a>,
    /// The roles that some login is, inherits, can become or can grant itself.
    acted_as: RoleSet,
    /// Whether PUBLIC is told login by login.
    expand_public: bool,
    usable: RefCell<HashMap<SchemaId, Rc<RoleSet>>>,
    inherited: RefCell<HashMap<RoleId, Rc<Reach>>>,
    holders: RefCell<Option<Rc<Holders>>>,
    /// Bodies by language and text, each read once.
    bodies: RefCell<HashMap<(String, String), Rc<Body>>>,
}

impl<'a> Scene<'a> {
    /// Derives everything.
    #[must_use]
    pub fn new(facts: &'a Facts, services: &Services) -> Self {
        let graph = Graph::new(facts);
        let map = Map::new(services, facts, &graph);
        let judged = |r: &Role| r.login && !r.superuser && !r.is_system() && !r.dangling;
        let logins: Vec<_> = facts.roles.iter().filter(|(_, r)| judged(r)).map(|(id, _)| id).collect();
        let public = facts.securables().filter(|s| !facts.acls[s.acl].public().is_empty()).count();
        let expand_public = public.saturating_mul(logins.len()) <= MOST_PUBLIC_PAIRS;
        let grants_itself_all = |r: &RoleId| facts.session.major < 16 && facts.roles[*r].create_role;
        let acted_as = match logins.iter().any(grants_itself_all) {
            true => graph.led_to(facts.roles.iter().map(|(id, _)| id)),
            false => graph.led_to(logins.iter().copied()),
        };
        Self {
            facts,
            graph,
            map,
            logins,
            memberships: Memberships::new(facts),
            acted_as,
            expand_public,
            usable: RefCell::default(),
            inherited: RefCell::default(),
            holders: RefCell::default(),
            bodies: RefCell::default(),
        }
    }

    /// Reads a routine's body, if the server has not parsed it.
    #[must_use]
    pub fn body(&self, routine: &Routine) -> Option<Rc<Body>> {
        let (language, text) = (routine.language.as_str(), routine.body.as_deref()?);
        let mut bodies = self.bodies.borrow_mut();
        let body = bodies.entry((language.to_owned(), text.to_owned()));
        Some(Rc::clone(body.or_insert_with(|| Rc::new(Body::read(language, text)))))
    }

    /// Gives a role's row.
    #[must_use]
    pub fn role(&self, id: RoleId) -> &'a Role {
        &self.facts.roles[id]
    }

    /// Gives a role's name, quoted where it must be.
    #[must_use]
    pub fn name(&self, id: RoleId) -> String {
        shown(&self.facts.roles[id].name)
    }

    /// Gives the name of a service.
    #[must_use]
    pub fn service_name(&self, id: Option<ServiceId>) -> Option<String> {
        id.map(|id| self.map.name(id).as_str().to_owned())
    }

    /// Gives the service of an object: its schema's, else its owner's.
    #[must_use]
    pub fn service_of(&self, object: Object) -> Option<ServiceId> {
        let by_schema = self.facts.schema_of(object).and_then(|schema| self.map.of_schema(schema));
        by_schema.or_else(|| match object {
            Object::Role(role) => self.map.of_role(role),
            Object::SystemGrant(_) => None,
            other => self.facts.owner_of(other).and_then(|owner| self.map.of_role(owner)),
        })
    }

    /// Tells whether an object belongs to all: no service has a say in it, and nobody in no service either.
    #[must_use]
    pub fn is_global(&self, object: Object) -> bool {
        matches!(
            object,
            Object::Parameter(_)
                | Object::Wrapper(_)
                | Object::Server(_)
                | Object::SystemGrant(_)
                | Object::Tablespace(_)
        ) && self.service_of(object).is_none()
    }

    /// Tells whether an object is foreign to a role: of another service, or one of the two is of none.
    #[must_use]
    pub fn is_foreign(&self, role: RoleId, object: Object) -> bool {
        self.map.of_role(role) != self.service_of(object) || self.is_global(object)
    }

    /// Gives what a contract lets a role do with an object.
    #[must_use]
    pub fn declared(&self, role: RoleId, object: Object) -> Privileges {
        let object = match object {
            Object::Column(at) => {
                let relation = self.facts.relation(self.facts.columns[at as usize].relation);
                relation.map_or(object, |r| Object::Relation(r as u32))
            }
            other => other,
        };
        self.map.of_role(role).map_or(Privileges::NONE, |service| self.map.declared(service, object))
    }

    /// Gives the memberships of one role in another, one by each grantor.
    #[must_use]
    pub fn memberships(&self, role: RoleId, member: RoleId) -> &[&'a Membership] {
        self.memberships.of.get(&(role, member)).map_or(&[], Vec::as_slice)
    }

    /// Tells whether a role was granted to others by one of its members.
    #[must_use]
    pub fn has_granted(&self, role: RoleId, grantor: RoleId) -> bool {
        self.memberships.granted.contains(&(role, grantor))
    }

    /// Tells whether some login is a role, inherits it, can become it, or can grant it to itself.
    #[must_use]
    pub fn is_acted_as(&self, role: RoleId) -> bool {
        self.acted_as.contains(role) || self.role(role).superuser
    }

    /// Tells whether a role may be told of as a principal at all.
    #[must_use]
    pub fn is_judged(&self, role: RoleId) -> bool {
        let role = self.role(role);
        !role.superuser && !role.is_system() && !role.dangling && !role.is_bootstrap()
    }

    /// Gives the identities that hold USAGE on a schema, or own it; PUBLIC's counts only for [`Scene::usage_is_public`].
    #[must_use]
    pub fn users_of(&self, schema: SchemaId) -> Rc<RoleSet> {
        if let Some(set) = self.usable.borrow().get(&schema) {
            return Rc::clone(set);
        }
        let row = self.facts.schema_row(schema);
        let entries = &self.facts.acls[row.acl].entries;
        let granted = entries.iter().filter(|e| e.privileges.contains(Privilege::Usage)).filter_map(|e| e.grantee);
        let predefined = ["pg_read_all_data", "pg_write_all_data"].into_iter();
        let predefined = predefined.filter_map(|name| self.facts.roles.find(name));
        let set = Rc::new(self.graph.inheritors(granted.chain([row.owner]).chain(predefined)));
        self.usable.borrow_mut().insert(schema, Rc::clone(&set));
        set
    }

    /// Tells whether everybody may use a schema.
    #[must_use]
    pub fn usage_is_public(&self, schema: SchemaId) -> bool {
        self.facts.acls[self.facts.schema_row(schema).acl].public().contains(Privilege::Usage)
    }

    /// Gives `inherit*` of a role, remembered.
    #[must_use]
    pub fn inherited(&self, role: RoleId) -> Rc<Reach> {
        if let Some(reach) = self.inherited.borrow().get(&role) {
            return Rc::clone(reach);
        }
        let reach = Rc::new(self.graph.inherited(role));
        self.inherited.borrow_mut().insert(role, Rc::clone(&reach));
        reach
    }

    /// Gives what an identity holds on an object by its access list and the predefined roles, as the server checks it.
    #[must_use]
    pub fn held(&self, identity: RoleId, acl: AclId, kind: AclKind) -> Privileges {
        if self.role(identity).superuser {
            return kind.all(self.facts.session.major);
        }
        let inherited = self.inherited(identity);
        let held = self.facts.acls[acl].held_by(|grantee| grantee.is_none_or(|role| inherited.contains(role)));
        let predefined = |name: &str| self.facts.roles.find(name).is_some_and(|role| inherited.contains(role));
        held.union(by_predefined_roles(kind, predefined))
    }

    /// Tells whether a role is the login that audits, the administrator that the project declares, or the registry's owner.
    #[must_use]
    pub fn is_administrator(&self, role: RoleId) -> bool {
        let (name, session) = (self.role(role).name.as_str(), &self.facts.session);
        let keeps_registry = self.facts.registry().is_some_and(|schema| schema.owner == role);
        name == session.role || name == session.administrator || keeps_registry
    }

    /// Finds all principals that come to hold what `holder` holds, through their own and unmanaged roles only.
    ///
    /// Where a way enters a role of another service, the membership is the finding (MEM01), not what follows from it.
    /// With a schema, some identity on the way must be allowed to use it. Principals are the holder itself and logins;
    /// superusers and the server's own roles are not told.
    #[must_use]
    pub fn reachers(&self, holder: RoleId, schema: Option<SchemaId>) -> Vec<Reacher> {
        if self.role(holder).superuser {
            // whoever comes to be one is told of as such (ATT01)
            return Vec::new();
        }
        let usable = schema.filter(|s| !self.usage_is_public(*s)).map(|s| self.users_of(s));
        let own = self.map.of_role(holder);
        let usable = |identity| usable.as_ref().is_none_or(|set| set.contains(identity));
        let mut found = self.ways_to(holder, usable, true);
        found.retain(|r| {
            (own.is_none() || own == self.map.of_role(r.principal))
                && (r.steps.is_empty() || self.role(r.principal).login)
        });
        found
    }

    /// Finds all principals that enter `role` by a membership: its direct members, and logins.
    #[must_use]
    pub fn enterers(&self, role: RoleId) -> Vec<Reacher> {
        self.entering(role, true)
    }

    /// Finds all principals that can SET ROLE to `role`: its direct members, and logins.
    #[must_use]
    pub fn setters(&self, role: RoleId) -> Vec<Reacher> {
        self.entering(role, false)
    }

    fn entering(&self, role: RoleId, inheriting: bool) -> Vec<Reacher> {
        let mut found = self.ways_to(role, |_| true, inheriting);
        found.retain(|r| !r.steps.is_empty() && (r.steps.len() == 1 || self.role(r.principal).login));
        found
    }

    fn ways_to(&self, holder: RoleId, usable: impl Fn(RoleId) -> bool, inheriting: bool) -> Vec<Reacher> {
        let mut ways = Ways::default();
        ways.push(holder, Edge::Inherit, None, None);
        let mut at = 0;
        while inheriting && at < ways.nodes.len() {
            self.extend(&mut ways, at, Edge::Inherit);
            at += 1;
        }
        let inherited = ways.nodes.len();
        for at in 0..inherited {
            let node = ways.nodes[at];
            if usable(node.role) {
                ways.push(node.role, Edge::Set, node.seen, Some((at as u32, None)));
            }
        }
        let mut at = inherited;
        while at < ways.nodes.len() {
            self.extend(&mut ways, at, Edge::Set);
            at += 1;
        }
        let mut told = HashSet::new();
        let mut found = Vec::new();
        for at in inherited..ways.nodes.len() {
            let node = ways.nodes[at];
            let fits = node.role == holder || node.seen.is_none() || node.seen == self.map.of_role(node.role);
            if fits && self.is_judged(node.role) && told.insert(node.role) {
                found.push(ways.reacher(at));
            }
        }
        found
    }

    fn extend(&self, ways: &mut Ways, at: usize, edge: Edge) {
        let node = ways.nodes[at];
        for role in self.graph.previous(node.role, edge) {
            let service = self.map.of_role(*role);
            if self.role(*role).superuser || (node.seen.is_some() && service.is_some() && node.seen != service) {
                continue;
            }
            ways.push(*role, edge, node.seen.or(service), Some((at as u32, Some(edge))));
        }
    }

    /// Gives the principals that PUBLIC's privilege in a schema is open to, foreign to `object`; nothing stands for all.
    ///
    /// With a schema whose USAGE is not PUBLIC's, these are the ones that hold USAGE.
    #[must_use]
    pub fn public_reachers(&self, object: Object, schema: Option<SchemaId>) -> Vec<Option<Reacher>> {
        let Some(schema) = schema.filter(|s| !self.usage_is_public(*s)) else {
            if !self.expand_public || self.logins.is_empty() {
                return vec![None];
            }
            let all = self.logins.iter().filter(|role| self.is_foreign(**role, object));
            return all.map(|role| Some(Reacher::itself(*role).by_public())).collect();
        };
        let row = self.facts.schema_row(schema);
        let entries = &self.facts.acls[row.acl].entries;
        let granted = entries.iter().filter(|e| e.privileges.contains(Privilege::Usage)).filter_map(|e| e.grantee);
        let holders: BTreeSet<RoleId> = granted.chain([row.owner]).collect();
        let mut told = BTreeSet::new();
        let mut found = Vec::new();
        for holder in holders {
            let own = self.map.of_role(holder);
            if own.is_some() && own == self.service_of(object) {
                continue;
            }
            for reacher in self.reachers(holder, None) {
                if self.is_foreign(reacher.principal, object) && told.insert(reacher.principal) {
                    found.push(Some(reacher.by_public()));
                }
            }
        }
        found
    }

    /// Says that no contract is known to declare an access, or that without manifests this is not known.
    #[must_use]
    pub fn undeclared(&self) -> &'static str {
        match self.facts.managed.is_empty() || self.map.knows_contracts() {
            true => "; no contract declares it",
            false => "; without the manifests it is not known whether a contract declares it",
        }
    }

    /// Names whom a finding is about: PUBLIC, where a grant to it is the cause.
    #[must_use]
    pub fn who(&self, reacher: Option<&Reacher>) -> String {
        let named = reacher.filter(|reacher| !reacher.by_public);
        named.map_or_else(|| "PUBLIC".to_owned(), |reacher| self.name(reacher.principal))
    }

    /// Starts a path at a principal and leads it over the steps of a reacher.
    #[must_use]
    pub fn path(&self, reacher: &Reacher) -> Path {
        let mut path = Path::from(self.name(reacher.principal));
        for (i, (edge, role)) in reacher.steps.iter().enumerate() {
            if reacher.skipped > 0 && i == MOST_STEPS / 2 {
                path = path.then("…", format!("({} more roles)", reacher.skipped));
            }
            path = path.then(edge.word(), self.name(*role));
        }
        path
    }

    /// Tells whether a role leads to anything that does not belong to `service`'s own: a privilege, an object, a
    /// default privilege, by itself or by what it inherits or may become.
    #[must_use]
    pub fn leads_anywhere(&self, role: RoleId, service: Option<ServiceId>) -> bool {
        let holders = self.holders();
        let mut seen = HashSet::from([role]);
        let mut queue = vec![role];
        while let Some(role) = queue.pop() {
            let row = self.role(role);
            let attributes = row.superuser || row.create_role || row.create_db || row.replication || row.bypass_rls;
            if attributes || row.is_system() || holders.get(&role).is_some_and(|of| of.iter().any(|s| *s != service)) {
                return true;
            }
            for edge in [Edge::Inherit, Edge::Set, Edge::Admin] {
                queue.extend(self.graph.next(role, edge).iter().copied().filter(|r| seen.insert(*r)));
            }
        }
        false
    }

    /// Gives the services that a role in none leads to: what it, and the roles that it leads to, belong to or hold.
    #[must_use]
    pub fn leads_to(&self, role: RoleId) -> BTreeSet<ServiceId> {
        let holders = self.holders();
        let mut found = BTreeSet::new();
        let mut seen = HashSet::from([role]);
        let mut queue = vec![role];
        while let Some(role) = queue.pop() {
            found.extend(self.map.of_role(role));
            found.extend(holders.get(&role).into_iter().flatten().flatten());
            for edge in [Edge::Inherit, Edge::Set, Edge::Admin] {
                queue.extend(self.graph.next(role, edge).iter().copied().filter(|r| seen.insert(*r)));
            }
        }
        found
    }

    /// Gives for each role the services whose objects it owns or was granted something on.
    fn holders(&self) -> Rc<Holders> {
        if let Some(holders) = &*self.holders.borrow() {
            return Rc::clone(holders);
        }
        let mut holders = Holders::new();
        let mut known = HashSet::new();
        for securable in self.facts.securables() {
            if matches!(securable.object, Object::Database(_)) {
                continue;
            }
            let service = self.service_of(securable.object);
            if !known.insert((securable.acl, securable.owner, service)) {
                continue;
            }
            let entries = self.facts.acls[securable.acl].entries.iter().filter_map(|e| e.grantee);
            for role in entries.chain([securable.owner]) {
                holders.entry(role).or_default().insert(service);
            }
        }
        for default in &self.facts.default_acls {
            let service = default.schema.map_or(self.map.of_role(default.creator), |s| self.map.of_schema(s));
            for role in self.facts.acls[default.acl].entries.iter().filter_map(|e| e.grantee) {
                holders.entry(role).or_default().insert(service);
            }
        }
        let holders = Rc::new(holders);
        *self.holders.borrow_mut() = Some(Rc::clone(&holders));
        holders
    }

    /// Goes through what has an access list, without what an extension brought and nobody changed.
    pub fn securables(&self) -> impl Iterator<Item = Securable> + '_ {
        self.facts.securables().filter(|s| !self.facts.is_extension_member(s.object))
    }
}

/// Gives what the predefined roles add, for the kinds that they are about.
pub(super) fn by_predefined_roles(kind: AclKind, has: impl Fn(&str) -> bool) -> Privileges {
    use Privilege::{Delete, Insert, Maintain, Select, Update, Usage};
    let mut held = Privileges::NONE;
    match kind {
        AclKind::Relation | AclKind::Column | AclKind::Sequence => {
            if has("pg_read_all_data") {
                held = held.union(Select.into());
            }
            if has("pg_write_all_data") {
                held = held.union(Privileges::of(&[Insert, Update, Delete]));
            }
            if kind == AclKind::Relation && has("pg_maintain") {
                held = held.union(Maintain.into());
            }
        }
        AclKind::Schema if has("pg_read_all_data") || has("pg_write_all_data") => held = Usage.into(),
        _ => {}
    }
    held
}
