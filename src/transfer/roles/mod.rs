//! The roles that a schema needs around it: read from a source, written as SQL, and read back from an archive.

mod carried;
mod existing;
mod parse;
mod script;

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

pub use self::carried::{Carried, State, carried, server, state};
pub use self::existing::{Existing, Held, read as existing};
pub use self::parse::Parsed;
pub(crate) use self::script::{act, create_plainly, default, leave, membership, on_database, setting};
use crate::ident::Ident;
use crate::model::setting;
use crate::pg::error::Error as PgError;
use crate::pg::password;
use crate::registry;
use crate::sql::Sql;

/// A role as it is made where it is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: Ident,
    /// Whether it may log in.
    pub login: bool,
    /// Whether it inherits, by default.
    pub inherit: bool,
    /// How many sessions it may have.
    pub connection_limit: Option<i64>,
    /// When its password ends.
    pub valid_until: Option<String>,
    /// Its password as the server stores it.
    pub verifier: Option<String>,
}

/// That one role is a member of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The role.
    pub role: Ident,
    /// Its member.
    pub member: Ident,
    /// Whether the member may grant it.
    pub admin: bool,
    /// Whether the member inherits; from 16 on.
    pub inherit: Option<bool>,
    /// Whether the member may become it; from 16 on.
    pub set: Option<bool>,
}

/// A setting of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The role.
    pub role: Ident,
    /// Whether it is for the schema's database alone.
    pub in_database: bool,
    /// The parameter's name, part by part.
    pub parameter: Vec<Ident>,
    /// Its value; several for a list.
    pub values: Vec<String>,
}

/// A privilege on the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDatabase {
    /// Which.
    pub privilege: &'static str,
    /// Whose; nothing for everybody.
    pub grantee: Option<Ident>,
}

/// A default privilege in all schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultPrivilege {
    /// Who creates the objects.
    pub creator: Ident,
    /// Whether it is granted, or revoked.
    pub granted: bool,
    /// Which.
    pub privilege: &'static str,
    /// On what.
    pub class: &'static str,
    /// Whose; nothing for everybody.
    pub grantee: Option<Ident>,
}

/// An extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its name.
    pub name: Ident,
    /// The schema that it is in; nothing for one that has its own.
    pub schema: Option<Ident>,
}

/// A login that can use what is in a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    /// Its name.
    pub(super) name: Ident,
    /// Whether it uses this schema and nothing else, or belongs to the service, so that it comes along.
    pub(super) own: bool,
    /// Whether nothing but grants ties it to the schema.
    pub(super) granted: bool,
    /// The roles with privileges that it is a member of.
    pub(super) through: Vec<Ident>,
}

/// What two files of the archive say.
#[derive(Debug, Clone, Default)]
pub(super) struct Roles {
    /// Creates roles.
    pub(super) create: Sql,
    /// Brings logins that are there already to the passwords and the state that they have here.
    pub(super) renew: Sql,
    /// Gives memberships, settings and default privileges.
    pub(super) grant: Sql,
    /// Lets whoever restores, if that is no superuser, act as the owners.
    pub(super) act: Sql,
    /// Takes that back.
    pub(super) leave: Sql,
    /// Those that own something.
    pub(super) owners: Vec<Ident>,
    /// Those that `create` makes where they are missing.
    pub(super) names: Vec<Ident>,
}

/// A role of the source.
struct Found {
    oid: i64,
    role: Role,
    own: bool,
    predefined: bool,
    superuser: bool,
    owns: bool,
}

/// Reads them. With `verifiers` the logins of the service keep their SCRAM verifiers, which only a superuser can read.
pub(super) async fn read(
    connection: &mut PgConnection,
    schema: &Ident,
    service: &str,
    verifiers: bool,
) -> Result<Roles, PgError> {
    let roles = all(connection, schema, service).await?;
    let ids = |wanted: &dyn Fn(&Found) -> bool| roles.iter().filter(|r| wanted(r)).map(|r| r.oid).collect::<Vec<i64>>();
    let (all, own) = (ids(&|_| true), ids(&|r| r.own && !r.superuser));
    let secrets = if verifiers { secrets(connection, &own).await? } else { Vec::new() };
    let mut out = Roles::default();
    for found in roles.iter().filter(|r| !r.predefined) {
        out.names.push(found.role.name.clone());
        let verifier = secrets.iter().find(|(oid, _)| *oid == found.oid).map(|(_, secret)| secret.clone());
        // A role that was a superuser comes as one that may do nothing: whoever restores decides.
        let login = found.role.login && found.own && !found.superuser;
        out.create.push(&script::create(&Role { login, verifier: verifier.clone(), ..found.role.clone() }));
        if let Some(verifier) = verifier.filter(|_| found.own && !found.superuser) {
            out.renew.push(&script::renew(&found.role.name, found.role.login, &verifier));
        }
        if found.owns {
            out.act.push(&act(&found.role.name));
            out.leave.push(&leave(&found.role.name));
            out.owners.push(found.role.name.clone());
        }
    }
    memberships(connection, &all, &own).await?.iter().for_each(|m| out.grant.push(&script::membership(m)));
    settings(connection, &own).await?.iter().for_each(|s| out.grant.push(&script::setting(s)));
    let (on_database, defaults) = privileges(connection, &all, &own).await?;
    on_database.iter().for_each(|grant| out.grant.push(&script::on_database(grant)));
    defaults.iter().for_each(|default| out.grant.push(&script::default(default)));
    Ok(out)
}

/// Names the roles that are the service's own.
pub(super) async fn own(connection: &mut PgConnection, schema: &Ident, service: &str) -> Result<Vec<Ident>, PgError> {
    let roles = all(connection, schema, service).await?;
    Ok(roles.into_iter().filter(|r| r.own && !r.superuser && !r.predefined).map(|r| r.role.name).collect())
}

async fn all(connection: &mut PgConnection, schema: &Ident, service: &str) -> Result<Vec<Found>, PgError> {
    let prefix = format!("{service}_");
    let query = concat!(include_str!("sql/who.sql"), include_str!("sql/roles.sql"));
    let callers = registry::split::callers(&mut *connection).await?;
    let rows = fetch(sqlx::query(query).bind(schema.as_str()).bind(prefix).bind(callers), connection).await?;
    Ok(rows.iter().map(found).collect())
}

/// Reads the logins that can use what is in the schema, those of other services and of nobody, too.
pub(super) async fn users(connection: &mut PgConnection, schema: &Ident, service: &str) -> Result<Vec<User>, PgError> {
    let prefix = format!("{service}_");
    let query = concat!(include_str!("sql/who.sql"), include_str!("sql/logins.sql"));
    let callers = registry::split::callers(&mut *connection).await?;
    let rows = fetch(sqlx::query(query).bind(schema.as_str()).bind(prefix).bind(callers), connection).await?;
    let user = |row: &PgRow| User {
        name: ident(row, "name"),
        own: row.get("own"),
        granted: row.get("granted"),
        through: row.get::<Vec<String>, _>("through").iter().map(|name| Ident::from_server(name)).collect(),
    };
    Ok(rows.iter().map(user).collect())
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

async fn fetch(query: Query<'_>, connection: &mut PgConnection) -> Result<Vec<PgRow>, PgError> {
    query.fetch_all(connection).await.map_err(|e| PgError::new("read the schema's roles", &e))
}

fn found(row: &PgRow) -> Found {
    Found {
        oid: row.get("oid"),
        role: role(row),
        own: row.get("own"),
        predefined: row.get("predefined"),
        superuser: row.get("superuser"),
        owns: row.get("owns"),
    }
}

fn role(row: &PgRow) -> Role {
    let limit: i32 = row.get("connection_limit");
    Role {
        name: ident(row, "name"),
        login: row.get("login"),
        inherit: row.get("inherit"),
        connection_limit: (limit >= 0).then(|| i64::from(limit)),
        valid_until: row.get("valid_until"),
        verifier: None,
    }
}

fn ident(row: &PgRow, column: &str) -> Ident {
    Ident::from_server(row.get(column))
}

async fn secrets(connection: &mut PgConnection, own: &[i64]) -> Result<Vec<(i64, String)>, PgError> {
    let stored: Vec<(i64, String)> = sqlx::query_as(
        "select oid::pg_catalog.int8, rolpassword from pg_catalog.pg_authid \
         where oid = any ($1::pg_catalog.int8[]::pg_catalog.oid[]) and rolpassword is not null order by 1",
    )
    .bind(own)
    .fetch_all(connection)
    .await
    .map_err(|e| PgError::new("read the stored passwords", &e))?;
    Ok(stored.into_iter().filter(|(_, text)| password::is_stored(text)).collect())
}

async fn memberships(connection: &mut PgConnection, all: &[i64], own: &[i64]) -> Result<Vec<Membership>, PgError> {
    let rows = fetch(sqlx::query(include_str!("sql/memberships.sql")).bind(all).bind(own), connection).await?;
    let membership = |row: &PgRow| Membership {
        role: ident(row, "role"),
        member: ident(row, "member"),
        admin: row.get::<Option<bool>, _>("admin") == Some(true),
        inherit: row.get("inherit"),
        set: row.get("set"),
    };
    Ok(rows.iter().map(membership).collect())
}

async fn settings(connection: &mut PgConnection, own: &[i64]) -> Result<Vec<Setting>, PgError> {
    let mut out = Vec::new();
    for row in fetch(sqlx::query(include_str!("sql/settings.sql")).bind(own), connection).await? {
        let (name, value): (&str, &str) = (row.get("name"), row.get("value"));
        let Ok(parameter) = name.split('.').map(Ident::new).collect::<Result<Vec<_>, _>>() else { continue };
        let (role, in_database, values) = (ident(&row, "role"), row.get("in_database"), setting::values(name, value));
        out.push(Setting { role, in_database, parameter, values });
    }
    Ok(out)
}

/// Reads privileges on the database and global default privileges.
async fn privileges(
    connection: &mut PgConnection,
    all: &[i64],
    own: &[i64],
) -> Result<(Vec<OnDatabase>, Vec<DefaultPrivilege>), PgError> {
    let (mut on_database, mut defaults) = (Vec::new(), Vec::new());
    for row in fetch(sqlx::query(include_str!("sql/privileges.sql")).bind(all).bind(own), connection).await? {
        let word: &str = row.get("privilege");
        let Some(privilege) = PRIVILEGES.into_iter().find(|known| *known == word) else { continue };
        let grantee = Ident::new(row.get("grantee")).ok();
        let Some(creator) = row.get::<Option<&str>, _>("creator").map(Ident::from_server) else {
            on_database.push(OnDatabase { privilege, grantee });
            continue;
        };
        let class: &str = row.get("class");
        let class = CLASSES.into_iter().find(|c| *c == class).expect("the query names only these");
        defaults.push(DefaultPrivilege { creator, granted: row.get("granted"), privilege, class, grantee });
    }
    Ok((on_database, defaults))
}

/// The classes of default privileges.
const CLASSES: [&str; 5] = ["tables", "sequences", "routines", "types", "schemas"];

/// The privileges that a database or a default access list can hold.
const PRIVILEGES: [&str; 14] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "MAINTAIN",
    "USAGE",
    "CREATE",
    "EXECUTE",
    "CONNECT",
    "TEMPORARY",
    "TEMP",
];
