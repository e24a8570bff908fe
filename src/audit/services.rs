//! Which role and which schema belong to which service, and what the contracts allow.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::facts::Facts;
use super::facts::object::{Object, SchemaId};
use super::facts::relation::RelationKind;
use super::facts::role::RoleId;
use super::graph::{Edge, Graph};
use super::managed;
use crate::ident::Ident;
use crate::manifest::service::{ContractKind, Project, Service};
use crate::model::moving::Moving;
use crate::model::naming::{Naming, Slot};
use crate::model::own::OwnRole;
use crate::model::privilege::{Privilege, Privileges};

/// A service's position in [`Map::names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u32);

/// One declared contract.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contract {
    /// Who exposes.
    pub provider: Ident,
    /// Who consumes.
    pub consumer: Ident,
    /// What kind of object.
    pub kind: ContractKind,
    /// The object's name in the provider's schema.
    pub name: Ident,
    /// A function's argument types; nothing for any.
    pub arguments: Option<String>,
    /// What may be done with it.
    pub privileges: Privileges,
}

/// What is known of the services before the database is looked at.
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// Service → its schema.
    pub schemas: BTreeMap<Ident, Ident>,
    /// Role → its service.
    pub roles: BTreeMap<Ident, Ident>,
    /// Login → the credential that it is one of the two logins of, as `service/credential`.
    pub credentials: BTreeMap<Ident, String>,
    /// All contracts.
    pub contracts: Vec<Contract>,
    /// The extensions that each service's manifest names.
    pub extensions: BTreeSet<(Ident, Ident)>,
    /// Whether schemas and roles that no manifest names are put in services by owner, membership and name.
    pub infer: bool,
    /// Services that live in another database, and have left something here.
    pub elsewhere: BTreeSet<Ident>,
    /// Schemas that a service's bridge to another database keeps here, with the service.
    pub bridged: BTreeMap<Ident, Ident>,
    /// The names of bridges: of the role that owns one, its foreign server, and the schema of its foreign tables.
    pub bridges: BTreeSet<Ident>,
    /// Services that the manifests only describe: their roles are found by owner, membership and name.
    pub described: BTreeSet<Ident>,
    /// What stands before the names of roles.
    pub role_prefix: String,
    /// Whether manifests say what the services expose to each other.
    pub has_manifests: bool,
}

impl Services {
    /// Knows nothing: every schema with its owner is taken for a service.
    #[must_use]
    pub fn inferred() -> Self {
        Self { infer: true, ..Self::default() }
    }

    /// Takes what the manifests say.
    #[must_use]
    pub fn from_project(project: &Project) -> Self {
        let prefix = project.naming.prefix.clone();
        let mut services = Self { role_prefix: prefix, has_manifests: true, ..Self::default() };
        services.described.extend(project.described.keys().cloned());
        for service in project.elsewhere.values() {
            let is_moved = |other: &&Service| other.has_own_database();
            let uses = |other: &&Service| other.consumes.iter().any(|consumed| consumed.service == service.name);
            if let Some(moved) = project.services.values().find(is_moved) {
                let consumer = project.services.values().find(uses).unwrap_or(moved);
                services.bridged.insert(service.schema.clone(), consumer.name.clone());
            }
            // its roles may come here all the same: on one server they are those of both databases
            services.elsewhere.insert(service.name.clone());
        }
        let left = project.elsewhere.iter().filter(|(name, _)| services.elsewhere.contains(*name));
        let left: Vec<_> = left.collect();
        for (name, service) in project.services.iter().chain(&project.described).chain(left) {
            services.schemas.insert(name.clone(), service.schema.clone());
            services.extensions.extend(service.extensions.iter().map(|extension| (name.clone(), extension.clone())));
            services.contracts.extend(contracts(name, service));
            if services.described.contains(name) {
                continue;
            }
            let text = name.as_str();
            let naming = &project.naming;
            services.add_credentials(naming, text, service.credentials.keys().map(String::as_str));
            let groups = [naming.owner(text), naming.writer(text), naming.reader(text)];
            let bridge =
                service.has_own_database().then(|| [naming.bridge(text), naming.caller(text)]).into_iter().flatten();
            if let (true, Ok(bridge)) = (service.has_own_database(), naming.bridge(text)) {
                // the foreign tables' schema is named like the role that owns them
                services.bridged.insert(bridge.clone(), name.clone());
                services.bridges.insert(bridge);
            }
            for role in groups.into_iter().chain(bridge).flatten() {
                services.roles.insert(role, name.clone());
            }
        }
        // a login that stood here before the manifests did; a name that fits two services is the one's that has it already
        for (name, service) in &project.services {
            let logins = service.credentials.keys().map(|c| project.naming.single_login(name.as_str(), c));
            for login in logins.flatten() {
                services.roles.entry(login).or_insert_with(|| name.clone());
            }
        }
        services
    }

    /// Takes both logins of each credential for the service's.
    pub(super) fn add_credentials<'a>(
        &mut self,
        naming: &Naming,
        service: &str,
        credentials: impl Iterator<Item = &'a str>,
    ) {
        for credential in credentials {
            let logins = Slot::BOTH.map(|slot| naming.login(service, credential, slot));
            for login in logins.into_iter().flatten() {
                self.roles.insert(login.clone(), Ident::from_server(service));
                self.credentials.insert(login, format!("{service}/{credential}"));
            }
        }
    }

    /// Takes the roles of a bridge for the service's whose split has made them.
    #[must_use]
    pub fn with_splits(mut self, project: &Project, splits: &[Moving]) -> Self {
        for split in splits.iter().filter(|split| project.services.contains_key(&split.service)) {
            let name = split.service.as_str();
            let bridge = [project.naming.bridge(name), project.naming.caller(name)];
            self.roles.extend(bridge.into_iter().flatten().map(|role| (role, split.service.clone())));
        }
        self
    }
}

/// Gives the contracts of what a service exposes.
fn contracts<'a>(name: &'a Ident, service: &'a Service) -> impl Iterator<Item = Contract> + 'a {
    service.exposes.iter().flat_map(move |exposed| {
        exposed.to.iter().map(move |consumer| Contract {
            provider: name.clone(),
            consumer: consumer.clone(),
            kind: exposed.kind,
            name: exposed.name.clone(),
            arguments: exposed.arguments.clone(),
            privileges: exposed.privileges,
        })
    })
}

/// The services of one database.
#[derive(Debug, Clone, Default)]
pub struct Map {
    /// The services' names, sorted.
    pub names: Vec<Ident>,
    of_role: Vec<Option<ServiceId>>,
    credential_of: HashMap<RoleId, String>,
    of_schema: Vec<Option<ServiceId>>,
    /// The services whose contracts are known: what their roles hold beyond these is declared away.
    with_contracts: BTreeSet<ServiceId>,
    declared: HashMap<(ServiceId, Object), Privileges>,
    declared_schemas: BTreeSet<(ServiceId, SchemaId)>,
    extensions: BTreeSet<(Ident, Ident)>,
    /// Each contract with the objects that it is about; with none, there is no such object.
    pub contracts: Vec<(Contract, Vec<Object>)>,
    /// The names of bridges.
    pub bridges: BTreeSet<Ident>,
    /// The roles that pgcleave has made for itself.
    own: HashMap<RoleId, OwnRole>,
}

impl Map {
    /// Puts every role and schema where it belongs.
    #[must_use]
    pub fn new(services: &Services, facts: &Facts, graph: &Graph) -> Self {
        let mut schema_names: BTreeMap<Ident, Ident> =
            services.schemas.iter().map(|(service, schema)| (schema.clone(), service.clone())).collect();
        schema_names.extend(services.bridged.iter().map(|(schema, service)| (schema.clone(), service.clone())));
        if services.infer {
            infer_schemas(&mut schema_names, facts);
        }
        let names: BTreeSet<Ident> = schema_names.values().chain(services.schemas.keys()).cloned().collect();
        let names: Vec<Ident> = names.into_iter().collect();
        let id = |name: &Ident| names.binary_search(name).ok().map(|at| ServiceId(at as u32));
        let of_schema: Vec<_> = facts.schemas.iter().map(|s| schema_names.get(&s.name).and_then(id)).collect();
        let mut of_role: Vec<_> = facts.roles.iter().map(|(_, r)| services.roles.get(&r.name).and_then(id)).collect();
        let own = managed::own_roles(services, facts);
        if services.infer || !services.described.is_empty() {
            let open: BTreeSet<_> =
                names.iter().filter(|n| services.infer || services.described.contains(*n)).collect();
            let is_open = |id: ServiceId| open.contains(&names[id.0 as usize]);
            let inference = Inference {
                of_schema: &of_schema,
                own: &own,
                names: &names,
                prefix: &services.role_prefix,
                facts,
                graph,
            };
            inference.roles(&mut of_role, is_open);
        }
        for (role, kind) in &own {
            of_role[role.at()] = match kind {
                OwnRole::Group => None,
                OwnRole::TemporaryLogin => managed::service_entered(graph, &of_role, *role),
            };
        }
        let (bridges, extensions) = (services.bridges.clone(), services.extensions.clone());
        let mut map = Self { names, of_role, of_schema, bridges, extensions, own, ..Self::default() };
        let known = |login: &Ident| services.credentials.get(login).cloned();
        map.credential_of = facts.roles.iter().filter_map(|(id, role)| Some((id, known(&role.name)?))).collect();
        if services.has_manifests {
            map.with_contracts = services.schemas.keys().filter_map(|name| map.find(name)).collect();
        }
        map.resolve_contracts(services, facts);
        map
    }

    /// Gives a service's name.
    #[must_use]
    pub fn name(&self, id: ServiceId) -> &Ident {
        &self.names[id.0 as usize]
    }

    /// Finds a service by name.
    #[must_use]
    pub fn find(&self, name: &Ident) -> Option<ServiceId> {
        self.names.binary_search(name).ok().map(|at| ServiceId(at as u32))
    }

    /// Gives the service of a role.
    #[must_use]
    pub fn of_role(&self, role: RoleId) -> Option<ServiceId> {
        self.of_role.get(role.at()).copied().flatten()
    }

    /// Gives the credential that a role is a login of, as `service/credential`.
    #[must_use]
    pub fn credential(&self, role: RoleId) -> Option<&str> {
        self.credential_of.get(&role).map(String::as_str)
    }

    /// Tells which kind of role of pgcleave's own a role is.
    #[must_use]
    pub fn own(&self, role: RoleId) -> Option<OwnRole> {
        self.own.get(&role).copied()
    }

    /// Tells whether a role is one of pgcleave's own groups.
    #[must_use]
    pub fn is_own_group(&self, role: RoleId) -> bool {
        self.own(role) == Some(OwnRole::Group)
    }

    /// Gives the service of a schema.
    #[must_use]
    pub fn of_schema(&self, schema: SchemaId) -> Option<ServiceId> {
        self.of_schema.get(schema.0 as usize).copied().flatten()
    }

    /// Gives what a contract lets a service do with an object.
    #[must_use]
    pub fn declared(&self, consumer: ServiceId, object: Object) -> Privileges {
        match object {
            Object::Schema(id) if self.declared_schemas.contains(&(consumer, id)) => Privilege::Usage.into(),
            _ => self.declared.get(&(consumer, object)).copied().unwrap_or_default(),
        }
    }

    /// Tells whether manifests say what the services expose to each other.
    #[must_use]
    pub fn knows_contracts(&self) -> bool {
        !self.with_contracts.is_empty()
    }

    /// Tells whether a manifest says what a service exposes and consumes.
    #[must_use]
    pub fn is_declared(&self, service: ServiceId) -> bool {
        self.with_contracts.contains(&service)
    }

    /// Tells whether a service's manifest names an extension.
    #[must_use]
    pub fn names_extension(&self, service: ServiceId, extension: &Ident) -> bool {
        self.extensions.contains(&(self.name(service).clone(), extension.clone()))
    }

    /// Tells whether any contract is about an object.
    #[must_use]
    pub fn is_exposed(&self, object: Object) -> bool {
        self.declared.keys().any(|(_, o)| *o == object)
    }

    fn resolve_contracts(&mut self, services: &Services, facts: &Facts) {
        if services.contracts.is_empty() {
            return;
        }
        let all = (0..).map(SchemaId).zip(&facts.schemas);
        let mut schema_of: HashMap<ServiceId, SchemaId> =
            all.clone().filter_map(|(s, _)| Some((self.of_schema(s)?, s))).collect();
        // what a bridge keeps here is the service's too, and not what its contracts are about
        let own = all.filter_map(|(s, schema)| {
            let id = self.of_schema(s)?;
            (services.schemas.get(self.name(id)) == Some(&schema.name)).then_some((id, s))
        });
        schema_of.extend(own);
        let mut by_name: HashMap<(SchemaId, &Ident), Vec<Object>> = HashMap::new();
        for (at, r) in (0..).zip(&facts.relations) {
            by_name.entry((r.schema, &r.name)).or_default().push(Object::Relation(at));
        }
        for (at, r) in (0..).zip(&facts.routines) {
            by_name.entry((r.schema, &r.name)).or_default().push(Object::Routine(at));
        }
        for (at, t) in (0..).zip(&facts.types) {
            by_name.entry((t.schema, &t.name)).or_default().push(Object::Type(at));
        }
        for contract in &services.contracts {
            let (Some(provider), Some(consumer)) = (self.find(&contract.provider), self.find(&contract.consumer))
            else {
                continue;
            };
            let mut objects = Vec::new();
            if let Some(schema) = schema_of.get(&provider).copied() {
                let named = by_name.get(&(schema, &contract.name)).into_iter().flatten().copied();
                objects.extend(named.filter(|object| fits(facts, *object, contract)));
                for object in &objects {
                    let held = self.declared.entry((consumer, *object)).or_default();
                    *held = held.union(contract.privileges);
                    self.declared_schemas.insert((consumer, schema));
                }
            }
            let is_bridged =
                [&contract.provider, &contract.consumer].into_iter().any(|s| services.elsewhere.contains(s));
            if !is_bridged {
                self.contracts.push((contract.clone(), objects));
            }
        }
    }
}

fn fits(facts: &Facts, object: Object, contract: &Contract) -> bool {
    match (object, contract.kind) {
        (Object::Relation(at), ContractKind::Sequence) => facts.relations[at as usize].kind == RelationKind::Sequence,
        (Object::Relation(at), ContractKind::View | ContractKind::Table) => {
            facts.relations[at as usize].kind != RelationKind::Sequence
        }
        (Object::Routine(at), ContractKind::Function) => {
            let arguments = &*facts.routines[at as usize].arguments;
            contract.arguments.as_deref().is_none_or(|declared| declared == arguments)
        }
        (Object::Type(_), ContractKind::Type) => true,
        _ => false,
    }
}

/// Finds the longest of the names that a role's name begins with, followed by `_` or nothing.
fn affinity<'a>(role: &str, names: impl Iterator<Item = &'a Ident>) -> Option<&'a Ident> {
    names
        .filter(|name| role.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
        .max_by_key(|name| name.as_str().len())
}

/// Tells whether a schema may be a service's: `public` is everybody's, and `pgcleave` the registry's.
fn may_be_a_services(schema: &super::facts::Schema) -> bool {
    !matches!(schema.name.as_str(), "public" | "pgcleave")
}

/// Takes schemas for services: one that roles are named after, or that a role of its own owns.
///
/// A schema that no role is named after goes with its owner's other schema, if there is one.
fn infer_schemas(known: &mut BTreeMap<Ident, Ident>, facts: &Facts) {
    let unknown: Vec<_> =
        facts.schemas.iter().filter(|s| may_be_a_services(s) && !known.contains_key(&s.name)).collect();
    // prefixes of all role names that end before an underscore: one look-up a schema instead of one a pair
    let mut prefixes = BTreeSet::new();
    for (_, role) in facts.roles.iter().filter(|(_, r)| !r.is_system() && !r.dangling && !r.superuser) {
        let name = role.name.as_str();
        prefixes.insert(name);
        prefixes.extend(name.match_indices('_').map(|(at, _)| &name[..at]));
    }
    let named = |name: &Ident| prefixes.contains(name.as_str());
    for schema in unknown.iter().filter(|s| named(&s.name)) {
        known.insert(schema.name.clone(), schema.name.clone());
    }
    let mut by_owner: BTreeMap<RoleId, Ident> = BTreeMap::new();
    for schema in unknown.iter().filter(|s| !named(&s.name)) {
        let owner = &facts.roles[schema.owner];
        if owner.superuser || owner.is_system() {
            continue;
        }
        let named_after = affinity(owner.name.as_str(), known.keys()).and_then(|s| known.get(s)).cloned();
        let service =
            by_owner.entry(schema.owner).or_insert_with(|| named_after.unwrap_or(schema.name.clone())).clone();
        known.insert(schema.name.clone(), service);
    }
}

/// What roles are put in services by.
struct Inference<'a> {
    of_schema: &'a [Option<ServiceId>],
    own: &'a HashMap<RoleId, OwnRole>,
    names: &'a [Ident],
    /// Before the roles' names.
    prefix: &'a str,
    facts: &'a Facts,
    graph: &'a Graph,
}

impl Inference<'_> {
    /// Puts each role that no manifest names in an open service: a schema's owner, else by name, else by membership in an
    /// owner.
    ///
    /// A name counts for more than a membership: `orders_app`, member of `billing_owner`, is a leak and not billing's.
    fn roles(&self, of_role: &mut [Option<ServiceId>], is_open: impl Fn(ServiceId) -> bool) {
        let facts = self.facts;
        let index: HashMap<&str, ServiceId> =
            (0..).map(ServiceId).zip(self.names).map(|(id, n)| (n.as_str(), id)).collect();
        let named = |role: &str| {
            let ends = std::iter::once(role.len()).chain(role.rmatch_indices('_').map(|(at, _)| at));
            ends.into_iter().find_map(|end| index.get(&role[..end]).copied())
        };
        let by_name = |role: &str| {
            let rest = role.strip_prefix(self.prefix).filter(|_| !self.prefix.is_empty());
            rest.and_then(named).or_else(|| named(role))
        };
        let mut owners: BTreeMap<RoleId, BTreeSet<ServiceId>> = BTreeMap::new();
        for (schema, service) in facts.schemas.iter().zip(self.of_schema) {
            if let Some(service) = service.filter(|service| is_open(*service))
                && !facts.roles[schema.owner].superuser
            {
                owners.entry(schema.owner).or_default().insert(service);
            }
        }
        for (id, role) in facts.roles.iter() {
            if of_role[id.at()].is_some()
                || self.own.contains_key(&id)
                || role.is_system()
                || role.is_bootstrap()
                || role.dangling
            {
                continue;
            }
            let owned = owners.get(&id).filter(|s| s.len() == 1).and_then(|s| s.first().copied());
            of_role[id.at()] = by_name(role.name.as_str()).filter(|service| is_open(*service)).or(owned);
        }
        let mut members: BTreeMap<RoleId, BTreeSet<ServiceId>> = BTreeMap::new();
        for (owner, services) in &owners {
            for member in members_of(self.graph, *owner) {
                members.entry(member).or_default().extend(services);
            }
        }
        for (member, services) in members {
            let role = &facts.roles[member];
            if of_role[member.at()].is_none() && services.len() == 1 && !role.superuser && !role.is_system() {
                of_role[member.at()] = services.first().copied();
            }
        }
    }
}

/// Gives the roles that are members of a role by any chain that has an effect.
fn members_of(graph: &Graph, role: RoleId) -> Vec<RoleId> {
    let mut seen = std::collections::HashSet::from([role]);
    let mut found = vec![role];
    let mut at = 0;
    while let Some(role) = found.get(at).copied() {
        at += 1;
        for edge in [Edge::Inherit, Edge::Set] {
            found.extend(graph.previous(role, edge).iter().copied().filter(|r| seen.insert(*r)));
        }
    }
    found.split_off(1)
}
