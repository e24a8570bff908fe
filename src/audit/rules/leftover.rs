//! HYG04 and HYG05: what was left behind: roles that are gone, contracts that nobody keeps.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::ownership::{administrator, owner_of};
use super::{Draft, Rule, Sink, coupling_text};
use crate::audit::facts::acl::AclId;
use crate::audit::facts::object::{Object, SchemaId, Securable};
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::name::shown;
use crate::audit::path::Path;
use crate::audit::remedy::Takes;
use crate::audit::scene::Scene;
use crate::audit::services::{Contract, ServiceId};
use crate::model::privilege::{Privilege, Privileges};

/// An access list or an owner names a role that is gone.
pub(super) static HYG04: Rule = Rule {
    id: "HYG04",
    title: "orphan entry in an access list",
    severity: Severity::Warning,
    explanation: "An access list names a role that no longer exists, by its OID. No REVOKE can name it, dumps fail to \
                  restore it, and a later role that gets the same OID holds the privilege.",
    fix: "As a superuser, take the entry out of the catalog's row.",
    check: orphans,
};

/// A contract is declared, and not kept.
pub(super) static HYG05: Rule = Rule {
    id: "HYG05",
    title: "stale contract",
    severity: Severity::Warning,
    explanation: "The manifests declare a contract whose object does not exist, or that nobody of the consumer was \
                  granted: the consumer fails at run time, or the contract is no longer needed. One that is kept and \
                  that nothing in the consumer's schema names (no view, key, default, column or body) is information: \
                  what an application's statements use is in no catalog. `pgcleave check` looks into migrations and \
                  read models.",
    fix: "Run `pgcleave plan`, create the object, or take the contract out of both manifests.",
    check: contracts,
};

fn orphans(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let is_gone = |role: RoleId| scene.role(role).dangling;
    for securable in scene.facts.securables() {
        let entries = &scene.facts.acls[securable.acl].entries;
        let named = entries.iter().flat_map(|e| e.grantee.into_iter().chain([e.grantor]));
        let gone: BTreeSet<RoleId> = named.chain([securable.owner]).filter(|role| is_gone(*role)).collect();
        for role in gone {
            let privileges = scene.facts.acls[securable.acl].held_by(|grantee| grantee == Some(role));
            out.add(orphan(scene, &securable, role, privileges));
        }
    }
    for policy in &scene.facts.policies {
        let Some(at) = scene.facts.relation(policy.relation) else { continue };
        for role in policy.roles.iter().copied().filter(|role| is_gone(*role)) {
            out.add(orphan_of_policy(scene, &shown(&policy.name), Object::Relation(at as u32), role));
        }
    }
    for default in &scene.facts.default_acls {
        let named = scene.facts.acls[default.acl].entries.iter().filter_map(|e| e.grantee);
        let gone: BTreeSet<RoleId> = named.chain([default.creator]).filter(|role| is_gone(*role)).collect();
        for role in gone {
            let mut draft = Draft::new(scene, None, Object::Role(role));
            draft.principal = Some(role);
            draft.object = format!("future {} of {}", default.kind.words(), scene.name(default.creator));
            draft.service = default.schema.and_then(|s| scene.map.of_schema(s)).or(scene.map.of_role(default.creator));
            draft.path = Path::from(scene.name(role)).using("default privilege", &draft.object);
            draft.message = format!("{} name role {}, which is gone", draft.object, scene.name(role));
            draft.fix = "-- as a superuser, take the entry out of pg_catalog.pg_default_acl".to_owned();
            draft.declared = false;
            out.add(draft);
        }
    }
}

fn orphan_of_policy(scene: &Scene<'_>, policy: &str, table: Object, role: RoleId) -> Draft {
    let mut draft = Draft::new(scene, None, table);
    let name = scene.role(role).name.as_str();
    draft.principal = Some(role);
    draft.path = Path::from(name).using(format!("policy {policy}"), &draft.object);
    draft.message = format!("policy {policy} on {} still names role {name}, which is gone", draft.object);
    draft.fix = format!("-- name the roles that policy {policy} on {} is for anew (ALTER POLICY … TO)", draft.object);
    draft.declared = false;
    draft
}

fn orphan(scene: &Scene<'_>, securable: &Securable, role: RoleId, privileges: Privileges) -> Draft {
    let mut draft = Draft::new(scene, None, securable.object);
    let name = scene.role(role).name.as_str().to_owned();
    draft.principal = Some(role);
    let held = if privileges.is_empty() { "owner or grantor".to_owned() } else { privileges.to_string() };
    draft.path = Path::from(&name).using(held, &draft.object);
    draft.message = format!("{} still names role {name}, which is gone", draft.object);
    let facts = scene.facts;
    let row = match securable.object {
        Object::Relation(at) => Some(("pg_class", "relacl", facts.relations[at as usize].oid)),
        Object::Routine(at) => Some(("pg_proc", "proacl", facts.routines[at as usize].oid)),
        Object::Type(at) => Some(("pg_type", "typacl", facts.types[at as usize].oid)),
        Object::Schema(id) => Some(("pg_namespace", "nspacl", facts.schema_row(id).oid)),
        _ => None,
    };
    draft.fix = match row {
        Some(_) if securable.owner == role => {
            let service = draft.service.and_then(|service| owner_of(scene, service));
            let to = service.unwrap_or_else(|| administrator(scene));
            draft.takes = Takes::Nobody;
            format!("alter {} owner to {to};", facts.sql_name(securable.object))
        }
        Some((catalog, column, oid)) => format!(
            "update pg_catalog.{catalog} set {column} = array(select a from pg_catalog.unnest({column}) a \
             where a::text !~ '(^{name}=|/{name}$)') where oid = {oid}; -- as a superuser"
        ),
        None => format!("-- as a superuser, take role {name} out of the access list of {}", draft.object),
    };
    draft.declared = false;
    draft
}

fn contracts(scene: &Scene<'_>, out: &mut Sink<'_>) {
    if scene.map.contracts.is_empty() {
        return;
    }
    let used = Uses::new(scene);
    let acls: HashMap<Object, AclId> = scene.facts.securables().map(|s| (s.object, s.acl)).collect();
    for (contract, objects) in &scene.map.contracts {
        let consumer = scene.map.find(&contract.consumer);
        let held = |object: Object| {
            acls.get(&object).map(|acl| {
                scene.facts.acls[*acl].held_by(|grantee| {
                    grantee.is_none_or(|role| consumer.is_some() && scene.map.of_role(role) == consumer)
                })
            })
        };
        let name = format!("{}.{}", shown(&contract.provider), shown(&contract.name));
        if objects.is_empty() {
            out.add(stale(
                scene,
                contract,
                format!("{name} is exposed to {} and does not exist", shown(&contract.consumer)),
            ));
            continue;
        }
        let mut is_kept = true;
        for object in objects {
            let missing = contract.privileges.without(held(*object).unwrap_or_default());
            if !missing.is_empty() {
                is_kept = false;
                let label = scene.facts.label(*object);
                let words: Vec<_> = missing.iter().map(Privilege::keyword).collect();
                let text = format!(
                    "{label} is exposed to {}, and no role of it was granted {}",
                    shown(&contract.consumer),
                    words.join(", ")
                );
                out.add(stale(scene, contract, text));
            }
        }
        let used = |object: &Object| consumer.is_some_and(|consumer| used.by(scene, consumer, *object));
        if is_kept && consumer.is_some() && !objects.iter().any(used) {
            let label = scene.facts.label(objects[0]);
            let who = shown(&contract.consumer);
            let text = format!("{label} is exposed to {who}, and nothing in the database uses it; an application may");
            let mut draft = stale(scene, contract, text);
            draft.severity = Some(Severity::Info);
            draft.fix = "-- if no application of it uses it, take the contract out of both manifests".to_owned();
            out.add(draft);
        }
    }
}

/// What the services' own code in the database uses of others.
struct Uses {
    /// What the server keeps track of: who depends, and the OID of what is depended on.
    tracked: HashSet<(ServiceId, u32)>,
    /// What texts name: who, the schema and the name.
    named: HashSet<(ServiceId, String, String)>,
}

impl Uses {
    fn new(scene: &Scene<'_>) -> Self {
        let tracked =
            scene.facts.crossings.iter().filter_map(|c| Some((scene.map.of_schema(c.from_schema)?, c.to_oid)));
        let mut uses = Self { tracked: tracked.collect(), named: HashSet::new() };
        coupling_text::each_text(scene, |schema, references| {
            let Some(service) = scene.map.of_schema(schema) else { return };
            for reference in references {
                if let (Some(schema), Some(name)) = (&reference.schema, &reference.name) {
                    uses.named.insert((service, schema.clone(), name.clone()));
                }
            }
        });
        uses
    }

    fn by(&self, scene: &Scene<'_>, service: ServiceId, object: Object) -> bool {
        let facts = scene.facts;
        let (oid, schema, name) = match object {
            Object::Relation(at) => (
                facts.relations[at as usize].oid,
                facts.relations[at as usize].schema,
                &facts.relations[at as usize].name,
            ),
            Object::Routine(at) => {
                (facts.routines[at as usize].oid, facts.routines[at as usize].schema, &facts.routines[at as usize].name)
            }
            Object::Type(at) => {
                (facts.types[at as usize].oid, facts.types[at as usize].schema, &facts.types[at as usize].name)
            }
            _ => return true,
        };
        let schema = facts.schema_row(schema).name.as_str().to_owned();
        self.tracked.contains(&(service, oid)) || self.named.contains(&(service, schema, name.as_str().to_owned()))
    }
}

fn stale(scene: &Scene<'_>, contract: &Contract, message: String) -> Draft {
    let mut draft = Draft::new(scene, None, Object::Role(RoleId(0)));
    let provider = scene.map.find(&contract.provider);
    let schema = (0..).map(SchemaId).zip(&scene.facts.schemas);
    let mut schemas = schema.filter(|(id, _)| provider.is_some() && scene.map.of_schema(*id) == provider);
    let schema = schemas.next().map_or(&contract.provider, |(_, row)| &row.name);
    draft.object = format!("{} -> {}.{}", shown(&contract.consumer), shown(schema), shown(&contract.name));
    // it is the consumer's business, and nobody else's: its schema's owner stands for it
    let consumer = scene.map.find(&contract.consumer);
    let mut owners =
        (0..).map(SchemaId).zip(&scene.facts.schemas).filter(|(id, _)| scene.map.of_schema(*id) == consumer);
    draft.principal = owners
        .next()
        .map(|(_, row)| row.owner)
        .filter(|owner| consumer.is_some() && scene.map.of_role(*owner) == consumer);
    draft.path =
        Path::from(shown(&contract.consumer)).then("contract", format!("{}.{}", shown(schema), shown(&contract.name)));
    draft.service = provider;
    draft.message = message;
    draft.fix = "-- pgcleave plan shows what is missing; else take the contract out of both manifests".to_owned();
    draft.declared = true;
    draft
}
