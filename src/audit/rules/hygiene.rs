//! HYG01, HYG02, HYG03, HYG06: objects and roles that are where they do not belong.

use std::collections::{BTreeMap, BTreeSet};

use super::ownership::{owned, owner_of};
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::{Object, SchemaId};
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::graph::Edge;
use crate::audit::name::shown;
use crate::audit::path::Path;
use crate::audit::remedy::Takes;
use crate::audit::scene::{Reacher, Scene};
use crate::audit::services::ServiceId;
use crate::model::privilege::{Privilege, Privileges};

/// A service's role owns an object in a schema of no service.
pub(super) static HYG01: Rule = Rule {
    id: "HYG01",
    title: "object outside its service's schema",
    severity: Severity::Warning,
    explanation: "A service's role owns an object in a schema that is not the service's, public for one: no manifest, \
                  grant or move of the service covers it. Large objects are in no schema (information only).",
    fix: "Move the object to the service's schema, or drop it.",
    check: outside,
};

/// A schema of no service holds objects.
pub(super) static HYG02: Rule = Rule {
    id: "HYG02",
    title: "unmanaged schema",
    severity: Severity::Info,
    explanation: "Objects in a schema that belongs to no service have nobody who answers for them; in public, every \
                  service finds them by default. An empty schema is one that somebody forgot.",
    fix: "Write a manifest for the schema (`pgcleave adopt` proposes one), move its objects, or drop it.",
    check: unmanaged_schemas,
};

/// A role is a member of several services, or a login of none.
pub(super) static HYG03: Rule = Rule {
    id: "HYG03",
    title: "bridging or unmanaged role",
    severity: Severity::Warning,
    explanation: "A role that is a member of two services' roles joins what the schemas keep apart; its password opens \
                  both. A login that no manifest knows is nobody's to rotate, limit or retire.",
    fix: "Give each service a credential of its own. Declare the login as a credential, or leave it to its owner: other \
          databases of the server may use it.",
    check: roles,
};

/// An object of a service is not its owner role's, or its owner gave up its own rights.
pub(super) static HYG06: Rule = Rule {
    id: "HYG06",
    title: "owner drift",
    severity: Severity::Warning,
    explanation: "Default privileges follow the role that creates: an object that an application's login made has none \
                  of the service's grants, and lets that login grant it to everybody; one that a superuser made cannot \
                  even be changed by the service's migrations. An owner whose own entry was \
                  revoked cannot read its table, though it can grant the right back at any time.",
    fix: "Give the object to the service's owner role; grant the owner its rights again.",
    check: drift,
};

fn outside(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (object, owner) in owned(scene) {
        let Some(schema) = scene.facts.schema_of(object) else { continue };
        let Some(service) = scene.map.of_role(owner) else { continue };
        // what lies in an extension's own schema is the extension's to move
        let of_extension = scene.facts.extension_of(Object::Schema(schema)).is_some();
        if scene.map.of_schema(schema).is_some() || scene.facts.is_extension_member(object) || of_extension {
            continue;
        }
        let mut draft = Draft::new(scene, Some(&Reacher::itself(owner)), object);
        let name = scene.map.name(service).as_str().to_owned();
        draft.path = draft.path.using("owner", &draft.object);
        draft.message = format!("{} belongs to service {name} and is in no schema of its own", draft.object);
        draft.fix = match home(scene, service) {
            Some(home) => format!(
                "alter {} set schema {};",
                scene.facts.sql_name(object),
                shown(&scene.facts.schema_row(home).name)
            ),
            None => format!("-- move {} to a schema of service {name}", draft.object),
        };
        draft.first = Some("clients and code that name it with its schema, or find it by search_path, must be changed");
        draft.service = Some(service);
        draft.declared = false;
        out.add(draft);
    }
    large_objects(scene, out);
}

/// Tells of large objects, which are in no schema at all.
fn large_objects(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for large in &scene.facts.large_object_owners {
        let owner = large.owner;
        let Some(service) = scene.map.of_role(owner) else { continue };
        let mut draft = Draft::new(scene, Some(&Reacher::itself(owner)), Object::Role(owner));
        let (more, belong) = match large.count {
            ..=1 => (String::new(), "belongs"),
            count => (format!(" and {} more", count - 1), "belong"),
        };
        draft.object = format!("large objects of {}", scene.name(owner));
        draft.path = draft.path.using("owner", &draft.object);
        draft.message = format!(
            "large object {}{more} of service {} {belong} to no schema: a dump or move of the schema leaves that behind",
            large.example,
            scene.map.name(service).as_str()
        );
        draft.fix = "-- keep the data in a bytea column of the service's schema".to_owned();
        draft.severity = Some(Severity::Info);
        draft.service = Some(service);
        draft.declared = false;
        out.add(draft);
    }
}

/// Finds the schema of a service.
fn home(scene: &Scene<'_>, service: ServiceId) -> Option<SchemaId> {
    (0..).map(SchemaId).take(scene.facts.schemas.len()).find(|s| scene.map.of_schema(*s) == Some(service))
}

fn unmanaged_schemas(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let mut held: BTreeMap<SchemaId, Vec<Object>> = BTreeMap::new();
    for (object, _) in owned(scene).filter(|(object, _)| !scene.facts.is_extension_member(*object)) {
        if let Some(schema) = scene.facts.schema_of(object).filter(|s| scene.map.of_schema(*s).is_none()) {
            held.entry(schema).or_default().push(object);
        }
    }
    // public is born empty, and extensions have schemas of their own
    let members = owned(scene).filter_map(|(object, _)| scene.facts.schema_of(object));
    let filled: BTreeSet<SchemaId> = members.chain(scene.facts.extensions.iter().filter_map(|e| e.schema)).collect();
    for (schema, row) in (0..).map(SchemaId).zip(&scene.facts.schemas) {
        let is_kept = matches!(row.name.as_str(), "public" | "extensions") || filled.contains(&schema);
        if scene.map.of_schema(schema).is_none() && !is_kept {
            held.entry(schema).or_default();
        }
    }
    for (schema, objects) in held {
        let row = scene.facts.schema_row(schema);
        // pgcleave's own registry, and what an extension keeps for itself
        if row.name.as_str() == "pgcleave" || scene.facts.is_extension_member(Object::Schema(schema)) {
            continue;
        }
        let mut draft = Draft::new(scene, None, Object::Schema(schema));
        draft.principal = Some(row.owner);
        draft.service = None;
        draft.path = Path::from(scene.name(row.owner)).using("owner", &draft.object);
        let more = if objects.len() > 1 { format!(" and {} more", objects.len() - 1) } else { String::new() };
        (draft.message, draft.fix) = match objects.first() {
            Some(first) => (
                format!("{} belongs to no service and holds {}{more}", draft.object, scene.facts.label(*first)),
                format!("-- pgcleave adopt writes a manifest for {}", draft.object),
            ),
            None => (format!("{} belongs to no service and is empty", draft.object), format!("drop {};", draft.object)),
        };
        draft.declared = false;
        out.add(draft);
    }
}

fn roles(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (id, role) in scene.facts.roles.iter() {
        let is_known = scene.map.of_role(id).is_some() || scene.map.is_own_group(id) || scene.is_administrator(id);
        if !scene.is_judged(id) || is_known {
            continue;
        }
        let entered = services_entered(scene, id);
        if entered.len() < 2 && !role.login {
            continue;
        }
        let mut draft = Draft::new(scene, Some(&Reacher::itself(id)), Object::Role(id));
        let name = scene.name(id);
        if entered.len() >= 2 {
            let services: Vec<_> = entered.keys().map(|s| scene.map.name(*s).as_str()).collect();
            draft.message =
                format!("{name} is a member of {}: it joins what their schemas keep apart", services.join(" and "));
            let revokes = entered.values().map(|group| format!("revoke {} from {name};", scene.name(*group)));
            draft.fix = revokes.collect::<Vec<_>>().join("\n");
            draft.takes = Takes::Holder(id);
            for group in entered.values() {
                draft.path = draft.path.then("member", scene.name(*group));
            }
        } else {
            draft.message = format!("{name} can log in and belongs to no service");
            // roles belong to the server: another database may be its home, so that no statement is safe to paste
            draft.fix = format!(
                "-- find out whose {name} is: declare it as a credential of a service, or leave it to its owner"
            );
        }
        draft.declared = false;
        out.add(draft);
    }
}

/// Gives the services whose roles a role can act as, each with the first such role.
fn services_entered(scene: &Scene<'_>, role: RoleId) -> BTreeMap<ServiceId, RoleId> {
    let mut entered = BTreeMap::new();
    let mut seen = BTreeSet::from([role]);
    let mut queue = std::collections::VecDeque::from([role]);
    while let Some(role) = queue.pop_front() {
        for edge in [Edge::Inherit, Edge::Set] {
            for next in scene.graph.next(role, edge).iter().copied().filter(|next| seen.insert(*next)) {
                match scene.map.of_role(next) {
                    Some(service) => {
                        entered.entry(service).or_insert(next);
                    }
                    None => queue.push_back(next),
                }
            }
        }
    }
    entered
}

fn drift(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (object, owner) in owned(scene) {
        let Some(schema) = scene.facts.schema_of(object) else { continue };
        let service = scene.map.of_schema(schema);
        let head = scene.facts.schema_row(schema).owner;
        let is_own = scene.map.of_role(owner) == service || scene.role(owner).superuser;
        let same = service.is_some() && is_own && scene.map.of_role(head) == service;
        if !same || owner == head || scene.facts.is_extension_member(object) {
            continue;
        }
        let mut draft = Draft::new(scene, Some(&Reacher::itself(owner)), object);
        draft.path = draft.path.using("owner", &draft.object);
        draft.message = format!("{} owns {}; {} owns the schema", scene.name(owner), draft.object, scene.name(head));
        draft.fix = format!("alter {} owner to {};", scene.facts.sql_name(object), scene.name(head));
        draft.first = Some(
            "what the owner does there today must be granted to it; views and definer routines run as the new owner",
        );
        draft.declared = false;
        out.add(draft);
    }
    schemas_of_superusers(scene, out);
    self_revoked(scene, out);
}

/// Tells of schemas that a superuser owns although the service has roles.
fn schemas_of_superusers(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (id, row) in (0..).map(SchemaId).zip(&scene.facts.schemas) {
        let Some(service) = scene.map.of_schema(id).filter(|_| scene.role(row.owner).superuser) else { continue };
        let mut draft = Draft::new(scene, Some(&Reacher::itself(row.owner)), Object::Schema(id));
        let (owner, name) = (scene.name(row.owner), scene.map.name(service).as_str());
        draft.path = draft.path.using("owner", &draft.object);
        draft.message = format!("{owner}, a superuser, owns {}: nobody of service {name} does", draft.object);
        draft.fix = match owner_of(scene, service) {
            Some(to) => {
                draft.takes = Takes::Nobody;
                format!("alter {} owner to {to};", draft.object)
            }
            None => format!("-- make an owner role for service {name}, and give it {}", draft.object),
        };
        draft.declared = false;
        out.add(draft);
    }
}

fn self_revoked(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for securable in scene.securables() {
        let list = &scene.facts.acls[securable.acl];
        let column = matches!(securable.object, Object::Column(_) | Object::SystemGrant(_));
        if !list.stored
            || column
            || scene.facts.schema_of(securable.object).and_then(|s| scene.map.of_schema(s)).is_none()
        {
            continue;
        }
        // MAINTAIN is younger than many an access list
        let all = securable.kind.all(scene.facts.session.major).without(Privilege::Maintain.into());
        let held: Privileges = list.held_by(|grantee| grantee == Some(securable.owner));
        let missing = all.without(held);
        if missing.is_empty() {
            continue;
        }
        for reacher in scene.reachers(securable.owner, None) {
            let mut draft = Draft::new(scene, Some(&reacher), securable.object);
            let owner = scene.name(securable.owner);
            draft.path = draft.path.using("owner without its rights", &draft.object);
            draft.message = format!("owner {owner} has no {missing} on its own {}", draft.object);
            let words: Vec<_> = missing.iter().map(Privilege::keyword).collect();
            draft.fix = format!("grant {} on {} to {owner};", words.join(", "), scene.facts.sql_name(securable.object));
            draft.takes = Takes::Nobody;
            draft.severity = (!held.is_empty()).then_some(Severity::Info);
            draft.declared = false;
            out.add(draft);
        }
    }
}
