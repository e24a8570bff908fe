//! What `start` refuses before it makes anything.

use sqlx::postgres::PgConnection;

use super::Between;
use super::ends::{self, Ends};
use super::error::Error;
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::transfer::coupling::{self, Coupling, CouplingKind};
use crate::transfer::readers;

/// Looks at both sides; gives what the copy has to know of couplings.
pub(super) async fn look(ends: &mut Ends, between: &Between) -> Result<Vec<Coupling>, Error> {
    let (source, target) = (ends::identity(&mut ends.source).await?, ends::identity(&mut ends.target).await?);
    if target.major < source.major {
        let (target, source) = (target.major, source.major);
        return Err(Error::WrongTarget(format!("the target is PostgreSQL {target}, older than the source's {source}")));
    }
    let mut blockers = settings(&mut ends.source, "source").await?;
    blockers.extend(settings(&mut ends.target, "target").await?);
    blockers.extend(tables(&mut ends.source, &between.schema).await?);
    if exists(&mut ends.target, &between.schema).await? {
        let schema = between.schema.as_str();
        blockers.push(format!("the target has a schema {schema} already: drop it, or choose another database"));
    }
    let mut couplings = coupling::find(&mut ends.source, &between.schema).await?;
    // Rows are read as their owners: what the connecting login may not read itself says nothing.
    couplings.retain(|coupling| !coupling.kind.hides_rows());
    if let Some(refusal) = readers::refusals(&mut ends.source, &between.schema).await?.into_iter().next() {
        return Err(refusal.into());
    }
    if !blockers.is_empty() {
        return Err(Error::Blocked { service: between.service.clone(), blockers });
    }
    let blocks = |c: &&Coupling| c.kind.blocks() || c.kind == CouplingKind::Unlogged;
    let blocking: Vec<_> = couplings.iter().filter(blocks).cloned().collect();
    if !blocking.is_empty() {
        return Err(Error::Coupled { service: between.service.clone(), couplings: blocking });
    }
    Ok(couplings)
}

async fn settings(connection: &mut PgConnection, side: &str) -> Result<Vec<String>, PgError> {
    let (level, slots): (String, bool) = sqlx::query_as(
        "select pg_catalog.current_setting('wal_level'), \
           (select pg_catalog.count(*) from pg_catalog.pg_replication_slots) \
             < pg_catalog.current_setting('max_replication_slots')::pg_catalog.int4",
    )
    .fetch_one(connection)
    .await
    .map_err(|e| PgError::new("read the settings of replication", &e))?;
    let mut blockers = Vec::new();
    if level != "logical" {
        blockers.push(format!("wal_level of the {side} is {level}: set it to logical and restart the server"));
    }
    if !slots {
        blockers.push(format!("all replication slots of the {side} are in use: raise max_replication_slots"));
    }
    Ok(blockers)
}

async fn tables(connection: &mut PgConnection, schema: &Ident) -> Result<Vec<String>, PgError> {
    let names: Vec<String> = sqlx::query_scalar(
        "select c.relname::pg_catalog.text from pg_catalog.pg_class c \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1 and c.relkind = 'r' and c.relreplident <> 'f' and not exists ( \
           select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisvalid \
             and case c.relreplident when 'd' then i.indisprimary and i.indimmediate when 'i' then i.indisreplident end) \
         order by 1",
    )
    .bind(schema.as_str())
    .fetch_all(connection)
    .await
    .map_err(|e| PgError::new("look for replica identities", &e))?;
    let fix = "add a primary key, or alter table … replica identity (using index, or full)";
    Ok(names.iter().map(|name| format!("table {name} has no replica identity: {fix}")).collect())
}

async fn exists(connection: &mut PgConnection, schema: &Ident) -> Result<bool, PgError> {
    sqlx::query_scalar("select exists (select from pg_catalog.pg_namespace where nspname = $1)")
        .bind(schema.as_str())
        .fetch_one(connection)
        .await
        .map_err(|e| PgError::new("look into the target", &e))
}
