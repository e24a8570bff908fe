//! Services that live in another database: what they have left here, and what bridges to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::desired::{contract_grants, find};
use super::managed::{Names, bridge_roles};
use crate::ident::Ident;
use crate::manifest::service::{Exposed, Project, Service};
use crate::model::acl::{Acl, Grantee};
use crate::model::privilege::{Privilege, Privileges};
use crate::model::state::{Class, Object, ObjectName, Observed, Schema, State};

/// Wants everything of these services as it is, but for the contracts with services that live here.
pub(super) fn keep(project: &Project, observed: &Observed, state: &mut State) {
    let (naming, actual) = (&project.naming, &observed.state);
    let mut roles: BTreeSet<Ident> =
        project.services.values().flat_map(|service| bridge_roles(naming, service)).collect();
    for service in project.elsewhere.values() {
        let names = Names::of(naming, service);
        roles.extend([names.owner, names.writer, names.reader]);
        roles.extend(names.logins.into_iter().map(|login| login.role));
        roles.extend(bridge_roles(naming, service));
    }
    if roles.is_empty() {
        return;
    }
    let known: BTreeSet<Ident> = state.roles.keys().filter(|role| is_group(project, role)).cloned().collect();
    let theirs = |role: &Ident| roles.contains(role);
    let kept = actual.roles.iter().filter(|(role, _)| theirs(role));
    state.roles.extend(kept.map(|(role, attributes)| (role.clone(), attributes.clone())));
    let memberships = actual.memberships.iter();
    let among_them = memberships.filter(|(m, _)| theirs(&m.member) && (theirs(&m.role) || known.contains(&m.role)));
    state.memberships.extend(among_them.map(|(membership, options)| (membership.clone(), *options)));
    let settings = actual.settings.iter().filter(|(setting, _)| theirs(&setting.role));
    state.settings.extend(settings.map(|(setting, value)| (setting.clone(), value.clone())));
    let defaults = actual.default_privileges.iter().filter(|(key, _)| theirs(&key.creator));
    state.default_privileges.extend(defaults.map(|(key, acl)| (key.clone(), acl.clone())));
    let lives_elsewhere = |service: &Ident| project.elsewhere.contains_key(service);
    let services = actual.services.iter().filter(|(name, _)| lives_elsewhere(name));
    state.services.extend(services.map(|(name, schema)| (name.clone(), schema.clone())));
    let credentials = actual.credentials.iter().filter(|((service, _), _)| lives_elsewhere(service));
    state.credentials.extend(credentials.map(|(key, issued)| (key.clone(), issued.clone())));
    for service in project.elsewhere.values() {
        if let Some(is) = actual.schemas.get(&service.schema) {
            state.schemas.insert(service.schema.clone(), left_behind(project, service, is, observed));
        }
    }
}

fn is_group(project: &Project, role: &Ident) -> bool {
    *role == super::managed::connect_group(&project.naming) || *role == super::managed::temporary_group(&project.naming)
}

/// Gives a schema as it is, with the grants to services that live here as the contracts have them.
fn left_behind(project: &Project, service: &Service, is: &Schema, observed: &Observed) -> Schema {
    let here: BTreeSet<Ident> = project
        .services
        .values()
        .flat_map(|other| {
            let names = Names::of(&project.naming, other);
            [names.owner, names.writer, names.reader].into_iter().chain(names.logins.into_iter().map(|l| l.role))
        })
        .collect();
    let mut granted: BTreeMap<ObjectName, Vec<(Ident, Privileges)>> = BTreeMap::new();
    let mut acl = without(&is.acl, &here, &is.owner);
    for exposed in &service.exposes {
        let object = find(exposed, Some(is));
        if !is.objects.contains_key(&object) {
            continue;
        }
        let grants = contract_grants(project, service, exposed, observed);
        for (role, _) in &grants {
            acl.grant(Grantee::Role(role.clone()), &is.owner, Privilege::Usage.into());
        }
        granted.entry(object).or_default().extend(grants);
    }
    let object = |(name, object): (&ObjectName, &Object)| {
        let mut wanted = object.clone();
        let mut acl = without(&object.acl, &here, &is.owner);
        for (role, privileges) in granted.get(name).into_iter().flatten() {
            acl.grant(Grantee::Role(role.clone()), &is.owner, *privileges);
        }
        wanted.acl = Arc::new(acl);
        (name.clone(), wanted)
    };
    Schema { owner: is.owner.clone(), acl: Arc::new(acl), objects: is.objects.iter().map(object).collect() }
}

/// Gives an access list without what its owner granted to some roles.
fn without(acl: &Acl, roles: &BTreeSet<Ident>, owner: &Ident) -> Acl {
    let mut rest = Acl::empty();
    for (grantee, grantor, granted) in acl.iter() {
        let is_theirs = grantee.role().is_some_and(|role| roles.contains(role)) && grantor == owner;
        if !is_theirs {
            rest.add(grantee.clone(), grantor.clone(), granted);
        }
    }
    rest
}

/// Says which contracts cross to another database without a bridge, and what is left of services that have moved.
pub(super) fn notes(project: &Project, observed: &Observed, notes: &mut Vec<String>) {
    for provider in project.elsewhere.values() {
        let is = observed.state.schemas.get(&provider.schema);
        for exposed in &provider.exposes {
            let consumers = exposed.to.iter().filter_map(|to| project.services.get(to));
            let object = find(exposed, is);
            if is.is_some_and(|schema| schema.objects.contains_key(&object)) {
                continue;
            }
            notes.extend(consumers.map(|consumer| unbridged(project, provider, exposed, &object, consumer)));
        }
        let is_registered = observed.state.services.contains_key(&provider.name);
        let name = provider.name.as_str();
        if let Some(place) = &provider.moved_to {
            notes.push(format!(
                "{name} has moved to {place}: say so in its manifest, `database: {{ url_env: … }}`; what it has left here \
                 stays as it is"
            ));
        } else if let Some(variable) = provider.database_url_env.as_ref().filter(|_| is_registered) {
            notes.push(format!(
                "{name} lives in a database of its own ({variable}); what it has left here stays as it is"
            ));
        }
    }
    let coming =
        observed.splits.iter().filter(|split| split.is_coming() && project.elsewhere.contains_key(&split.service));
    notes.extend(coming.filter_map(crate::model::moving::Moving::refusal));
    for split in observed.splits.iter().filter(|split| project.services.contains_key(&split.service)) {
        let (name, phase, ended) = (split.service.as_str(), &split.phase, split.ended_by());
        if split.phase != "finished" {
            notes.push(format!(
                "{name} is being split ({phase}), and what that has made is left alone; it ends with {ended}"
            ));
        }
    }
}

/// Tells whether a role is of a split that is under way: its own login, or one of its bridge's roles.
pub(super) fn is_of_split(project: &Project, observed: &Observed, role: &str) -> bool {
    observed.splits.iter().any(|split| {
        let name = split.service.as_str();
        let bridge = [project.naming.bridge(name), project.naming.caller(name)];
        split.made(role) || bridge.iter().flatten().any(|known| known.as_str() == role)
    })
}

fn unbridged(
    project: &Project,
    provider: &Service,
    exposed: &Exposed,
    object: &ObjectName,
    consumer: &Service,
) -> String {
    let label = object.label(&provider.schema);
    let (provides, consumes) = (provider.name.as_str(), consumer.name.as_str());
    let what = format!("{label}, which {provides} exposes to {consumes}, lives in another database");
    if object.class != Class::Relation {
        return format!("{what}, and a {} cannot be bridged to this one", word(exposed));
    }
    let moved = project.moved(provider, consumer).unwrap_or(provider).name.as_str();
    format!("{what} and is not bridged to this one: `pgcleave split finish {moved}` bridges it")
}

fn word(exposed: &Exposed) -> &'static str {
    use crate::manifest::service::ContractKind::{Function, Sequence, Table, Type, View};
    match exposed.kind {
        View | Table => "relation",
        Function => "function",
        Sequence => "sequence",
        Type => "type",
    }
}
