//! CPL06: references that only text knows: bodies, defaults that look names up, OIDs kept as data.

use std::collections::{BTreeSet, HashMap};

use super::coupling::{draft, whose};
use super::coupling_outside::schemas_of_path;
use super::{Draft, Rule, Sink};
use crate::analyze::{Certainty, Reference, body_references, expression_references};
use crate::audit::facts::object::{Object, SchemaId};
use crate::audit::facts::role::RoleId;
use crate::audit::facts::routine::Routine;
use crate::audit::finding::Severity;
use crate::audit::name::{qualified, shown};
use crate::audit::remedy::Takes;
use crate::audit::scene::Scene;
use crate::ident::Ident;

/// A text names, or may name, something of another service.
pub(super) static CPL06: Rule = Rule {
    id: "CPL06",
    title: "foreign reference in text",
    severity: Severity::Warning,
    explanation: "Bodies of functions, and text that becomes a name when it is run, leave no trace in pg_depend: the \
                  dump restores without an error, and the first call fails. The text is read here instead. What is put \
                  together only at run time, and OIDs that are kept as data, cannot be proven either way and are told \
                  as information.",
    fix: "Do without it, or declare it: `exposes` in the owner's manifest and `consumes` in the other.",
    check,
};

fn check(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let names = Names::new(scene);
    texts(scene, |source, references| tell(scene, &names, source, references, out));
    for column in &scene.facts.reg_columns {
        let Some(at) = scene.facts.relation(column.relation) else { continue };
        let schema = scene.facts.relations[at].schema;
        if scene.map.of_schema(schema).is_none() {
            continue;
        }
        let label = format!("{}.{}", scene.facts.label(Object::Relation(at as u32)), shown(&column.column));
        let to = format!("{} data", column.type_name);
        let mut draft = draft(scene, schema, &label, "keeps", &to, None);
        draft.severity = Some(Severity::Info);
        draft.message = format!(
            "{label} keeps OIDs ({}): whether they are of another service's objects cannot be proven, and none \
             outlives a move",
            column.type_name
        );
        draft.fix = "-- keep names (text) instead of OIDs".to_owned();
        out.add(draft);
    }
}

/// What hangs on a trigger's argument: its function may take it for a name, or for anything else.
const ARGUMENT: &str = "trigger argument";

/// All objects by schema and name.
struct Names<'a> {
    schemas: HashMap<&'a str, SchemaId>,
    objects: HashMap<(SchemaId, &'a str), Vec<Object>>,
}

impl<'a> Names<'a> {
    fn new(scene: &Scene<'a>) -> Self {
        let facts = scene.facts;
        let mut objects: HashMap<_, Vec<Object>> = HashMap::new();
        let relations = (0..).zip(&facts.relations).map(|(at, r)| (r.schema, &r.name, Object::Relation(at)));
        let routines = (0..).zip(&facts.routines).map(|(at, r)| (r.schema, &r.name, Object::Routine(at)));
        let types = (0..).zip(&facts.types).map(|(at, t)| (t.schema, &t.name, Object::Type(at)));
        let standalone = (0..).zip(&facts.standalone).map(|(at, o)| (o.schema, &o.name, Object::Standalone(at)));
        for (schema, name, object) in relations.chain(routines).chain(types).chain(standalone) {
            objects.entry((schema, name.as_str())).or_default().push(object);
        }
        let schemas = (0..).map(SchemaId).zip(&facts.schemas).map(|(id, s)| (s.name.as_str(), id)).collect();
        Self { schemas, objects }
    }

    fn find<'s>(&'s self, schema: SchemaId, name: &'s str) -> &'s [Object] {
        self.objects.get(&(schema, name)).map_or(&[], Vec::as_slice)
    }

    fn has(&self, schema: &str, name: &str) -> bool {
        self.schemas.get(schema).is_some_and(|id| !self.find(*id, name).is_empty())
    }
}

/// A text and what it belongs to.
struct Source<'a> {
    schema: SchemaId,
    label: &'a str,
    how: &'a str,
    /// Where names without a schema are looked up.
    path: &'a [String],
    /// Whether the server knows a part of the references.
    tracked: bool,
}

/// Reads every body and every other text that may name something.
fn texts(scene: &Scene<'_>, mut each: impl FnMut(&Source<'_>, &[Reference])) {
    let mut paths: HashMap<SchemaId, Vec<String>> = HashMap::new();
    for (at, routine) in (0..).zip(&scene.facts.routines) {
        let Some(body) = scene.body(routine) else { continue };
        let path = match routine.setting("search_path") {
            Some(path) => schemas_of_path(path),
            None => paths.entry(routine.schema).or_insert_with(|| path_of_callers(scene, routine)).clone(),
        };
        let along: Vec<&str> = path.iter().map(String::as_str).collect();
        let label = scene.facts.label(Object::Routine(at));
        let source = Source { schema: routine.schema, label: &label, how: "body", path: &path, tracked: false };
        each(&source, &body.along(&along));
    }
    expressions(scene, each);
}

/// Gives what every text of a schema refers to.
pub(super) fn each_text(scene: &Scene<'_>, mut each: impl FnMut(SchemaId, &[Reference])) {
    texts(scene, |source, references| each(source.schema, references));
}

/// Gives the path along which a service's own sessions look names up: its roles' setting, the database's, or public.
fn path_of_callers(scene: &Scene<'_>, routine: &Routine) -> Vec<String> {
    let service = scene.map.of_schema(routine.schema);
    let here = |name: &Option<Ident>| name.as_ref().is_none_or(|name| name.as_str() == scene.facts.session.database);
    let is_own = |role: RoleId| service.is_some() && scene.map.of_role(role) == service;
    let settings =
        scene.facts.settings.iter().filter(|s| s.name.eq_ignore_ascii_case("search_path") && here(&s.database));
    let mut own: Vec<_> = settings.filter(|s| s.role.is_none_or(is_own)).collect();
    // a role's setting beats the database's, and one for role and database beats both
    own.sort_by_key(|s| (s.role.is_none(), s.database.is_none()));
    own.first().map_or_else(|| vec!["public".to_owned()], |setting| schemas_of_path(&setting.value))
}

fn expressions(scene: &Scene<'_>, mut each: impl FnMut(&Source<'_>, &[Reference])) {
    let facts = scene.facts;
    let mut read = |schema: SchemaId, label: &str, how: &str, text: &str| {
        let source = Source { schema, label, how, path: &[], tracked: true };
        let references = match how {
            "view" | "rule" | "trigger" => crate::analyze::references(text, &[]),
            "standard body" => body_references("sql", text, &[]),
            ARGUMENT => expression_references(&format!("'{}'::regclass", text.replace('\'', "''")), &[]),
            _ => expression_references(text, &[]),
        };
        each(&source, &references);
    };
    for default in &facts.defaults {
        let (Some(text), Some(at)) = (&default.expression, facts.relation(default.relation)) else { continue };
        let label = format!("{}.{}", facts.label(Object::Relation(at as u32)), shown(&default.column));
        read(facts.relations[at].schema, &label, "default", text);
    }
    for policy in &facts.policies {
        let Some(at) = facts.relation(policy.relation) else { continue };
        let label = format!("{} on {}", shown(&policy.name), facts.label(Object::Relation(at as u32)));
        for text in policy.using.iter().chain(&policy.check) {
            read(facts.relations[at].schema, &label, "policy", text);
        }
    }
    for hidden in &facts.hidden_texts {
        read(hidden.schema, &hidden.label, &hidden.kind, &hidden.expression);
    }
}

fn tell(scene: &Scene<'_>, names: &Names<'_>, source: &Source<'_>, references: &[Reference], out: &mut Sink<'_>) {
    let from = scene.map.of_schema(source.schema);
    for reference in references {
        if reference.certainty == Certainty::Unprovable {
            if from.is_some() && !source.tracked {
                out.add(unprovable(scene, source, reference));
            }
            continue;
        }
        let Some(schema) = reference.schema.as_deref().and_then(|name| names.schemas.get(name)).copied() else {
            continue;
        };
        if scene.map.of_schema(schema) == from || reference.used.is_role() {
            continue;
        }
        let found = reference.name.as_deref().map_or(&[][..], |name| names.find(schema, name));
        if is_looked_up(source, reference, references)
            && (found.is_empty() || is_shadowed(scene, names, source, reference))
        {
            continue;
        }
        if source.how == ARGUMENT && found.is_empty() {
            continue;
        }
        if source.tracked && found.iter().any(|object| is_tracked(scene, source, *object)) {
            continue;
        }
        let allowed = |object: &Object| {
            let declared = from.map(|service| scene.map.declared(service, *object)).unwrap_or_default();
            !declared.is_empty() && reference.needs.without(declared).is_empty()
        };
        let named = |object: &Object| {
            let extension = from.zip(scene.facts.extension_of(*object));
            let of_nobody = scene.map.of_schema(schema).is_none();
            of_nobody && extension.is_some_and(|(service, name)| scene.map.names_extension(service, name))
        };
        if !found.iter().any(|object| allowed(object) || named(object)) {
            out.add(reference_draft(scene, source, reference, schema, found));
        }
    }
}

/// Tells whether a reference stands for a name without a schema: then each schema of the path has one.
fn is_looked_up(source: &Source<'_>, reference: &Reference, all: &[Reference]) -> bool {
    let alike: BTreeSet<&str> = all
        .iter()
        .filter(|r| r.at == reference.at && r.name == reference.name && r.certainty == Certainty::Possible)
        .filter_map(|r| r.schema.as_deref())
        .collect();
    reference.certainty == Certainty::Possible
        && !source.path.is_empty()
        && source.path.iter().all(|schema| alike.contains(schema.as_str()))
}

/// Tells whether an earlier schema of the path, or the service's own, has something of that name.
fn is_shadowed(scene: &Scene<'_>, names: &Names<'_>, source: &Source<'_>, reference: &Reference) -> bool {
    let (Some(schema), Some(name)) = (reference.schema.as_deref(), reference.name.as_deref()) else { return false };
    let own = scene.facts.schema_row(source.schema).name.as_str();
    let listed = source.path.iter().any(|s| s == own);
    let earlier = source.path.iter().take_while(|s| *s != schema);
    (!listed && names.has(own, name)) || earlier.into_iter().any(|s| names.has(s, name))
}

/// Tells whether the server knows that the text depends on an object.
fn is_tracked(scene: &Scene<'_>, source: &Source<'_>, object: Object) -> bool {
    let oid = match object {
        Object::Relation(at) => scene.facts.relations[at as usize].oid,
        Object::Routine(at) => scene.facts.routines[at as usize].oid,
        Object::Type(at) => scene.facts.types[at as usize].oid,
        _ => return false,
    };
    scene
        .facts
        .crossings
        .iter()
        .any(|c| c.to_oid == oid && c.from_schema == source.schema && c.from_label == source.label)
}

fn unprovable(scene: &Scene<'_>, source: &Source<'_>, reference: &Reference) -> Draft {
    let mut draft = draft(scene, source.schema, source.label, source.how, "dynamic SQL", None);
    draft.severity = Some(Severity::Info);
    draft.message = format!(
        "{} runs what is put together only at run time (line {}): what it refers to cannot be proven",
        source.label, reference.line
    );
    draft.fix = "-- write the names out, or let format('%I') quote each under a schema that is written out".to_owned();
    draft
}

fn reference_draft(
    scene: &Scene<'_>,
    source: &Source<'_>,
    reference: &Reference,
    schema: SchemaId,
    found: &[Object],
) -> Draft {
    let row = scene.facts.schema_row(schema);
    let to = match (found.first(), reference.name.as_deref()) {
        (Some(object), _) => scene.facts.label(*object),
        (None, Some(name)) => qualified(&row.name, &Ident::from_server(name)),
        (None, None) => format!("schema {}", shown(&row.name)),
    };
    let mut draft = draft(scene, source.schema, source.label, source.how, &to, Some(schema));
    let verb = if source.how == ARGUMENT { "is given the name of" } else { reference.used.verb() };
    let place = if source.how == "body" { format!(" (line {})", reference.line) } else { String::new() };
    let perhaps = if reference.certainty == Certainty::Possible { "perhaps " } else { "" };
    let missing = if found.is_empty() && reference.name.is_some() { " and does not exist" } else { "" };
    draft.message = format!(
        "{} {perhaps}{verb} {to}{place}, which belongs to {}{missing}",
        source.label,
        whose(scene, Some(schema))
    );
    draft.fix = format!("-- do without {to} in {}, or declare it in both manifests", source.label);
    if found.iter().any(|object| scene.facts.is_extension_member(*object)) && scene.map.of_schema(schema).is_none() {
        draft.severity = Some(Severity::Info);
        draft.message =
            format!("{} {verb} {to}{place}, which an extension brings: it must be wherever this moves", source.label);
        draft.fix = "-- name the extension in the manifest, under extensions".to_owned();
        draft.takes = Takes::Manifest;
    }
    draft
}
