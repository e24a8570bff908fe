//! The tables of a schema, as a copy needs to know them.

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::sql;
use crate::sql::{Comma, Qualified, Sql};

/// A table that holds rows of its own, or a partitioned one that holds none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: TableName,
    /// Whether its rows are in partitions, which are tables of their own.
    pub partitioned: bool,
    /// What it takes on disk with its TOAST table, in bytes.
    pub bytes: u64,
    /// The pages of its own file, at the time of asking.
    pub pages: u64,
    /// What its TOAST table takes on disk, in bytes.
    pub toast_bytes: u64,
    /// Its columns but for generated ones, in order.
    pub columns: Vec<Column>,
    /// The columns of whose types users have made casts to JSON: they are written as text, as all that has no form of its own.
    pub cast_by_user: Vec<Ident>,
    /// The columns that identify a row: the primary key or another unique one without nulls; empty if there is none.
    pub key: Vec<Ident>,
    /// Whether all its values are the same in binary on every server of the same major.
    pub binary: bool,
    /// Who reads it, as a place in the list of [`Readers`](super::readers::Readers).
    pub reader: usize,
}

/// A column that is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type's name if it is one of PostgreSQL's own base types (`int8`); empty for all others.
    pub base_type: String,
}

/// A table's full name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// Its schema.
    pub schema: Ident,
    /// Its own name.
    pub name: Ident,
}

impl TableName {
    /// Gives `schema.table`, for people.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}.{}", self.schema.as_str(), self.name.as_str())
    }

    /// Gives the quoted name, for SQL.
    #[must_use]
    pub fn sql(&self) -> Sql {
        sql!(Qualified(&self.schema, &self.name))
    }
}

impl Table {
    /// Gives the columns as JSON is made of them.
    #[must_use]
    pub fn json_columns(&self) -> Sql {
        let column = |column: &Column| -> Sql {
            let name = &column.name;
            if self.cast_by_user.contains(name) { sql!(text(name), " as ", name) } else { sql!(name) }
        };
        sql!(Comma(self.columns.iter().map(column)))
    }

    /// Gives the statement that loads its rows in the given form.
    #[must_use]
    pub fn copy_in(&self, form: Form) -> Sql {
        let columns: Vec<_> = self.columns.iter().map(|c| c.name.clone()).collect();
        copy_in(&self.name, &columns, form)
    }
}

/// Gives the term for a value's text as its type writes it.
///
/// Not by a cast, which a user may have made; nor by IS NULL, which is true of a row of nulls.
pub(super) fn text(column: &Ident) -> Sql {
    sql!("case when pg_catalog.num_nulls(", column, ") = 0 then pg_catalog.concat(", column, ") end")
}

/// Gives the statement that loads rows; without columns it names none, since `()` is not SQL.
#[must_use]
pub fn copy_in(table: &TableName, columns: &[Ident], form: Form) -> Sql {
    let mut statement = sql!("copy ", table.sql());
    if !columns.is_empty() {
        statement.push(&sql!(" (", Comma(columns), ")"));
    }
    statement.push_static(" from stdin");
    statement.push_static(form.options());
    statement
}

/// How rows are written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// PostgreSQL's text form, one line a row.
    Text,
    /// PostgreSQL's binary form.
    Binary,
    /// Comma-separated values under a header; nulls are empty, texts always quoted.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Form {
    pub(super) fn options(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::Binary => " with (format binary)",
            Self::Csv => " with (format csv, header true, force_quote *)",
            // No JSON text holds these control characters, so that nothing is ever quoted.
            Self::Jsonl => r" with (format csv, delimiter E'\x02', quote E'\x01', escape E'\x01')",
        }
    }
}

/// Reads the names of a schema's tables, in the order of [`read`]; no lock keeps it waiting.
///
/// # Errors
/// The server refused the query.
pub async fn names(connection: &mut PgConnection, schema: &Ident) -> Result<Vec<Ident>, PgError> {
    let names: Vec<String> = sqlx::query_scalar(
        "select c.relname::pg_catalog.text from pg_catalog.pg_class c \
         where c.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1) and c.relkind in ('r', 'p') \
           and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             and d.objid = c.oid and d.deptype = 'e') \
         order by c.relname",
    )
    .bind(schema.as_str())
    .fetch_all(connection)
    .await
    .map_err(|e| PgError::new("read the names of the schema's tables", &e))?;
    Ok(names.iter().map(|name| Ident::from_server(name)).collect())
}

/// Reads the tables of a schema, by name.
///
/// # Errors
/// The server refused the query.
pub async fn read(connection: &mut PgConnection, schema: &Ident) -> Result<Vec<Table>, PgError> {
    let mut rows = sqlx::query(include_str!("sql/tables.sql")).bind(schema.as_str()).fetch(connection);
    let mut tables = Vec::new();
    while let Some(row) = rows.try_next().await.map_err(|e| PgError::new("read the schema's tables", &e))? {
        let names =
            |column| row.get::<Vec<String>, _>(column).iter().map(|n| Ident::from_server(n)).collect::<Vec<_>>();
        let types: Vec<String> = row.get("types");
        let columns = names("columns").into_iter().zip(types);
        tables.push(Table {
            oid: u32::try_from(row.get::<i64, _>("oid")).unwrap_or(0),
            name: TableName { schema: schema.clone(), name: Ident::from_server(row.get("name")) },
            partitioned: row.get("partitioned"),
            bytes: u64::try_from(row.get::<i64, _>("bytes")).unwrap_or(0),
            pages: u64::try_from(row.get::<i64, _>("pages")).unwrap_or(0),
            toast_bytes: u64::try_from(row.get::<i64, _>("toast_bytes")).unwrap_or(0),
            columns: columns.map(|(name, base_type)| Column { name, base_type }).collect(),
            cast_by_user: names("cast_by_user"),
            key: names("key"),
            binary: !row.get::<bool, _>("textual"),
            reader: 0,
        });
    }
    Ok(tables)
}
