//! What stands around a schema's definitions and rows, as SQL that leaves alone what is there already.

use sqlx::postgres::PgConnection;

use super::coupling::{Coupling, CouplingKind};
use super::facts::Facts;
use super::{roles, sequences};
use crate::ident::Ident;
use crate::pg::error::Error as PgError;

/// Scripts; before the definitions come the first two, after the rows the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// Creates the roles that own or may use what is in the schema.
    pub roles: String,
    /// Brings logins that are there already to the passwords and the state that they have here; after `roles`.
    pub logins: String,
    /// Creates the extensions that it needs.
    pub extensions: String,
    /// Sets each sequence where it stands.
    pub sequences: String,
    /// Gives memberships, settings and default privileges; grants on objects are beside their objects.
    pub grants: String,
    /// Refreshes the materialized views that are filled, in an order that works.
    pub refreshes: String,
    /// Lets whoever runs the scripts, if that is no superuser, act as the owners; after `roles`.
    pub act: String,
    /// Takes that back, after all else.
    pub leave: String,
    /// Where the sequences stand, as facts.
    pub positions: Facts,
}

/// Reads them, after the rows, so that no sequence is behind them.
///
/// With `verifiers` the logins of the service keep their SCRAM verifiers, which only a superuser can read.
///
/// # Errors
/// The server refused a query.
pub async fn read(
    connection: &mut PgConnection,
    schema: &Ident,
    service: &str,
    couplings: &[Coupling],
    verifiers: bool,
) -> Result<Surroundings, PgError> {
    let roles = roles::read(connection, schema, service, verifiers).await?;
    let needed = couplings.iter().filter(|c| c.kind == CouplingKind::Extension).map(|c| c.object.clone());
    let extensions = sequences::extensions(connection, &needed.collect::<Vec<_>>()).await?;
    let positions = sequences::positions(connection, schema).await?;
    let refreshes = sequences::refreshes(connection, schema).await?;
    Ok(Surroundings {
        roles: roles.create.as_str().to_owned(),
        logins: roles.renew.as_str().to_owned(),
        extensions: extensions.as_str().to_owned(),
        sequences: positions.sql.as_str().to_owned(),
        grants: roles.grant.as_str().to_owned(),
        refreshes: refreshes.as_str().to_owned(),
        act: roles.act.as_str().to_owned(),
        leave: roles.leave.as_str().to_owned(),
        positions: positions.facts,
    })
}
