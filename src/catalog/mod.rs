//! PostgreSQL → [`State`](crate::model::state::State): a fixed number of set-based queries in one snapshot.

mod administrator;
mod default_privileges;
pub mod facts;
mod objects;
mod registry;
mod roles;
mod schemas;
mod snapshot;
pub mod survey;

pub use registry::splits;

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use crate::ident::Ident;
use crate::model::acl::AclError;
use crate::model::naming::{Naming, Slot};
use crate::model::state::{Observed, State};
use crate::pg::error::Error as PgError;

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// How roles are named, to find those of services that only the registry still knows.
    pub naming: Naming,
    /// The roles that the manifests name.
    pub roles: BTreeSet<Ident>,
    /// The services' schemas.
    pub schemas: BTreeSet<Ident>,
    /// The names of exposed views.
    pub views: BTreeSet<Ident>,
    /// The schemas of services that are only described.
    pub described: BTreeSet<Ident>,
}

/// Says why the catalog could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused a query, or the connection broke.
    #[error(transparent)]
    Server(#[from] PgError),
    /// An access list is of a form that this version does not know.
    #[error(transparent)]
    Acl(#[from] AclError),
    /// The server is older than what this version supports.
    #[error("the server is PostgreSQL {major}; 15 is the oldest that pgcleave supports")]
    TooOld {
        /// The server's major version.
        major: u32,
    },
    /// The registry is there, but this login cannot read it.
    #[error("{administrator} cannot read the registry, schema pgcleave: it belongs to the administrator {owner}")]
    ForeignRegistry {
        /// The connected login.
        administrator: String,
        /// Whose it is.
        owner: String,
    },
}

impl crate::error::Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Server(error) => error.code(),
            Self::Acl(_) => "unknown-access-list",
            Self::TooOld { .. } => "server-too-old",
            Self::ForeignRegistry { .. } => "foreign-registry",
        }
    }
}

/// Reads all that the scope names, in one `repeatable read, read only` transaction.
///
/// # Errors
/// The server refused a query, is too old, or keeps the registry from this login.
pub async fn observe(connection: &mut PgConnection, scope: &Scope) -> Result<Observed, Error> {
    snapshot::in_one(connection, async |connection| read(connection, scope).await).await
}

async fn read(connection: &mut PgConnection, scope: &Scope) -> Result<Observed, Error> {
    let server = administrator::read(connection).await?;
    let mut acls = objects::Acls::new(server.version / 10_000);
    let database = server.database(&mut acls)?;
    let trusted = crate::registry::verified(connection).await?;
    let registry::Known { services, credentials, verifiers, prefixes } =
        registry::read(connection, trusted.as_ref()).await?;
    let splits = registry::splits_of(connection, trusted.as_ref()).await?;

    let mut roles = scope.roles.clone();
    for split in splits.iter().filter(|split| split.has_left()) {
        let name = split.service.as_str();
        roles.extend([scope.naming.bridge(name), scope.naming.caller(name)].into_iter().flatten());
    }
    for (service, name) in credentials.keys() {
        let logins = Slot::BOTH.into_iter().filter_map(|slot| scope.naming.login(service.as_str(), name, slot).ok());
        roles.extend(logins);
    }
    for service in services.keys() {
        let name = service.as_str();
        roles.extend(
            [scope.naming.owner(name), scope.naming.writer(name), scope.naming.reader(name)].into_iter().flatten(),
        );
    }
    let role_names: Vec<String> = roles.iter().map(|r| r.as_str().to_owned()).collect();
    let mut schema_names: BTreeSet<Ident> = scope.schemas.clone();
    schema_names.extend(services.values().cloned());
    let schema_names: Vec<String> = schema_names.iter().map(|s| s.as_str().to_owned()).collect();

    let roles = roles::attributes(connection, &role_names).await?;
    let mut memberships = roles::memberships(connection, &role_names).await?;
    // roles belong to the server: who else is in the groups that all share is another database's affair
    let groups: Vec<Ident> =
        [scope.naming.connect_group(), scope.naming.temporary_group()].into_iter().flatten().collect();
    memberships.retain(|m, _| !groups.contains(&m.role) || roles.contains_key(&m.member));
    let settings = roles::settings(connection, &role_names).await?;
    let everywhere = roles::everywhere(connection, &role_names).await?;
    let (mut without_password, mut changed_passwords) = (BTreeSet::new(), BTreeSet::new());
    if server.reads_passwords() {
        without_password = roles::without_password(connection, &role_names).await?;
        let issued = verifiers.into_iter().filter_map(|((service, name), verifier)| {
            let active = credentials.get(&(service.clone(), name.clone()))?.active;
            Some((scope.naming.login(service.as_str(), &name, active).ok()?, verifier))
        });
        changed_passwords = roles::changed_passwords(connection, issued.collect()).await?;
    }
    let described: Vec<String> = scope.described.iter().map(|s| s.as_str().to_owned()).collect();
    let other_logins = roles::other_logins(connection, &role_names, &described).await?;
    let extensions = schemas::extensions(connection).await?;
    let untrusted = schemas::untrusted(connection).await?;
    let (mut schemas, grants_on) = schemas::schemas(connection, &schema_names, &mut acls).await?;
    objects::relations(connection, &schema_names, &mut acls, &mut schemas).await?;
    objects::columns(connection, &schema_names, &mut acls, &mut schemas).await?;
    objects::routines(connection, &schema_names, &mut acls, &mut schemas).await?;
    objects::types(connection, &schema_names, &mut acls, &mut schemas).await?;
    let default_privileges = default_privileges::read(connection, &role_names, &mut acls).await?;
    let services_schemas = schemas.iter().filter(|(name, _)| schema_names.iter().any(|s| s == name.as_str()));
    let owners = services_schemas.flat_map(|(_, schema)| schema.objects.values()).map(|object| &object.owner);
    let grantors = memberships.keys().map(|membership| &membership.grantor);
    let strangers = owners.chain(grantors).filter(|role| !roles.contains_key(*role)).collect();
    let out_of_reach = administrator::out_of_reach(connection, &strangers).await?;
    let view_calls = schemas::view_calls(connection, &schema_names, &scope.views).await?;

    let invokers = schemas::invokers(connection, &schema_names).await?;
    let foreign_arguments = objects::foreign_arguments(connection, &schema_names, &role_names).await?;

    Ok(Observed {
        state: State {
            database,
            roles,
            memberships,
            settings,
            extensions,
            schemas,
            default_privileges,
            services,
            credentials,
        },
        server_version: server.version,
        registry: server.registry,
        splits,
        administrator: server.administrator(grants_on, out_of_reach),
        other_logins,
        untrusted,
        view_calls,
        invokers,
        foreign_arguments,
        everywhere,
        without_password,
        changed_passwords,
        prefixes,
    })
}

/// Reads a column that is a name.
fn ident(row: &PgRow, column: &str) -> Ident {
    Ident::from_server(row.get::<&str, _>(column))
}
