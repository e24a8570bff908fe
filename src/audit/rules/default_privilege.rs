//! FUT: what objects that do not exist yet will be open to.

use std::collections::BTreeSet;

use super::{Draft, Rule, Sink};
use crate::audit::facts::object::{Object, SchemaId};
use crate::audit::facts::outside::{DefaultAcl, DefaultKind};
use crate::audit::facts::role::{RoleId, Setting};
use crate::audit::finding::Severity;
use crate::audit::path::Path;
use crate::audit::remedy::Takes;
use crate::audit::scene::{Reacher, Scene};
use crate::audit::services::ServiceId;
use crate::model::privilege::{Privilege, Privileges};

/// A default privilege opens future objects to a foreigner.
pub(super) static FUT01: Rule = Rule {
    id: "FUT01",
    title: "default privilege for a foreigner",
    severity: Severity::Error,
    explanation: "ALTER DEFAULT PRIVILEGES gives a foreign role, or PUBLIC, a privilege on every object that this \
                  creator makes from now on, in the schema or everywhere.",
    fix: "Take it back with ALTER DEFAULT PRIVILEGES FOR ROLE … REVOKE; objects made since need a REVOKE of their own.",
    check: foreign,
};

/// Whoever creates in a service's schema leaves functions or types to PUBLIC.
pub(super) static FUT02: Rule = Rule {
    id: "FUT02",
    title: "creator not hardened",
    severity: Severity::Warning,
    explanation: "New functions and types are PUBLIC's unless a *global* default privilege of their creator takes that \
                  away; a REVOKE with IN SCHEMA is accepted and does nothing.",
    fix: "ALTER DEFAULT PRIVILEGES FOR ROLE creator REVOKE EXECUTE ON ROUTINES FROM PUBLIC, and USAGE ON TYPES.",
    check: unhardened,
};

/// A default privilege whose creator cannot create there.
pub(super) static FUT04: Rule = Rule {
    id: "FUT04",
    title: "inert default privilege",
    severity: Severity::Info,
    explanation: "Default privileges follow the role that creates: this one's creator cannot create there, so that it \
                  never takes effect. Somebody believed otherwise.",
    fix: "Revoke it, or set it for the role that does create.",
    check: inert,
};

/// Gives the service that the future objects will belong to.
fn service_of(scene: &Scene<'_>, row: &DefaultAcl) -> Option<ServiceId> {
    row.schema.and_then(|s| scene.map.of_schema(s)).or_else(|| scene.map.of_role(row.creator))
}

/// Tells whether a role may create in a schema, by itself or by what it inherits.
fn creates_in(scene: &Scene<'_>, role: RoleId, schema: SchemaId) -> bool {
    let row = scene.facts.schema_row(schema);
    let held = scene.held(role, row.acl, crate::model::acl::AclKind::Schema);
    held.contains(Privilege::Create) || scene.inherited(role).contains(row.owner)
}

fn takes_effect(scene: &Scene<'_>, row: &DefaultAcl) -> bool {
    if matches!(row.kind, DefaultKind::Schemas | DefaultKind::LargeObjects) || scene.role(row.creator).superuser {
        return true;
    }
    match row.schema {
        Some(schema) => creates_in(scene, row.creator, schema),
        None => (0..).map(SchemaId).take(scene.facts.schemas.len()).any(|s| creates_in(scene, row.creator, s)),
    }
}

fn object(scene: &Scene<'_>, row: &DefaultAcl) -> String {
    let place = row.schema.map(|s| format!(" in {}", crate::audit::name::shown(&scene.facts.schema_row(s).name)));
    format!("future {} of {}{}", row.kind.label(), scene.name(row.creator), place.unwrap_or_default())
}

fn revoke(scene: &Scene<'_>, row: &DefaultAcl, privileges: Privileges, from: &str) -> String {
    let place =
        row.schema.map(|s| format!(" in schema {}", crate::audit::name::shown(&scene.facts.schema_row(s).name)));
    let words: Vec<_> = privileges.iter().map(|p| p.keyword()).collect();
    format!(
        "alter default privileges for role {}{} revoke {} on {} from {from};",
        scene.name(row.creator),
        place.unwrap_or_default(),
        words.join(", "),
        row.kind.words()
    )
}

fn foreign(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for row in scene.facts.default_acls.iter().filter(|row| takes_effect(scene, row)) {
        let service = service_of(scene, row);
        // a global row replaces the built-in default, which FUT02 judges
        let built_in = if row.schema.is_none() { row.kind.acl_kind().public_default() } else { Privileges::NONE };
        for entry in &scene.facts.acls[row.acl].entries {
            let privileges = match entry.grantee {
                None => entry.privileges.without(built_in),
                Some(_) => entry.privileges,
            };
            if privileges.is_empty() {
                continue;
            }
            let told = beneficiaries(scene, row, entry.grantee, service);
            for (reacher, usable) in told {
                let mut draft = Draft::new(scene, None, Object::Role(row.creator));
                draft.principal = reacher.as_ref().map(|r| r.principal);
                draft.by_public = reacher.as_ref().is_some_and(|r| r.by_public);
                draft.path = match &reacher {
                    Some(reacher) if entry.grantee.is_none() => scene.path(reacher).then("public", "PUBLIC"),
                    Some(reacher) => scene.path(reacher),
                    None => Path::from("PUBLIC"),
                };
                draft.object = object(scene, row);
                draft.service = service;
                draft.declared = false;
                draft.path = draft.path.using(privileges, &draft.object);
                let who = scene.who(reacher.as_ref());
                let passes = if entry.grantable.is_empty() { "" } else { ", with grant option" };
                draft.message = format!("{who} will have {privileges} on {}{passes}", draft.object);
                let from = entry.grantee.map_or_else(|| "public".to_owned(), |g| scene.name(g));
                draft.fix = revoke(scene, row, privileges, &from);
                draft.takes = entry.grantee.map_or(Takes::Unknown, Takes::Holder);
                draft.first = Some("objects that are made afterwards are not open to them");
                if !usable {
                    draft.severity = Some(Severity::Info);
                    draft.message.push_str("; today it may not use the schema");
                }
                out.add(draft);
            }
        }
    }
}

/// Gives the foreign principals that a default privilege will be for, and whether they may use the schema already.
///
/// Nothing stands for everybody.
fn beneficiaries(
    scene: &Scene<'_>,
    row: &DefaultAcl,
    grantee: Option<RoleId>,
    service: Option<ServiceId>,
) -> Vec<(Option<Reacher>, bool)> {
    let schemas = schemas_of(scene, row);
    let outside = matches!(row.kind, DefaultKind::Schemas | DefaultKind::LargeObjects);
    let Some(grantee) = grantee else {
        let told = match outside {
            // no schema's USAGE stands before these
            true => scene.public_reachers(Object::Role(row.creator), None),
            false => everybody(scene, schemas.into_iter(), service),
        };
        if told.is_empty() {
            return vec![(None, outside)];
        }
        return told.into_iter().map(|reacher| (reacher, true)).collect();
    };
    let role = scene.role(grantee);
    if grantee == row.creator || role.superuser || role.dangling {
        return Vec::new();
    }
    let using: BTreeSet<RoleId> =
        schemas.iter().flat_map(|s| scene.reachers(grantee, Some(*s))).map(|r| r.principal).collect();
    let mut reachers = scene.reachers(grantee, None);
    reachers.retain(|r| scene.map.of_role(r.principal) != service);
    reachers
        .into_iter()
        .map(|r| {
            let usable = outside || using.contains(&r.principal);
            (Some(r), usable)
        })
        .collect()
}

/// Gives the schemas that a row can take effect in.
fn schemas_of(scene: &Scene<'_>, row: &DefaultAcl) -> Vec<SchemaId> {
    match row.schema {
        Some(schema) => vec![schema],
        None => {
            let all = (0..).map(SchemaId).take(scene.facts.schemas.len());
            let superuser = scene.role(row.creator).superuser;
            all.filter(|s| superuser || creates_in(scene, row.creator, *s)).collect()
        }
    }
}

/// Gives the foreign logins that may use one of the schemas; nothing stands for everybody.
fn everybody(
    scene: &Scene<'_>,
    schemas: impl Iterator<Item = SchemaId>,
    service: Option<ServiceId>,
) -> Vec<Option<Reacher>> {
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for schema in schemas {
        for reacher in scene.public_reachers(Object::Schema(schema), Some(schema)) {
            let Some(reacher) = reacher else { return vec![None] };
            if scene.map.of_role(reacher.principal) != service && told.insert(reacher.principal) {
                found.push(Some(reacher));
            }
        }
    }
    found
}

fn unhardened(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let schemas: Vec<SchemaId> = (0..).map(SchemaId).take(scene.facts.schemas.len()).collect();
    let managed: Vec<SchemaId> = schemas.into_iter().filter(|s| scene.map.of_schema(*s).is_some()).collect();
    let mut creators: std::collections::BTreeMap<RoleId, Vec<SchemaId>> = std::collections::BTreeMap::new();
    for schema in managed {
        let row = scene.facts.schema_row(schema);
        let entries = scene.facts.acls[row.acl].entries.iter().filter(|e| e.privileges.contains(Privilege::Create));
        let holders = entries.filter_map(|e| e.grantee).chain([row.owner]).filter(|r| !scene.role(*r).superuser);
        let set = scene.graph.inheritors(holders);
        for (role, _) in scene.facts.roles.iter().filter(|(id, _)| set.contains(*id) && scene.is_judged(*id)) {
            creators.entry(role).or_default().push(schema);
        }
    }
    // whose every session here begins as another role creates as that role
    let here = |s: &Setting| s.database.as_ref().is_none_or(|d| d.as_str() == scene.facts.session.database);
    let begins = scene.facts.settings.iter().filter(|s| s.name.eq_ignore_ascii_case("role") && here(s));
    let elsewhere: BTreeSet<RoleId> = begins.filter_map(|s| s.role).collect();
    // a temporary login makes nothing of its own: it becomes the owner
    creators.retain(|creator, _| !elsewhere.contains(creator) && scene.map.own(*creator).is_none());
    for (creator, schemas) in creators {
        for (kind, privilege) in [(DefaultKind::Routines, Privilege::Execute), (DefaultKind::Types, Privilege::Usage)] {
            let global = |r: &&DefaultAcl| r.creator == creator && r.schema.is_none() && r.kind == kind;
            let row = scene.facts.default_acls.iter().find(global);
            if row.is_some_and(|r| !scene.facts.acls[r.acl].public().contains(privilege)) {
                continue;
            }
            let service = schemas.first().and_then(|s| scene.map.of_schema(*s));
            let mut told = everybody(scene, schemas.iter().copied(), service);
            if told.is_empty() {
                told.push(None);
            }
            for reacher in told {
                let mut draft = Draft::new(scene, None, Object::Role(creator));
                draft.principal = reacher.as_ref().map(|r| r.principal);
                draft.by_public = reacher.as_ref().is_some_and(|r| r.by_public);
                draft.object = format!("future {} of {}", kind.label(), scene.name(creator));
                draft.service = service;
                draft.declared = false;
                let path = reacher.as_ref().map(|r| scene.path(r).then("public", "PUBLIC"));
                draft.path = path.unwrap_or_else(|| Path::from("PUBLIC")).using(privilege, &draft.object);
                let name = scene.name(creator);
                draft.message = format!(
                    "new {} of {name} will be PUBLIC's: no global default takes {privilege} away",
                    kind.words()
                );
                draft.fix = format!(
                    "alter default privileges for role {name} revoke {} on {} from public;",
                    privilege.keyword(),
                    kind.words()
                );
                if service.is_some_and(|service| scene.map.is_declared(service)) {
                    draft.takes = Takes::Nobody;
                } else {
                    draft.first = Some("what the service's own roles use of new ones must be granted to them");
                }
                out.add(draft);
            }
        }
    }
}

fn inert(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for row in scene.facts.default_acls.iter().filter(|row| !takes_effect(scene, row)) {
        // what a creator keeps for itself, or takes away, harms nobody
        let others = |grantee: Option<RoleId>| grantee.is_some_and(|g| g != row.creator);
        let granted = scene.facts.acls[row.acl].entries.iter().filter(|e| others(e.grantee));
        for entry in granted {
            let mut draft = Draft::new(scene, None, Object::Role(row.creator));
            draft.principal = entry.grantee;
            draft.object = object(scene, row);
            draft.service = service_of(scene, row);
            draft.declared = false;
            let who = entry.grantee.map(|g| scene.name(g)).unwrap_or_default();
            draft.path = Path::from(&who).using(entry.privileges, &draft.object);
            draft.message =
                format!("{} cannot create there, so that this never opens anything", scene.name(row.creator));
            draft.fix = revoke(scene, row, entry.privileges, &who);
            draft.takes = Takes::Nobody;
            out.add(draft);
        }
    }
}
