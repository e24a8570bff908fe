//! What the server says of the place that a service's migrations run in, before any of them does.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Error;
use crate::ident::Ident;
use crate::manifest::service::Service;
use crate::model::naming::Naming;
use crate::pg::error::Error as PgError;

/// One service's schema, and who migrates it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) schema: Ident,
    pub(super) owner: Ident,
    /// The role that must not write the history; nothing while there is none.
    pub(super) writer: Option<Ident>,
    /// The schema, then those of the service's extensions.
    pub(super) search_path: Vec<Ident>,
}

impl Place {
    /// Asks for it.
    ///
    /// # Errors
    /// The owner role or its schema is not there yet, or the server could not be asked.
    pub(super) async fn read(connection: &mut PgConnection, naming: &Naming, service: &Service) -> Result<Self, Error> {
        let (owner, writer) = (naming.owner(service.name.as_str())?, naming.writer(service.name.as_str())?);
        let extensions: Vec<&str> = service.extensions.iter().map(Ident::as_str).collect();
        let row = sqlx::query(include_str!("sql/place.sql"))
            .bind(service.schema.as_str())
            .bind(owner.as_str())
            .bind(writer.as_str())
            .bind(extensions)
            .fetch_one(connection)
            .await
            .map_err(|e| PgError::new("look at the service's schema", &e))?;
        let there = |column: &str| row.get::<bool, _>(column);
        let missing = |missing: String| Err(Error::NotProvisioned { missing });
        if !there("owner_exists") {
            return missing(format!("the role {}", owner.as_str()));
        }
        if !there("owns_schema") {
            return missing(format!("the schema {} of {}", service.schema.as_str(), owner.as_str()));
        }
        let mut search_path = vec![service.schema.clone()];
        for home in row.get::<Vec<String>, _>("extension_schemas") {
            let home = Ident::from_server(&home);
            if !search_path.contains(&home) {
                search_path.push(home);
            }
        }
        Ok(Self {
            schema: service.schema.clone(),
            owner,
            writer: there("writer_exists").then_some(writer),
            search_path,
        })
    }
}
