//! The role as which a subscription applies changes: what the service has put on its tables runs as that role.
//!
//! The worker computes index expressions, checks and domains for each row that arrives, and fires `ENABLE ALWAYS` triggers.
//! Before PostgreSQL 16 it does so as the subscription's owner, who had to be a superuser to make it. From 16 on it does so
//! as the table's owner, which is enough, except where that owner is a superuser or may administer roles, and where
//! `FORCE ROW LEVEL SECURITY` stops it. In these cases the subscription gets an owner of its own: a role that no client can
//! log in as, that passes row security, and that has the rights of the tables' owners and nothing else.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::error::Error;
use super::link;
use super::state::{Side, Split};
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::{Literal, Qualified, Sql};

/// The first major version whose workers apply as the table's owner.
const AS_TABLE_OWNER: i32 = 16;

/// What is known of the schema, and of the subscription, on the side that follows.
#[derive(Debug, Default)]
struct Facts {
    major: i32,
    database: String,
    /// Whether a table has FORCE ROW LEVEL SECURITY, or an owner whose rights the service must not get.
    stops: bool,
    /// Who owns the schema and its tables, and whether a member could become a superuser or administer roles by it.
    owners: Vec<(String, bool)>,
    /// Tables and partitioned tables whose owner the role must not be a member of.
    granted: Vec<String>,
    /// Whether the role must not be a member of the schema's owner.
    schema_granted: bool,
    there: bool,
    subscription_owner: Option<String>,
}

/// Sees that the subscription on the side that follows runs nothing of the service's as an administrator.
///
/// It can be called at any time: a subscription that an older pgcleave made gets its owner, and new tables their grants.
pub(super) async fn settle(connection: &mut PgConnection, split: &Split, followed: Side) -> Result<(), Error> {
    let (name, role) = (split.link(followed), split.applier(followed.other()));
    if !link::subscribed(connection, &name).await? {
        return Ok(());
    }
    let facts = read(connection, split, &name, &role).await?;
    if facts.major >= AS_TABLE_OWNER && !facts.stops && !facts.there {
        return Ok(());
    }
    // One message is one transaction: nobody sees the role as a superuser, which the change of owner needs before 16.
    exec::batch(connection, "give the subscription its own role", &statements(split, &facts, &name, &role)).await?;
    Ok(())
}

fn statements(split: &Split, facts: &Facts, name: &Ident, role: &Ident) -> Sql {
    let mut all = Sql::new();
    if !facts.there {
        // A worker needs LOGIN and CONNECT, and does not count against the limit; without a password no client gets in.
        all.push(&sql!("create role ", *role, " login connection limit 0 password null; "));
    }
    let owns = facts.subscription_owner.as_deref() == Some(role.as_str());
    if !owns && facts.major < AS_TABLE_OWNER {
        all.push(&sql!("alter role ", *role, " superuser; "));
    }
    if !owns {
        all.push(&sql!("alter subscription ", *name, " owner to ", *role, "; "));
    }
    if facts.major >= AS_TABLE_OWNER {
        all.push(&sql!("alter subscription ", *name, " set (run_as_owner = true, password_required = false); "));
    }
    all.push(&sql!("alter role ", *role, " nosuperuser inherit bypassrls; "));
    let database = Ident::from_server(&facts.database);
    all.push(&sql!("grant connect on database ", database, " to ", *role, "; "));
    all.push(&sql!("grant usage on schema pgcleave to ", *role, "; "));
    all.push(&sql!("grant select, insert, update, delete on pgcleave.split_fence to ", *role, "; "));
    for (owner, _) in facts.owners.iter().filter(|(_, refused)| !refused) {
        let owner = Ident::from_server(owner);
        all.push(&sql!("grant ", owner, " to ", *role));
        all.push_static(if facts.major >= AS_TABLE_OWNER { " with inherit true, set false; " } else { "; " });
    }
    if facts.schema_granted {
        all.push(&sql!("grant usage on schema ", split.schema, " to ", *role, "; "));
    }
    for table in &facts.granted {
        let table = Ident::from_server(table);
        all.push(&sql!("grant select, insert, update, delete, truncate on ", Qualified(&split.schema, &table)));
        all.push(&sql!(" to ", *role, "; "));
    }
    all
}

async fn read(connection: &mut PgConnection, split: &Split, name: &Ident, role: &Ident) -> Result<Facts, PgError> {
    let failed = |e: sqlx::Error| PgError::new("look at who owns the service's tables", &e);
    let row = sqlx::query(
        "select pg_catalog.current_setting('server_version_num')::pg_catalog.int4 / 10000 as major, \
           pg_catalog.current_database()::pg_catalog.text as database, \
           exists (select from pg_catalog.pg_roles r where r.rolname = $2) as there, \
           (select pg_catalog.pg_get_userbyid(s.subowner)::pg_catalog.text from pg_catalog.pg_subscription s \
             where s.subname = $1 and s.subdbid = (select d.oid from pg_catalog.pg_database d \
               where d.datname = pg_catalog.current_database())) as owner",
    )
    .bind(name.as_str())
    .bind(role.as_str())
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let mut facts = Facts {
        major: row.get("major"),
        database: row.get("database"),
        there: row.get("there"),
        subscription_owner: row.get("owner"),
        ..Facts::default()
    };
    let rows = sqlx::query(include_str!("sql/owners.sql"))
        .bind(split.schema.as_str())
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    for row in rows {
        let (table, owner): (Option<String>, String) = (row.get("relation"), row.get("owner"));
        let (refused, forced): (bool, bool) = (row.get("refused"), row.get("forced"));
        facts.stops |= forced || (refused && table.is_some());
        match (&table, refused) {
            (None, true) => facts.schema_granted = true,
            (Some(table), true) => facts.granted.push(table.clone()),
            (_, false) => {}
        }
        if !facts.owners.iter().any(|(known, _)| *known == owner) {
            facts.owners.push((owner, refused));
        }
    }
    Ok(facts)
}

/// Removes the subscription without asking the other side, which may be out of reach, and then its role; its slot stays.
pub(super) async fn unsubscribe(connection: &mut PgConnection, split: &Split, followed: Side) -> Result<(), PgError> {
    link::unsubscribe(connection, &split.link(followed)).await?;
    link::drop_roles(connection, &[split.applier(followed.other())]).await
}

/// Gives the statements that do the same by hand.
pub(super) fn unsubscribing(split: &Split, followed: Side) -> Vec<Sql> {
    let role = split.applier(followed.other());
    let mut all = link::unsubscribing(&split.link(followed)).to_vec();
    // It is there only where the server, or its tables, need it.
    let name = Literal(role.as_str());
    let drop = sql!("drop owned by ", role, " cascade; drop role ", role);
    let there = sql!("if exists (select from pg_catalog.pg_roles where rolname = ", name, ") then ");
    all.push(sql!("do $drop$ begin ", there, drop, "; end if; end $drop$"));
    all
}
