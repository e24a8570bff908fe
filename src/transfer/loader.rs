//! Who runs definitions and takes rows: a login that is the schema's owners and nothing else.
//!
//! Definitions run code of whoever wrote them, with no row present: a generated column, a partition's bound, a check that is
//! added. The administrator's session runs none of it.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::error::Error;
use crate::ident::Ident;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::session::{self, SessionKind};
use crate::temporary_login::{self, Server, TemporaryLogin, Wanted};

/// How many sessions more than workers it may have: one for definitions, one to spare for a lost connection.
const MORE_SESSIONS: usize = 3;

/// Whose definitions and rows are loaded.
#[derive(Debug, Clone, Copy)]
pub struct Owners<'a> {
    /// The schema.
    pub schema: &'a Ident,
    /// The schema's owner.
    pub owner: Option<&'a Ident>,
    /// Everybody who owns something in it, the schema's owner among them.
    pub all: &'a [Ident],
    /// Whether superusers may be among them: their definitions run in the administrator's session then.
    pub superusers: bool,
    /// How many workers load.
    pub jobs: usize,
}

/// Where and as whom definitions and rows are loaded.
#[derive(Debug, Clone)]
pub struct Loader {
    target: Target,
    /// The role that sessions become; without one they stay the login, which has all owners' rights.
    owner: Option<Ident>,
    search_path: Vec<Ident>,
    /// The login that is dropped at the end.
    login: Option<(TemporaryLogin, Server)>,
}

impl Loader {
    /// Makes the login.
    ///
    /// A login that is no administrator loads as itself: it has no rights that the definitions could take.
    ///
    /// # Errors
    /// A superuser is among the owners and must not be, or the server refused the login.
    pub async fn start(admin: &mut PgConnection, target: &Target, owners: &Owners<'_>) -> Result<Self, Error> {
        let mut search_path = vec![owners.schema.clone()];
        search_path.extend(extension_schemas(admin, owners.schema).await?);
        let own = |owner| Self { target: target.clone(), owner, search_path: search_path.clone(), login: None };
        let found = Found::read(admin, owners).await?;
        found.permitted(owners)?;
        let only = match owners.all {
            [only] => Some(only.clone()),
            _ => None,
        };
        if !found.superusers.is_empty() {
            return Ok(own(None));
        }
        if !found.administrator {
            return Ok(own(only));
        }
        let server = Server::read(admin).await?;
        let wanted = Wanted {
            prefix: "",
            member_of: owners.all,
            connection_limit: i64::try_from(owners.jobs + MORE_SESSIONS).unwrap_or(i64::MAX),
            ..Wanted::default()
        };
        let kind = SessionKind::Loading { owner: only.as_ref(), search_path: &search_path };
        let (login, _) = temporary_login::create(admin, &server, &wanted, target, kind, "pgcleave import").await?;
        Ok(Self { target: login.target(target), owner: only, search_path, login: Some((login, server)) })
    }

    /// Gives the login that must be let in where a privilege is needed; nothing where it is the administrator's own.
    #[must_use]
    pub fn login(&self) -> Option<&Ident> {
        self.login.as_ref().map(|(login, _)| &login.name)
    }

    /// Connects.
    ///
    /// # Errors
    /// The server could not be reached, or turned the login away.
    pub async fn connect(&self, application: &str) -> Result<PgConnection, PgError> {
        self.target.connect(self.kind(), application).await
    }

    /// Pins the settings again, after a script that may have set others.
    ///
    /// # Errors
    /// The connection broke, or a setting does not stay pinned.
    pub async fn pin(&self, connection: &mut PgConnection) -> Result<(), PgError> {
        session::pin(connection, self.kind()).await
    }

    fn kind(&self) -> SessionKind<'_> {
        SessionKind::Loading { owner: self.owner.as_ref(), search_path: &self.search_path }
    }

    /// Drops the login.
    ///
    /// # Errors
    /// The server refused; the next sweep tries again.
    pub async fn finish(&self, admin: &mut PgConnection) -> Result<(), Error> {
        if let Some((login, server)) = &self.login {
            temporary_login::remove(admin, server, &login.name).await?;
        }
        Ok(())
    }
}

/// Refuses owners that are superusers in the target, unless they are allowed.
///
/// # Errors
/// There is one, or the server refused a query.
pub async fn permitted(admin: &mut PgConnection, owners: &Owners<'_>) -> Result<(), Error> {
    Found::read(admin, owners).await?.permitted(owners)
}

/// Returns those of the owners that are superusers in the target.
///
/// # Errors
/// The server refused a query.
pub async fn superusers(admin: &mut PgConnection, owners: &Owners<'_>) -> Result<Vec<String>, Error> {
    Ok(Found::read(admin, owners).await?.superusers)
}

/// Who the owners are in the target.
struct Found {
    superusers: Vec<String>,
    /// Whether the connecting login is a superuser or may create roles.
    administrator: bool,
}

impl Found {
    async fn read(admin: &mut PgConnection, owners: &Owners<'_>) -> Result<Self, Error> {
        let names: Vec<&str> = owners.all.iter().map(Ident::as_str).collect();
        let row = sqlx::query(include_str!("sql/loader.sql"))
            .bind(&names)
            .fetch_one(admin)
            .await
            .map_err(|e| PgError::new("ask who the owners are", &e))?;
        Ok(Self { superusers: row.get("superusers"), administrator: row.get("administrator") })
    }

    fn permitted(&self, owners: &Owners<'_>) -> Result<(), Error> {
        if owners.superusers || self.superusers.is_empty() {
            return Ok(());
        }
        let objects = self.superusers.iter().map(|name| format!("objects of {name}, a superuser here")).collect();
        Err(Error::SuperuserObjects { schema: owners.schema.clone(), objects })
    }
}

/// Gives the schemas that hold extensions, which bodies name without their schema.
async fn extension_schemas(admin: &mut PgConnection, schema: &Ident) -> Result<Vec<Ident>, PgError> {
    let query = "select distinct n.nspname::pg_catalog.text from pg_catalog.pg_extension e \
        join pg_catalog.pg_namespace n on n.oid = e.extnamespace \
        where n.nspname <> 'pg_catalog' and n.nspname <> $1 order by 1";
    let found: Vec<String> = sqlx::query_scalar(query)
        .bind(schema.as_str())
        .fetch_all(admin)
        .await
        .map_err(|e| PgError::new("look for the extensions' schemas", &e))?;
    Ok(found.iter().map(|name| Ident::from_server(name)).collect())
}
