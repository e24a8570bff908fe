//! CPL10 and CPL12 by way of settings: a session's text search configuration, and where it puts new tables.

use super::coupling::{draft, whose};
use super::{Draft, Sink};
use crate::analyze::name_parts;
use crate::audit::facts::object::{Object, SchemaId};
use crate::audit::facts::role::{RoleId, Setting};
use crate::audit::finding::Severity;
use crate::audit::name::shown;
use crate::audit::path::Path;
use crate::audit::scene::Scene;
use crate::audit::services::ServiceId;

/// Finds sessions and routines whose text search configuration is another service's.
pub(super) fn text_search(scene: &Scene<'_>, out: &mut Sink<'_>) {
    const NAME: &str = "default_text_search_config";
    let facts = scene.facts;
    for (at, routine) in (0..).zip(&facts.routines) {
        let Some(value) = routine.setting(NAME) else { continue };
        let Some(schema) = foreign(scene, value, scene.map.of_schema(routine.schema)) else { continue };
        let label = facts.label(Object::Routine(at));
        let mut draft = draft(scene, routine.schema, &label, NAME, value, Some(schema));
        draft.message = format!("{label} searches text by {value} of {}", whose(scene, Some(schema)));
        draft.fix = format!("alter {} reset {NAME};", facts.sql_name(Object::Routine(at)));
        out.add(draft);
    }
    for setting in here(scene, NAME) {
        let own = setting.role.and_then(|role| scene.map.of_role(role));
        let Some(schema) = foreign(scene, &setting.value, own) else { continue };
        let mut draft = setting_draft(scene, setting, &setting.value);
        draft.service = scene.map.of_schema(schema);
        draft.message = format!(
            "sessions of {} search text by {} of {}",
            draft.path.from,
            setting.value,
            whose(scene, Some(schema))
        );
        out.add(draft);
    }
}

/// Finds service roles whose new tables go to a tablespace of this server.
pub(super) fn tablespaces(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for name in ["default_tablespace", "temp_tablespaces"] {
        for setting in here(scene, name).filter(|s| s.role.is_none_or(|role| scene.map.of_role(role).is_some())) {
            if matches!(setting.value.as_str(), "" | "pg_default" | "\"\"") {
                continue;
            }
            let mut draft = setting_draft(scene, setting, &format!("tablespace {}", setting.value));
            draft.severity = Some(Severity::Info);
            draft.service = setting.role.and_then(|role| scene.map.of_role(role));
            draft.message = format!(
                "what sessions of {} make goes to tablespace {}, which stays with this server",
                draft.path.from, setting.value
            );
            out.add(draft);
        }
    }
}

/// Gives a setting's rows that count in this database.
fn here<'a>(scene: &Scene<'a>, name: &'a str) -> impl Iterator<Item = &'a Setting> {
    let database = scene.facts.session.database.as_str();
    let settings = scene.facts.settings.iter().filter(move |s| s.name.eq_ignore_ascii_case(name));
    let counts = move |s: &&Setting| s.database.as_ref().is_none_or(|name| name.as_str() == database);
    let gone = |role| scene.facts.roles[role].dangling;
    settings.filter(counts).filter(|s| !s.role.is_some_and(gone)).collect::<Vec<_>>().into_iter()
}

/// Gives the schema that a name is in, when it belongs to a service other than `own`.
fn foreign(scene: &Scene<'_>, name: &str, own: Option<ServiceId>) -> Option<SchemaId> {
    let parts = name_parts(name);
    let [.., schema, _] = parts.as_slice() else { return None };
    let (id, _) = (0..).map(SchemaId).zip(&scene.facts.schemas).find(|(_, row)| row.name.as_str() == schema)?;
    scene.map.of_schema(id).filter(|service| Some(*service) != own).map(|_| id)
}

fn setting_draft(scene: &Scene<'_>, setting: &Setting, to: &str) -> Draft {
    let in_database = setting.database.as_ref().map(|d| format!(" in database {}", shown(d))).unwrap_or_default();
    let (whose, fix) = match (setting.role, &setting.database) {
        (Some(role), _) => {
            let role = scene.name(role);
            (format!("role {role}"), format!("alter role {role}{in_database} reset {};", setting.name))
        }
        (None, Some(database)) => {
            let database = format!("database {}", shown(database));
            let fix = format!("alter {database} reset {};", setting.name);
            (database, fix)
        }
        (None, None) => ("all roles".to_owned(), format!("alter role all reset {};", setting.name)),
    };
    let mut draft = Draft::new(scene, None, Object::Role(RoleId(0)));
    draft.principal = setting.role;
    draft.object = format!("{whose} -> {to}");
    draft.path = Path::from(&whose).then(&setting.name, to);
    draft.fix = fix;
    draft.declared = false;
    draft
}
