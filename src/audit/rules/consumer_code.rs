//! EXE01: a contract runs its provider's code with the rights of its consumer.

use std::collections::{BTreeMap, HashSet};

use super::{Draft, Rule, Sink};
use crate::analyze::{Reference, Use};
use crate::audit::facts::object::{Object, SchemaId};
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::foreign_code::{Asked, Code, ForeignCode};
use crate::audit::name::shown;
use crate::audit::path::Path;
use crate::audit::scene::Scene;
use crate::audit::services::ServiceId;
use crate::model::acl::AclKind;
use crate::model::privilege::Privileges;

/// How many functions a message names.
const MOST_NAMES: usize = 5;

/// A consumer of a contract runs functions of the provider that are not SECURITY DEFINER.
pub(super) static EXE01: Rule = Rule {
    id: "EXE01",
    title: "contract runs as its consumer",
    severity: Severity::Warning,
    explanation: "A function that is not SECURITY DEFINER runs with the rights of its caller. So does each such \
                  function that a view, a row security policy, an index expression or a trigger of an exposed object \
                  calls, and planning alone runs those declared immutable. A login that uses the contract gives \
                  the provider's code all its rights, and the provider can replace that code at any time. \
                  Not reported: functions of pg_catalog, of extensions of a superuser and of the consumer itself, and SQL \
                  functions that write nothing and give a schema only to the tables that they read. Their other names \
                  are looked up along the consumer's search_path.",
    fix: "Make the function SECURITY DEFINER with a search_path of its own, and let the consumer read with a credential \
          of access read.",
    check,
};

/// One use of an object by another service.
struct Exposed {
    object: Object,
    consumer: ServiceId,
    uses: Privileges,
}

fn check(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let code = ForeignCode::new(scene.facts);
    for exposed in exposed(scene) {
        let own = roles_of(scene, exposed.consumer);
        let found = code.reached(exposed.object, Asked { own: &own, uses: exposed.uses, definers: false });
        let harmful: Vec<&Code> = found.iter().filter(|code| !is_harmless(scene, code)).collect();
        if !harmful.is_empty() {
            out.add(draft(scene, &exposed, &harmful));
        }
    }
}

/// Gives what the manifests declare; without a contract, what was granted to roles of other services stands for them.
fn exposed(scene: &Scene<'_>) -> Vec<Exposed> {
    if !scene.map.contracts.is_empty() {
        let all = scene.map.contracts.iter().filter_map(|(contract, objects)| {
            let consumer = scene.map.find(&contract.consumer)?;
            Some(objects.iter().map(move |object| Exposed { object: *object, consumer, uses: contract.privileges }))
        });
        return all.flatten().collect();
    }
    let mut granted: BTreeMap<(Object, ServiceId), Privileges> = BTreeMap::new();
    let wanted = |kind| matches!(kind, AclKind::Relation | AclKind::Routine);
    for securable in scene.securables().filter(|securable| wanted(securable.kind)) {
        let Some(provider) = scene.service_of(securable.object) else { continue };
        for entry in &scene.facts.acls[securable.acl].entries {
            let consumer = entry.grantee.and_then(|role| scene.map.of_role(role)).filter(|other| *other != provider);
            if let Some(consumer) = consumer {
                let uses = granted.entry((securable.object, consumer)).or_default();
                *uses = uses.union(entry.privileges);
            }
        }
    }
    granted.into_iter().map(|((object, consumer), uses)| Exposed { object, consumer, uses }).collect()
}

fn roles_of(scene: &Scene<'_>, service: ServiceId) -> HashSet<RoleId> {
    let all = scene.facts.roles.iter().map(|(role, _)| role);
    all.filter(|role| scene.map.of_role(*role) == Some(service)).collect()
}

/// Tells whether a function can do nothing but read and compute: SQL that writes nothing, and of which is known what it
/// calls. What a body that the server has parsed calls is looked at by itself.
fn is_harmless(scene: &Scene<'_>, code: &Code) -> bool {
    let Some(at) = code.routine else { return false };
    let routine = &scene.facts.routines[at as usize];
    // A write block's function; REG01 reports a schema pgcleave in other hands.
    if scene.facts.schemas[routine.schema.0 as usize].name.as_str() == "pgcleave" {
        return true;
    }
    if routine.language.as_str() != "sql" || routine.volatility == 'v' {
        return false;
    }
    let is_system = |schema: &str| matches!(schema.trim().trim_matches('"'), "pg_catalog" | "pg_temp");
    // without a search_path of its own it finds pg_catalog's code and the caller's own; CPL11 reports who finds more
    let finds_no_others = || routine.setting("search_path").is_none_or(|path| path.split(',').all(is_system));
    routine.atomic
        || (finds_no_others() && scene.body(routine).is_some_and(|body| body.along(&[]).iter().all(only_reads)))
}

/// Tells whether a body's reference calls no code of users.
fn only_reads(reference: &Reference) -> bool {
    reference.used == Use::Read || (reference.schema.as_deref() == Some("pg_catalog") && reference.used != Use::Unknown)
}

fn draft(scene: &Scene<'_>, exposed: &Exposed, found: &[&Code]) -> Draft {
    let facts = scene.facts;
    let mut draft = Draft::new(scene, None, exposed.object);
    let label = draft.object.clone();
    let who = shown(scene.map.name(exposed.consumer));
    // it is the consumer's loss: its schema's owner stands for it
    let schemas = (0..).map(SchemaId).zip(&facts.schemas);
    let of_consumer = |service| service == Some(exposed.consumer);
    let mut owners = schemas.filter(|(id, _)| of_consumer(scene.map.of_schema(*id))).map(|(_, row)| row.owner);
    draft.principal = owners.next().filter(|owner| of_consumer(scene.map.of_role(*owner)));
    let first = found[0];
    let mut path = Path::from(&who).then("contract", &label);
    for step in first.through.iter().filter(|step| !step.ends_with(&label)) {
        path = path.then("through", step);
    }
    draft.path = path.then("as its caller", &first.label);
    let mut names: Vec<&str> = found.iter().map(|code| code.label.as_str()).collect();
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    draft.message = format!("{label} runs {}{rest} with the rights of {who}", names.join(", "));
    let fixes: Vec<String> = found.iter().filter_map(|code| code.routine).map(|at| fix(scene, at)).collect();
    draft.fix = fixes.join("\n");
    draft.declared = true;
    draft
}

/// Says what makes a function run with its owner's rights; only who wrote it can tell whether it still works then.
fn fix(scene: &Scene<'_>, at: u32) -> String {
    let facts = scene.facts;
    let routine = &facts.routines[at as usize];
    let schema = shown(&facts.schema_row(routine.schema).name);
    let name = facts.sql_name(Object::Routine(at));
    format!("-- alter {name} security definer set search_path = pg_catalog, {schema}, pg_temp;")
}
