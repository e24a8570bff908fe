//! What services whose manifests are gone leave granted, on either side of their contracts.

use std::collections::{BTreeMap, BTreeSet};

use super::schemas::{Statement, Verb, on};
use super::{Comparison, Differences, Unmanaged};
use crate::ident::Ident;
use crate::model::acl::{Acl, Grantee};
use crate::model::naming::{Naming, Slot};
use crate::model::state::Schema;
use crate::sql;
use crate::sql::Sql;

pub(super) fn diff(comparison: &Comparison<'_>, found: &mut Differences) {
    let removed = Removed::of(comparison);
    for (service, schema) in &removed.services {
        if let Some(is) = comparison.actual().schemas.get(*schema) {
            removed.left_in(service, schema, is, comparison, found);
        }
    }
    // what a removed consumer still has of a service that is there
    for unmanaged in &mut found.unmanaged {
        let service = removed.roles.iter().find(|(role, _)| role.as_str() == unmanaged.grantee);
        unmanaged.ours |= service.is_some_and(|(_, service)| removed.services.contains_key(*service));
    }
}

/// The services that only the registry still knows.
pub(super) struct Removed<'a> {
    /// Each with its schema, but for those that are described.
    services: BTreeMap<&'a Ident, &'a Ident>,
    /// The roles of all of them and of the described ones, each with its service.
    pub(super) roles: BTreeMap<Ident, &'a Ident>,
}

impl<'a> Removed<'a> {
    pub(super) fn of(comparison: &Comparison<'a>) -> Self {
        let (desired, actual) = (comparison.desired, &comparison.observed.state);
        let known: BTreeSet<&Ident> = comparison.managed.schemas.values().collect();
        let is_gone = |service: &Ident, schema: &Ident| {
            !desired.services.contains_key(service)
                && !known.contains(service)
                && !comparison.managed.schemas.contains_key(schema)
        };
        let mut services: BTreeMap<_, _> =
            actual.services.iter().filter(|(name, schema)| is_gone(name, schema)).collect();
        let naming = Naming { prefix: comparison.managed.prefix.clone() };
        let mut roles = BTreeMap::new();
        for service in services.keys() {
            let groups = [Naming::owner, Naming::writer, Naming::reader].map(|of| of(&naming, service.as_str()));
            let credentials = actual.credentials.keys().filter(|(of, _)| of == *service);
            let logins =
                credentials.flat_map(|(_, name)| Slot::BOTH.map(|slot| naming.login(service.as_str(), name, slot)));
            let all = groups.into_iter().chain(logins).flatten();
            roles.extend(all.map(|role| (role, *service)));
        }
        services.retain(|service, _| !comparison.managed.described.contains(*service));
        Self { services, roles }
    }

    /// Lists what other services' roles hold on a removed service's schema and objects.
    fn left_in(
        &self,
        service: &Ident,
        schema: &Ident,
        is: &Schema,
        comparison: &Comparison<'_>,
        found: &mut Differences,
    ) {
        let mut list = |acl: &Acl, owner: &Ident, label: &str, on: &Sql, column: Option<&Ident>| {
            for (grantee, grantor, granted) in acl.iter() {
                let Some(role) = grantee.role() else { continue };
                let of_other = match comparison.managed.roles.get(role) {
                    Some(of) => of.is_some(),
                    None => self.roles.get(role).is_some_and(|of| *of != service && self.services.contains_key(of)),
                };
                if !of_other || role == owner || granted.privileges.is_empty() {
                    continue;
                }
                let passed_on = grantor != owner;
                let verb = if passed_on { Verb::RevokeOption } else { Verb::Revoke };
                let from = if passed_on { Grantee::Role(grantor.clone()) } else { grantee.clone() };
                let privileges = granted.privileges;
                found.unmanaged.push(Unmanaged {
                    service: Some(service.clone()),
                    grantee: role.as_str().to_owned(),
                    what: privileges.to_string(),
                    object: column.map_or_else(|| label.to_owned(), |c| format!("{label}({})", c.as_str())),
                    grantor: grantor.as_str().to_owned(),
                    run_as: Some(owner.clone()),
                    sql: Statement { verb, privileges, column, on }.sql(&from),
                    ours: true,
                    needs: comparison.cannot_act_as(owner).then(|| owner.as_str().to_owned()),
                });
            }
        };
        let label = format!("schema {}", schema.as_str());
        list(&is.acl, &is.owner, &label, &sql!("schema ", schema), None);
        for (name, object) in &is.objects {
            let (label, on) = (
                name.label(schema),
                on(schema, name.class, &[&comparison.route(schema, name, &[&object.owner]).name(name)]),
            );
            list(&object.acl, &object.owner, &label, &on, None);
            for (column, acl) in &object.columns {
                list(acl, &object.owner, &label, &on, Some(column));
            }
        }
    }
}
