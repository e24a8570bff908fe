//! What holds schemas to each other, as far as the server can tell, and what to keep out of catalogs.

use super::Error;
use super::reader::{Query, Reader, schema, schema_by_oid};
use crate::audit::facts::coupling::{Crossing, HiddenText, LargeObjects, RegColumn, Secret, TablespaceUse};
use crate::audit::facts::dependency::Class;

const CROSSINGS: Query =
    Query { about: "dependencies between schemas", needs: &["pg_depend"], sql: include_str!("sql/crossings.sql") };
const HIDDEN_TEXTS: Query = Query {
    about: "expressions that look names up at run time",
    needs: &["pg_constraint", "pg_rewrite", "pg_type", "pg_proc", "pg_trigger"],
    sql: include_str!("sql/hidden_texts.sql"),
};
const REG_COLUMNS: Query =
    Query { about: "columns of OIDs", needs: &["pg_attribute", "pg_type"], sql: include_str!("sql/reg_columns.sql") };
const TABLESPACE_USES: Query =
    Query { about: "uses of tablespaces", needs: &["pg_tablespace"], sql: include_str!("sql/tablespace_uses.sql") };
const LARGE_OBJECTS: Query = Query {
    about: "owners of large objects",
    needs: &["pg_largeobject_metadata"],
    sql: include_str!("sql/large_object_owners.sql"),
};
const SECRETS: Query = Query {
    about: "secrets in readable catalogs",
    needs: &[
        "pg_db_role_setting",
        "pg_settings",
        "pg_proc",
        "pg_description",
        "pg_shdescription",
        "pg_seclabels",
        "pg_foreign_server",
    ],
    sql: include_str!("sql/secrets.sql"),
};

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader
        .each(&CROSSINGS, |facts, row| {
            let Some(from_schema) = schema_by_oid(facts, row.oid("from_schema")) else { return Ok(()) };
            facts.crossings.push(Crossing {
                from_kind: Class::from_oid(row.oid("from_kind")),
                from_detail: row.letter("from_detail"),
                from_schema,
                from_class: Class::from_oid(row.oid("from_class")),
                from_oid: row.oid("from_oid"),
                from_words: row.text("from_words").to_owned(),
                from_label: row.text("from_label").to_owned(),
                to_class: Class::from_oid(row.oid("to_class")),
                to_oid: row.oid("to_oid"),
                to_detail: row.letter("to_detail"),
                to_schema: schema_by_oid(facts, row.oid("to_schema")),
                to_words: row.text("to_words").to_owned(),
                to_label: row.text("to_label").to_owned(),
                extension: row.maybe_text("extension").map(crate::ident::Ident::from_server),
            });
            Ok(())
        })
        .await?;
    reader
        .each(&HIDDEN_TEXTS, |facts, row| {
            let Some(schema) = schema(facts, row) else { return Ok(()) };
            facts.hidden_texts.push(HiddenText {
                schema,
                kind: row.text("kind").to_owned(),
                label: row.text("label").to_owned(),
                expression: row.text("expression").to_owned(),
            });
            Ok(())
        })
        .await?;
    reader
        .each(&REG_COLUMNS, |facts, row| {
            let (relation, column, type_name) = (row.oid("relation"), row.name("column"), row.text("type").to_owned());
            facts.reg_columns.push(RegColumn { relation, column, type_name });
            Ok(())
        })
        .await?;
    reader
        .each(&TABLESPACE_USES, |facts, row| {
            let Some(schema) = schema(facts, row) else { return Ok(()) };
            let (name, example, count) = (row.name("name"), row.text("example").to_owned(), row.number("count"));
            facts.tablespace_uses.push(TablespaceUse { schema, name, example, count });
            Ok(())
        })
        .await?;
    reader
        .each(&LARGE_OBJECTS, |facts, row| {
            let owner = facts.roles.by_oid(row.oid("owner"));
            facts.large_object_owners.push(LargeObjects {
                owner,
                example: row.oid("example"),
                count: row.number("count"),
            });
            Ok(())
        })
        .await?;
    reader
        .each(&SECRETS, |facts, row| {
            let role = row.maybe_oid("role").map(|oid| facts.roles.by_oid(oid));
            facts.secrets.push(Secret {
                place: row.text("place").to_owned(),
                label: row.text("label").to_owned(),
                schema: schema(facts, row),
                role,
                pattern: row.text("pattern").to_owned(),
            });
            Ok(())
        })
        .await
}
