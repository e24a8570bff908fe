//! The definitions and grants of a schema as sorted facts, so that two sides can be compared.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::ident::Ident;
use crate::pg::error::Error as PgError;

/// `kind object` → what the server says of it; several facts of one object are joined.
pub type Facts = BTreeMap<String, String>;

/// Reads them; the session's search path must be empty, as [`SessionKind`](crate::pg::session::SessionKind) leaves it.
///
/// # Errors
/// The server refused the query.
pub async fn read(connection: &mut PgConnection, schema: &Ident) -> Result<Facts, PgError> {
    let rows = sqlx::query(include_str!("sql/facts.sql"))
        .bind(schema.as_str())
        .fetch_all(&mut *connection)
        .await
        .map_err(|e| PgError::new("read the schema's definitions", &e))?;
    let mut facts = Facts::new();
    for row in rows {
        let key = format!("{} {}", row.get::<&str, _>("kind"), row.get::<&str, _>("object"));
        let fact = row.get::<Option<&str>, _>("fact").unwrap_or_default();
        facts.entry(key).and_modify(|known| *known = format!("{known}\n{fact}")).or_insert_with(|| fact.to_owned());
    }
    Ok(facts)
}
