//! What is in schemas: relations, columns, routines, types and the rest.

use super::Error;
use super::reader::{Columns, Query, Reader, owned, schema};
use crate::audit::facts::dependency::Class;
use crate::audit::facts::object::StandaloneObject;
use crate::audit::facts::relation::{CheckOption, Column, Relation, RelationKind};
use crate::audit::facts::routine::{Cast, Language, Routine, Type};
use crate::audit::facts::{Facts, Schema};
use crate::model::acl::AclKind;

const SCHEMAS: Query = Query { about: "schemas", needs: &["pg_namespace"], sql: include_str!("sql/schemas.sql") };
const RELATIONS: Query = Query { about: "relations", needs: &["pg_class"], sql: include_str!("sql/relations.sql") };
const COLUMNS: Query =
    Query { about: "columns' access lists", needs: &["pg_attribute"], sql: include_str!("sql/columns.sql") };
const ROUTINES: Query =
    Query { about: "routines", needs: &["pg_proc", "pg_language"], sql: include_str!("sql/routines.sql") };
const TYPES: Query = Query { about: "types", needs: &["pg_type"], sql: include_str!("sql/types.sql") };
const STANDALONE: Query = Query {
    about: "owners of statistics, operators, collations and text search objects",
    needs: &["pg_statistic_ext", "pg_operator", "pg_opclass", "pg_opfamily", "pg_collation", "pg_conversion"],
    sql: include_str!("sql/standalone.sql"),
};
const LANGUAGES: Query = Query { about: "languages", needs: &["pg_language"], sql: include_str!("sql/languages.sql") };
const CASTS: Query = Query { about: "casts", needs: &["pg_cast"], sql: include_str!("sql/casts.sql") };

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader
        .each(&SCHEMAS, |facts, row| {
            let (owner, acl) = owned(facts, row, AclKind::Schema)?;
            facts.schemas.push(Schema { oid: row.oid("oid"), name: row.name("name"), owner, acl });
            Ok(())
        })
        .await?;
    reader.each(&RELATIONS, relation).await?;
    reader
        .each(&COLUMNS, |facts, row| {
            let (_, acl) = owned(facts, row, AclKind::Column)?;
            let (relation, number, name) = (row.oid("relation"), row.small("number"), row.name("name"));
            facts.columns.push(Column { relation, number, name, acl });
            Ok(())
        })
        .await?;
    reader.each(&ROUTINES, routine).await?;
    reader.each(&TYPES, type_).await?;
    reader
        .each(&STANDALONE, |facts, row| {
            let owner = facts.roles.by_oid(row.oid("owner"));
            let Some(schema) = schema(facts, row) else { return Ok(()) };
            facts.standalone.push(StandaloneObject {
                class: Class::from_oid(row.oid("class")),
                oid: row.oid("oid"),
                schema,
                name: row.name("name"),
                owner,
                relation: row.oid("relation"),
                signature: row.text("signature").into(),
            });
            Ok(())
        })
        .await?;
    reader
        .each(&LANGUAGES, |facts, row| {
            let (owner, acl) = owned(facts, row, AclKind::Language)?;
            let trusted = row.flag("trusted");
            facts.languages.push(Language { oid: row.oid("oid"), name: row.name("name"), owner, acl, trusted });
            Ok(())
        })
        .await?;
    reader
        .each(&CASTS, |facts, row| {
            facts.casts.push(Cast {
                oid: row.oid("oid"),
                source: row.oid("source"),
                target: row.oid("target"),
                function: row.oid("function"),
                label: row.text("label").to_owned(),
            });
            Ok(())
        })
        .await
}

fn relation(facts: &mut Facts, row: Columns<'_>) -> Result<(), Error> {
    let (Some(kind), Some(schema)) = (RelationKind::from_letter(row.text("kind")), schema(facts, row)) else {
        return Ok(());
    };
    let acl_kind = if kind == RelationKind::Sequence { AclKind::Sequence } else { AclKind::Relation };
    let (owner, acl) = owned(facts, row, acl_kind)?;
    let options = row.texts("options");
    let is_on = |name: &str| {
        let value = options.iter().find_map(|line| line.split_once('=').filter(|(key, _)| *key == name));
        // any unambiguous beginning of the word will do
        let is_true =
            |v: &str| v == "1" || v == "on" || (!v.is_empty() && ("true".starts_with(v) || "yes".starts_with(v)));
        value.is_some_and(|(_, value)| is_true(&value.to_ascii_lowercase()))
    };
    let check_option = options.iter().find_map(|line| line.strip_prefix("check_option="));
    facts.relations.push(Relation {
        oid: row.oid("oid"),
        schema,
        name: row.name("name"),
        owner,
        kind,
        acl,
        security_invoker: is_on("security_invoker"),
        security_barrier: is_on("security_barrier"),
        check_option: check_option.map(|option| match option.eq_ignore_ascii_case("local") {
            true => CheckOption::Local,
            false => CheckOption::Cascaded,
        }),
        updatable: u8::try_from(row.number("updatable")).unwrap_or(0),
        row_security: row.flag("row_security"),
        force_row_security: row.flag("force_row_security"),
        populated: row.flag("populated"),
        partition: row.flag("partition"),
        of_column: row.flag("of_column"),
        tablespace: row.oid("tablespace"),
    });
    Ok(())
}

fn routine(facts: &mut Facts, row: Columns<'_>) -> Result<(), Error> {
    let Some(schema) = schema(facts, row) else { return Ok(()) };
    let (owner, acl) = owned(facts, row, AclKind::Routine)?;
    facts.routines.push(Routine {
        oid: row.oid("oid"),
        schema,
        name: row.name("name"),
        arguments: row.text("arguments").into(),
        owner,
        acl,
        kind: row.letter("kind"),
        security_definer: row.flag("security_definer"),
        volatility: row.letter("volatility"),
        language: row.name("language"),
        config: row.texts("config"),
        trigger: row.flag("trigger"),
        body: row.maybe_text("body").map(Into::into),
        atomic: row.flag("atomic"),
    });
    Ok(())
}

fn type_(facts: &mut Facts, row: Columns<'_>) -> Result<(), Error> {
    let Some(schema) = schema(facts, row) else { return Ok(()) };
    let (owner, acl) = owned(facts, row, AclKind::Type)?;
    facts.types.push(Type {
        oid: row.oid("oid"),
        schema,
        name: row.name("name"),
        owner,
        acl,
        kind: row.letter("kind"),
        element: row.oid("element"),
        relation: row.oid("relation"),
        composite: row.oid("composite"),
    });
    Ok(())
}
