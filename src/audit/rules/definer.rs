//! DEF: routines that run with their owner's rights.

use std::collections::BTreeSet;

use super::acl::{revoke, taken};
use super::body::{Bodies, Used};
use super::ownership::owner_of;
use super::view::{User, securable, users, writers};
use super::{Draft, Rule, Sink, definer_inside};
use crate::audit::facts::acl::Entry;
use crate::audit::facts::dependency::Class;
use crate::audit::facts::object::{Object, SchemaId, Securable};
use crate::audit::facts::relation::Trigger;
use crate::audit::facts::role::RoleId;
use crate::audit::facts::routine::Routine;
use crate::audit::finding::Severity;
use crate::audit::path::Path;
use crate::audit::remedy::Takes;
use crate::audit::scene::{Reacher, Scene};
use crate::audit::services::ServiceId;
use crate::audit::through::held;
use crate::model::acl::AclKind;
use crate::model::privilege::Privilege;

/// A foreign principal can execute a definer routine of a service.
pub(super) static DEF01: Rule = Rule {
    id: "DEF01",
    title: "foreign definer routine",
    severity: Severity::Error,
    explanation: "A SECURITY DEFINER routine runs with its owner's rights: whoever may call it does with that service's \
                  data what its body does. USAGE on its schema is asked for only when its name is looked up, so that it \
                  is also run by whoever uses what was made with it: a view, rule or policy, a default, generated \
                  column or check, a domain's check or default, an index expression, a trigger and its condition, an \
                  operator, cast or aggregate, a partition key, another routine with a parsed body. A trigger's \
                  function and an operator class's need no EXECUTE at all. A service's own routine passes on to its callers what only its owner holds over the \
                  line.",
    fix: "Revoke EXECUTE, which takes all of these ways but triggers; drop the trigger; or declare the function in \
          `exposes`.",
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

pub(super) fn definers<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = (Securable, &'a Routine)> + 'a {
    scene.securables().filter_map(|s| match s.object {
        Object::Routine(at) => Some((s, &scene.facts.routines[at as usize])).filter(|(_, r)| r.security_definer),
        _ => None,
    })
}

/// Gives everyone who may execute a routine and is in another service than `own`, with the way to the holder.
fn callers(scene: &Scene<'_>, securable: &Securable, own: Option<ServiceId>) -> Vec<(Option<Reacher>, Draft)> {
    let mut all = executors(scene, securable);
    all.retain(|(reacher, _)| reacher.as_ref().is_none_or(|r| scene.map.of_role(r.principal) != own));
    all
}

/// Gives everyone of the service itself who may execute a routine.
pub(super) fn callers_of(
    scene: &Scene<'_>,
    securable: &Securable,
    own: Option<ServiceId>,
) -> Vec<(Option<Reacher>, Draft)> {
    let mut all = executors(scene, securable);
    all.retain(|(reacher, _)| reacher.as_ref().is_some_and(|r| scene.map.of_role(r.principal) == own));
    all
}

/// Gives everyone who may execute a routine; nothing stands for all.
pub(super) fn executors(scene: &Scene<'_>, securable: &Securable) -> Vec<(Option<Reacher>, Draft)> {
    let mut found = Vec::new();
    let execute = |e: &&Entry| e.privileges.contains(Privilege::Execute);
    for entry in scene.facts.acls[securable.acl].entries.iter().filter(execute) {
        let reachers: Vec<_> = match entry.grantee {
            None => everybody(scene, securable),
            Some(grantee) if scene.role(grantee).superuser || scene.role(grantee).dangling => continue,
            Some(grantee) => scene.reachers(grantee, securable.schema).into_iter().map(Some).collect(),
        };
        for reacher in reachers {
            let mut draft = Draft::new(scene, reacher.as_ref(), securable.object);
            if entry.grantee.is_none() && reacher.is_some() {
                draft.path = draft.path.then("public", "PUBLIC");
            }
            draft.path = draft.path.using(Privilege::Execute, &draft.object);
            draft.fix = revoke(scene, securable, entry, Privilege::Execute.into());
            draft.takes = taken(securable, entry, Privilege::Execute.into());
            found.push((reacher, draft));
        }
    }
    found
}

/// Gives everyone whom PUBLIC's EXECUTE is open to, those of the schema's own service too; nothing stands for all.
fn everybody(scene: &Scene<'_>, securable: &Securable) -> Vec<Option<Reacher>> {
    let mut foreign = scene.public_reachers(securable.object, securable.schema);
    if !foreign.iter().any(Option::is_none) {
        let told: BTreeSet<RoleId> = foreign.iter().flatten().map(|r| r.principal).collect();
        let all = super::view::everyone(scene, securable).into_iter();
        foreign.extend(all.filter(|r| !told.contains(&r.principal)).map(Some));
    }
    foreign
}

fn foreign(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let bodies = Bodies::new(scene);
    for (securable, routine) in definers(scene).filter(|(_, r)| !scene.role(r.owner).superuser) {
        let Object::Routine(at) = securable.object else { continue };
        let own = scene.map.of_role(routine.owner);
        let owner = scene.name(routine.owner);
        for (reacher, mut draft) in callers(scene, &securable, own) {
            if draft.declared {
                continue;
            }
            draft.message =
                format!("{} can run {} with the rights of {owner}", scene.who(reacher.as_ref()), draft.object);
            draft.path = reaches(scene, &bodies, draft.path.then("definer", &owner), at, own);
            out.add(draft);
        }
        lent(scene, &bodies, out, &securable, at);
        definer_inside::handed_on(scene, &bodies, out, &securable, at);
    }
    aggregates(scene, &bodies, out);
    let by_others = firers(scene).chain(definer_inside::embedded(scene));
    for (firer, mut draft, routine) in by_others.filter(|(_, _, r)| !scene.role(r.owner).superuser) {
        let (own, at) = (scene.map.of_role(routine.owner), scene.facts.routine(routine.oid));
        if own == scene.map.of_role(firer) {
            continue;
        }
        draft.path = reaches(scene, &bodies, draft.path, at.unwrap_or_default() as u32, own);
        out.add(draft);
    }
}

/// Tells what aggregates pass on: the definer functions that they are made of are asked for as their owner.
fn aggregates(scene: &Scene<'_>, bodies: &Bodies<'_>, out: &mut Sink<'_>) {
    let facts = scene.facts;
    for securable in scene.securables() {
        let Object::Routine(at) = securable.object else { continue };
        let aggregate = &facts.routines[at as usize];
        if aggregate.kind != 'a' {
            continue;
        }
        let made_of = facts.dependencies.of(Class::Routine, aggregate.oid).filter(|d| d.ref_class == Class::Routine);
        for function in made_of.filter_map(|d| facts.routine(d.ref_oid)) {
            let routine = &facts.routines[function];
            let own = scene.map.of_role(routine.owner);
            let may = scene.held(aggregate.owner, routine.acl, AclKind::Routine).contains(Privilege::Execute);
            if !routine.security_definer || scene.role(routine.owner).superuser || !may {
                continue;
            }
            for (reacher, way) in callers(scene, &securable, own) {
                let mut draft = Draft::new(scene, reacher.as_ref(), Object::Routine(function as u32));
                if draft.declared {
                    continue;
                }
                let (owner, who) = (scene.name(routine.owner), scene.who(reacher.as_ref()));
                let path = way.path.then("aggregate of", &draft.object).then("definer", &owner);
                draft.path = reaches(scene, bodies, path, function as u32, own);
                draft.message = format!("{who} runs {} with the rights of {owner} by {}", draft.object, way.object);
                draft.fix.clone_from(&way.fix);
                draft.takes = way.takes.clone();
                draft.takes = way.takes.clone();
                out.add(draft);
            }
        }
    }
}

/// Tells what a service's own definer routine passes on to its callers: what only its owner holds over the line.
fn lent(scene: &Scene<'_>, bodies: &Bodies<'_>, out: &mut Sink<'_>, securable: &Securable, at: u32) {
    let routine = &scene.facts.routines[at as usize];
    let (own, owner) = (scene.map.of_role(routine.owner), scene.name(routine.owner));
    let used: Vec<Used> = bodies.used(at).into_iter().filter(|used| crosses(scene, own, used)).collect();
    if own.is_none() || used.is_empty() {
        return;
    }
    for (reacher, way) in definer_inside::runners(scene, securable, at, own) {
        if scene.inherited(reacher.principal).contains(routine.owner) {
            continue;
        }
        for used in &used {
            let object = Object::Relation(used.relation);
            let privileges = used.privileges.without(scene.declared(reacher.principal, object));
            if privileges.is_empty() {
                continue;
            }
            let mut draft = Draft::new(scene, Some(&reacher), object);
            draft.path = way.path.clone().then("definer", &owner).using(privileges, &draft.object);
            draft.message = format!(
                "{} reaches {} by {}, which runs with the rights of {owner}",
                scene.who(Some(&reacher)),
                draft.object,
                scene.facts.label(securable.object)
            );
            draft.fix.clone_from(&way.fix);
            out.add(draft);
        }
    }
}

/// Tells whether a use is of another service's relation, and allowed to whom it is made as.
fn crosses(scene: &Scene<'_>, own: Option<ServiceId>, used: &Used) -> bool {
    let service = scene.service_of(Object::Relation(used.relation));
    let held = held(scene, used.by, used.relation, &[]);
    service.is_some()
        && service != own
        && scene.map.of_role(used.by) == own
        && !held.intersection(used.privileges).is_empty()
}

/// Who fires a trigger, by which way, and the function that then runs.
type Fired<'s> = (RoleId, Draft, &'s Routine);

/// Gives everyone who fires a definer trigger function of another owner by a write, with the way.
fn firers<'s>(scene: &'s Scene<'_>) -> impl Iterator<Item = Fired<'s>> + 's {
    scene.facts.triggers.iter().filter(|t| t.enabled).flat_map(move |trigger| {
        let found = scene.facts.relation(trigger.relation).zip(scene.facts.routine(trigger.function));
        found.map(|(table, function)| fired(scene, trigger, table as u32, function as u32)).unwrap_or_default()
    })
}

/// Gives everyone whose writes fire a trigger, those that a key's action carries on among them.
pub(super) fn fire(scene: &Scene<'_>, trigger: &Trigger, table: &Securable) -> Vec<User> {
    if trigger.for_rows {
        return writers(scene, table, trigger.events);
    }
    let mut all = users(scene, table);
    all.retain(|user| !user.held.intersection(trigger.events).is_empty());
    all
}

fn fired<'s>(scene: &'s Scene<'_>, trigger: &Trigger, table: u32, function: u32) -> Vec<Fired<'s>> {
    let routine = &scene.facts.routines[function as usize];
    let (object, function) = (Object::Relation(table), Object::Routine(function));
    let fired_by = scene.service_of(object);
    let stranger = scene.role(routine.owner).superuser || scene.map.of_role(routine.owner) != fired_by;
    let Some(securable) = securable(scene, table) else { return Vec::new() };
    if !routine.security_definer || !stranger || scene.facts.is_extension_member(function) {
        return Vec::new();
    }
    let (label, owner) = (scene.facts.label(object), scene.name(routine.owner));
    let told = fire(scene, trigger, &securable).into_iter().map(|user| {
        let mut draft = Draft::new(scene, Some(&user.reacher), function);
        let way = user.path(scene, &securable, user.used_for(trigger.events));
        draft.path = way.then("trigger", &draft.object).then("definer", &owner);
        let who = scene.who(Some(&user.reacher));
        draft.message = format!("a write of {who} to {label} fires {} with the rights of {owner}", draft.object);
        draft.fix = format!("drop trigger {} on {label};", crate::audit::name::shown(&trigger.name));
        (user.reacher.principal, draft, routine)
    });
    told.collect()
}

/// Appends what the routine's body is known to use of others than its callers.
pub(super) fn reaches(
    scene: &Scene<'_>,
    bodies: &Bodies<'_>,
    path: Path,
    routine: u32,
    own: Option<ServiceId>,
) -> Path {
    let used = bodies.used(routine);
    match own {
        _ if !used.is_empty() => path.using(Bodies::privileges(&used), bodies.names(&used)),
        Some(service) => path.using("all that it holds", format!("{}.*", scene.map.name(service).as_str())),
        None => path,
    }
}

fn superuser(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (securable, routine) in definers(scene).filter(|(_, r)| scene.role(r.owner).superuser) {
        let owner = scene.name(routine.owner);
        let to = scene.map.of_schema(routine.schema).and_then(|service| owner_of(scene, service));
        // nobody is of the same service as a superuser: every caller is told
        for (reacher, mut draft) in executors(scene, &securable) {
            let who = scene.who(reacher.as_ref());
            draft.message = format!("{who} can run {} as superuser {owner}", draft.object);
            draft.path = draft.path.then("definer", format!("{owner} (superuser)")).using("superuser", "everything");
            if let Some(to) = &to {
                draft.fix = format!("alter {} owner to {to};", scene.facts.sql_name(securable.object));
                draft.takes = Takes::Unknown;
                draft.first = Some("its body runs with the rights of the new owner afterwards: they must suffice");
            }
            draft.declared = false;
            out.add(draft);
        }
    }
    let by_others = firers(scene).chain(definer_inside::embedded(scene));
    for (_, mut draft, _) in by_others.filter(|(_, _, r)| scene.role(r.owner).superuser) {
        draft.path = draft.path.using("superuser", "everything");
        draft.declared = false;
        out.add(draft);
    }
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
        let own_schema = format!("schema {schema}");
        let planted = flaw.planters.iter().filter(|(_, path)| path.steps.last().is_some_and(|s| s.to == own_schema));
        // where its own schema is open, no search_path helps
        let fix = match planted.map(|(p, _)| revoke_create(scene, p, &own_schema)).collect::<BTreeSet<_>>() {
            revokes if revokes.is_empty() => fix,
            revokes => revokes.into_iter().collect::<Vec<_>>().join("\n"),
        };
        let owner = scene.name(routine.owner);
        let first = Some("its body must name what lies in other schemas with its schema");
        let mut foreign = callers(scene, &securable, scene.map.of_role(routine.owner));
        foreign.retain(|(reacher, _)| match flaw.opens {
            Opens::All => true,
            Opens::Temporary => reacher.as_ref().is_none_or(|r| makes_temporary(scene, r.principal)),
            Opens::Nobody => false,
        });
        for (reacher, mut draft) in foreign {
            draft.message =
                format!("{} can make {label} run its own code as {owner}: {}", scene.who(reacher.as_ref()), flaw.text);
            draft.path = draft.path.then("caller's search_path", &owner);
            draft.fix = fix.clone();
            (draft.takes, draft.first) = (Takes::Unknown, first);
            draft.severity = Some(Severity::Error);
            out.add(draft);
        }
        for (planter, path) in &flaw.planters {
            let mut draft = Draft::new(scene, Some(planter), securable.object);
            let who = scene.who(Some(planter));
            draft.path = path.clone().then("search_path", &label).then("definer", &owner);
            draft.message = format!("{who} can plant code that {label} runs as {owner}: {}", flaw.text);
            draft.fix.clone_from(&fix);
            draft.first = first;
            draft.severity = Some(Severity::Error);
            out.add(draft);
        }
        let mut draft = Draft::new(scene, None, securable.object);
        draft.principal = Some(routine.owner);
        draft.path = Path::from(&label).then("definer", &owner);
        draft.message = format!("{label} runs as {owner}, and {}", flaw.text);
        draft.fix = fix;
        draft.first = first;
        draft.severity = flaw.severity;
        out.add(draft);
    }
}

/// Takes CREATE from whom a planter has it by.
fn revoke_create(scene: &Scene<'_>, planter: &Reacher, schema: &str) -> String {
    let holder = planter.steps.last().map_or(planter.principal, |(_, role)| *role);
    let from = if planter.by_public { "public".to_owned() } else { scene.name(holder) };
    format!("revoke create on {schema} from {from};")
}

struct Flaw {
    text: String,
    /// Which callers can bring code of their own.
    opens: Opens,
    /// Who plants code where names are looked up, whoever calls.
    planters: Vec<(Reacher, Path)>,
    severity: Option<Severity>,
}

/// Whom a flaw is open to.
#[derive(Clone, Copy)]
enum Opens {
    /// Whoever calls the routine.
    All,
    /// Callers that may create temporary objects.
    Temporary,
    /// Others than its callers, or nobody.
    Nobody,
}

/// Tells whether a role may create temporary objects here, by itself or by what it inherits or can become.
fn makes_temporary(scene: &Scene<'_>, role: RoleId) -> bool {
    let database = scene.facts.current_database();
    let held = |identity| {
        database.is_some_and(|d| scene.held(identity, d.acl, AclKind::Database).contains(Privilege::Temporary))
    };
    scene.graph.identities(role).roles().any(held)
}

fn flaw(scene: &Scene<'_>, routine: &Routine) -> Option<Flaw> {
    if routine.atomic {
        return None;
    }
    let Some(path) = routine.setting("search_path") else {
        return Some(Flaw {
            text: "its search_path is the caller's".to_owned(),
            opens: Opens::All,
            planters: Vec::new(),
            severity: None,
        });
    };
    let names: Vec<String> = path.split(',').map(|n| n.trim().trim_matches('"').replace("\"\"", "\"")).collect();
    for name in names.iter().filter(|n| n.as_str() != "pg_catalog" && n.as_str() != "pg_temp") {
        let planters = planters(scene, routine, name);
        if let Some((stranger, _)) = planters.first() {
            let text = format!("its search_path names {name}, where {} may create", scene.name(stranger.principal));
            return Some(Flaw { text, opens: Opens::Nobody, planters, severity: Some(Severity::Error) });
        }
    }
    let harmless = names.iter().all(|n| n == "pg_catalog" || n.is_empty());
    if names.last().is_some_and(|n| n == "pg_temp") {
        return None;
    }
    let severity = harmless.then_some(Severity::Info);
    let opens = if harmless { Opens::Nobody } else { Opens::Temporary };
    Some(Flaw { text: "pg_temp, not named last, is searched first".to_owned(), opens, planters: Vec::new(), severity })
}

/// Finds everyone foreign to the routine's owner who may create in a schema that its search_path names.
fn planters(scene: &Scene<'_>, routine: &Routine, name: &str) -> Vec<(Reacher, Path)> {
    let named = (0..).map(SchemaId).zip(&scene.facts.schemas).find(|(_, s)| s.name.as_str() == name);
    let Some((id, row)) = named else { return Vec::new() };
    let own = scene.map.of_role(routine.owner);
    let label = scene.facts.label(Object::Schema(id));
    let mut found = Vec::new();
    for entry in scene.facts.acls[row.acl].entries.iter().filter(|e| e.privileges.contains(Privilege::Create)) {
        let reachers: Vec<Reacher> = match entry.grantee {
            None => scene.logins.iter().map(|login| Reacher::itself(*login).by_public()).collect(),
            Some(role) if scene.map.of_role(role) == own => continue,
            Some(role) => scene.reachers(role, None),
        };
        for reacher in reachers.into_iter().filter(|r| scene.map.of_role(r.principal) != own) {
            let path = scene.path(&reacher);
            let path = if entry.grantee.is_none() { path.then("public", "PUBLIC") } else { path };
            found.push((reacher, path.using(Privilege::Create, &label)));
        }
    }
    found
}

fn untrusted(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let trusted = |name: &str| scene.facts.languages.iter().any(|l| l.name.as_str() == name && l.trusted);
    for securable in scene.securables().filter(|s| s.kind == AclKind::Routine) {
        let Object::Routine(at) = securable.object else { continue };
        let language = scene.facts.routines[at as usize].language.as_str();
        // what an aggregate is made of has access lists of its own
        if trusted(language) || language == "sql" || scene.facts.routines[at as usize].kind == 'a' {
            continue;
        }
        for (reacher, mut draft) in executors(scene, &securable) {
            draft.message =
                format!("{} can run {}, which is code in {language}", scene.who(reacher.as_ref()), draft.object);
            draft.declared = false;
            out.add(draft);
        }
    }
}
