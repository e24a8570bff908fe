//! CPL01–05, 07, 10, 13, 14: what would break if a schema moved away, as `pg_depend` knows it.

use super::{Draft, Rule, Sink};
use crate::audit::facts::coupling::Crossing;
use crate::audit::facts::dependency::Class;
use crate::audit::facts::object::{Object, SchemaId};
use crate::audit::finding::Severity;
use crate::audit::name::shown;
use crate::audit::path::Path;
use crate::audit::remedy::Takes;
use crate::audit::scene::Scene;
use crate::ident::Ident;

/// A foreign key points into another service's schema.
pub(super) static CPL01: Rule = Rule {
    id: "CPL01",
    title: "foreign key across",
    severity: Severity::Warning,
    explanation: "A foreign key holds two schemas in one database: neither can be moved, restored or truncated alone. \
                  NOT VALID and NOT ENFORCED ones hold as well.",
    fix: "Drop the key and keep the value; let the services agree by events or a check of their own.",
    check: |scene, out| tell(scene, out, Kind::Key),
};

/// A view, materialized view, rule or child table needs another service's relation.
pub(super) static CPL02: Rule = Rule {
    id: "CPL02",
    title: "view, rule or inheritance across",
    severity: Severity::Warning,
    explanation: "A view, materialized view or rule over another service's relation, or a table that inherits from \
                  one, stops working when either schema moves, and keeps the other service from changing its columns.",
    fix: "Read a contract's view instead, or keep a copy of one's own.",
    check: |scene, out| tell(scene, out, Kind::Rows),
};

/// A column, domain, range, typed table or signature uses another service's type.
pub(super) static CPL03: Rule = Rule {
    id: "CPL03",
    title: "foreign type",
    severity: Severity::Warning,
    explanation: "A type of another service in a column, array, composite, domain, range or signature makes the table \
                  or function unrestorable without that service's schema, and the type unchangeable for its owner.",
    fix: "Make the type in the service's own schema, or use a built-in one.",
    check: |scene, out| tell(scene, out, Kind::Type),
};

/// A default or body takes its numbers from another service's sequence.
pub(super) static CPL04: Rule = Rule {
    id: "CPL04",
    title: "foreign sequence",
    severity: Severity::Warning,
    explanation: "Two services that draw numbers from one sequence will draw the same numbers as soon as each has a \
                  copy of it.",
    fix: "Give the service a sequence of its own, started above the numbers in use.",
    check: |scene, out| tell(scene, out, Kind::Sequence),
};

/// A default, generated column, check, index, partition key, policy, trigger or parsed body calls foreign code.
pub(super) static CPL05: Rule = Rule {
    id: "CPL05",
    title: "foreign function or relation, tracked",
    severity: Severity::Warning,
    explanation: "A default, generated column, check, index, partition key, policy, trigger or BEGIN ATOMIC body that \
                  uses another service's function or relation cannot be restored without it: a table whose partition \
                  key or check is foreign does not even come back empty. An event trigger is the whole database's: its \
                  function in a service's schema leaves with the service.",
    fix: "Move the function into the service's own schema, or do without it.",
    check: |scene, out| {
        tell(scene, out, Kind::Code);
        super::coupling_outside::event_triggers(scene, out);
    },
};

/// A service uses an extension that lives in another service's schema.
pub(super) static CPL07: Rule = Rule {
    id: "CPL07",
    title: "extension in a service's schema",
    severity: Severity::Warning,
    explanation: "An extension is installed once a database, in one schema. When that schema is a service's, all that \
                  others built on the extension goes, or stays, with that service.",
    fix: "Move the extension to a schema for extensions (ALTER EXTENSION … SET SCHEMA).",
    check: |scene, out| tell(scene, out, Kind::Extension),
};

/// An operator, cast, collation or text search object is shared.
pub(super) static CPL10: Rule = Rule {
    id: "CPL10",
    title: "operator, cast, collation or text search across",
    severity: Severity::Warning,
    explanation: "Operators, operator classes, casts, collations, conversions and text search configurations join two \
                  schemas without a name in any query: indexes and sort orders depend on them, and casts leave no \
                  trace in a dump of one schema.",
    fix: "Define it in the service's own schema, with functions of its own.",
    check: |scene, out| {
        tell(scene, out, Kind::Operator);
        super::coupling_setting::text_search(scene, out);
    },
};

/// A statistics object lies in another schema than its table.
pub(super) static CPL13: Rule = Rule {
    id: "CPL13",
    title: "statistics object across",
    severity: Severity::Warning,
    explanation: "Extended statistics in one schema about a table in another are left behind when the table moves, and \
                  the planner's estimates with them.",
    fix: "Move the statistics object to its table's schema (ALTER STATISTICS … SET SCHEMA).",
    check: |scene, out| tell(scene, out, Kind::Statistics),
};

/// A service depends on a schema that no service owns.
pub(super) static CPL14: Rule = Rule {
    id: "CPL14",
    title: "depends on an unmanaged schema",
    severity: Severity::Warning,
    explanation: "What nobody owns moves with nobody. Shared reference tables and functions in public stay behind at a \
                  split; an extension that no manifest of the service names (information only) must be installed on \
                  the target before.",
    fix: "Give the object to the one service that keeps it, and expose it; name extensions in the manifests.",
    check: |scene, out| tell(scene, out, Kind::Unmanaged),
};

/// Which rule a crossing belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Rows,
    Type,
    Sequence,
    Code,
    Extension,
    Operator,
    Statistics,
    Unmanaged,
}

/// Gives the extension that something depended on came with, by itself or by its schema.
fn extension_of<'a>(scene: &Scene<'a>, c: &'a Crossing) -> Option<&'a Ident> {
    let of_schema = c.to_schema.and_then(|schema| scene.facts.extension_of(Object::Schema(schema)));
    c.extension.as_ref().or(of_schema)
}

fn kind(scene: &Scene<'_>, c: &Crossing) -> Option<Kind> {
    // what an extension keeps in a schema of its own (chunks, queues) goes with the extension
    if scene.facts.extension_of(Object::Schema(c.from_schema)).is_some() {
        return None;
    }
    let from = scene.map.of_schema(c.from_schema);
    let to = c.to_schema.and_then(|schema| scene.map.of_schema(schema));
    if let Some(extension) = extension_of(scene, c) {
        return match (from, to) {
            (from, Some(to)) => (from != Some(to)).then_some(Kind::Extension),
            (Some(from), None) => (!scene.map.names_extension(from, extension)).then_some(Kind::Unmanaged),
            (None, None) => None,
        };
    }
    if from == to {
        return None;
    }
    let kind = if to.is_none() { Kind::Unmanaged } else { between_services(c) };
    let declarable = !matches!(kind, Kind::Key) && !is_inheritance(c);
    (!declarable || !is_declared(scene, c)).then_some(kind)
}

fn between_services(c: &Crossing) -> Kind {
    use Class::{
        Cast, Collation, Constraint, Conversion, Operator, OperatorClass, OperatorFamily, Relation, Routine, Rule,
        Statistics, TextSearchConfiguration, TextSearchDictionary, TextSearchParser, TextSearchTemplate, Transform,
        Type,
    };
    match (c.from_kind, c.to_class) {
        (Constraint, Relation) if c.from_detail == 'f' => Kind::Key,
        (Statistics, _) => Kind::Statistics,
        (
            Cast
            | Operator
            | OperatorClass
            | OperatorFamily
            | Collation
            | Conversion
            | TextSearchConfiguration
            | TextSearchDictionary
            | TextSearchParser
            | TextSearchTemplate
            | Transform
            | Class::Other,
            _,
        ) => Kind::Operator,
        (Relation, Relation) if c.to_detail == 'c' => Kind::Type,
        (Relation | Rule, Relation) => Kind::Rows,
        (_, Relation) if c.to_detail == 'S' => Kind::Sequence,
        (_, Relation | Routine) => Kind::Code,
        (_, Type) => Kind::Type,
        _ => Kind::Operator,
    }
}

fn is_inheritance(c: &Crossing) -> bool {
    c.from_kind == Class::Relation && c.to_class == Class::Relation && c.to_detail != 'c'
}

fn is_declared(scene: &Scene<'_>, c: &Crossing) -> bool {
    let facts = scene.facts;
    let object = match c.to_class {
        Class::Relation => facts.relation(c.to_oid).map(|at| Object::Relation(at as u32)),
        Class::Routine => facts.routine(c.to_oid).map(|at| Object::Routine(at as u32)),
        Class::Type => facts.type_(c.to_oid).map(|at| Object::Type(at as u32)),
        _ => None,
    };
    let consumer = scene.map.of_schema(c.from_schema);
    consumer.zip(object).is_some_and(|(consumer, object)| !scene.map.declared(consumer, object).is_empty())
}

/// Says how the one depends on the other.
fn how(c: &Crossing) -> String {
    let word = match (c.from_kind, c.from_detail) {
        (Class::Constraint, 'f') => "foreign key",
        (Class::Constraint, _) => "check",
        (Class::Default, 's' | 'v') => "generated column",
        (Class::Default, _) => "default",
        (Class::Rule, '1') => c.from_words.as_str(),
        (Class::Relation, 'i' | 'I') => "index",
        (Class::Relation, 'p') if c.to_class == Class::Routine => "partition key",
        (Class::Relation, _) if is_inheritance(c) => "inherits",
        (Class::Relation, _) if c.to_class == Class::Collation => "collation",
        (Class::Relation, _) if c.to_class == Class::Relation => "type",
        (_, _) if c.to_class == Class::Type && c.from_kind != Class::Cast => "type",
        (Class::Routine, _) => "body",
        _ => c.from_words.as_str(),
    };
    word.to_owned()
}

fn tell(scene: &Scene<'_>, out: &mut Sink<'_>, wanted: Kind) {
    for c in &scene.facts.crossings {
        if kind(scene, c) != Some(wanted) {
            continue;
        }
        match extension_of(scene, c) {
            Some(extension) => out.add(extension_draft(scene, c, extension)),
            None => out.add(crossing_draft(scene, c)),
        }
    }
}

/// Starts a finding of a schema's coupling: its owner is told, and the service of what it depends on.
pub(super) fn draft(
    scene: &Scene<'_>,
    from: SchemaId,
    from_label: &str,
    how: &str,
    to: &str,
    to_schema: Option<SchemaId>,
) -> Draft {
    let owner = scene.facts.schema_row(from).owner;
    let mut draft = Draft::new(scene, None, Object::Role(owner));
    draft.principal = Some(owner);
    draft.object = format!("{from_label} -> {to}");
    draft.path = Path::from(from_label).then(how, to);
    draft.service = to_schema.and_then(|schema| scene.map.of_schema(schema)).or(scene.map.of_schema(from));
    draft.declared = false;
    draft
}

/// Says whose a schema is: `billing`, or that it is no service's.
pub(super) fn whose(scene: &Scene<'_>, schema: Option<SchemaId>) -> String {
    let service = schema.and_then(|schema| scene.map.of_schema(schema));
    scene.service_name(service).map_or_else(|| "no service".to_owned(), |name| format!("service {name}"))
}

fn crossing_draft(scene: &Scene<'_>, c: &Crossing) -> Draft {
    let mut draft = draft(scene, c.from_schema, &c.from_label, &how(c), &c.to_label, c.to_schema);
    let key = scene.facts.foreign_keys.iter().find(|k| c.from_kind == Class::Constraint && k.oid == c.from_oid);
    let aside = match key {
        Some(key) if !key.enforced => ", not enforced",
        Some(key) if !key.validated => ", not validated",
        _ => "",
    };
    draft.message = format!(
        "{} {} ({}{aside}) needs {} {}, which belongs to {}",
        c.from_words,
        c.from_label,
        how(c),
        c.to_words,
        c.to_label,
        whose(scene, c.to_schema)
    );
    draft.fix = fix(scene, c);
    if is_inheritance(c) {
        draft.first = Some("its rows vanish from the parent");
    }
    draft
}

fn extension_draft(scene: &Scene<'_>, c: &Crossing, extension: &Ident) -> Draft {
    let name = shown(extension);
    let from = whose(scene, Some(c.from_schema)).trim_start_matches("service ").to_owned();
    let installed = scene.facts.extensions.iter().find(|installed| installed.name == *extension);
    let place = installed.and_then(|e| e.schema).map(|schema| shown(&scene.facts.schema_row(schema).name));
    let home = place.as_ref().map(|place| format!(" in {place}")).unwrap_or_default();
    let mut draft = draft(scene, c.from_schema, &from, "uses", &format!("extension {name}{home}"), c.to_schema);
    draft.path =
        Path::from(&c.from_label).then(how(c), &c.to_label).then("member of", format!("extension {name}{home}"));
    let owner = c.to_schema.filter(|schema| scene.map.of_schema(*schema).is_some());
    if owner.is_some() {
        draft.message =
            format!("{} uses extension {name}, which lives in the schema of {}", c.from_label, whose(scene, owner));
        draft.fix = format!("create schema if not exists extensions;\nalter extension {name} set schema extensions;");
        draft.first =
            Some("a search_path or text that names its schema must be changed; some extensions cannot be moved");
    } else {
        draft.message = format!("{from} uses extension {name}: where it moves, the extension must be there first");
        draft.fix = format!("-- write extensions: [{name}] in the manifest of {from}: a move then asks for it first");
        draft.takes = Takes::Manifest;
        draft.severity = Some(Severity::Info);
    }
    draft
}

/// Gives the SQL that ends a dependency, or a remark where a person must choose.
fn fix(scene: &Scene<'_>, c: &Crossing) -> String {
    let facts = scene.facts;
    let table = |oid: u32| facts.relation(oid).map(|at| facts.label(Object::Relation(at as u32)));
    if c.from_kind == Class::Constraint {
        let key = facts.foreign_keys.iter().find(|k| k.oid == c.from_oid).map(|k| (k.from, 0, &k.name));
        let check = facts.constraints.iter().find(|k| k.oid == c.from_oid).map(|k| (k.relation, k.domain, &k.name));
        if let Some((relation, domain, name)) = key.or(check) {
            let domain = facts.type_(domain).map(|at| format!("domain {}", facts.label(Object::Type(at as u32))));
            if let Some(of) = table(relation).map(|t| format!("table {t}")).or(domain) {
                return format!("alter {of} drop constraint {};", shown(name));
            }
        }
    }
    let column = table(c.from_oid)
        .filter(|_| c.from_class == Class::Relation)
        .and_then(|table| Some((c.from_label.strip_prefix(&table)?.strip_prefix('.')?.to_owned(), table)));
    match (c.from_kind, column) {
        (Class::Default, Some((column, table))) if c.from_detail.is_ascii_alphabetic() => {
            format!("alter table {table} alter column {column} drop expression;")
        }
        (Class::Default, Some((column, table))) => format!("alter table {table} alter column {column} drop default;"),
        (Class::Relation, Some((column, table))) if c.from_words == "table column" => {
            format!(
                "-- give column {column} of {table} a type of its own service, or a built-in one, instead of {}",
                c.to_label
            )
        }
        (Class::Relation, _) if is_inheritance(c) => {
            let partition = facts.relation(c.from_oid).is_some_and(|at| facts.relations[at].partition);
            match partition {
                true => format!("alter table {} detach partition {};", c.to_label, c.from_label),
                false => format!("alter table {} no inherit {};", c.from_label, c.to_label),
            }
        }
        (Class::Statistics, _) => match facts.relation(c.to_oid) {
            Some(at) => {
                let schema = shown(&facts.schema_row(facts.relations[at].schema).name);
                format!("alter statistics {} set schema {schema};", c.from_label)
            }
            None => format!("drop statistics {};", c.from_label),
        },
        (Class::Rule | Class::Trigger | Class::Policy | Class::Cast | Class::Operator, _) => {
            format!("drop {} {};", c.from_words, c.from_label)
        }
        (Class::Relation, _) if matches!(c.from_detail, 'i' | 'I') => format!("drop index {};", c.from_label),
        _ => format!("-- change {} {} so that it does without {}", c.from_words, c.from_label, c.to_label),
    }
}
