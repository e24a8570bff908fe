//! What all services share: the groups, the database, `public`, extensions.

use super::super::change::{Action, Change, Hazard, Kind, Phase};
use super::{Comparison, Differences, acl, add_hazard, provision};
use crate::ident::Ident;
use crate::model::acl::{Acl, Grantee};
use crate::model::extension_schema;
use crate::model::privilege::Privileges;
use crate::model::state::Schema;
use crate::sql;
use crate::sql::Sql;

pub(super) fn diff(comparison: &Comparison<'_>, found: &mut Differences) {
    let (desired, actual) = (comparison.desired, comparison.actual());
    let database = &desired.database;
    let on = sql!("database ", database.name);
    let label = format!("database {}", database.name.as_str());
    let site = Site { on: &on, label: &label, owner: &database.owner };
    found.taken.database = privileges(comparison, &site, &database.acl, &actual.database.acl, found);

    for (name, schema) in &desired.schemas {
        if comparison.service_of(name).is_none() {
            shared_schema(comparison, name, schema, found);
        }
    }
    for (name, schema) in &desired.extensions {
        if actual.extensions.contains_key(name) {
            continue;
        }
        // one that is missing, or that this login may not create, is the failure of the services that list it
        let services = comparison.managed.extensions.get(name).into_iter().flatten();
        for service in services {
            let mut change = provision(Some(service), Phase::Extensions, Action::Create, Kind::Extension);
            change.object = name.as_str().to_owned();
            change.reason = "its manifest lists it".to_owned();
            if comparison.observed.untrusted.contains(name) {
                change.reason.push_str(": untrusted code, which a superuser installs");
                add_hazard(&mut change.hazards, Hazard::UntrustedExtension);
            }
            change.refusal = Some(extension_schema::refusal(name, Some(schema)));
            change.sql = vec![sql!("create extension if not exists ", name, " with schema ", schema)];
            found.push(change);
        }
    }
}

fn shared_schema(comparison: &Comparison<'_>, name: &Ident, schema: &Schema, found: &mut Differences) {
    let default;
    let actual = match comparison.actual().schemas.get(name) {
        Some(actual) => &*actual.acl,
        None => {
            let mut change = provision(None, Phase::Schemas, Action::Create, Kind::Schema);
            change.object = name.as_str().to_owned();
            change.reason = "extensions of the services go here".to_owned();
            change.sql = vec![sql!("create schema ", name)];
            found.push(change);
            let kind = crate::model::acl::AclKind::Schema;
            default = Acl::default_for(kind, &schema.owner, comparison.observed.major());
            &default
        }
    };
    let on = sql!("schema ", name);
    let label = format!("schema {}", name.as_str());
    let site = Site { on: &on, label: &label, owner: &schema.owner };
    let taken = privileges(comparison, &site, &schema.acl, actual, found);
    if name.as_str() == "public" {
        found.taken.public = taken;
    }
}

/// One thing that has an access list and belongs to no service.
struct Site<'a> {
    on: &'a Sql,
    label: &'a str,
    owner: &'a Ident,
}

/// Grants and revokes what concerns managed roles, and gives what PUBLIC is to lose; what others hold here is nobody's
/// business.
fn privileges(
    comparison: &Comparison<'_>,
    site: &Site<'_>,
    desired: &Acl,
    actual: &Acl,
    found: &mut Differences,
) -> Privileges {
    let difference = acl::diff(desired, actual, site.owner, comparison.managed);
    let change = |phase, action, reason: &str| -> Change {
        let mut change = provision(None, phase, action, Kind::Privilege);
        change.object = site.label.to_owned();
        change.reason = reason.to_owned();
        change
    };
    for (grantee, privileges) in &difference.grant {
        let mut grant = change(Phase::Grants, Action::Grant, &format!("{privileges} for {}", grantee.as_str()));
        grant.sql = vec![sql!("grant ", privileges, " on ", site.on, " to ", grantee)];
        found.push(grant);
    }
    let mut taken = Privileges::NONE;
    let revokes = difference.revoke.iter().chain(&difference.revoke_option);
    for (grantee, privileges) in revokes {
        if *grantee == Grantee::Public {
            taken = taken.union(*privileges);
            continue;
        }
        let reason = format!("{privileges} is not for {}", grantee.as_str());
        let mut revoke = change(Phase::Revokes, Action::Revoke, &reason);
        revoke.sql = vec![revoke_sql(site.on, grantee, *privileges)];
        found.push(revoke);
    }
    taken
}

fn revoke_sql(on: &Sql, grantee: &Grantee, privileges: Privileges) -> Sql {
    sql!("revoke ", privileges, " on ", on, " from ", grantee)
}
