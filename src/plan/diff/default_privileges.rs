//! Default privileges of the services' owners.

use std::collections::BTreeSet;

use super::super::change::{Action, Kind, Phase};
use super::{Comparison, Differences, Unmanaged, acl, provision};
use crate::ident::Ident;
use crate::model::acl::Acl;
use crate::model::naming::{Naming, Slot};
use crate::model::state::{Class, DefaultPrivilege};
use crate::sql;
use crate::sql::Sql;

pub(super) fn diff(comparison: &Comparison<'_>, found: &mut Differences) {
    let (desired, actual) = (&comparison.desired.default_privileges, &comparison.actual().default_privileges);
    // what a login that is to be dropped has stored would keep it from being dropped; gone services are left alone
    let kept = actual.keys().filter(|key| service_of(comparison, &key.creator).is_some());
    let keys: BTreeSet<&DefaultPrivilege> = desired.keys().chain(kept).collect();
    for key in keys {
        let untouched = untouched(key, comparison.observed.major());
        let wanted = desired.get(key).unwrap_or(&untouched);
        let is = actual.get(key).unwrap_or(&untouched);
        if wanted != is {
            one(comparison, key, wanted, is, found);
        }
    }
}

/// Finds the service of a role, even of a login that its manifest has no more.
fn service_of<'a>(comparison: &Comparison<'a>, role: &Ident) -> Option<&'a Ident> {
    let managed = comparison.managed;
    managed.roles.get(role).and_then(Option::as_ref).or_else(|| {
        let naming = Naming { prefix: managed.prefix.clone() };
        let is_login = |(service, name): &&(Ident, String)| {
            Slot::BOTH.iter().any(|slot| naming.login(service.as_str(), name, *slot).as_ref() == Ok(role))
        };
        let (service, _) = comparison.actual().credentials.keys().find(is_login)?;
        comparison.desired.services.get_key_value(service).map(|(service, _)| service)
    })
}

/// Gives what holds where no row is stored.
fn untouched(key: &DefaultPrivilege, major: u32) -> Acl {
    match key.schema {
        // a schema's row only adds
        Some(_) => Acl::empty(),
        None => Acl::default_for(key.class.acl_kind(), &key.creator, major),
    }
}

fn one(comparison: &Comparison<'_>, key: &DefaultPrivilege, wanted: &Acl, is: &Acl, found: &mut Differences) {
    let difference = acl::diff(wanted, is, &key.creator, comparison.managed);
    let service = service_of(comparison, &key.creator);
    let head = head(key);
    let class = class_word(key.class);
    let place = key.schema.as_ref().map_or_else(|| "anywhere".to_owned(), |s| format!("in {}", s.as_str()));
    let object = format!("{} of {} {place}", class.as_str(), key.creator.as_str());
    let mut push = |action, reason: String, sql: Sql| {
        let mut change = provision(service, Phase::DefaultPrivileges, action, Kind::DefaultPrivilege);
        change.object.clone_from(&object);
        change.reason = reason;
        change.run_as = Some(key.creator.clone());
        change.sql = vec![sql];
        found.push(change);
    };
    for (grantee, privileges) in &difference.grant {
        let sql = sql!(head, "grant ", privileges, " on ", class, " to ", grantee);
        push(Action::Grant, format!("{privileges} for {} on future ones", grantee.as_str()), sql);
    }
    for (grantee, privileges) in &difference.revoke {
        let sql = sql!(head, "revoke ", privileges, " on ", class, " from ", grantee);
        push(Action::Revoke, format!("{privileges} on future ones is not for {}", grantee.as_str()), sql);
    }
    for (grantee, privileges) in &difference.revoke_option {
        let sql = sql!(head, "revoke grant option for ", privileges, " on ", class, " from ", grantee);
        push(Action::Revoke, format!("{} may not pass {privileges} on", grantee.as_str()), sql);
    }
    for ((grantee, grantor), privileges) in difference.unmanaged {
        found.unmanaged.push(Unmanaged {
            service: service.cloned(),
            grantee: grantee.as_str().to_owned(),
            what: privileges.to_string(),
            object: format!("future {object}"),
            grantor: grantor.as_str().to_owned(),
            run_as: Some(key.creator.clone()),
            sql: sql!(head, "revoke ", privileges, " on ", class, " from ", grantee),
            ours: false,
            needs: None,
        });
    }
}

fn head(key: &DefaultPrivilege) -> Sql {
    match &key.schema {
        None => sql!("alter default privileges for role ", key.creator, " "),
        Some(schema) => sql!("alter default privileges for role ", key.creator, " in schema ", schema, " "),
    }
}

fn class_word(class: Class) -> Sql {
    match class {
        Class::Relation => sql!("tables"),
        Class::Sequence => sql!("sequences"),
        Class::Routine => sql!("routines"),
        Class::Type => sql!("types"),
    }
}
