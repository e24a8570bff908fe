//! DEF: routines that run with their owner's rights.

use super::acl::revoke;
use super::{Draft, Rule, Sink};
use crate::audit::facts::dependency::Class;
use crate::audit::facts::object::{Object, Securable};
use crate::audit::facts::routine::Routine;
use crate::audit::finding::Severity;
use crate::audit::path::Path;
use crate::audit::scene::{Reacher, Scene};
use crate::audit::services::ServiceId;
use crate::model::acl::AclKind;
use crate::model::privilege::Privilege;

/// A foreign principal can execute a definer routine of a service.
pub(super) static DEF01: Rule = Rule {
    id: "DEF01",
    title: "foreign definer routine",
    severity: Severity::Error,
    explanation: "A SECURITY DEFINER routine runs with its owner's rights: whoever may call it, or fires a trigger that \
                  calls it, does with that service's data what its body does.",
    fix: "Revoke EXECUTE, or declare the function in `exposes`.",
    check: foreign,
};

/// A definer routine is owned by a superuser.
pub(super) static DEF02: Rule = Rule {
    id: "DEF02",
    title: "definer routine owned by a superuser",
    severity: Severity::Error,
    explanation: "Its callers run its body as a superuser: no line between services holds inside, and one careless \
                  EXECUTE in it gives them the server.",
    fix: "Give the routine to the service's owner role.",
    check: superuser,
};

/// A definer routine does not fix its search_path.
pub(super) static DEF03: Rule = Rule {
    id: "DEF03",
    title: "definer routine with an open search_path",
    severity: Severity::Warning,
    explanation: "Names in its body are looked up along the caller's search_path, or in a schema where others may \
                  create, or in pg_temp, which is searched first unless it is named last: the caller's code then runs \
                  as the owner. An error where a foreigner may call it or create there.",
    fix: "Set the routine's search_path to pg_catalog, its own schema, and pg_temp last.",
    check: search_path,
};

/// A routine in an untrusted language.
pub(super) static DEF04: Rule = Rule {
    id: "DEF04",
    title: "routine in an untrusted language",
    severity: Severity::Error,
    explanation: "Code in an untrusted language runs in the server's own process and account: files, network and all \
                  databases are open to it, whoever calls it.",
    fix: "Revoke EXECUTE from service roles, or drop the routine.",
    check: untrusted,
};

fn definers<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = (Securable, &'a Routine)> + 'a {
    scene.securables().filter_map(|s| match s.object {
        Object::Routine(at) => Some((s, &scene.facts.routines[at as usize])).filter(|(_, r)| r.security_definer),
        _ => None,
    })
}

/// Gives everyone who may execute a routine and is in another service than `own`, with the way to the holder.
fn callers(scene: &Scene<'_>, securable: &Securable, own: Option<ServiceId>) -> Vec<(Option<Reacher>, Draft)> {
    let mut found = Vec::new();
    for entry in &scene.facts.acls[securable.acl].entries {
        if !entry.privileges.contains(Privilege::Execute) {
            continue;
        }
        let reachers = match entry.grantee {
            None => scene.public_reachers(securable.object, securable.schema),
            Some(grantee) if scene.role(grantee).superuser || scene.role(grantee).dangling => continue,
            Some(grantee) => scene.reachers(grantee, securable.schema).into_iter().map(Some).collect(),
        };
        for reacher in reachers {
            if reacher.as_ref().is_some_and(|r| scene.map.of_role(r.principal) == own) {
                continue;
            }
            let mut draft = Draft::new(scene, reacher.as_ref(), securable.object);
            if entry.grantee.is_none() && reacher.is_some() {
                draft.path = draft.path.then("public", "PUBLIC");
            }
            draft.path = draft.path.using(Privilege::Execute, &draft.object);
            draft.fix = revoke(scene, securable, entry, Privilege::Execute.into());
            found.push((reacher, draft));
        }
    }
    found
}

fn who(scene: &Scene<'_>, reacher: Option<&Reacher>) -> String {
    reacher.map_or_else(|| "everybody".to_owned(), |r| scene.name(r.principal))
}

fn foreign(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (securable, routine) in definers(scene) {
        if scene.role(routine.owner).superuser {
            continue;
        }
        let own = scene.map.of_role(routine.owner);
        let owner = scene.name(routine.owner);
        for (reacher, mut draft) in callers(scene, &securable, own) {
            if draft.declared {
                continue;
            }
            draft.message =
                format!("{} can run {} with the rights of {owner}", who(scene, reacher.as_ref()), draft.object);
            draft.path = reaches(scene, draft.path.then("definer", &owner), routine, own);
            out.add(draft);
        }
    }
    for trigger in scene.facts.triggers.iter().filter(|t| t.enabled) {
        let (Some(table), Some(function)) =
            (scene.facts.relation(trigger.relation), scene.facts.routine(trigger.function))
        else {
            continue;
        };
        let (table, routine) = (Object::Relation(table as u32), &scene.facts.routines[function]);
        let (fired_by, own) = (scene.service_of(table), scene.map.of_role(routine.owner));
        let extension = scene.facts.is_extension_member(Object::Routine(function as u32));
        if !routine.security_definer || own == fired_by || scene.role(routine.owner).superuser || extension {
            continue;
        }
        let mut draft = Draft::new(scene, None, Object::Routine(function as u32));
        let owner = scene.facts.owner_of(table).expect("a relation has an owner");
        let label = scene.facts.label(table);
        draft.principal = Some(owner);
        draft.path = Path::from(scene.name(owner)).using("write", &label).then("trigger", &draft.object);
        draft.path = draft.path.then("definer", scene.name(routine.owner));
        draft.message =
            format!("a write to {label} fires {} with the rights of {}", draft.object, scene.name(routine.owner));
        draft.fix = format!("drop trigger {} on {label};", crate::audit::name::shown(&trigger.name));
        out.add(draft);
    }
}

/// Appends what the routine's body is known to use of its owner's service.
fn reaches(scene: &Scene<'_>, path: Path, routine: &Routine, own: Option<ServiceId>) -> Path {
    let parsed = scene.facts.dependencies.of(Class::Routine, routine.oid);
    let mut used = parsed.filter(|d| d.ref_class == Class::Relation).filter_map(|d| scene.facts.relation(d.ref_oid));
    match (used.next(), own) {
        (Some(relation), _) => path.then("uses", scene.facts.label(Object::Relation(relation as u32))),
        (None, Some(service)) => path.using("all that it holds", format!("{}.*", scene.map.name(service).as_str())),
        (None, None) => path,
    }
}

fn superuser(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (securable, routine) in definers(scene).filter(|(_, r)| scene.role(r.owner).superuser) {
        let owner = scene.name(routine.owner);
        let to = scene.map.of_schema(routine.schema).map(|_| scene.name(scene.facts.schema_row(routine.schema).owner));
        // nobody is of the same service as a superuser: every caller is told
        for (reacher, mut draft) in callers_of_any_service(scene, &securable) {
            let who = who(scene, reacher.as_ref());
            draft.message = format!("{who} can run {} as superuser {owner}", draft.object);
            draft.path = draft.path.then("definer", format!("{owner} (superuser)")).using("superuser", "everything");
            let to = to.clone().unwrap_or_else(|| "…".to_owned());
            draft.fix = format!("alter {} owner to {to};", scene.facts.sql_name(securable.object));
            draft.declared = false;
            out.add(draft);
        }
    }
}

fn callers_of_any_service(scene: &Scene<'_>, securable: &Securable) -> Vec<(Option<Reacher>, Draft)> {
    let mut all = callers(scene, securable, None);
    // `callers` leaves out one service; with none, the principals of no service are missing
    for entry in scene.facts.acls[securable.acl].entries.iter().filter(|e| e.privileges.contains(Privilege::Execute)) {
        let Some(grantee) = entry.grantee.filter(|g| !scene.role(*g).superuser) else { continue };
        for reacher in scene.reachers(grantee, securable.schema) {
            if scene.map.of_role(reacher.principal).is_none() {
                let mut draft = Draft::new(scene, Some(&reacher), securable.object);
                draft.path = draft.path.using(Privilege::Execute, &draft.object);
                all.push((Some(reacher), draft));
            }
        }
    }
    all
}

fn search_path(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (securable, routine) in definers(scene) {
        let Some(flaw) = flaw(scene, routine) else { continue };
        let label = scene.facts.label(securable.object);
        let schema = crate::audit::name::shown(&scene.facts.schema_row(routine.schema).name);
        let fix = format!(
            "alter {} set search_path = pg_catalog, {schema}, pg_temp;",
            scene.facts.sql_name(securable.object)
        );
        let owner = scene.name(routine.owner);
        let mut foreign = callers(scene, &securable, scene.map.of_role(routine.owner));
        if !flaw.open {
            foreign.clear();
        }
        for (reacher, mut draft) in foreign {
            draft.message =
                format!("{} can make {label} run its own code as {owner}: {}", who(scene, reacher.as_ref()), flaw.text);
            draft.path = draft.path.then("caller's search_path", &owner);
            draft.fix = fix.clone();
            draft.severity = Some(Severity::Error);
            out.add(draft);
        }
        let mut draft = Draft::new(scene, None, securable.object);
        draft.principal = Some(routine.owner);
        draft.path = Path::from(&label).then("definer", &owner);
        draft.message = format!("{label} runs as {owner}, and {}", flaw.text);
        draft.fix = fix;
        draft.severity = flaw.severity;
        out.add(draft);
    }
}

struct Flaw {
    text: String,
    /// Whether whoever calls it can bring code of their own.
    open: bool,
    severity: Option<Severity>,
}

fn flaw(scene: &Scene<'_>, routine: &Routine) -> Option<Flaw> {
    if routine.atomic {
        return None;
    }
    let Some(path) = routine.setting("search_path") else {
        return Some(Flaw { text: "its search_path is the caller's".to_owned(), open: true, severity: None });
    };
    let names: Vec<String> = path.split(',').map(|n| n.trim().trim_matches('"').replace("\"\"", "\"")).collect();
    for name in names.iter().filter(|n| n.as_str() != "pg_catalog" && n.as_str() != "pg_temp") {
        if let Some(stranger) = creator_in(scene, name, routine) {
            let text = format!("its search_path names {name}, where {stranger} may create");
            return Some(Flaw { text, open: false, severity: Some(Severity::Error) });
        }
    }
    let harmless = names.iter().all(|n| n == "pg_catalog" || n.is_empty());
    if names.last().is_some_and(|n| n == "pg_temp") {
        return None;
    }
    let severity = harmless.then_some(Severity::Info);
    Some(Flaw { text: "pg_temp, not named last, is searched first".to_owned(), open: false, severity })
}

/// Finds a stranger to the routine's owner who may create in a schema.
fn creator_in(scene: &Scene<'_>, schema: &str, routine: &Routine) -> Option<String> {
    let row = scene.facts.schemas.iter().find(|s| s.name.as_str() == schema)?;
    let own = scene.map.of_role(routine.owner);
    let entries = scene.facts.acls[row.acl].entries.iter().filter(|e| e.privileges.contains(Privilege::Create));
    for entry in entries {
        match entry.grantee {
            None => return Some("everybody".to_owned()),
            Some(role) if scene.is_judged(role) && scene.map.of_role(role) != own => return Some(scene.name(role)),
            Some(_) => {}
        }
    }
    None
}

fn untrusted(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let trusted = |name: &str| scene.facts.languages.iter().any(|l| l.name.as_str() == name && l.trusted);
    for securable in scene.securables().filter(|s| s.kind == AclKind::Routine) {
        let Object::Routine(at) = securable.object else { continue };
        let language = scene.facts.routines[at as usize].language.as_str();
        if trusted(language) || language == "sql" {
            continue;
        }
        for (reacher, mut draft) in callers_of_any_service(scene, &securable) {
            draft.message =
                format!("{} can run {}, which is code in {language}", who(scene, reacher.as_ref()), draft.object);
            draft.declared = false;
            out.add(draft);
        }
    }
}
