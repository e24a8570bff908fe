//! Whose a registry is, and how it becomes another administrator's.

use sqlx::postgres::PgConnection;

use super::SCHEMA;
use crate::ident::Ident;
use crate::pg::error::Error;
use crate::pg::exec;
use crate::sql;
use crate::sql::Sql;

/// Who owns the registry, and whether that is a superuser; nothing where there is none.
///
/// # Errors
/// The server could not be asked.
pub async fn owner(connection: &mut PgConnection) -> Result<Option<(Ident, bool)>, Error> {
    let query = "select r.rolname::pg_catalog.text, r.rolsuper from pg_catalog.pg_namespace n \
                 join pg_catalog.pg_roles r on r.oid = n.nspowner where n.nspname = $1";
    let found: Option<(String, bool)> = sqlx::query_as(query)
        .bind(SCHEMA)
        .fetch_optional(connection)
        .await
        .map_err(|e| Error::new("ask whose the registry is", &e))?;
    Ok(found.map(|(name, superuser)| (Ident::from_server(&name), superuser)))
}

/// Gives the statements that make the registry and all in it another role's, but for what extensions have in it.
///
/// # Errors
/// The server could not be asked.
pub async fn statements(connection: &mut PgConnection, to: &Ident) -> Result<Vec<Sql>, Error> {
    let failed = |e: sqlx::Error| Error::new("look what the registry holds", &e);
    let tables = "select c.relname::pg_catalog.text from pg_catalog.pg_class c \
                  join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relkind = 'r' \
                  and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                    and d.objid = c.oid and d.deptype = 'e') order by 1";
    let tables: Vec<String> =
        sqlx::query_scalar(tables).bind(SCHEMA).fetch_all(&mut *connection).await.map_err(failed)?;
    // Those without arguments: the registry has no others.
    let functions = "select p.proname::pg_catalog.text from pg_catalog.pg_proc p \
                     join pg_catalog.pg_namespace n on n.oid = p.pronamespace where n.nspname = $1 and p.pronargs = 0 \
                     and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
                       and d.objid = p.oid and d.deptype = 'e') order by 1";
    let functions: Vec<String> =
        sqlx::query_scalar(functions).bind(SCHEMA).fetch_all(connection).await.map_err(failed)?;
    let schema = Ident::from_server(SCHEMA);
    let table = |name: &String| sql!("alter table ", schema, ".", Ident::from_server(name), " owner to ", to);
    let function = |name: &String| sql!("alter function ", schema, ".", Ident::from_server(name), "() owner to ", to);
    let whole = sql!("alter schema ", schema, " owner to ", to);
    Ok(std::iter::once(whole).chain(tables.iter().map(table)).chain(functions.iter().map(function)).collect())
}

/// Makes the registry another role's, as a superuser.
///
/// # Errors
/// The server refused; nothing has changed.
pub async fn give(connection: &mut PgConnection, to: &Ident) -> Result<(), Error> {
    let all = statements(connection, to).await?;
    let mut batch = sql!("begin");
    all.iter().for_each(|statement| batch.push(&sql!("; ", statement)));
    batch.push_static("; commit");
    let given = exec::batch(connection, "give the registry to its administrator", &batch).await;
    if given.is_err() {
        let _ = exec::batch(connection, "leave the registry as it is", &sql!("rollback")).await;
    }
    given
}
