//! OWN: objects, schemas and databases in the hands of a foreign owner.

use std::collections::BTreeMap;

use super::{Draft, Rule, Sink};
use crate::audit::facts::object::{Object, SchemaId};
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::remedy::Takes;
use crate::audit::scene::Scene;
use crate::audit::services::ServiceId;

/// An object in a service's schema is owned by another's role.
pub(super) static OWN01: Rule = Rule {
    id: "OWN01",
    title: "object with a foreign owner",
    severity: Severity::Error,
    explanation: "An owner can read, change, drop and grant the object whatever its access list says; a function's \
                  owner replaces its body, a type's owner changes its values, and a foreign server's owner points \
                  another service's user mapping, with its password, wherever it likes.",
    fix: "Give the object to the service's owner role.",
    check: objects,
};

/// A service's schema is owned by another's role.
pub(super) static OWN02: Rule = Rule {
    id: "OWN02",
    title: "schema with a foreign owner",
    severity: Severity::Error,
    explanation: "A schema's owner grants USAGE and CREATE in it and may drop everything in it, tables that it does \
                  not own included.",
    fix: "Give the schema to the service's owner role.",
    check: schemas,
};

/// A service's role owns a database.
pub(super) static OWN03: Rule = Rule {
    id: "OWN03",
    title: "database owned by a service",
    severity: Severity::Error,
    explanation: "A database's owner is a member of pg_database_owner without a row saying so: it owns schema public, \
                  changes settings for everybody, and can drop the database with all services in it.",
    fix: "Give the database to an administrator.",
    check: databases,
};

/// Gives everything in a schema with its owner.
pub(super) fn owned<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = (Object, RoleId)> + 'a {
    let facts = scene.facts;
    // a column's sequence goes with its table
    let relations = (0..).zip(&facts.relations).filter(|(_, r)| !r.of_column);
    let relations = relations.map(|(at, r)| (Object::Relation(at), r.owner));
    let routines = (0..).zip(&facts.routines).map(|(at, r)| (Object::Routine(at), r.owner));
    let types = (0..).zip(&facts.types).filter(|(_, t)| t.relation == 0 && t.element == 0);
    let types = types.map(|(at, t)| (Object::Type(at), t.owner));
    let standalone = (0..).zip(&facts.standalone).map(|(at, o)| (Object::Standalone(at), o.owner));
    relations.chain(routines).chain(types).chain(standalone)
}

fn objects(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (object, owner) in owned(scene) {
        let service = scene.service_of(object);
        if scene.map.of_role(owner) != service && !scene.facts.is_extension_member(object) {
            tell(scene, out, object, owner, service);
        }
    }
    for extension in &scene.facts.extensions {
        let own = scene.map.of_role(extension.owner);
        let users = scene.facts.crossings.iter().filter(|c| c.extension.as_ref() == Some(&extension.name));
        let mut users = users.filter_map(|c| scene.map.of_schema(c.from_schema));
        // whoever drops an extension takes along what others have built on it
        let service = extension.schema.and_then(|s| scene.map.of_schema(s)).or_else(|| users.find(|s| Some(*s) != own));
        for reacher in scene.reachers(extension.owner, None) {
            let name = crate::audit::name::shown(&extension.name);
            if service.is_some() && scene.map.of_role(reacher.principal) != service {
                let mut draft = Draft::new(scene, Some(&reacher), Object::Role(extension.owner));
                draft.object = format!("extension {name}");
                draft.service = service;
                draft.path = draft.path.using("owner", &draft.object);
                let whose = scene.service_name(service).unwrap_or_default();
                draft.message = format!(
                    "{} owns {}, and whoever drops it takes along what is of service {whose}",
                    scene.name(reacher.principal),
                    draft.object
                );
                draft.fix = format!(
                    "-- no statement changes the owner of {name}: an administrator makes it anew, after all that uses it was \
                     moved or dropped"
                );
                if is_administrator(scene, reacher.principal) {
                    draft.severity = Some(Severity::Info);
                    draft.message.push_str(": an administrator, who made it");
                }
                out.add(draft);
            }
        }
    }
    servers(scene, out);
    languages(scene, out);
    for (at, publication) in (0..).zip(&scene.facts.publications) {
        let content = super::publication::service_of_content(scene, publication);
        if content.is_some() && content != scene.map.of_role(publication.owner) {
            tell(scene, out, Object::Publication(at), publication.owner, content);
        }
    }
}

/// Tells whether a role of no service provisions: services' roles are made by such a one, and trusted extensions.
pub(super) fn is_administrator(scene: &Scene<'_>, role: RoleId) -> bool {
    scene.role(role).create_role && scene.map.of_role(role).is_none()
}

/// Tells of servers whose owner can point another service's user mapping, with its password, wherever it likes.
fn servers(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (at, server) in (0..).zip(&scene.facts.servers) {
        let mappings = scene.facts.user_mappings.iter().filter(|m| m.server == server.oid);
        let services = mappings.filter_map(|m| m.role).filter_map(|role| scene.map.of_role(role));
        let own = scene.map.of_role(server.owner);
        if let Some(other) = services.into_iter().find(|service| Some(*service) != own) {
            tell(scene, out, Object::Server(at), server.owner, Some(other));
        }
    }
}

/// Tells of languages whose owner can drop them, and with them the routines of another service.
fn languages(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (at, language) in (0..).zip(&scene.facts.languages) {
        let own = scene.map.of_role(language.owner);
        if scene.role(language.owner).superuser {
            continue;
        }
        let written = (0..).zip(&scene.facts.routines).filter(|(_, routine)| routine.language == language.name);
        let mut services = written.filter_map(|(at, _)| scene.service_of(Object::Routine(at)));
        if let Some(other) = services.find(|service| Some(*service) != own) {
            tell(scene, out, Object::Language(at), language.owner, Some(other));
        }
    }
}

fn schemas(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (id, schema) in (0..).map(SchemaId).zip(&scene.facts.schemas) {
        let service = scene.map.of_schema(id);
        if service.is_some() && scene.map.of_role(schema.owner) != service {
            tell(scene, out, Object::Schema(id), schema.owner, service);
        }
    }
}

fn databases(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (at, database) in (0..).zip(&scene.facts.databases) {
        for reacher in scene.reachers(database.owner, None) {
            if scene.map.of_role(reacher.principal).is_none() {
                continue;
            }
            let mut draft = Draft::new(scene, Some(&reacher), Object::Database(at));
            draft.service = None;
            let who = scene.name(reacher.principal);
            draft.path = draft.path.using("owner", &draft.object);
            draft.message = format!("{who} owns {} and with it schema public", draft.object);
            draft.fix = format!("alter {} owner to {};", draft.object, administrator(scene));
            out.add(draft);
        }
    }
}

/// Tells of everyone who has a foreign owner's power; a superuser's is no finding here.
fn tell(scene: &Scene<'_>, out: &mut Sink<'_>, object: Object, owner: RoleId, service: Option<ServiceId>) {
    for reacher in scene.reachers(owner, None) {
        if scene.map.of_role(reacher.principal) == service {
            continue;
        }
        let mut draft = Draft::new(scene, Some(&reacher), object);
        draft.service = service;
        draft.path = draft.path.using("owner", &draft.object);
        let whose = scene.service_name(service).map(|s| format!(" of service {s}")).unwrap_or_default();
        draft.message = format!("{} owns {}{whose}", scene.name(reacher.principal), draft.object);
        let shared = matches!(object, Object::Language(_));
        let to = service.filter(|_| !shared).and_then(|s| owner_of(scene, s)).unwrap_or_else(|| administrator(scene));
        // GRANT says FOREIGN SERVER, ALTER says SERVER
        let name = scene.facts.sql_name(object);
        let name = if let Object::Server(_) = object { name.trim_start_matches("foreign ") } else { &name };
        draft.fix = format!("alter {name} owner to {to};");
        match runs_as_owner(scene, object) {
            true => draft.first = Some("it reads and writes with the rights of its new owner afterwards"),
            false => draft.takes = Takes::Holder(owner),
        }
        if service.is_none() {
            draft.severity = Some(Severity::Warning);
        }
        out.add(draft);
    }
}

/// Tells whether an object is used with its owner's rights.
fn runs_as_owner(scene: &Scene<'_>, object: Object) -> bool {
    match object {
        Object::Relation(at) => super::grant::is_view(scene.facts.relations[at as usize].kind),
        Object::Routine(at) => scene.facts.routines[at as usize].security_definer,
        Object::Type(_) | Object::Schema(_) | Object::Standalone(_) => false,
        _ => true,
    }
}

/// Names the role that owns a service's schema, else the role of the service that owns most of what is in it.
pub(super) fn owner_of(scene: &Scene<'_>, service: ServiceId) -> Option<String> {
    let is_own = |owner: &RoleId| scene.map.of_role(*owner) == Some(service);
    let schemas = (0..).map(SchemaId).zip(&scene.facts.schemas);
    let mut own = schemas.filter(|(id, _)| scene.map.of_schema(*id) == Some(service)).map(|(_, s)| s.owner);
    let owns_most = || {
        let mut counted: BTreeMap<RoleId, usize> = BTreeMap::new();
        let inside = owned(scene).filter(|(object, _)| scene.service_of(*object) == Some(service));
        inside.map(|(_, owner)| owner).filter(is_own).for_each(|owner| *counted.entry(owner).or_default() += 1);
        counted.into_iter().max_by_key(|(_, count)| *count).map(|(owner, _)| owner)
    };
    own.find(is_own).or_else(owns_most).map(|owner| scene.name(owner))
}

/// Names the administrator that what belongs to no service is best given to: the role that initdb made.
pub(super) fn administrator(scene: &Scene<'_>) -> String {
    let bootstrap = scene.facts.roles.iter().find(|(_, role)| role.is_bootstrap());
    bootstrap.map_or_else(|| "postgres".to_owned(), |(role, _)| scene.name(role))
}
