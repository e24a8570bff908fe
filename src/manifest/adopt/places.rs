//! Which schema is which service, and which role is whose.

use std::collections::{BTreeMap, BTreeSet};

use super::{Given, Misfits, accept};
use crate::ident::Ident;
use crate::model::naming::{Access, Naming, is_temporary_login};
use crate::model::state::{Membership, MembershipOptions, ObjectKind, Observed, Schema};

/// The services of a database.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Each service with its schema.
    pub(super) schemas: BTreeMap<Ident, Ident>,
    /// Each role that belongs to a service, with the service.
    pub(super) roles: BTreeMap<Ident, Ident>,
}

/// Guesses what stands before the roles' names where nothing says so: the same text before every `<schema>_owner`.
#[must_use]
pub fn likely_prefix(observed: &Observed) -> String {
    let owned = observed.state.schemas.iter().filter(|(name, _)| accept::schema(name.as_str()));
    let before = owned.filter_map(|(name, schema)| {
        schema.owner.as_str().strip_suffix("_owner")?.strip_suffix(name.as_str()).map(str::to_owned)
    });
    let found: BTreeSet<String> = before.collect();
    let mut prefixes = found.into_iter();
    match (prefixes.next(), prefixes.next()) {
        (Some(only), None) if is_prefix(&only) => only,
        _ => String::new(),
    }
}

/// Tells whether an environment can have the prefix.
fn is_prefix(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.starts_with("pg_")
}

pub(super) fn find(given: &Given<'_>, misfits: &mut Misfits) -> Places {
    let schemas = services(given, misfits);
    let roles = roles(given, &schemas);
    for (service, schema) in &schemas {
        owners(given, service, &given.observed.state.schemas[schema], misfits);
    }
    Places { schemas, roles }
}

/// Names a service for each schema that can be one's.
fn services(given: &Given<'_>, misfits: &mut Misfits) -> BTreeMap<Ident, Ident> {
    let state = &given.observed.state;
    let registered: BTreeMap<&Ident, &Ident> = state.services.iter().map(|(name, schema)| (schema, name)).collect();
    let mut found: BTreeMap<Ident, Ident> = BTreeMap::new();
    let chosen = |name: &Ident| given.only.is_empty() || given.only.contains(name);
    let mut left = Vec::new();
    for (name, schema) in state.schemas.iter().filter(|(name, _)| chosen(name)) {
        if is_shared(given, (name, schema), misfits) {
            continue;
        }
        let object = format!("schema {}", name.as_str());
        if !accept::schema(name.as_str()) {
            let why = "no manifest can name it: a lower-case letter, then up to 39 lower-case letters, digits and _, \
                       and none of the names that are taken; rename it, or leave it unmanaged";
            misfits.add(None, object, why);
            continue;
        }
        match registered.get(name) {
            Some(service) => drop(found.insert((*service).clone(), name.clone())),
            None => left.push((name, schema)),
        }
    }
    for (name, schema) in left {
        let by_owner = named_by_owner(given, name, schema).filter(|service| !found.contains_key(service));
        let service = by_owner.unwrap_or_else(|| name.clone());
        let service = beside_logins(given, (name, service), &found, misfits);
        let fits = accept::service(service.as_str())
            && Access::ALL.into_iter().all(|access| given.naming.access(service.as_str(), access).is_ok());
        if !fits || found.contains_key(&service) {
            let why = "no service can be named after it: the name is taken, reserved, or too long for the roles'";
            misfits.add(None, format!("schema {}", name.as_str()), why);
            continue;
        }
        found.insert(service, name.clone());
    }
    found
}

/// Gives the service another name where logins have the names of its groups: a group cannot log in.
fn beside_logins(
    given: &Given<'_>,
    (schema, service): (&Ident, Ident),
    found: &BTreeMap<Ident, Ident>,
    misfits: &mut Misfits,
) -> Ident {
    let logins = group_names_of_logins(given, &service);
    if logins.is_empty() {
        return service;
    }
    let is_free = |name: &Ident| {
        let taken = found.contains_key(name) || given.observed.state.schemas.contains_key(name);
        !taken && accept::service(name.as_str()) && group_names_of_logins(given, name).is_empty()
    };
    let others = ["service", "schema", "data"].into_iter();
    let mut others = others.filter_map(|end| Ident::new(&format!("{}_{end}", service.as_str())).ok());
    let (count, list) = (logins.len(), logins.iter().map(Ident::as_str).collect::<Vec<_>>().join(", "));
    let object = format!("{count} logins with the names of groups: {list}");
    let object = if count == 1 { format!("login {list}, which has the name of a group") } else { object };
    if let Some(other) = others.find(is_free) {
        let why = format!(
            "a group cannot log in: service {} has another name than schema {}",
            other.as_str(),
            schema.as_str()
        );
        misfits.add(Some(&other), object, why);
        return other;
    }
    let why = "a group cannot log in: before it is managed, give the service a name of which no login has a group's";
    misfits.add(Some(&service), object, why);
    service
}

/// Gives the logins that have the names of a service's groups.
fn group_names_of_logins(given: &Given<'_>, service: &Ident) -> Vec<Ident> {
    let groups = Access::ALL.into_iter().filter_map(|access| given.naming.access(service.as_str(), access).ok());
    groups.filter(|group| given.observed.state.roles.get(group).is_some_and(|role| role.login)).collect()
}

/// Tells whether a schema is everybody's: `public`, and those of extensions.
fn is_shared(given: &Given<'_>, (name, schema): (&Ident, &Schema), misfits: &mut Misfits) -> bool {
    let state = &given.observed.state;
    if given.extension_schemas.contains(name) {
        // what an extension keeps there (chunks, queues) is its own affair
        if given.only.contains(name) {
            let why = "it is a member of an extension: no service can own it";
            misfits.add(None, format!("schema {}", name.as_str()), why);
        }
        return true;
    }
    let home = state.extensions.values().any(|home| home == name);
    let shared = matches!(name.as_str(), "public" | "extensions");
    if shared && !schema.objects.is_empty() {
        let count = schema.objects.len();
        let why = format!("{count} of its objects come with no extension; no service can own a schema that all share");
        misfits.add(None, format!("schema {}", name.as_str()), why);
    }
    shared || (home && schema.objects.is_empty())
}

/// Takes the service's name from the schema's owner, `<prefix><service>_owner`, where that owns nothing else.
fn named_by_owner(given: &Given<'_>, name: &Ident, schema: &Schema) -> Option<Ident> {
    let schemas = &given.observed.state.schemas;
    let service = schema.owner.as_str().strip_prefix(given.naming.prefix.as_str())?.strip_suffix("_owner")?;
    let alone = schemas.values().filter(|s| s.owner == schema.owner).count() == 1;
    let taken = service != name.as_str() && schemas.keys().any(|other| other.as_str() == service);
    (alone && !taken && accept::service(service)).then(|| Ident::new(service).ok()).flatten()
}

/// Puts roles in services: those that are named as pgcleave names them, else schemas' owners, else by the beginning of
/// the name, else by membership in an owner.
fn roles(given: &Given<'_>, services: &BTreeMap<Ident, Ident>) -> BTreeMap<Ident, Ident> {
    let (state, naming) = (&given.observed.state, given.naming);
    let mut found = BTreeMap::new();
    let mut owners: BTreeMap<&Ident, BTreeSet<&Ident>> = BTreeMap::new();
    for (service, schema) in services {
        for role in Access::ALL.into_iter().filter_map(|access| naming.access(service.as_str(), access).ok()) {
            found.insert(role, service.clone());
        }
        owners.entry(&state.schemas[schema].owner).or_default().insert(service);
    }
    // a service may be named otherwise than its schema: roles show the name of either
    let schemas = services.iter().map(|(service, schema)| (schema.clone(), service.clone()));
    let by_schema: BTreeMap<Ident, Ident> = schemas.filter(|(schema, _)| !services.contains_key(schema)).collect();
    let known: BTreeMap<Ident, Ident> =
        services.keys().map(|service| (service.clone(), service.clone())).chain(by_schema).collect();
    let ours = [naming.connect_group(), naming.temporary_group()];
    let open = |role: &&Ident| {
        !state.roles[*role].superuser && !is_temporary_login(role) && !ours.iter().flatten().any(|group| group == *role)
    };
    let candidates: Vec<&Ident> = state.roles.keys().filter(open).collect();
    for role in &candidates {
        let owned = owners.get(role).filter(|services| services.len() == 1).and_then(|services| services.first());
        let service = owned.copied().or_else(|| by_name(role, naming, &known));
        if let Some(service) = service.filter(|_| !found.contains_key(*role)) {
            found.insert((*role).clone(), service.clone());
        }
    }
    let mut members: BTreeMap<&Ident, BTreeSet<&Ident>> = BTreeMap::new();
    for (owner, services) in owners.iter().filter(|(owner, _)| state.roles.get(**owner).is_some_and(|r| !r.superuser)) {
        for member in reachable(owner, &state.memberships, |m| (&m.role, &m.member), |o| o.inherit || o.set) {
            members.entry(member).or_default().extend(services);
        }
    }
    for role in candidates {
        if let Some(services) = members.get(role).filter(|services| services.len() == 1)
            && let Some(service) = services.first()
        {
            found.entry(role.clone()).or_insert_with(|| Ident::clone(service));
        }
    }
    found
}

/// Finds the service with the longest name, its own or its schema's, that the role's begins with.
fn by_name<'a>(role: &Ident, naming: &Naming, known: &'a BTreeMap<Ident, Ident>) -> Option<&'a Ident> {
    let rest = role.as_str().strip_prefix(naming.prefix.as_str())?;
    let ends = std::iter::once(rest.len()).chain(rest.rmatch_indices('_').map(|(at, _)| at));
    ends.into_iter().find_map(|end| known.get(&rest[..end]))
}

/// Gives the roles that memberships lead to from one, itself left out.
pub(super) fn reachable<'a>(
    from: &'a Ident,
    memberships: &'a BTreeMap<Membership, MembershipOptions>,
    ends: impl Fn(&'a Membership) -> (&'a Ident, &'a Ident),
    counts: impl Fn(&MembershipOptions) -> bool,
) -> BTreeSet<&'a Ident> {
    let mut onward: BTreeMap<&Ident, Vec<&Ident>> = BTreeMap::new();
    for (membership, _) in memberships.iter().filter(|(_, options)| counts(options)) {
        let (start, end) = ends(membership);
        onward.entry(start).or_default().push(end);
    }
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        open.extend(onward.get(at).into_iter().flatten().copied().filter(|role| found.insert(*role)));
    }
    found.remove(from);
    found
}

/// Tells which owners a plan would change.
fn owners(given: &Given<'_>, service: &Ident, schema: &Schema, misfits: &mut Misfits) {
    let Ok(owner) = given.naming.owner(service.as_str()) else { return };
    let wanted = owner.as_str();
    if schema.owner != owner {
        let why = format!("{} owns it; a plan gives it to {wanted} (hazard change-owner)", schema.owner.as_str());
        misfits.add(Some(service), "the schema", why);
    }
    let mut others: BTreeMap<&Ident, usize> = BTreeMap::new();
    for object in schema.objects.values().filter(|o| o.owner != owner && o.kind != ObjectKind::LinkedSequence) {
        *others.entry(&object.owner).or_default() += 1;
    }
    for (other, count) in others {
        let why = format!("{} owns them; a plan gives them to {wanted} (hazard change-owner)", other.as_str());
        misfits.add(Some(service), format!("{count} objects"), why);
    }
    if given.observed.state.roles.get(&owner).is_some_and(|role| role.login) {
        misfits.add(Some(service), format!("role {wanted}"), "an owner does not log in: a plan makes it NOLOGIN");
    }
}
