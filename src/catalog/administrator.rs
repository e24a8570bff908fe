//! Who looks at which server and database.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::{Error, ident, objects::Acls};
use crate::ident::Ident;
use crate::model::acl::AclKind;
use crate::model::state::{Administrator, Database};
use crate::pg::error::Error as PgError;

/// The oldest major version whose end of life has not come.
const OLDEST_MAJOR: u32 = 15;

/// What one query tells of the server, the database and the login.
pub(super) struct Server {
    pub(super) version: u32,
    pub(super) registry: bool,
    row: sqlx::postgres::PgRow,
}

pub(super) async fn read(connection: &mut PgConnection) -> Result<Server, Error> {
    let row = sqlx::query(include_str!("sql/administrator.sql"))
        .fetch_one(connection)
        .await
        .map_err(|e| PgError::new("read the server's version", &e))?;
    let version = u32::try_from(row.get::<i32, _>("server_version")).expect("a version is positive");
    let major = version / 10_000;
    if major < OLDEST_MAJOR {
        return Err(Error::TooOld { major });
    }
    let registry = row.get("registry");
    if registry && !row.get::<bool, _>("registry_readable") {
        let (administrator, owner) = (row.get("administrator"), row.get("registry_owner"));
        return Err(Error::ForeignRegistry { administrator, owner });
    }
    Ok(Server { version, registry, row })
}

impl Server {
    /// Tells whether this login can read which logins have a password.
    pub(super) fn reads_passwords(&self) -> bool {
        self.row.get("reads_passwords")
    }

    pub(super) fn database(&self, acls: &mut Acls) -> Result<Database, Error> {
        let owner = ident(&self.row, "database_owner");
        let acl = acls.effective(AclKind::Database, &owner, self.row.get("database_acl"))?;
        Ok(Database { name: ident(&self.row, "database"), owner, acl: (*acl).clone() })
    }

    pub(super) fn administrator(&self, grants_on: BTreeSet<Ident>, out_of_reach: BTreeSet<Ident>) -> Administrator {
        Administrator {
            name: ident(&self.row, "administrator"),
            superuser: self.row.get("superuser"),
            createrole: self.row.get("createrole"),
            registry_owner: self.row.get::<Option<&str>, _>("registry_owner").map(Ident::from_server),
            owns_database: self.row.get("owns_database"),
            creates_schemas: self.row.get("creates_schemas"),
            grants_on,
            out_of_reach,
        }
    }
}

/// Finds which of the roles the administrator may not act as.
pub(super) async fn out_of_reach(
    connection: &mut PgConnection,
    roles: &BTreeSet<&Ident>,
) -> Result<BTreeSet<Ident>, Error> {
    if roles.is_empty() {
        return Ok(BTreeSet::new());
    }
    let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    let rows = sqlx::query(include_str!("sql/out_of_reach.sql"))
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("read whose objects can be taken over", &e))?;
    Ok(rows.iter().map(|row| ident(row, "name")).collect())
}
