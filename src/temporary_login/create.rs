//! Makes a login, and its first connection.

use secrecy::ExposeSecret as _;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::error::Error;
use super::remove::remove;
use super::{Readable, TemporaryLogin, VALID_HOURS};
use crate::ident::Ident;
use crate::model::naming;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::session::SessionKind;
use crate::pg::trust;
use crate::pg::{exec, lock, password};
use crate::sql;
use crate::sql::{Comma, Literal, Qualified, Sql};

/// How often another name is tried, where somebody holds the lock on the first one.
const MAX_NAMES: u32 = 8;

/// What the server is, as far as a login made now depends on it.
#[derive(Debug, Clone)]
pub struct Server {
    /// The database.
    pub database: Ident,
    /// Its OID, which is part of the login's name.
    pub database_oid: u32,
    /// Whether the administrator is a superuser.
    pub superuser: bool,
    /// Whether memberships have options of their own: from 16 on.
    pub options: bool,
    /// When a login made now expires, by the server's clock.
    expires: String,
}

impl Server {
    /// Asks for it.
    ///
    /// # Errors
    /// The server refused.
    ///
    /// # Panics
    /// Never: an OID has 32 bits.
    pub async fn read(admin: &mut PgConnection) -> Result<Self, PgError> {
        let row = sqlx::query(include_str!("sql/server.sql"))
            .bind(i32::try_from(VALID_HOURS).expect("a day"))
            .fetch_one(admin)
            .await
            .map_err(|e| PgError::new("ask what the server is", &e))?;
        Ok(Self {
            database: Ident::from_server(row.get("database")),
            database_oid: u32::try_from(row.get::<i64, _>("database_oid")).expect("an OID has 32 bits"),
            superuser: row.get("superuser"),
            options: row.get::<i32, _>("version") >= 160_000,
            expires: row.get("expires"),
        })
    }

    /// Returns how a membership is granted: what 16 and later leave to settings of the role is spelled out.
    pub(super) fn options(&self) -> &'static str {
        if self.options { " with inherit true, set true" } else { "" }
    }
}

/// What a login must be able to do.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// What stands before its name; may be empty.
    pub prefix: &'a str,
    /// The roles that it is a member of.
    pub member_of: &'a [Ident],
    /// How many sessions it may have.
    pub connection_limit: i64,
    /// Whether policies hide no row from it.
    pub bypasses_row_security: bool,
    /// What it may read without being a member of the owner, and the schema of that.
    pub reads: Option<(&'a Ident, Readable<'a>)>,
}

/// Makes a login and connects as it, in a session of this kind, so that a server that refuses one of both says so before anything else is done.
///
/// The lock that says that the login is in use goes with the administrator's session.
///
/// # Errors
/// The server refused one of both; the login is gone then.
pub async fn create(
    admin: &mut PgConnection,
    server: &Server,
    wanted: &Wanted<'_>,
    target: &Target,
    kind: SessionKind<'_>,
    application: &str,
) -> Result<(TemporaryLogin, PgConnection), Error> {
    if wanted.reads.is_some() {
        // CREATE ROLE fires no event trigger, a GRANT on a table does
        trust::event_triggers(admin).await?;
    }
    let name = name(admin, server, wanted.prefix).await?;
    let login = TemporaryLogin { name, password: password::generate()? };
    let made = exec::batch(admin, "create the temporary login", &statements(&login, server, wanted)).await;
    if let Err(error) = made {
        lock::release(admin, login.name.as_str()).await?;
        return Err(refused(&login, error));
    }
    match connect(admin, server, &login, (target, kind), application).await {
        Ok(session) => Ok((login, session)),
        Err(error) => {
            remove(admin, server, &login.name).await?;
            Err(refused(&login, error))
        }
    }
}

/// Connects; where no role of the login has CONNECT on the database, an administrator that may give it does.
async fn connect(
    admin: &mut PgConnection,
    server: &Server,
    login: &TemporaryLogin,
    (target, kind): (&Target, SessionKind<'_>),
    application: &str,
) -> Result<PgConnection, PgError> {
    let connected = login.target(target).connect(kind, application).await;
    if !server.superuser || !connected.as_ref().is_err_and(|error| error.sqlstate() == Some("42501")) {
        return connected;
    }
    let grant = sql!("grant connect on database ", server.database, " to ", login.name);
    exec::batch(admin, "give the temporary login CONNECT", &grant).await?;
    login.target(target).connect(kind, application).await
}

/// Finds a name that nobody holds, and holds it.
async fn name(admin: &mut PgConnection, server: &Server, prefix: &str) -> Result<Ident, Error> {
    let mut tries = 0;
    loop {
        let mut random = [0; 4];
        getrandom::fill(&mut random)?;
        let name = naming::temporary_login(prefix, server.database_oid, u32::from_be_bytes(random))?;
        tries += 1;
        if lock::try_take(admin, name.as_str()).await? || tries == MAX_NAMES {
            return Ok(name);
        }
    }
}

fn statements(login: &TemporaryLogin, server: &Server, wanted: &Wanted<'_>) -> Sql {
    let (name, verifier) = (&login.name, password::verifier(&login.password));
    let mut sql = sql!("create role ", name, " login connection limit ", wanted.connection_limit);
    sql.push_static(if wanted.bypasses_row_security { " bypassrls" } else { "" });
    sql.push(&sql!(" valid until ", Literal(&server.expires), " password ", Literal(verifier.expose_secret())));
    if !wanted.member_of.is_empty() {
        sql.push(&sql!("; grant ", Comma(wanted.member_of), " to ", name));
        sql.push_static(server.options());
    }
    if let Some((schema, Readable { tables, sequences })) = wanted.reads {
        sql.push(&sql!("; grant usage on schema ", schema, " to ", name));
        let full = |names: &[Ident]| names.iter().map(|name| sql!(Qualified(schema, name))).collect::<Vec<_>>();
        if !tables.is_empty() {
            sql.push(&sql!("; grant select on table ", Comma(full(tables)), " to ", name));
        }
        if !sequences.is_empty() {
            sql.push(&sql!("; grant select on sequence ", Comma(full(sequences)), " to ", name));
        }
    }
    sql
}

/// Tells a refusal of the login (a password rule, pg_hba, a missing privilege) from all else, such as a full server.
fn refused(login: &TemporaryLogin, error: PgError) -> Error {
    const REFUSALS: [&str; 6] = ["22023", "42501", "0A000", "0LP01", "28000", "28P01"];
    match error.sqlstate() {
        Some(state) if REFUSALS.contains(&state) => {
            let message = error.in_full();
            Error::Refused { login: login.name.clone(), message }
        }
        _ => error.into(),
    }
}
