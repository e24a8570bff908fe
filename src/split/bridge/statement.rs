//! The statements that make a bridge.

use std::collections::BTreeSet;

use super::contract::Crossing;
use super::shape::{Relation, Shapes, Side, Type};
use crate::ident::Ident;
use crate::model::extension_schema;
use crate::pg::connect::Target;
use crate::sql;
use crate::sql::{Comma, Literal, Qualified, Sql, TypeList};

/// How many rows a foreign table fetches at a time; the default of 100 costs a round trip for each.
const FETCH_ROWS: &str = "1000";

/// The names of one service's bridge.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// The role that owns what is kept; the foreign server and the schema of the foreign tables are called the same.
    pub(super) bridge: Ident,
    /// The login with which the other side comes.
    pub(super) caller: Ident,
    /// The group through which all have CONNECT.
    pub(super) group: Ident,
}

/// Runs statements as a role, which an administrator who is no superuser gives itself for their time only.
pub(super) fn acting_as(role: &Ident, side: &Side, statements: Vec<Sql>) -> Vec<Sql> {
    if statements.is_empty() {
        return statements;
    }
    let mut all = Vec::new();
    if !side.superuser {
        let options = if side.per_option { sql!(" with inherit false, set true") } else { Sql::new() };
        all.push(sql!("grant ", role, " to current_user", options));
    }
    all.push(sql!("set local role ", role));
    all.extend(statements);
    all.push(sql!("reset role"));
    if !side.superuser {
        all.push(sql!("revoke ", role, " from current_user"));
    }
    all
}

/// Lets the other side's login in, where the contracts are, and to nothing but them.
pub(super) fn admit(names: &Names, side: &Side, crossings: &[Crossing], shapes: &Shapes, verifier: &str) -> Vec<Sql> {
    let Names { caller, group, .. } = names;
    let mut all = Vec::new();
    if !side.roles.contains(caller.as_str()) {
        all.push(sql!("create role ", caller));
    }
    all.push(sql!("alter role ", caller, " login password ", Literal(verifier)));
    if side.roles.contains(group.as_str()) {
        let options = if side.per_option { sql!(" with admin false, inherit true, set false") } else { Sql::new() };
        all.push(sql!("grant ", group, " to ", caller, options));
    } else {
        let database = Ident::from_server(&side.database);
        all.push(sql!("grant connect on database ", database, " to ", caller));
    }
    let schemas: BTreeSet<&Ident> = crossings.iter().map(|c| &c.schema).collect();
    for schema in schemas {
        let Some(owner) = shapes.owners.get(schema.as_str()) else { continue };
        let grant = sql!("grant usage on schema ", schema, " to ", caller);
        all.extend(acting_as(&Ident::from_server(owner), side, vec![grant]));
    }
    for (crossing, relation) in crossings.iter().filter_map(|c| Some((c, shapes.of(c)?))) {
        let on = Qualified(&crossing.schema, &crossing.name);
        let grant = sql!("grant ", crossing.privileges, " on ", on, " to ", caller);
        all.extend(acting_as(&Ident::from_server(&relation.owner), side, vec![grant]));
    }
    all
}

/// Makes the owner, the foreign server and its schema, with a foreign table that tells whether the server answers.
pub(super) fn connect(names: &Names, side: &Side, there: &Target) -> Vec<Sql> {
    let bridge = &names.bridge;
    let mut all = Vec::new();
    if !side.roles.contains(bridge.as_str()) {
        all.push(sql!("create role ", bridge));
    }
    let hardened = vec![
        sql!("alter default privileges revoke execute on routines from public"),
        sql!("alter default privileges revoke usage on types from public"),
    ];
    all.extend(acting_as(bridge, side, hardened));
    // its functions are nobody's to call: they need no place on any search path
    let (wrapper, registry) = (Ident::from_server("postgres_fdw"), Ident::from_server("pgcleave"));
    all.extend(extension_schema::create(&wrapper, Some(&registry)));
    let (host, port) = (there.host(), there.port().to_string());
    let mut options = vec![("host", host), ("port", port), ("dbname", there.database().to_owned())];
    let environment = there.environment();
    let mode = environment.iter().find(|(name, _)| *name == "PGSSLMODE").map(|(_, mode)| mode);
    // a server's own certificates are not where ours are: it can be told to insist on TLS only
    let insists = mode.is_some_and(|mode| {
        use secrecy::ExposeSecret as _;
        !matches!(mode.expose_secret(), "disable" | "allow" | "prefer")
    });
    if insists {
        options.push(("sslmode", "require".to_owned()));
    }
    let list = |verb: &'static str| {
        let mut sql = Sql::new();
        for (i, (name, value)) in options.iter().enumerate() {
            sql.push_static(if i > 0 { ", " } else { "" });
            sql.push_static(verb);
            sql.push_static(name);
            sql.push(&sql!(" ", Literal(value)));
        }
        sql
    };
    if side.server {
        all.push(sql!("alter server ", bridge, " options (", list("set "), ")"));
    } else {
        let fixed = sql!("fetch_size ", Literal(FETCH_ROWS), ", use_remote_estimate 'true'");
        all.push(sql!(
            "create server ",
            bridge,
            " foreign data wrapper postgres_fdw options (",
            list(""),
            ", ",
            fixed,
            ")"
        ));
    }
    all.push(sql!("grant usage on foreign server ", bridge, " to ", bridge));
    if !side.schemas.contains_key(bridge.as_str()) {
        all.extend(with_membership(bridge, side, sql!("create schema ", bridge, " authorization ", bridge)));
        let reach = Ident::from_server("reach");
        let table = sql!(
            "create foreign table ",
            Qualified(bridge, &reach),
            " (relname name) server ",
            bridge,
            " options (schema_name 'pg_catalog', table_name 'pg_class')"
        );
        all.extend(acting_as(bridge, side, vec![table]));
    }
    all
}

/// Runs a statement as the administrator, while it is a member of a role.
fn with_membership(role: &Ident, side: &Side, statement: Sql) -> Vec<Sql> {
    let mut all = acting_as(role, side, vec![statement]);
    all.retain(|sql| !sql.as_str().starts_with("set local role") && sql.as_str() != "reset role");
    all
}

/// Makes what the consumers see: schema, types, foreign tables, views over them, and the consumers' grants.
///
/// A view runs with its owner's mapping, so that no consumer can use the mapping in any other way.
pub(super) fn keep(names: &Names, side: &Side, crossings: &[Crossing], shapes: &Shapes) -> Vec<Sql> {
    let bridge = &names.bridge;
    let mut all = Vec::new();
    let schemas: BTreeSet<&Ident> = crossings.iter().map(|c| &c.schema).collect();
    for schema in schemas.iter().filter(|schema| !side.schemas.contains_key(schema.as_str())) {
        all.extend(with_membership(bridge, side, sql!("create schema ", schema, " authorization ", bridge)));
    }
    let mut made = Vec::new();
    for own in &shapes.types {
        let is_needed = schemas.iter().any(|schema| schema.as_str() == own.schema);
        if is_needed && !side.types.contains(&format!("{}.{}", own.schema, own.name)) {
            made.extend(create_type(own));
            let (schema, name) = (Ident::from_server(&own.schema), Ident::from_server(&own.name));
            made.push(sql!("revoke all on type ", Qualified(&schema, &name), " from public"));
        }
    }
    for (crossing, relation) in crossings.iter().filter_map(|c| Some((c, shapes.of(c)?))) {
        if !side.relations.contains(&format!("{}.{}", relation.schema, relation.name)) {
            made.extend(create_relation(names, relation));
        }
        for reader in crossing.readers.iter().filter(|reader| side.roles.contains(reader.as_str())) {
            let on = Qualified(&crossing.schema, &crossing.name);
            made.push(sql!("grant usage on schema ", crossing.schema, " to ", reader));
            made.push(sql!("grant ", crossing.privileges, " on ", on, " to ", reader));
        }
    }
    all.extend(acting_as(bridge, side, made));
    all
}

fn create_type(own: &Type) -> Option<Sql> {
    let (schema, name) = (Ident::from_server(&own.schema), Ident::from_server(&own.name));
    let full = Qualified(&schema, &name);
    match (own.kind, &own.base) {
        ('e', _) => Some(sql!("create type ", full, " as enum (", Comma(own.labels.iter().map(|l| Literal(l))), ")")),
        // the other side checks what is written
        ('d', Some(base)) => Some(sql!("create domain ", full, " as ", typed(base))),
        _ => None,
    }
}

/// Writes a type as the server prints it: `numeric(10,2)`, `"S".status[]`.
fn typed(text: &str) -> Sql {
    let mut out = Sql::new();
    for (i, part) in text.split(['(', ')']).enumerate() {
        // outside quotes only a modifier has parentheses, and at most one
        out.push_static(if i == 0 {
            ""
        } else if i % 2 == 1 {
            "("
        } else {
            ")"
        });
        out.push(&TypeList(part));
    }
    out
}

fn create_relation(names: &Names, relation: &Relation) -> [Sql; 2] {
    let bridge = &names.bridge;
    let (schema, name) = (Ident::from_server(&relation.schema), Ident::from_server(&relation.name));
    let foreign = foreign_table(relation);
    let columns: Vec<_> = relation.columns.iter().map(|column| Ident::from_server(&column.name)).collect();
    let list = columns.iter().zip(&relation.columns).map(|(name, column)| sql!(name, " ", typed(&column.type_name)));
    let list: Vec<_> = list.collect();
    let table = sql!(
        "create foreign table ",
        Qualified(bridge, &foreign),
        " (",
        Comma(&list),
        ") server ",
        bridge,
        " options (schema_name ",
        Literal(&relation.schema),
        ", table_name ",
        Literal(&relation.name),
        ")"
    );
    let view = sql!(
        "create view ",
        Qualified(&schema, &name),
        " as select ",
        Comma(&columns),
        " from ",
        Qualified(bridge, &foreign)
    );
    [table, view]
}

/// Names the foreign table behind a view.
pub(super) fn foreign_table(relation: &Relation) -> Ident {
    Ident::from_server(&format!("{}.{}", relation.schema, relation.name))
}
