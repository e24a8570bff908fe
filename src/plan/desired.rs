//! Manifests, and the inventory of what is there → the state that is wanted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::described::is_shared_managed;
use super::elsewhere;
use super::managed::{Managed, Names, caller, connect_group, temporary_group};
use crate::ident::Ident;
use crate::manifest::service::{ContractKind, Exposed, Project, Service};
use crate::model::acl::{Acl, Grantee};
use crate::model::naming::{Access, Naming};
use crate::model::privilege::{Privilege, Privileges};
use crate::model::setting;
use crate::model::state::{
    Class, Database, DefaultPrivilege, Issued, Membership, MembershipOptions, Object, ObjectKind, ObjectName, Observed,
    Role, Schema, Setting, State,
};

const READ: Privileges = Privileges::of(&[Privilege::Select]);
const WRITE: Privileges = Privileges::of(&[Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete]);
const COUNT: Privileges = Privileges::of(&[Privilege::Usage, Privilege::Select]);
const USAGE: Privileges = Privileges::of(&[Privilege::Usage]);
const EXECUTE: Privileges = Privileges::of(&[Privilege::Execute]);

/// Where an extension goes that is not there yet.
pub const EXTENSION_SCHEMA: &str = "extensions";

/// The table in which a service's migrations are recorded; only they write it.
pub const HISTORY_TABLE: &str = "refinery_schema_history";

/// What is wanted, and what cannot be had yet.
#[derive(Debug, Clone)]
pub struct Desired {
    /// What is wanted.
    pub state: State,
    /// Contracts whose object is not there.
    pub missing: Vec<Missing>,
}

/// A contract whose object is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The service that exposes it.
    pub service: Ident,
    /// Its schema.
    pub schema: Ident,
    /// The object.
    pub object: ObjectName,
    /// Who is to get what.
    pub grants: Vec<(Ident, Privileges)>,
}

/// Works out what is wanted, given what is there: each object that exists wants its owner and its grants.
#[must_use]
pub fn desired(project: &Project, observed: &Observed) -> Desired {
    let (naming, actual) = (&project.naming, &observed.state);
    let mut state = State {
        database: database(project, observed),
        roles: BTreeMap::new(),
        memberships: BTreeMap::new(),
        settings: BTreeMap::new(),
        extensions: BTreeMap::new(),
        schemas: BTreeMap::new(),
        default_privileges: BTreeMap::new(),
        services: BTreeMap::new(),
        credentials: BTreeMap::new(),
    };
    let shares = is_shared_managed(project);
    if shares {
        state.roles.insert(connect_group(naming), Role::group());
        state.roles.insert(temporary_group(naming), Role::group());
    }
    let mut missing = Vec::new();
    for service in project.services.values() {
        let names = Names::of(naming, service);
        roles(service, &names, naming, actual, &mut state);
        settings(service, &names, actual, &mut state);
        default_privileges(service, &names, observed.major(), &mut state);
        let schema = schema(project, service, &names, observed, &mut missing);
        state.schemas.insert(service.schema.clone(), schema);
        state.services.insert(service.name.clone(), service.schema.clone());
        for name in service.credentials.keys() {
            let key = (service.name.clone(), name.clone());
            let fresh = Issued { active: crate::model::naming::Slot::A, steady: true };
            let issued = actual.credentials.get(&key).cloned().unwrap_or(fresh);
            state.credentials.insert(key, issued);
        }
    }
    elsewhere::keep(project, observed, &mut state);
    if shares {
        shared_schemas(project, observed, &mut state);
    }
    Desired { state, missing }
}

fn database(project: &Project, observed: &Observed) -> Database {
    let actual = &observed.state.database;
    if !observed.administrator.owns_database || !is_shared_managed(project) {
        return actual.clone();
    }
    let managed = Managed::of(project);
    let mut acl = Acl::empty();
    let stays =
        |grantee: &Grantee| !managed.covers(grantee) || (*grantee == Grantee::Public && !project.close_database);
    for (grantee, grantor, granted) in actual.acl.iter().filter(|(grantee, ..)| stays(grantee)) {
        acl.add(grantee.clone(), grantor.clone(), granted);
    }
    acl.grant(Grantee::Role(connect_group(&project.naming)), &actual.owner, Privilege::Connect.into());
    acl.grant(Grantee::Role(temporary_group(&project.naming)), &actual.owner, Privilege::Temporary.into());
    Database { name: actual.name.clone(), owner: actual.owner.clone(), acl }
}

fn roles(service: &Service, names: &Names, naming: &Naming, actual: &State, state: &mut State) {
    for role in [&names.owner, &names.writer, &names.reader] {
        state.roles.insert(role.clone(), Role::group());
    }
    let mut member = |member: &Ident, role: &Ident, set: bool| {
        // who granted it does not matter: the comparison takes all grantors together
        let membership = Membership { role: role.clone(), member: member.clone(), grantor: role.clone() };
        state.memberships.insert(membership, MembershipOptions { admin: false, inherit: true, set });
    };
    member(&names.reader, &connect_group(naming), false);
    for role in [&names.owner, &names.writer] {
        member(role, &names.reader, false);
        member(role, &temporary_group(naming), false);
    }
    for login in &names.logins {
        member(&login.role, names.access(login.access), login.access == Access::Owner);
    }
    for login in &names.logins {
        let declared = &service.credentials[&login.credential];
        let issued = actual.credentials.get(&(service.name.clone(), login.credential.clone()));
        let is_open = match issued {
            Some(issued) if issued.active == login.slot => true,
            Some(issued) if issued.steady => false,
            // a rotation decides, or a password has yet to be issued
            _ => actual.roles.get(&login.role).is_some_and(|role| role.login),
        };
        let connection_limit = declared.connection_limit.unwrap_or(-1);
        state.roles.insert(login.role.clone(), Role { login: is_open, connection_limit, ..Role::group() });
    }
}

fn settings(service: &Service, names: &Names, actual: &State, state: &mut State) {
    let mut path = vec![service.schema.clone()];
    for extension in &service.extensions {
        let home = extension_home(extension, actual);
        if home.as_str() != "pg_catalog" && !path.contains(&home) {
            path.push(home);
        }
    }
    let path = setting::name_list(&path);
    for login in &names.logins {
        let mut set = |name: &str, value: String| {
            state.settings.insert(Setting { role: login.role.clone(), name: name.to_owned() }, value);
        };
        set("search_path", path.clone());
        if login.access == Access::Owner {
            set("role", names.owner.as_str().to_owned());
        }
        for (name, value) in &service.credentials[&login.credential].settings {
            let name = name.to_ascii_lowercase();
            let value = setting::normalise(&name, value);
            set(&name, value);
        }
    }
}

/// Gives the schema of an extension: where it is, else where it will be.
fn extension_home(extension: &Ident, actual: &State) -> Ident {
    actual.extensions.get(extension).cloned().unwrap_or_else(|| Ident::from_server(EXTENSION_SCHEMA))
}

fn default_privileges(service: &Service, names: &Names, major: u32, state: &mut State) {
    let owner = &names.owner;
    // an owner's login creates as the owner, but it can also step out of that role
    let logins = names.logins.iter().filter(|login| login.access == Access::Owner).map(|login| &login.role);
    for creator in std::iter::once(owner).chain(logins) {
        for class in [Class::Routine, Class::Type] {
            let mut acl = Acl::empty();
            acl.grant(Grantee::Role(creator.clone()), creator, class.acl_kind().all(major));
            state.default_privileges.insert(DefaultPrivilege { creator: creator.clone(), schema: None, class }, acl);
        }
    }
    for class in Class::ALL {
        let mut acl = Acl::empty();
        let (writes, reads) = match class {
            Class::Relation => (WRITE, READ),
            Class::Sequence => (COUNT, READ),
            Class::Routine => (EXECUTE, Privileges::NONE),
            Class::Type => (USAGE, USAGE),
        };
        acl.grant(Grantee::Role(names.writer.clone()), owner, writes);
        acl.grant(Grantee::Role(names.reader.clone()), owner, reads);
        let schema = Some(service.schema.clone());
        state.default_privileges.insert(DefaultPrivilege { creator: owner.clone(), schema, class }, acl);
    }
}

fn schema(
    project: &Project,
    service: &Service,
    names: &Names,
    observed: &Observed,
    missing: &mut Vec<Missing>,
) -> Schema {
    let major = observed.major();
    let actual = observed.state.schemas.get(&service.schema);
    let mut schema_acl = Acl::empty();
    let owner = || Grantee::Role(names.owner.clone());
    schema_acl.grant(owner(), &names.owner, crate::model::acl::AclKind::Schema.all(major));
    for role in [&names.writer, &names.reader] {
        schema_acl.grant(Grantee::Role(role.clone()), &names.owner, USAGE);
    }

    let mut contracts = BTreeMap::new();
    for exposed in &service.exposes {
        let grants = contract_grants(project, service, exposed, observed);
        for (reader, _) in &grants {
            schema_acl.grant(Grantee::Role(reader.clone()), &names.owner, USAGE);
        }
        let object = find(exposed, actual);
        if let Some(object) = actual.and_then(|s| s.objects.get_key_value(&object)).map(|(name, _)| name) {
            contracts.entry(object.clone()).or_insert_with(Vec::new).extend(grants);
        } else if !grants.is_empty() {
            let (service, schema) = (service.name.clone(), service.schema.clone());
            missing.push(Missing { service, schema, object, grants });
        }
    }

    let mut common = BTreeMap::new();
    let objects = actual.into_iter().flat_map(|s| &s.objects).map(|(name, object)| {
        let common = common
            .entry((name.class, object.kind, is_history(name)))
            .or_insert_with(|| Arc::new(object_acl(name, object.kind, names, major)));
        let acl = match contracts.get(name) {
            None => Arc::clone(common),
            Some(grants) => {
                let mut acl = Acl::clone(common);
                for (reader, privileges) in grants {
                    acl.grant(Grantee::Role(reader.clone()), &names.owner, *privileges);
                }
                Arc::new(acl)
            }
        };
        (name.clone(), Object { kind: object.kind, owner: names.owner.clone(), acl, columns: BTreeMap::new() })
    });
    let objects = objects.collect();
    Schema { owner: names.owner.clone(), acl: Arc::new(schema_acl), objects }
}

fn is_history(name: &ObjectName) -> bool {
    name.class == Class::Relation && name.name.as_str() == HISTORY_TABLE
}

/// Gives the grants on an object that no contract names.
fn object_acl(name: &ObjectName, kind: ObjectKind, names: &Names, major: u32) -> Acl {
    let (writes, reads) = match name.class {
        Class::Relation if is_history(name) => (READ, READ),
        Class::Relation => (WRITE, READ),
        Class::Sequence => (COUNT, READ),
        Class::Routine if kind == ObjectKind::ReadingFunction => (EXECUTE, EXECUTE),
        Class::Routine => (EXECUTE, Privileges::NONE),
        Class::Type => (USAGE, USAGE),
    };
    let mut acl = Acl::empty();
    acl.grant(Grantee::Role(names.owner.clone()), &names.owner, name.class.acl_kind().all(major));
    acl.grant(Grantee::Role(names.writer.clone()), &names.owner, writes);
    acl.grant(Grantee::Role(names.reader.clone()), &names.owner, reads);
    acl
}

/// Says who gets a contract here: the consumer's reader, and for a consumer in another database the bridge's login.
/// Which roles a described consumer has is not known.
///
/// What such a consumer's reader still holds here stays, so that it can come back.
pub(super) fn contract_grants(
    project: &Project,
    provider: &Service,
    exposed: &Exposed,
    observed: &Observed,
) -> Vec<(Ident, Privileges)> {
    let mut grants = Vec::new();
    for consumer in exposed.to.iter().filter_map(|to| project.find(to)) {
        if project.described.contains_key(&consumer.name) {
            continue;
        }
        let reader = Names::of(&project.naming, consumer).reader;
        if project.services.contains_key(&consumer.name) {
            grants.push((reader, exposed.privileges));
            continue;
        }
        let actual = observed.state.schemas.get(&provider.schema);
        let object = actual.and_then(|schema| schema.objects.get(&find(exposed, actual)));
        let held = object.map(|o| o.acl.held_by(&Grantee::Role(reader.clone()))).unwrap_or_default();
        grants.push((reader, exposed.privileges.intersection(held)));
        let login = project.moved(provider, consumer).map(|moved| caller(&project.naming, moved));
        let login = login.filter(|role| observed.state.roles.contains_key(role));
        grants.extend(login.map(|role| (role, exposed.privileges)));
    }
    grants.retain(|(_, privileges)| !privileges.is_empty());
    grants
}

/// Finds the object that a contract names; a function given without its arguments is the only one of that name.
pub(super) fn find(exposed: &Exposed, actual: Option<&Schema>) -> ObjectName {
    let class = match exposed.kind {
        ContractKind::View | ContractKind::Table => Class::Relation,
        ContractKind::Function => Class::Routine,
        ContractKind::Sequence => Class::Sequence,
        ContractKind::Type => Class::Type,
    };
    let arguments = exposed.arguments.as_deref().map(Arc::from);
    let named = ObjectName { class, name: exposed.name.clone(), arguments };
    if class != Class::Routine || named.arguments.is_some() {
        return named;
    }
    let same = |name: &&ObjectName| name.class == class && name.name == named.name;
    let mut candidates = actual.into_iter().flat_map(|s| s.objects.keys()).filter(same);
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => only.clone(),
        _ => named,
    }
}

/// Says what is wanted of schemas that are nobody's: `public` is closed, extensions can be reached by all services.
fn shared_schemas(project: &Project, observed: &Observed, state: &mut State) {
    let actual = &observed.state;
    let mut homes = std::collections::BTreeSet::new();
    for extension in project.services.values().flat_map(|s| &s.extensions) {
        let home = extension_home(extension, actual);
        state.extensions.insert(extension.clone(), home.clone());
        // an extension in a described service's schema is in nobody's way, and left to the hand as all else there
        let is_described = project.described.values().any(|service| service.schema == home);
        if home.as_str() != "pg_catalog" && !is_described {
            homes.insert(home);
        }
    }
    let public = Ident::from_server("public");
    let mut names = homes.clone();
    if actual.schemas.contains_key(&public) {
        names.insert(public.clone());
    }
    for name in names {
        if state.schemas.contains_key(&name) {
            continue;
        }
        let there = actual.schemas.get(&name);
        let owner = there.map_or_else(|| observed.administrator.name.clone(), |s| s.owner.clone());
        let mut acl = there.map_or_else(
            || Acl::default_for(crate::model::acl::AclKind::Schema, &owner, observed.major()),
            |s| Acl::clone(&s.acl),
        );
        if there.is_some() && !observed.administrator.grants_on.contains(&name) {
            state.schemas.insert(name, Schema { owner, acl: Arc::new(acl), objects: BTreeMap::new() });
            continue;
        }
        if name == public && project.close_database {
            acl = without_public(&acl);
        }
        if homes.contains(&name) {
            acl.grant(Grantee::Role(connect_group(&project.naming)), &owner, USAGE);
        }
        state.schemas.insert(name, Schema { owner, acl: Arc::new(acl), objects: BTreeMap::new() });
    }
}

fn without_public(acl: &Acl) -> Acl {
    let mut rest = Acl::empty();
    for (grantee, grantor, granted) in acl.iter().filter(|(grantee, ..)| **grantee != Grantee::Public) {
        rest.add(grantee.clone(), grantor.clone(), granted);
    }
    rest
}
