//! Reads both sides.

use serde::de::DeserializeOwned;
use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::facts::{Facts, Schema, Server, Unreadable};
use crate::error::Coded as _;
use crate::ident::Ident;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::session::SessionKind;
use crate::registry;
use crate::split::state::{Phase, Split};
use crate::split::{Between, Error};
use crate::transfer::coupling;
use crate::transfer::error::Error as TransferError;
use crate::transfer::loader::{self, Owners};
use crate::transfer::{logins, readers, surroundings};

const BEGIN: &str =
    "begin transaction isolation level repeatable read, read only; set local search_path = ''; set local jit = off";

/// Reads all that the check judges: the source first, since it tells what to ask the target for.
pub(super) async fn read(between: &Between) -> Result<Facts, Error> {
    let mut facts = Facts::default();
    let mut source = begin(&between.source).await?;
    facts.schema =
        document(&mut source, "read the schema", include_str!("sql/schema.sql"), &between.schema, None).await?;
    facts.source = server(&mut source, &between.schema, &facts.schema).await?;
    if !facts.source.schema_exists {
        let (schema, database) = (between.schema.as_str().to_owned(), between.source.database().to_owned());
        return Err(TransferError::NoSchema { schema, database }.into());
    }
    facts.couplings = coupling::find(&mut source, &between.schema).await?;
    // Rows are read as their owners: what the connecting login may not read itself says nothing.
    facts.couplings.retain(|coupling| !coupling.is_of_a_split() && !coupling.kind.hides_rows());
    facts.unreadable = unreadable(&mut source, &between.schema).await?;
    let around = surroundings::read(&mut source, &between.schema, &between.service, &facts.couplings, false).await?;
    facts.phase = phase(&mut source, &between.service).await?;
    facts.logins = logins::users(&mut source, &between.schema, &between.service).await?;
    let ours = logins::of_service(&mut source, &between.schema, &between.service).await?;
    end(source).await?;
    let mut target = begin(&between.target).await?;
    facts.target = server(&mut target, &between.schema, &facts.schema).await?;
    facts.target.hba_methods = hba_methods(&mut target).await?;
    // On one server they are the same.
    if facts.source.system.is_none() || facts.source.system != facts.target.system {
        let names: Vec<_> = ours.keys().cloned().collect();
        facts.taken_logins = logins::taken(&ours, &logins::named(&mut target, &names).await?);
    }
    let owners = Owners {
        schema: &between.schema,
        owner: around.owner.as_ref(),
        all: &around.owners,
        superusers: true,
        jobs: 1,
    };
    facts.superuser_owners = loader::superusers(&mut target, &owners).await?;
    end(target).await?;
    Ok(facts)
}

/// Tells what `start` would refuse to read, and how to let it.
pub(in crate::split) async fn unreadable(source: &mut PgConnection, schema: &Ident) -> Result<Vec<Unreadable>, Error> {
    let refusals = readers::refusals(source, schema).await?;
    let known = |error: TransferError| {
        let (code, message) = (error.code(), error.to_string());
        let (relation, fix) = match error {
            TransferError::NeedsOwner { relation, owner, login } => {
                let fix = format!(
                    "connect as a superuser, or let {login} be granted {owner}: grant {owner} to {login} with admin option"
                );
                (relation, fix)
            }
            TransferError::RowSecurityForced { table, owner, .. } => {
                let fix = format!(
                    "connect as a superuser or, from 16 on, as a login with BYPASSRLS that is granted {owner} with admin option"
                );
                (table, fix)
            }
            TransferError::OwnerLacks { relation, grant, .. } => (relation, grant),
            _ => (schema.as_str().to_owned(), String::new()),
        };
        Unreadable { code, relation, message, fix }
    };
    Ok(refusals.into_iter().map(known).collect())
}

async fn begin(target: &Target) -> Result<PgConnection, Error> {
    let mut connection = target.connect(SessionKind::Administrator, "pgcleave split check").await?;
    let begun = connection.execute(sqlx::raw_sql(BEGIN)).await;
    begun.map_err(|e| PgError::new("begin to look", &e))?;
    Ok(connection)
}

async fn end(mut connection: PgConnection) -> Result<(), Error> {
    let ended = connection.execute(sqlx::raw_sql("commit")).await;
    ended.map_err(|e| PgError::new("end looking", &e))?;
    Ok(())
}

async fn server(connection: &mut PgConnection, name: &Ident, schema: &Schema) -> Result<Server, PgError> {
    let lists = Some((&schema.extensions, &schema.collations));
    document(connection, "read what the server offers", include_str!("sql/server.sql"), name, lists).await
}

/// Gives the methods of the lines of pg_hba.conf; nothing where this login may not read it.
async fn hba_methods(connection: &mut PgConnection) -> Result<Option<Vec<String>>, PgError> {
    let failed = |e: sqlx::Error| PgError::new("look for the lines of pg_hba.conf", &e);
    let readable = "select pg_catalog.has_table_privilege('pg_catalog.pg_hba_file_rules', 'select') \
                    and pg_catalog.has_function_privilege('pg_catalog.pg_hba_file_rules()', 'execute')";
    if !sqlx::query_scalar(readable).fetch_one(&mut *connection).await.map_err(failed)? {
        return Ok(None);
    }
    let methods = "select distinct h.auth_method from pg_catalog.pg_hba_file_rules h where h.auth_method is not null";
    Ok(Some(sqlx::query_scalar(methods).fetch_all(connection).await.map_err(failed)?))
}

/// Runs a query that gives one JSON document.
async fn document<T: DeserializeOwned>(
    connection: &mut PgConnection,
    doing: &str,
    sql: &'static str,
    schema: &Ident,
    lists: Option<(&Vec<String>, &Vec<String>)>,
) -> Result<T, PgError> {
    let mut query = sqlx::query_scalar::<_, String>(sql).bind(schema.as_str().to_owned());
    if let Some((extensions, collations)) = lists {
        query = query.bind(extensions.clone()).bind(collations.clone());
    }
    let text = query.fetch_one(connection).await.map_err(|e| PgError::new(doing, &e))?;
    serde_json::from_str(&text).map_err(|e| PgError::Broken { doing: doing.to_owned(), message: e.to_string() })
}

/// Gives the phase of a split that has begun; nothing where this login may not read the registry.
async fn phase(connection: &mut PgConnection, service: &str) -> Result<Option<String>, PgError> {
    let readable: bool = sqlx::query_scalar(
        "select coalesce(pg_catalog.has_table_privilege(c.oid, 'select') \
           and pg_catalog.has_schema_privilege(c.relnamespace, 'usage'), false) \
         from (select 1) o left join pg_catalog.pg_class c on c.oid = ( \
           select k.oid from pg_catalog.pg_class k join pg_catalog.pg_namespace n on n.oid = k.relnamespace \
           where n.nspname = 'pgcleave' and k.relname = 'split')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(|e| PgError::new("look for the registry's splits", &e))?;
    if !readable {
        return Ok(None);
    }
    let row = registry::split::get(connection, service).await?;
    let split = row.and_then(|row| serde_json::from_str::<Split>(&row.record).ok());
    // What has ended is begun anew.
    let under_way = split.filter(|split| split.phase != Phase::Finished);
    Ok(under_way.map(|split| split.phase.as_str().to_owned()))
}
