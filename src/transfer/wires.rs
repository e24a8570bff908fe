//! What the columns of a schema are on the wire.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::encode::Wire;
use crate::ident::Ident;
use crate::pg::error::Error as PgError;

/// The columns of a schema's tables whose binary form is known.
#[derive(Debug, Default)]
pub struct Wires(HashMap<Ident, HashMap<Ident, Wire>>);

impl Wires {
    /// Gives the forms of some columns of a table, in their order; nothing if one of them is not known.
    #[must_use]
    pub fn of(&self, table: &Ident, columns: &[Ident]) -> Option<Vec<Wire>> {
        let known = self.0.get(table)?;
        let wires: Option<Vec<_>> = columns.iter().map(|column| known.get(column).copied()).collect();
        wires.filter(|wires| !wires.is_empty())
    }
}

/// Reads them.
///
/// # Errors
/// The server refused the query.
pub async fn read(connection: &mut PgConnection, schema: &Ident) -> Result<Wires, PgError> {
    let rows = sqlx::query(include_str!("sql/wires.sql")).bind(schema.as_str()).fetch_all(connection).await;
    let mut wires = Wires::default();
    for row in rows.map_err(|e| PgError::new("read the types of the schema's columns", &e))? {
        let name = |column| Ident::from_server(row.get(column));
        if let Some(wire) = Wire::of(row.get("type")) {
            wires.0.entry(name("table")).or_default().insert(name("column"), wire);
        }
    }
    Ok(wires)
}
