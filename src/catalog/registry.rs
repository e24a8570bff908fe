//! What the registry knows of services and credentials.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::{Error, ident};
use crate::ident::Ident;
use crate::model::naming::Slot;
use crate::model::state::Issued;
use crate::pg::error::Error as PgError;

type Known = (BTreeMap<Ident, Ident>, BTreeMap<(Ident, String), Issued>);

pub(super) async fn read(connection: &mut PgConnection) -> Result<Known, Error> {
    let rows = sqlx::query(include_str!("sql/registry.sql"))
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read the registry", &e))?;
    let (mut services, mut credentials) = Known::default();
    for row in &rows {
        let service = ident(row, "service");
        services.insert(service.clone(), ident(row, "schema"));
        if let Some(name) = row.get::<Option<String>, _>("credential") {
            let active = if row.get::<&str, _>("active") == "a" { Slot::A } else { Slot::B };
            let steady = row.get::<&str, _>("phase") == "steady";
            credentials.insert((service, name), Issued { active, steady });
        }
    }
    Ok((services, credentials))
}
