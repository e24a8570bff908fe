//! What a registry knows of one service, carried to the registry of another database.

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::trust;
use crate::ident::Ident;
use crate::pg::error::Error;

/// All of it as one value; migrations only as far as the copy is of the history table that is there.
const READ: &str = "select pg_catalog.jsonb_build_object( \
    'service', (select pg_catalog.to_jsonb(s) from pgcleave.service s where s.name = $1), \
    'credentials', (select pg_catalog.jsonb_agg(c) from pgcleave.credential c where c.service = $1), \
    'migrations', (select pg_catalog.jsonb_agg(m) from pgcleave.migration m join pgcleave.migrated d on d.schema = m.schema \
      join pg_catalog.pg_class h on h.oid = d.history and h.relname = 'refinery_schema_history' \
      join pg_catalog.pg_namespace n on n.oid = h.relnamespace and n.nspname = m.schema where m.schema = $2))::pg_catalog.text";

const SERVICE: &str = "insert into pgcleave.service \
    select r.* from pg_catalog.jsonb_populate_record(null::pgcleave.service, \
      coalesce(nullif($1::pg_catalog.jsonb -> 'service', 'null'), '{}')) r where r.name is not null \
    on conflict (name) do update set schema = excluded.schema, role_prefix = excluded.role_prefix";

const CREDENTIALS: &str = "insert into pgcleave.credential \
    select r.* from pg_catalog.jsonb_populate_recordset(null::pgcleave.credential, \
      coalesce(nullif($1::pg_catalog.jsonb -> 'credentials', 'null'), '[]')) r \
    on conflict (service, name) do update set active = excluded.active, phase = excluded.phase, issued_at = excluded.issued_at, \
      rotated_at = excluded.rotated_at, retire_after = excluded.retire_after, \
      verifier_a = excluded.verifier_a, verifier_b = excluded.verifier_b";

const MIGRATED: &str = "insert into pgcleave.migrated (schema, history) \
    select n.nspname::pg_catalog.text, c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    where n.nspname = $2 and c.relname = 'refinery_schema_history' and $1::pg_catalog.jsonb -> 'migrations' <> 'null' \
    on conflict (schema) do update set history = excluded.history, recorded_at = pg_catalog.now()";

const MIGRATIONS: &str = "insert into pgcleave.migration \
    select r.* from pg_catalog.jsonb_populate_recordset(null::pgcleave.migration, \
      coalesce(nullif($1::pg_catalog.jsonb -> 'migrations', 'null'), '[]')) r join pgcleave.migrated d on d.schema = r.schema \
    where r.schema = $2 on conflict do nothing";

/// Gives `to` the rows that `from` has of a service: the service, its credentials, its applied migrations.
///
/// # Errors
/// A registry is missing, or a server refused.
pub async fn carry(from: &mut PgConnection, to: &mut PgConnection, service: &str, schema: &Ident) -> Result<(), Error> {
    let failed = |e| Error::new(format!("carry over what the registry knows of {service}"), &e);
    for side in [&mut *from, &mut *to] {
        trust::verified(side).await?;
    }
    let known: String =
        sqlx::query_scalar(READ).bind(service).bind(schema.as_str()).fetch_one(from).await.map_err(failed)?;
    let mut transaction = to.begin().await.map_err(failed)?;
    for statement in [SERVICE, CREDENTIALS] {
        sqlx::query(statement).bind(&known).execute(&mut *transaction).await.map_err(failed)?;
    }
    for statement in [MIGRATED, MIGRATIONS] {
        let query = sqlx::query(statement).bind(&known).bind(schema.as_str());
        query.execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}
