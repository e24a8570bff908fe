//! The rows of materialized views, as a comparison reads them: an export does not carry them, since they are made again.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::chunk::{Chunk, Pages};
use super::control::Control;
use super::copy::RowSum;
use super::error::Error;
use super::readers::{Readers, Worker, holds};
use super::rows;
use super::table::{Column, Form, Table, TableName};
use crate::ident::Ident;
use crate::pg::error::Error as PgError;

/// A populated materialized view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaterializedView {
    /// What it has in common with a table.
    pub table: Table,
    /// Whether a login may read it; `table.reader` says which.
    pub readable: bool,
}

/// Reads the populated materialized views of a schema, by name; the readers were opened with them.
///
/// # Errors
/// The server refused the query.
pub async fn read(connection: &mut PgConnection, readers: &Readers) -> Result<Vec<MaterializedView>, PgError> {
    let oids: Vec<i64> = readers.views().map(|(oid, _, _)| i64::from(oid)).collect();
    let rows = sqlx::query(include_str!("sql/views.sql"))
        .bind(&oids)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read the materialized views", &e))?;
    let view = |row: &sqlx::postgres::PgRow| {
        let oid = u32::try_from(row.get::<i64, _>("oid")).ok()?;
        let (_, name, reader) = readers.views().find(|(known, _, _)| *known == oid)?;
        let (names, types): (Vec<String>, Vec<String>) = (row.get("columns"), row.get("types"));
        let column = |(name, base_type): (&String, String)| Column { name: Ident::from_server(name), base_type };
        let table = Table {
            oid,
            name: TableName { schema: readers.schema().clone(), name: name.clone() },
            partitioned: false,
            bytes: 0,
            pages: 0,
            toast_bytes: u64::try_from(row.get::<i64, _>("toast_bytes")).unwrap_or(0),
            columns: names.iter().zip(types).map(column).collect(),
            cast_by_user: Vec::new(),
            key: Vec::new(),
            binary: false,
            reader: reader.unwrap_or_default(),
        };
        let readable = reader.is_some() && !table.columns.is_empty();
        Some(MaterializedView { table, readable })
    };
    Ok(rows.iter().filter_map(view).collect())
}

/// Counts and hashes a view's rows, as its reader.
///
/// # Errors
/// Another relation has its name by now, somebody refreshes it for long, the server refused, or somebody asked to stop.
///
/// # Panics
/// Never: every row has a text form.
pub async fn sum(worker: &mut Worker, view: &Table, control: &Control) -> Result<RowSum, Error> {
    let session = worker.session(view).await?;
    // COPY takes no materialized view by name, but a query over its pages.
    let pages = Some(Pages { from: 0, to: None });
    let chunk = Chunk { table: 0, number: 0, pages, bytes: 0 };
    let tables = std::slice::from_ref(view);
    let poured = rows::pour(&mut *session, tables, &chunk, Form::Text, control, &mut ()).await?;
    if !holds(session, std::iter::once(view.oid)).await? {
        return Err(Error::TablesChanging { schema: view.name.schema.as_str().to_owned() });
    }
    Ok(poured.expect("every row has a text form").sum)
}
