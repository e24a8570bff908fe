//! Settings of logins in this database.

use std::collections::BTreeMap;

use super::super::change::{Action, Kind, Phase};
use super::{Comparison, Differences, Unmanaged, provision};
use crate::ident::Ident;
use crate::model::setting::{Value, libraries};
use crate::sql;
use crate::sql::{Literal, Sql};

pub(super) fn diff(comparison: &Comparison<'_>, found: &mut Differences) {
    let (desired, actual) = (comparison.desired, comparison.actual());
    let database = &desired.database.name;
    let mut per_role = BTreeMap::<_, (Vec<&str>, Vec<Sql>)>::new();
    for (setting, value) in &desired.settings {
        if actual.settings.get(setting) == Some(value) {
            continue;
        }
        let name = Ident::from_server(&setting.name);
        let value = Value(&setting.name, value);
        let (names, sql) = per_role.entry((&setting.role, Action::Set)).or_default();
        names.push(&setting.name);
        // a library that is not there would end every login from then on: this fails first, and nothing is set
        let libraries = libraries(&setting.name, value.1);
        sql.extend(libraries.iter().map(|library| sql!("load ", Literal(library))));
        sql.push(sql!("alter role ", setting.role, " in database ", database, " set ", Parameter(&name), " = ", value));
    }
    for setting in actual.settings.keys() {
        let wanted = desired.settings.contains_key(setting) || !desired.roles.contains_key(&setting.role);
        if wanted {
            continue;
        }
        let name = Ident::from_server(&setting.name);
        let (names, sql) = per_role.entry((&setting.role, Action::Reset)).or_default();
        names.push(&setting.name);
        sql.push(sql!("alter role ", setting.role, " in database ", database, " reset ", Parameter(&name)));
    }
    everywhere(comparison, found);
    for ((role, action), (names, sql)) in per_role {
        let service = comparison.managed.roles.get(role).and_then(Option::as_ref);
        let mut change = provision(service, Phase::Settings, action, Kind::Setting);
        change.object = role.as_str().to_owned();
        change.reason = match action {
            Action::Set => format!("{} as the manifest says", names.join(", ")),
            _ => format!("no manifest sets {}", names.join(", ")),
        };
        change.sql = sql;
        found.push(change);
    }
}

/// Lists what logins have set in every database: it holds in this one too, and no manifest says it.
fn everywhere(comparison: &Comparison<'_>, found: &mut Differences) {
    for (setting, is) in &comparison.observed.everywhere {
        let Some(Some(service)) = comparison.managed.roles.get(&setting.role) else { continue };
        if !comparison.desired.roles.contains_key(&setting.role) {
            continue;
        }
        let name = Ident::from_server(&setting.name);
        found.unmanaged.push(Unmanaged {
            service: Some(service.clone()),
            grantee: setting.role.as_str().to_owned(),
            what: format!("setting {} = {}", setting.name, is.value),
            object: "every database".to_owned(),
            grantor: String::new(),
            run_as: None,
            sql: sql!("alter role ", setting.role, " reset ", Parameter(&name)),
            ours: true,
            needs: (!is.resettable).then(|| "a superuser".to_owned()),
        });
    }
}

/// A parameter's name: `a.b` is two names.
struct Parameter<'a>(&'a Ident);

impl crate::sql::Piece for Parameter<'_> {
    fn write(&self, out: &mut Sql) {
        for (i, part) in self.0.as_str().split('.').enumerate() {
            if i > 0 {
                out.push_static(".");
            }
            if let Ok(part) = Ident::new(part) {
                out.push(&part);
            }
        }
    }
}
