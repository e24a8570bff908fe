//! In which order the fence locks the tables: the writers' own, as far as it shows.
//!
//! A writer that locks `entry` and then `account` would meet a fence that comes the other way, and one of both would be
//! a deadlock's victim. Writers hold what they lock first for the longest, so that it is seen locked the most often.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::postgres::PgConnection;

use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::transfer::table::Table;

/// How often to look before a try.
const LOOKS: usize = 20;

/// How long to let writers go on between two looks, in microseconds.
const LOOK_PAUSE_MICROS: u64 = 1500;

/// How often each table was seen locked by a writer; it grows with each try.
#[derive(Debug, Default)]
pub(super) struct Order {
    seen: BTreeMap<Ident, i64>,
}

impl Order {
    /// Looks at what writers hold.
    pub(super) async fn look(&mut self, connection: &mut PgConnection, schema: &Ident) -> Result<(), PgError> {
        for _ in 0..LOOKS {
            let rows: Vec<(String, i64)> = sqlx::query_as(
                "select c.relname::pg_catalog.text, pg_catalog.count(distinct l.pid) \
                 from pg_catalog.pg_locks l join pg_catalog.pg_class c on c.oid = l.relation \
                 where l.granted and l.locktype = 'relation' and l.pid <> pg_catalog.pg_backend_pid() \
                   and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()) \
                   and c.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1) \
                   and c.relkind in ('r', 'p') and l.mode not in ('AccessShareLock', 'RowShareLock') \
                 group by c.relname",
            )
            .bind(schema.as_str())
            .fetch_all(&mut *connection)
            .await
            .map_err(|e| PgError::new("look at what writers lock", &e))?;
            for (table, writers) in rows {
                *self.seen.entry(Ident::from_server(&table)).or_default() += writers;
            }
            tokio::time::sleep(Duration::from_micros(LOOK_PAUSE_MICROS)).await;
        }
        Ok(())
    }

    /// Gives the tables, those that were seen locked the most often first, the others by name.
    pub(super) fn of<'a>(&self, tables: &'a [Table]) -> Vec<&'a Table> {
        let mut ordered: Vec<&Table> = tables.iter().collect();
        ordered.sort_by_key(|table| -self.seen.get(&table.name.name).copied().unwrap_or(0));
        ordered
    }
}
