//! What stands around a schema's definitions and rows, as SQL that leaves alone what is there already.

use sqlx::postgres::PgConnection;

use super::coupling::{Coupling, CouplingKind};
use super::{extension, roles, sequences};
use crate::ident::Ident;
use crate::pg::error::Error as PgError;

/// Scripts; before the definitions come the first two, after the rows the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// Creates the roles that own or may use what is in the schema.
    pub roles: String,
    /// Brings logins that are there already to the passwords and the state that they have here; after `roles`.
    pub logins: String,
    /// Creates the empty schema and the extensions that it needs.
    pub extensions: String,
    /// Gives memberships, settings and default privileges; grants on objects are beside their objects.
    pub grants: String,
    /// Refreshes the materialized views that are filled, in an order that works.
    pub refreshes: String,
    /// Lets whoever runs the scripts, if that is no superuser, act as the owners; after `roles`.
    pub act: String,
    /// Takes that back, after all else.
    pub leave: String,
    /// Who owns the schema.
    pub owner: Option<Ident>,
    /// Who owns something in it.
    pub owners: Vec<Ident>,
    /// The roles that `roles` creates where they are missing.
    pub role_names: Vec<Ident>,
    /// The extensions that `extensions` creates where they are missing.
    pub extension_names: Vec<Ident>,
}

/// Reads them from the catalog.
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
    let needed = extension::read(connection, &needed.collect::<Vec<_>>()).await?;
    let owner = extension::owner(connection, schema).await?;
    let extensions = extension::script(schema, owner.as_ref(), &needed);
    let refreshes = sequences::refreshes(connection, schema).await?;
    Ok(Surroundings {
        roles: roles.create.as_str().to_owned(),
        logins: roles.renew.as_str().to_owned(),
        extensions: extensions.as_str().to_owned(),
        grants: roles.grant.as_str().to_owned(),
        refreshes: refreshes.as_str().to_owned(),
        act: roles.act.as_str().to_owned(),
        leave: roles.leave.as_str().to_owned(),
        owner,
        owners: roles.owners,
        role_names: roles.names,
        extension_names: needed.iter().map(|extension| extension.name.clone()).collect(),
    })
}
