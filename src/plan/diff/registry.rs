//! What the registry should know, credentials to be issued, and credentials that no manifest has any more.

use super::super::change::{Action, Hazard, Kind, Phase};
use super::{Comparison, Differences, Unmanaged, add_hazard, provision};
use crate::ident::Ident;
use crate::model::naming::{Naming, Slot};
use crate::sql;
use crate::sql::{Literal, Sql};

pub(super) fn diff(comparison: &Comparison<'_>, found: &mut Differences) {
    let (desired, actual) = (comparison.desired, comparison.actual());
    let prefix = comparison.managed.prefix.as_str();
    let naming = Naming { prefix: prefix.to_owned() };
    for (service, schema) in &desired.services {
        if actual.services.get(service) == Some(schema) {
            continue;
        }
        let mut change = provision(Some(service), Phase::Registry, Action::Register, Kind::Service);
        change.object = service.as_str().to_owned();
        change.reason = "the registry does not have it as it is".to_owned();
        change.sql = vec![sql!(
            "insert into pgcleave.service (name, schema, role_prefix) values (",
            Literal(service.as_str()),
            ", ",
            Literal(schema.as_str()),
            ", ",
            Literal(prefix),
            ") on conflict (name) do update set schema = excluded.schema, last_applied = now()"
        )];
        found.push(change);
    }
    for key in desired.credentials.keys().filter(|key| !actual.credentials.contains_key(*key)) {
        let mut change = provision(Some(&key.0), Phase::Credentials, Action::Issue, Kind::Credential);
        change.object = format!("{}/{}", key.0.as_str(), key.1);
        change.reason = "a new password goes to the secret sink, and only its verifier to the server".to_owned();
        if let Some(login) = in_use(comparison, &naming, key) {
            change.reason = format!(
                "{} logs in already, perhaps to another database: its clients lose their password; a role_prefix for \
                 each environment keeps them apart",
                login.as_str()
            );
            add_hazard(&mut change.hazards, Hazard::ReplacePassword);
        }
        found.push(change);
    }
    passwords(comparison, &naming, found);
    for key in actual.credentials.keys() {
        let (service, name) = key;
        if desired.credentials.contains_key(key) || !desired.services.contains_key(service) {
            continue;
        }
        let mut change = provision(Some(service), Phase::Credentials, Action::Drop, Kind::Credential);
        change.object = format!("{}/{name}", service.as_str());
        change.reason = "the manifest has it no more".to_owned();
        add_hazard(&mut change.hazards, Hazard::DropRole);
        for slot in Slot::BOTH {
            let login = naming.login(service.as_str(), name, slot);
            if let Some(role) = login.ok().filter(|role| actual.roles.contains_key(role)) {
                change.sql.push(sql!("drop role ", role));
            }
        }
        change.sql.push(sql!(
            "delete from pgcleave.credential where service = ",
            Literal(service.as_str()),
            " and name = ",
            Literal(name)
        ));
        found.push(change);
    }
}

/// Lists published logins that have no password any more, or one that pgcleave did not give: nobody gets in with the
/// published secret.
fn passwords(comparison: &Comparison<'_>, naming: &Naming, found: &mut Differences) {
    for ((service, name), issued) in &comparison.actual().credentials {
        if !comparison.managed.schemas.values().any(|managed| managed == service) {
            continue;
        }
        let login = naming.login(service.as_str(), name, issued.active).ok();
        let Some(login) = login else { continue };
        let what = if comparison.observed.without_password.contains(&login) {
            "no password"
        } else if comparison.observed.changed_passwords.contains(&login) {
            "another password than was issued"
        } else {
            continue;
        };
        let credential = format!("{}/{name}", service.as_str());
        found.unmanaged.push(Unmanaged {
            service: Some(service.clone()),
            grantee: login.as_str().to_owned(),
            what: what.to_owned(),
            object: format!("credential {credential}"),
            grantor: String::new(),
            run_as: None,
            sql: Sql::new(),
            ours: true,
            needs: Some(format!("pgcleave credentials rotate {credential}")),
        });
    }
}

/// Gives a credential's login that can be used already, although the registry knows nothing of it.
fn in_use(comparison: &Comparison<'_>, naming: &Naming, (service, name): &(Ident, String)) -> Option<Ident> {
    let mut logins = Slot::BOTH.into_iter().filter_map(|slot| naming.login(service.as_str(), name, slot).ok());
    logins.find(|role| comparison.actual().roles.get(role).is_some_and(|role| role.login))
}
