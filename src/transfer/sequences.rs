//! Where sequences stand, and which materialized views to refresh.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Error;
use super::facts::Facts;
use super::readers::Readers;
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::{Literal, NameLiteral, Qualified, Sql};

/// How many sequences one query reads.
const MAX_SEQUENCES: usize = 500;

/// Where the sequences stand.
#[derive(Debug, Default)]
pub struct Positions {
    /// A `setval` for each.
    pub sql: Sql,
    /// The same as facts.
    pub facts: Facts,
}

/// Reads where each sequence of the schema stands, as its reader; read after the rows, a sequence is never behind them.
///
/// LOCK TABLE refuses sequences, so each row says by its OID whether it is the sequence that was meant.
///
/// # Errors
/// Another relation has a sequence's name by now, or the server refused.
pub async fn positions(readers: &mut Readers) -> Result<Positions, Error> {
    let schema = readers.schema().clone();
    let mut positions = BTreeMap::new();
    for (session, sequences) in readers.sequences() {
        for sequences in sequences.chunks(MAX_SEQUENCES) {
            for (name, position) in read(session, &schema, sequences).await? {
                positions.insert(name, position);
            }
        }
    }
    let mut all = Positions::default();
    for (name, (last, called)) in positions {
        all.sql.push(&sql!("select pg_catalog.setval(", NameLiteral(&schema, &name), "::pg_catalog.regclass, ", last));
        all.sql.push_static(if called { ", true);\n" } else { ", false);\n" });
        let fact = if called { last.to_string() } else { format!("{last}, not used yet") };
        all.facts.insert(format!("position {}", name.as_str()), fact);
    }
    Ok(all)
}

/// Reads some of them; each gives its last value, and whether that has been drawn.
async fn read(
    session: &mut PgConnection,
    schema: &Ident,
    sequences: &[(u32, Ident)],
) -> Result<BTreeMap<Ident, (i64, bool)>, Error> {
    let selects = sequences.iter().map(|(_, name)| {
        sql!(
            "select ",
            Literal(name.as_str()),
            "::pg_catalog.text as name, last_value, is_called, tableoid::pg_catalog.int8 as oid from ",
            Qualified(schema, name)
        )
    });
    let query = sql!("select * from (", Union(selects), ") x");
    let mut found = BTreeMap::new();
    for row in exec::rows(session, "read the sequences", query.as_str()).await? {
        let name = Ident::from_server(row.get("name"));
        let oid: i64 = row.get("oid");
        if !sequences.iter().any(|(known, n)| *n == name && i64::from(*known) == oid) {
            return Err(Error::TablesChanging { schema: schema.as_str().to_owned() });
        }
        found.insert(name, (row.get("last_value"), row.get("is_called")));
    }
    if found.len() == sequences.len() {
        return Ok(found);
    }
    Err(Error::TablesChanging { schema: schema.as_str().to_owned() })
}

/// Says what becomes of a materialized view whose REFRESH the server refuses; the error follows.
#[must_use]
pub fn not_filled(refresh: &str) -> String {
    format!(
        "the view stays empty, since its query fails here: give the names in it and in its functions their schema, or the \
         functions a search_path, and run: {refresh}"
    )
}

/// Gives a REFRESH for each materialized view that is filled, in an order that works.
pub(super) async fn refreshes(connection: &mut PgConnection, schema: &Ident) -> Result<Sql, PgError> {
    let mut out = Sql::new();
    for name in names(connection, schema, include_str!("sql/matviews.sql")).await? {
        out.push(&sql!("refresh materialized view ", Qualified(schema, &name), ";\n"));
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
