//! CPL08, CPL09, CPL11, CPL12: couplings by things that are in no schema.

use std::collections::BTreeSet;

use super::coupling::{draft, whose};
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::{Object, SchemaId};
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::name::shown;
use crate::audit::path::Path;
use crate::audit::scene::Scene;
use crate::audit::services::ServiceId;
use crate::ident::Ident;

/// A service has a foreign table.
pub(super) static CPL08: Rule = Rule {
    id: "CPL08",
    title: "foreign table",
    severity: Severity::Warning,
    explanation: "A foreign table leans on a server, its user mappings and their passwords, none of which are in the \
                  schema: a dump of the schema leaves them out, and the new home may not reach the remote side.",
    fix: "Replace it by a contract or a copy; or make server and mappings on the target first.",
    check: foreign_tables,
};

/// A publication sends a service's tables.
pub(super) static CPL09: Rule = Rule {
    id: "CPL09",
    title: "publication of a service's tables",
    severity: Severity::Warning,
    explanation: "A publication belongs to the database: when the schema moves, its subscribers go on listening to the \
                  old place and hear nothing. One that sends tables of several services ties their moves together; \
                  one of the service's own is information.",
    fix: "One publication a service; move its subscribers with it.",
    check: publications,
};

/// A search_path names another service's schema.
pub(super) static CPL11: Rule = Rule {
    id: "CPL11",
    title: "foreign schema in a search_path",
    severity: Severity::Warning,
    explanation: "Through a search_path that names another service's schema, code uses that service's objects without \
                  naming it: nobody sees the coupling, and one new table of the same name changes what the code does.",
    fix: "Take the schema out of the search_path and write exposed objects with their schema.",
    check: search_paths,
};

/// A service's tables lie in a tablespace of their own.
pub(super) static CPL12: Rule = Rule {
    id: "CPL12",
    title: "tablespace",
    severity: Severity::Warning,
    explanation: "A tablespace is a directory of this server. Objects in one are restored only where a tablespace of \
                  that name exists, and managed servers have none.",
    fix: "Move the objects to the default tablespace, or restore without tablespaces.",
    check: |scene, out| {
        tablespaces(scene, out);
        super::coupling_setting::tablespaces(scene, out);
    },
};

fn foreign_tables(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for table in &scene.facts.foreign_tables {
        let Some(at) = scene.facts.relation(table.relation) else { continue };
        let schema = scene.facts.relations[at].schema;
        let Some(server) = scene.facts.servers.iter().find(|s| s.oid == table.server) else { continue };
        let is_bridge = scene.map.bridges.contains(&scene.facts.schema_row(schema).name);
        if scene.map.of_schema(schema).is_none() || is_bridge {
            continue;
        }
        let label = scene.facts.label(Object::Relation(at as u32));
        let server = format!("foreign server {}", shown(&server.name));
        let mut draft = draft(scene, schema, &label, "foreign table", &server, None);
        draft.message = format!("{label} is a foreign table: it needs {server} wherever it moves");
        draft.fix = format!("drop foreign table {label};");
        out.add(draft);
    }
}

fn publications(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for publication in &scene.facts.publications {
        let tables = publication.relations.iter().filter_map(|oid| scene.facts.relation(*oid));
        let mut schemas: BTreeSet<SchemaId> = tables.map(|at| scene.facts.relations[at].schema).collect();
        schemas.extend(&publication.schemas);
        let name = shown(&publication.name);
        let to = format!("publication {name}");
        if publication.all_tables {
            let mut draft = Draft::new(scene, None, Object::Role(publication.owner));
            draft.principal = Some(publication.owner);
            draft.object = format!("all services -> {to}");
            draft.path = Path::from("all services").then("published by", &to);
            draft.message = format!("{to} sends the tables of every service: none moves without its subscribers");
            draft.fix = format!("drop publication {name};");
            draft.declared = false;
            out.add(draft);
            continue;
        }
        let services: BTreeSet<Option<ServiceId>> = schemas.iter().map(|s| scene.map.of_schema(*s)).collect();
        for schema in schemas.into_iter().filter(|s| scene.map.of_schema(*s).is_some()) {
            let from = shown(&scene.facts.schema_row(schema).name);
            let mut draft = draft(scene, schema, &from, "published by", &to, None);
            let owner = scene.map.of_role(publication.owner);
            if services.len() == 1 && (owner.is_none() || owner == scene.map.of_schema(schema)) {
                draft.severity = Some(Severity::Info);
                draft.message = format!("{to} sends tables of {from}: its subscribers must follow a move");
            } else {
                draft.message = format!("{to} sends tables of {from} together with another service's, or for one");
            }
            draft.fix = format!("drop publication {name}; -- and one for each service");
            out.add(draft);
        }
    }
}

/// Finds event triggers, which belong to the whole database, whose function is in a service's schema.
pub(super) fn event_triggers(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for trigger in &scene.facts.event_triggers {
        let Some(at) = scene.facts.routine(trigger.function) else { continue };
        let schema = scene.facts.routines[at].schema;
        if scene.map.of_schema(schema).is_none() {
            continue;
        }
        let from = format!("event trigger {}", shown(&trigger.name));
        let mut draft = draft(scene, schema, &from, &trigger.event, &trigger.function_label, Some(schema));
        draft.principal = Some(trigger.owner);
        draft.message = format!(
            "{from} runs {} of {} in every session of the database",
            trigger.function_label,
            whose(scene, Some(schema))
        );
        draft.fix = format!("drop {from}; -- or move {} to a schema of the database's owner", trigger.function_label);
        out.add(draft);
    }
}

/// Takes a search_path apart; `$user` is left out.
pub(super) fn schemas_of_path(path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut characters = path.chars().peekable();
    let mut inside = false;
    while let Some(c) = characters.next() {
        match c {
            '"' if inside && characters.peek() == Some(&'"') => {
                characters.next();
                name.push('"');
            }
            '"' => inside = !inside,
            ',' if !inside => names.push(std::mem::take(&mut name)),
            c if c.is_whitespace() && !inside => {}
            c => name.push(if inside { c } else { c.to_ascii_lowercase() }),
        }
    }
    names.push(name);
    names.into_iter().filter(|name| !name.is_empty() && name != "$user").collect()
}

fn schema_named(scene: &Scene<'_>, name: &str) -> Option<SchemaId> {
    (0..).map(SchemaId).zip(&scene.facts.schemas).find(|(_, s)| s.name.as_str() == name).map(|(id, _)| id)
}

/// Gives the schemas of a path that belong to a service other than `own`.
fn foreign(scene: &Scene<'_>, path: &str, own: Option<ServiceId>) -> Vec<SchemaId> {
    let schemas = schemas_of_path(path).into_iter().filter_map(|name| schema_named(scene, &name));
    schemas.filter(|s| scene.map.of_schema(*s).is_some_and(|service| Some(service) != own)).collect()
}

fn search_paths(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let facts = scene.facts;
    for (at, routine) in (0..).zip(&facts.routines) {
        let Some(path) = routine.setting("search_path") else { continue };
        let object = Object::Routine(at);
        for schema in foreign(scene, path, scene.map.of_schema(routine.schema)) {
            let label = facts.label(object);
            let to = facts.label(Object::Schema(schema));
            let mut draft = draft(scene, routine.schema, &label, "search_path", &to, Some(schema));
            draft.message = format!("{label} looks names up in {to} of {}", whose(scene, Some(schema)));
            draft.fix = format!("alter {} set search_path = {};", facts.sql_name(object), without(path, scene, schema));
            out.add(draft);
        }
    }
    let here = |name: &Option<Ident>| name.as_ref().is_none_or(|name| name.as_str() == facts.session.database);
    for setting in facts.settings.iter().filter(|s| s.name.eq_ignore_ascii_case("search_path") && here(&s.database)) {
        let own = setting.role.and_then(|role| scene.map.of_role(role));
        if setting.role.is_some_and(|role| scene.role(role).superuser || scene.role(role).dangling) {
            continue;
        }
        for schema in foreign(scene, &setting.value, own) {
            out.add(setting_draft(scene, setting.role, setting.database.as_ref(), &setting.value, schema));
        }
    }
}

fn setting_draft(
    scene: &Scene<'_>,
    role: Option<RoleId>,
    database: Option<&Ident>,
    path: &str,
    schema: SchemaId,
) -> Draft {
    let to = scene.facts.label(Object::Schema(schema));
    let mut draft = Draft::new(scene, None, Object::Schema(schema));
    let in_database = database.map(|d| format!(" in database {}", shown(d))).unwrap_or_default();
    let whose_setting = match (role, database) {
        (Some(role), _) => format!("role {}", scene.name(role)),
        (None, Some(database)) => format!("database {}", shown(database)),
        (None, None) => "all roles".to_owned(),
    };
    draft.principal = role;
    draft.object = format!("{whose_setting} -> {to}");
    draft.path = Path::from(&whose_setting).then("search_path", &to);
    draft.message = format!("sessions of {whose_setting} look names up in {to} of {}", whose(scene, Some(schema)));
    let path = without(path, scene, schema);
    draft.fix = match (role, database) {
        (None, Some(database)) => format!("alter database {} set search_path = {path};", shown(database)),
        (Some(role), _) => format!("alter role {}{in_database} set search_path = {path};", scene.name(role)),
        (None, None) => format!("alter role all set search_path = {path};"),
    };
    draft.declared = false;
    draft
}

/// Gives a search_path without one schema, as SET takes it.
fn without(path: &str, scene: &Scene<'_>, schema: SchemaId) -> String {
    let out = &scene.facts.schema_row(schema).name;
    let user = path.contains("$user").then(|| "\"$user\"".to_owned());
    let kept = schemas_of_path(path).into_iter().filter(|name| name != out.as_str());
    let kept: Vec<String> = user.into_iter().chain(kept.map(|name| shown(&Ident::from_server(&name)))).collect();
    if kept.is_empty() { "''".to_owned() } else { kept.join(", ") }
}

fn tablespaces(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for used in scene.facts.tablespace_uses.iter().filter(|u| scene.map.of_schema(u.schema).is_some()) {
        let (name, from) = (shown(&used.name), shown(&scene.facts.schema_row(used.schema).name));
        let mut draft = draft(scene, used.schema, &from, "stored in", &format!("tablespace {name}"), None);
        draft.path = Path::from(&used.example).then("stored in", format!("tablespace {name}"));
        let more = if used.count > 1 { format!(" and {} more", used.count - 1) } else { String::new() };
        draft.message =
            format!("{}{more} of {from} lie in tablespace {name}, which stays with this server", used.example);
        draft.fix = format!("alter table {} set tablespace pg_default;", used.example);
        out.add(draft);
    }
}

#[cfg(test)]
mod tests {
    use super::schemas_of_path;

    #[test]
    fn a_search_path_is_taken_apart_as_the_server_does() {
        assert_eq!(schemas_of_path("orders, billing"), ["orders", "billing"]);
        assert_eq!(schemas_of_path("\"$user\", Public"), ["public"]);
        assert_eq!(schemas_of_path("\"a, b\", \"C\"\"d\""), ["a, b", "C\"d"]);
        assert!(schemas_of_path("\"\"").is_empty());
    }
}
