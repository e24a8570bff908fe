//! Where sequences stand, and which materialized views to refresh.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::facts::Facts;
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::{Literal, Qualified, Sql};

/// How many sequences one query reads.
const MAX_SEQUENCES: usize = 500;

/// Where the sequences stand.
#[derive(Debug, Default)]
pub(super) struct Positions {
    /// A `setval` for each.
    pub(super) sql: Sql,
    /// The same as facts.
    pub(super) facts: Facts,
}

/// Reads where each sequence of the schema stands; read after the rows, a sequence is never behind them.
pub(super) async fn positions(connection: &mut PgConnection, schema: &Ident) -> Result<Positions, PgError> {
    let names = names(connection, schema, include_str!("sql/sequences.sql")).await?;
    let mut positions = Positions::default();
    for names in names.chunks(MAX_SEQUENCES) {
        let selects = names.iter().map(|name| {
            sql!(
                "select ",
                Literal(name.as_str()),
                "::pg_catalog.text as name, last_value, is_called from ",
                Qualified(schema, name)
            )
        });
        let query = sql!("select * from (", Union(selects), ") x order by 1");
        for row in exec::rows(connection, "read the sequences", query.as_str()).await? {
            let name = Ident::from_server(row.get("name"));
            let full = sql!(Qualified(schema, &name));
            let (last, called): (i64, bool) = (row.get("last_value"), row.get("is_called"));
            let out = &mut positions.sql;
            out.push(&sql!("select pg_catalog.setval(", Literal(full.as_str()), "::pg_catalog.regclass, ", last));
            out.push_static(if called { ", true);\n" } else { ", false);\n" });
            let fact = if called { last.to_string() } else { format!("{last}, not used yet") };
            positions.facts.insert(format!("position {}", name.as_str()), fact);
        }
    }
    Ok(positions)
}

/// Gives a REFRESH for each materialized view that is filled, in an order that works.
pub(super) async fn refreshes(connection: &mut PgConnection, schema: &Ident) -> Result<Sql, PgError> {
    let mut out = Sql::new();
    for name in names(connection, schema, include_str!("sql/matviews.sql")).await? {
        out.push(&sql!("refresh materialized view ", Qualified(schema, &name), ";\n"));
    }
    Ok(out)
}

/// Gives a CREATE EXTENSION for each extension that the schema needs, in the schema where it is here.
pub(super) async fn extensions(connection: &mut PgConnection, needed: &[String]) -> Result<Sql, PgError> {
    let rows = sqlx::query(
        "select e.extname::pg_catalog.text as name, n.nspname::pg_catalog.text as schema \
         from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace \
         where e.extname = any ($1) and e.extname <> 'plpgsql' order by e.oid",
    )
    .bind(needed)
    .fetch_all(connection)
    .await
    .map_err(|e| PgError::new("read the extensions", &e))?;
    let mut out = Sql::new();
    for row in rows {
        let (name, schema) = (Ident::from_server(row.get("name")), Ident::from_server(row.get("schema")));
        if schema.as_str() == "pg_catalog" {
            out.push(&sql!("create extension if not exists ", name, ";\n"));
        } else {
            out.push(&sql!("create schema if not exists ", schema, ";\n"));
            out.push(&sql!("create extension if not exists ", name, " with schema ", schema, ";\n"));
        }
    }
    Ok(out)
}

async fn names(connection: &mut PgConnection, schema: &Ident, query: &'static str) -> Result<Vec<Ident>, PgError> {
    let names: Vec<String> = sqlx::query_scalar(query)
        .bind(schema.as_str())
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read the schema's relations", &e))?;
    Ok(names.iter().map(|name| Ident::from_server(name)).collect())
}

/// Queries with UNION ALL between them.
struct Union<I>(I);

impl<I: Iterator<Item = Sql> + Clone> crate::sql::Piece for Union<I> {
    fn write(&self, out: &mut Sql) {
        for (i, query) in self.0.clone().enumerate() {
            if i > 0 {
                out.push_static(" union all ");
            }
            out.push(&query);
        }
    }
}
