//! Services that are described, not managed: nothing of them is changed, and contracts with them are kept by hand.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{Options, build};
use super::change::Kind;
use super::desired::find;
use super::managed::{Managed, Names};
use crate::ident::Ident;
use crate::manifest::service::{Exposed, Project, Service};
use crate::model::acl::{Acl, Grantee};
use crate::model::privilege::{Privilege, Privileges};
use crate::model::state::{Named, ObjectName, Observed, Schema};
use crate::sql;

/// Finds the services that manifests must only describe, so that a plan from them changes nothing of any service: those
/// of which it would change something.
#[must_use]
pub fn to_describe(project: &Project, observed: &Observed) -> BTreeSet<Ident> {
    let mut seen = project.clone();
    loop {
        let plan = build(&seen, observed, &[], &Options::default());
        let of = |contracts: bool| -> BTreeSet<&Ident> {
            let changes = plan.changes.iter().filter(|change| (change.kind == Kind::Contract) == contracts);
            changes.filter_map(|change| change.service.as_ref()).collect()
        };
        // a grant to a service that is to be described goes with that one's roles
        let changed = Some(of(false)).filter(|own| !own.is_empty()).unwrap_or_else(|| of(true));
        let before = seen.described.len();
        for name in changed {
            seen.described.extend(seen.services.remove_entry(name));
        }
        if seen.described.len() == before {
            return seen.described.into_keys().collect();
        }
    }
}

/// Tells whether pgcleave manages any service of this database, and so what all of them share.
pub(super) fn is_shared_managed(project: &Project) -> bool {
    !project.services.is_empty() || project.described.is_empty()
}

/// Gives the described services' schemas of which a managed service uses something: a plan looks there, and only there.
pub(super) fn looked_at(project: &Project) -> BTreeSet<Ident> {
    let uses = |exposed: &Exposed| exposed.to.iter().any(|to| project.services.contains_key(to));
    let used = project.described.values().filter(|service| service.exposes.iter().any(uses));
    used.map(|service| service.schema.clone()).collect()
}

/// Gives what contracts let described services hold, by object as findings name it. Whose such a service's roles are is
/// not known, so that it is taken from nobody.
pub(super) fn by_hand(project: &Project) -> BTreeMap<String, Privileges> {
    let mut all: BTreeMap<String, Privileges> = BTreeMap::new();
    for provider in project.services.values() {
        for exposed in to_described(project, provider) {
            let schema = format!("schema {}", provider.schema.as_str());
            let held = [(exposed.label(&provider.schema), exposed.privileges), (schema, Privilege::Usage.into())];
            for (object, privileges) in held {
                let known = all.entry(object).or_default();
                *known = known.union(privileges);
            }
        }
    }
    all
}

fn to_described<'a>(project: &'a Project, provider: &'a Service) -> impl Iterator<Item = &'a Exposed> {
    provider.exposes.iter().filter(|exposed| exposed.to.iter().any(|to| project.described.contains_key(to)))
}

/// Says who is only described, and which grants of their contracts are missing.
pub(super) fn notes(project: &Project, observed: &Observed, managed: &Managed, notes: &mut Vec<String>) {
    let names: Vec<&str> = project.described.keys().map(Ident::as_str).collect();
    let told = match names.as_slice() {
        [] => return,
        [name] => format!(
            "{name} is described, not managed: plan changes nothing of it; take `managed: false` out when pgcleave is \
             to make its roles and grants"
        ),
        [all @ .., last] => format!(
            "{} and {last} are described, not managed: plan changes nothing of them; take `managed: false` out of a \
             manifest when pgcleave is to make that service's roles and grants",
            all.join(", ")
        ),
    };
    notes.push(told);
    for provider in project.described.values() {
        let schema = observed.state.schemas.get(&provider.schema);
        for exposed in &provider.exposes {
            let consumers = exposed.to.iter().filter_map(|to| project.services.get(to));
            notes.extend(consumers.filter_map(|consumer| missing_for(project, provider, exposed, schema, consumer)));
        }
    }
    for provider in project.services.values() {
        let schema = observed.state.schemas.get(&provider.schema);
        for exposed in to_described(project, provider) {
            notes.extend(missing_for_strangers(project, provider, exposed, schema, managed));
        }
    }
}

/// Says what a managed service lacks on what a described one exposes to it, with the statements for its owner.
fn missing_for(
    project: &Project,
    provider: &Service,
    exposed: &Exposed,
    schema: Option<&Schema>,
    consumer: &Service,
) -> Option<String> {
    let name = find(exposed, schema);
    let (label, uses) = (name.label(&provider.schema), consumer.name.as_str());
    let what = format!("{label} is exposed to {uses}, and {} is only described", provider.name.as_str());
    let Some((schema, object)) = schema.and_then(|schema| Some((schema, schema.objects.get(&name)?))) else {
        return Some(format!("{what}: the object does not exist"));
    };
    let reader = Names::of(&project.naming, consumer).reader;
    let held = |acl: &Acl| acl.held_by(&Grantee::Role(reader.clone())).union(acl.held_by(&Grantee::Public));
    let mut statements = Vec::new();
    if !held(&schema.acl).contains(Privilege::Usage) {
        statements.push(sql!("grant usage on schema ", provider.schema, " to ", reader));
    }
    let lacking = exposed.privileges.without(held(&object.acl));
    if !lacking.is_empty() {
        let mut sql = sql!("grant ", lacking, " on ");
        sql.push_static(name.class.keyword());
        sql.push(&sql!(" ", Named(&provider.schema, &name), " to ", reader));
        statements.push(sql);
    }
    let statements: Vec<_> = statements.iter().map(|sql| sql.as_str()).collect();
    (!statements.is_empty()).then(|| format!("{what}: its owner can run: {}", statements.join("; ")))
}

/// Says when nobody but managed roles holds what a managed service exposes to a described one.
fn missing_for_strangers(
    project: &Project,
    provider: &Service,
    exposed: &Exposed,
    schema: Option<&Schema>,
    managed: &Managed,
) -> Option<String> {
    let name: ObjectName = find(exposed, schema);
    let schema = schema?;
    let object = schema.objects.get(&name)?;
    let held = |acl: &Acl| {
        let strangers = acl.iter().filter(|(grantee, ..)| grantee.role().is_some_and(|_| !managed.covers(grantee)));
        strangers.fold(Privileges::NONE, |all, (_, _, granted)| all.union(granted.privileges))
    };
    let lacking = exposed.privileges.without(held(&object.acl));
    if lacking.is_empty() && held(&schema.acl).contains(Privilege::Usage) {
        return None;
    }
    let consumers = exposed.to.iter().filter(|to| project.described.contains_key(*to)).map(Ident::as_str);
    let consumers = consumers.collect::<Vec<_>>().join(", ");
    let (label, place) = (name.label(&provider.schema), provider.schema.as_str());
    Some(format!(
        "{label} is exposed to {consumers}, only described, whose roles pgcleave does not know: the grant of {} on it, \
         and of USAGE on schema {place}, is left to you",
        exposed.privileges
    ))
}
