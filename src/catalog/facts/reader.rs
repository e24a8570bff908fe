//! Runs one query after the other and turns columns into facts.

use futures_util::TryStreamExt as _;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::Error;
use crate::audit::facts::acl::AclId;
use crate::audit::facts::object::SchemaId;
use crate::audit::facts::role::RoleId;
use crate::audit::facts::{Facts, Session};
use crate::ident::Ident;
use crate::model::acl::AclKind;
use crate::pg::error::Error as PgError;

/// The oldest supported major version.
const OLDEST_MAJOR: u32 = 15;

/// One query: what it reads in words, the catalogs that it needs, and its text.
pub(super) struct Query {
    pub(super) about: &'static str,
    pub(super) needs: &'static [&'static str],
    pub(super) sql: &'static str,
}

/// The connection and what was read so far.
pub(super) struct Reader<'c> {
    connection: &'c mut PgConnection,
    closed: Vec<String>,
    pub(super) facts: Facts,
}

impl<'c> Reader<'c> {
    /// Asks for the version, and which catalogs this session may not read.
    pub(super) async fn start(connection: &'c mut PgConnection) -> Result<Self, Error> {
        let row = sqlx::query(include_str!("sql/session.sql"))
            .fetch_one(&mut *connection)
            .await
            .map_err(|e| PgError::new("read the session", &e))?;
        let major = u32::try_from(row.get::<i32, _>("major")).unwrap_or(0);
        if major < OLDEST_MAJOR {
            return Err(Error::TooOld { major });
        }
        let session = Session {
            major,
            database: row.get("database"),
            role: row.get("role"),
            administrator: row.get("administrator"),
            lo_compat_privileges: row.get("lo_compat_privileges"),
            port: row.get("port"),
            own_hosts: row.get("own_hosts"),
        };
        let mut facts = Facts::default();
        facts.session = session;
        Ok(Self { connection, closed: row.get("closed"), facts })
    }

    /// Runs a query and hands each row on as it comes; one whose catalogs are closed is only listed.
    pub(super) async fn each(
        &mut self,
        query: &Query,
        mut take: impl FnMut(&mut Facts, Columns<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let reads = |name: &str| {
            let from = [format!("from pg_catalog.{name} "), format!("join pg_catalog.{name} ")];
            query.needs.contains(&name) || from.iter().any(|from| query.sql.contains(from))
        };
        let closed: Vec<_> = self.closed.iter().filter(|name| reads(name)).collect();
        if !closed.is_empty() {
            self.facts.not_readable.extend(closed.iter().map(|name| format!("pg_catalog.{name}: {}", query.about)));
            return Ok(());
        }
        let failed = |e: sqlx::Error| PgError::new(format!("read {}", query.about), &e);
        let mut rows = sqlx::query(query.sql).fetch(&mut *self.connection);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            take(&mut self.facts, Columns(&row))?;
        }
        Ok(())
    }

    /// Tells whether a catalog is closed to this session.
    pub(super) fn is_closed(&self, catalog: &str) -> bool {
        self.closed.iter().any(|name| name == catalog)
    }

    /// Builds the indexes and gives the facts.
    pub(super) fn finish(mut self) -> Facts {
        self.facts.finish();
        self.facts
    }
}

/// One row's columns by name.
#[derive(Clone, Copy)]
pub(super) struct Columns<'r>(&'r PgRow);

impl<'r> Columns<'r> {
    /// Gives an OID that was cast to int8.
    pub(super) fn oid(self, column: &str) -> u32 {
        u32::try_from(self.0.get::<i64, _>(column)).unwrap_or(0)
    }

    /// Gives an OID that may be NULL.
    pub(super) fn maybe_oid(self, column: &str) -> Option<u32> {
        self.0.get::<Option<i64>, _>(column).and_then(|oid| u32::try_from(oid).ok())
    }

    /// Gives OIDs that were cast to int8[].
    pub(super) fn oids(self, column: &str) -> Vec<u32> {
        self.0.get::<Vec<i64>, _>(column).into_iter().filter_map(|oid| u32::try_from(oid).ok()).collect()
    }

    /// Gives a name.
    pub(super) fn name(self, column: &str) -> Ident {
        Ident::from_server(self.0.get::<&str, _>(column))
    }

    /// Gives a text; none for NULL, which the server's functions give for what was dropped since the snapshot.
    pub(super) fn text(self, column: &str) -> &'r str {
        self.maybe_text(column).unwrap_or_default()
    }

    /// Gives a text that may be NULL.
    pub(super) fn maybe_text(self, column: &str) -> Option<&'r str> {
        self.0.get(column)
    }

    /// Gives the first character of a text.
    pub(super) fn letter(self, column: &str) -> char {
        self.text(column).chars().next().unwrap_or(' ')
    }

    /// Gives texts; none for NULL.
    pub(super) fn texts(self, column: &str) -> Vec<String> {
        self.0.get::<Option<Vec<String>>, _>(column).unwrap_or_default()
    }

    /// Gives a truth value.
    pub(super) fn flag(self, column: &str) -> bool {
        self.0.get(column)
    }

    /// Gives a number.
    pub(super) fn number(self, column: &str) -> i32 {
        self.0.get(column)
    }

    /// Gives a small number.
    pub(super) fn small(self, column: &str) -> i16 {
        self.0.get(column)
    }
}

/// Finds the owner and keeps the access list of a row with columns `owner` and `acl`.
pub(super) fn owned(facts: &mut Facts, row: Columns<'_>, kind: AclKind) -> Result<(RoleId, AclId), Error> {
    let owner = facts.roles.by_oid(row.oid("owner"));
    let acl = facts.acls.intern(&mut facts.roles, kind, owner, row.maybe_text("acl"), facts.session.major)?;
    Ok((owner, acl))
}

/// Finds the schema of a row with column `schema`; schemas were read in the order of their OIDs.
pub(super) fn schema(facts: &Facts, row: Columns<'_>) -> Option<SchemaId> {
    schema_by_oid(facts, row.maybe_oid("schema")?)
}

/// Finds a schema by OID.
pub(super) fn schema_by_oid(facts: &Facts, oid: u32) -> Option<SchemaId> {
    facts.schemas.binary_search_by_key(&oid, |s| s.oid).ok().map(|at| SchemaId(at as u32))
}
