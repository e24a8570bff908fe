//! What the target's own roles hold: an archive's text names them, and must not become one of them unasked.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::ident::Ident;
use crate::pg::error::Error as PgError;

/// A role that the target has already.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four answers about one role, each with a use of its own")]
pub struct Existing {
    /// Its name.
    pub name: Ident,
    /// Whether it is a superuser, or a member of one.
    pub superuser: bool,
    /// Whether it, or a role that it is a member of, is predefined or has an attribute of an administrator.
    pub mighty: bool,
    /// Whether it holds something in this database outside of the schema.
    pub here: bool,
    /// Whether it holds something in any database of the server outside of the schema.
    pub anywhere: bool,
}

/// A membership, a setting or a privilege that is there already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// Pairs of role and member.
    pub memberships: Vec<(Ident, Ident)>,
    /// Roles that have settings for this database.
    pub set_here: Vec<Ident>,
}

/// Looks for the roles of these names.
///
/// # Errors
/// The server refused a query.
pub async fn read(admin: &mut PgConnection, names: &[Ident], schema: &Ident) -> Result<(Vec<Existing>, Held), PgError> {
    let names: Vec<&str> = names.iter().map(Ident::as_str).collect();
    let failed = |e: sqlx::Error| PgError::new("look for the archive's roles", &e);
    let rows = sqlx::query(include_str!("sql/existing.sql"))
        .bind(&names)
        .bind(schema.as_str())
        .fetch_all(&mut *admin)
        .await
        .map_err(failed)?;
    let existing = |row: &sqlx::postgres::PgRow| Existing {
        name: Ident::from_server(row.get("name")),
        superuser: row.get("superuser"),
        mighty: row.get("mighty"),
        here: row.get("here"),
        anywhere: row.get("anywhere"),
    };
    let pairs = "select g.rolname::pg_catalog.text as role, u.rolname::pg_catalog.text as member \
        from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid \
        join pg_catalog.pg_roles u on u.oid = m.member where g.rolname = any ($1) and u.rolname = any ($1)";
    let pairs = sqlx::query(pairs).bind(&names).fetch_all(&mut *admin).await.map_err(failed)?;
    let set = "select r.rolname::pg_catalog.text from pg_catalog.pg_db_role_setting s \
        join pg_catalog.pg_roles r on r.oid = s.setrole join pg_catalog.pg_database d on d.oid = s.setdatabase \
        where d.datname = pg_catalog.current_database() and r.rolname = any ($1)";
    let set: Vec<String> = sqlx::query_scalar(set).bind(&names).fetch_all(admin).await.map_err(failed)?;
    let name = |row: &sqlx::postgres::PgRow, column| Ident::from_server(row.get(column));
    let held = Held {
        memberships: pairs.iter().map(|row| (name(row, "role"), name(row, "member"))).collect(),
        set_here: set.iter().map(|role| Ident::from_server(role)).collect(),
    };
    Ok((rows.iter().map(existing).collect(), held))
}
