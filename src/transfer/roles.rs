//! The roles that a schema needs around it, as SQL that leaves alone what is there already.

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use crate::ident::Ident;
use crate::model::setting::{self, Value};
use crate::pg::error::Error as PgError;
use crate::sql;
use crate::sql::{Literal, Sql};

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
}

struct Role {
    oid: i64,
    name: Ident,
    login: bool,
    inherit: bool,
    connection_limit: i32,
    valid_until: Option<String>,
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
    let ids = |wanted: &dyn Fn(&Role) -> bool| roles.iter().filter(|r| wanted(r)).map(|r| r.oid).collect::<Vec<i64>>();
    let (all, own) = (ids(&|_| true), ids(&|r| r.own && !r.superuser));
    let secrets = if verifiers { secrets(connection, &own).await? } else { Vec::new() };
    let mut out = Roles::default();
    for role in roles.iter().filter(|r| !r.predefined) {
        let secret = secrets.iter().find(|(oid, _)| *oid == role.oid).map(|(_, secret)| secret.as_str());
        out.create.push(&create(role, secret));
        if let Some(secret) = secret.filter(|_| role.own && !role.superuser) {
            out.renew.push(&renew(role, secret));
        }
        if role.owns {
            out.act.push(&act(&role.name));
            out.leave.push(&leave(&role.name));
        }
    }
    out.grant.push(&memberships(connection, &all, &own).await?);
    out.grant.push(&settings(connection, &own).await?);
    out.grant.push(&privileges(connection, &all, &own).await?);
    Ok(out)
}

/// Names the roles that are the service's own.
pub(super) async fn own(connection: &mut PgConnection, schema: &Ident, service: &str) -> Result<Vec<Ident>, PgError> {
    let roles = all(connection, schema, service).await?;
    Ok(roles.into_iter().filter(|r| r.own && !r.superuser && !r.predefined).map(|r| r.name).collect())
}

async fn all(connection: &mut PgConnection, schema: &Ident, service: &str) -> Result<Vec<Role>, PgError> {
    let prefix = format!("{service}_");
    let rows = fetch(sqlx::query(include_str!("sql/roles.sql")).bind(schema.as_str()).bind(prefix), connection).await?;
    Ok(rows.iter().map(role).collect())
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

async fn fetch(query: Query<'_>, connection: &mut PgConnection) -> Result<Vec<PgRow>, PgError> {
    query.fetch_all(connection).await.map_err(|e| PgError::new("read the schema's roles", &e))
}

fn role(row: &PgRow) -> Role {
    Role {
        oid: row.get("oid"),
        name: ident(row, "name"),
        login: row.get("login"),
        inherit: row.get("inherit"),
        connection_limit: row.get("connection_limit"),
        valid_until: row.get("valid_until"),
        own: row.get("own"),
        predefined: row.get("predefined"),
        superuser: row.get("superuser"),
        owns: row.get("owns"),
    }
}

fn ident(row: &PgRow, column: &str) -> Ident {
    Ident::from_server(row.get(column))
}

async fn secrets(connection: &mut PgConnection, own: &[i64]) -> Result<Vec<(i64, String)>, PgError> {
    sqlx::query_as(
        "select oid::pg_catalog.int8, rolpassword from pg_catalog.pg_authid \
         where oid = any ($1::pg_catalog.int8[]::pg_catalog.oid[]) and rolpassword like 'SCRAM-SHA-256$%' order by 1",
    )
    .bind(own)
    .fetch_all(connection)
    .await
    .map_err(|e| PgError::new("read the SCRAM verifiers", &e))
}

/// A role that was a superuser comes as one that may do nothing: whoever restores decides.
fn create(role: &Role, secret: Option<&str>) -> Sql {
    let mut body = sql!("create role ", role.name);
    body.push_static(if role.login && role.own && !role.superuser { " login" } else { " nologin" });
    body.push_static(if role.inherit { " inherit" } else { " noinherit" });
    if role.connection_limit >= 0 {
        body.push(&sql!(" connection limit ", i64::from(role.connection_limit)));
    }
    if let Some(until) = &role.valid_until {
        body.push(&sql!(" valid until ", Literal(until)));
    }
    if let Some(secret) = secret {
        body.push(&sql!(" password ", Literal(secret)));
    }
    let name = Literal(role.name.as_str());
    block(&sql!("if not exists (select from pg_catalog.pg_roles where rolname = ", name, ") then ", body, "; end if;"))
}

/// What a rotation changes.
fn renew(role: &Role, secret: &str) -> Sql {
    let mut body = sql!("alter role ", role.name);
    body.push_static(if role.login { " login" } else { " nologin" });
    body.push(&sql!(" password ", Literal(secret), ";\n"));
    body
}

/// Making a role does not let an administrator act as it: before 16 not at all, from 16 on by ADMIN alone.
fn act(role: &Ident) -> Sql {
    let grant = sql!("grant ", role, " to ");
    block(&sql!(
        "if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) \
         and not pg_catalog.pg_has_role(",
        Literal(role.as_str()),
        ", 'usage') then execute ",
        Literal(grant.as_str()),
        " || pg_catalog.quote_ident(current_user) || case when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000 \
         then '' else ' with inherit true, set true' end; end if;"
    ))
}

/// Takes back what [`act`] has granted, and no other membership.
fn leave(role: &Ident) -> Sql {
    let revoke = sql!("revoke ", role, " from ");
    block(&sql!(
        "if exists (select from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.roleid and r.rolname = ",
        Literal(role.as_str()),
        " join pg_catalog.pg_roles u on u.oid = m.member and u.oid = m.grantor and u.rolname = current_user \
         where not m.admin_option) then execute ",
        Literal(revoke.as_str()),
        " || pg_catalog.quote_ident(current_user) || case when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000 \
         then '' else ' granted by ' || pg_catalog.quote_ident(current_user) end; end if;"
    ))
}

/// Makes an anonymous block, quoted as a literal, so that no name can end it.
fn block(body: &Sql) -> Sql {
    sql!("do ", Literal(sql!("begin ", body, " end").as_str()), ";\n")
}

async fn memberships(connection: &mut PgConnection, all: &[i64], own: &[i64]) -> Result<Sql, PgError> {
    let rows = fetch(sqlx::query(include_str!("sql/memberships.sql")).bind(all).bind(own), connection).await?;
    let mut out = Sql::new();
    for row in rows {
        out.push(&sql!("grant ", ident(&row, "role"), " to ", ident(&row, "member")));
        let flag = |column| row.get::<Option<bool>, _>(column);
        let admin = flag("admin") == Some(true);
        match (flag("inherit"), flag("set")) {
            (Some(inherit), Some(set)) => {
                out.push_static(if admin { " with admin true" } else { " with admin false" });
                out.push_static(if inherit { ", inherit true" } else { ", inherit false" });
                out.push_static(if set { ", set true" } else { ", set false" });
            }
            _ if admin => out.push_static(" with admin option"),
            _ => {}
        }
        out.push_static(";\n");
    }
    Ok(out)
}

async fn settings(connection: &mut PgConnection, own: &[i64]) -> Result<Sql, PgError> {
    let mut out = Sql::new();
    for row in fetch(sqlx::query(include_str!("sql/settings.sql")).bind(own), connection).await? {
        let (role, name, value): (Ident, &str, &str) = (ident(&row, "role"), row.get("name"), row.get("value"));
        let value = setting::normalise(name, value);
        let Ok(parameter) = name.split('.').map(Ident::new).collect::<Result<Vec<_>, _>>() else { continue };
        let mut set = sql!(" set ");
        for (i, part) in parameter.iter().enumerate() {
            set.push_static(if i == 0 { "" } else { "." });
            set.push(part);
        }
        set.push(&sql!(" = ", Value(name, &value)));
        if row.get("in_database") {
            // The target's database has a name of its own.
            let (head, tail) = (sql!("alter role ", role, " in database "), set);
            let made = sql!(Literal(head.as_str()), " || pg_catalog.quote_ident(pg_catalog.current_database()) || ");
            out.push(&block(&sql!("execute ", made, Literal(tail.as_str()), ";")));
        } else {
            out.push(&sql!("alter role ", role, set, ";\n"));
        }
    }
    Ok(out)
}

async fn privileges(connection: &mut PgConnection, all: &[i64], own: &[i64]) -> Result<Sql, PgError> {
    let mut out = Sql::new();
    for row in fetch(sqlx::query(include_str!("sql/privileges.sql")).bind(all).bind(own), connection).await? {
        let privilege: &str = row.get("privilege");
        let Some(word) = WORDS.into_iter().find(|word| *word == privilege) else { continue };
        let mut grantee = Sql::new();
        match Ident::new(row.get("grantee")) {
            Ok(name) => grantee.push(&name),
            Err(_) => grantee.push_static("public"),
        }
        let Some(creator) = row.get::<Option<&str>, _>("creator").map(Ident::from_server) else {
            let mut head = sql!("grant ");
            head.push_static(word);
            head.push_static(" on database ");
            let tail = sql!(" to ", grantee);
            let made = sql!(Literal(head.as_str()), " || pg_catalog.quote_ident(pg_catalog.current_database()) || ");
            out.push(&block(&sql!("execute ", made, Literal(tail.as_str()), ";")));
            continue;
        };
        let class: &str = row.get("class");
        let class = CLASSES.into_iter().find(|c| *c == class).expect("the query names only these");
        out.push(&sql!("alter default privileges for role ", creator));
        let granted: bool = row.get("granted");
        out.push_static(if granted { " grant " } else { " revoke " });
        out.push_static(word);
        out.push_static(" on ");
        out.push_static(class);
        out.push_static(if granted { " to " } else { " from " });
        out.push(&sql!(grantee, ";\n"));
    }
    Ok(out)
}

/// The classes of default privileges.
const CLASSES: [&str; 5] = ["tables", "sequences", "routines", "types", "schemas"];

/// The privileges that a database or a default access list can hold.
const WORDS: [&str; 14] = [
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
