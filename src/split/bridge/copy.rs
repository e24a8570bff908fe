//! Contracts kept as replicated copies: the old tables stay where they are, under the schema's name, and go on following.
//!
//! Replication finds a table by its name, so that a copy has to be called like the original. The tables that followed
//! until now are that already, with every row: nothing is copied anew, and no consumer ever finds a table empty.

use sqlx::postgres::PgConnection;

use super::shape::{Relation, Side};
use super::{Bridge, run};
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::split::Error;
use crate::sql;
use crate::sql::{Literal, Qualified, Sql};
use crate::transfer::table::TableName;

impl Bridge {
    /// Says which contracts cannot be kept as copies, and why, in sentences.
    #[must_use]
    pub fn copy_refusals(&self) -> Vec<String> {
        let refusal = |crossing: &super::contract::Crossing| {
            let label = crossing.label.clone();
            match self.shapes.of(crossing).map(|relation| relation.kind) {
                Some('r') => self.shapes.refusal(crossing),
                Some('p') => Some(format!("{label} cannot be copied as one table: it has partitions")),
                Some(_) => {
                    Some(format!("{label} cannot be replicated, as only tables can: expose a table, or bridge it"))
                }
                None => self.shapes.refusal(crossing),
            }
        };
        self.crossings.iter().filter_map(refusal).collect()
    }

    /// Gives the tables that go on being replicated.
    #[must_use]
    pub fn copies(&self) -> Vec<TableName> {
        let name = |relation: &Relation| TableName {
            schema: Ident::from_server(&relation.schema),
            name: Ident::from_server(&relation.name),
        };
        self.crossings.iter().filter_map(|crossing| self.shapes.of(crossing)).map(name).collect()
    }

    /// Takes the contracts' tables out of the old schema and back under its former name, in the transaction under way;
    /// what ties them to the rest of the old schema is cut.
    ///
    /// # Errors
    /// The server refused.
    pub async fn keep_copies(&self, consumer: &mut PgConnection, old: &Ident) -> Result<(), Error> {
        let side = self.side(consumer).await?;
        let statements = self.keeping(&side, old);
        Ok(run(consumer, "keep the contracts' tables", statements).await?)
    }

    fn keeping(&self, side: &Side, old: &Ident) -> Vec<Sql> {
        let bridge = &self.names.bridge;
        let mut all = Vec::new();
        if !side.roles.contains(bridge.as_str()) {
            all.push(sql!("create role ", bridge));
        }
        for table in self.copies() {
            if !side.schemas.contains_key(table.schema.as_str()) {
                all.push(sql!("create schema if not exists ", table.schema, " authorization ", bridge));
            }
            if side.relations.contains(&table.label()) {
                continue;
            }
            let is = Qualified(old, &table.name);
            all.push(cut(old, &table.name));
            all.push(sql!("alter table ", is, " set schema ", table.schema));
            all.push(sql!("alter table ", table.sql(), " owner to ", bridge));
        }
        for own in self.shapes.types.iter().filter(|t| !side.types.contains(&format!("{}.{}", t.schema, t.name))) {
            let (schema, name) = (Ident::from_server(&own.schema), Ident::from_server(&own.name));
            all.push(sql!("alter type ", Qualified(old, &name), " set schema ", schema));
            all.push(sql!("alter type ", Qualified(&schema, &name), " owner to ", bridge));
        }
        for crossing in &self.crossings {
            for reader in crossing.readers.iter().filter(|reader| side.roles.contains(reader.as_str())) {
                let on = Qualified(&crossing.schema, &crossing.name);
                all.push(sql!("grant usage on schema ", crossing.schema, " to ", reader));
                all.push(sql!("grant ", crossing.privileges, " on ", on, " to ", reader));
            }
        }
        all
    }

    /// Tells whether contracts are kept as copies, which a bridge of another kind must not take for its own.
    ///
    /// # Errors
    /// The server could not be asked.
    pub async fn has_copies(&self, consumer: &mut PgConnection) -> Result<bool, PgError> {
        sqlx::query_scalar(
            "select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
               join pg_catalog.pg_roles r on r.oid = n.nspowner \
             where n.nspname = any ($1) and r.rolname = $2 and c.relkind = 'r')",
        )
        .bind(self.crossings.iter().map(|c| c.schema.as_str().to_owned()).collect::<Vec<_>>())
        .bind(self.names.bridge.as_str())
        .fetch_one(consumer)
        .await
        .map_err(|e| PgError::new("look for copies", &e))
    }
}

/// Drops a table's foreign keys, in both directions, and its defaults: rows come from the other side only.
fn cut(schema: &Ident, table: &Ident) -> Sql {
    sql!(
        "do $cut$
declare
  kept pg_catalog.oid := (select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ",
        Literal(schema.as_str()),
        " and c.relname = ",
        Literal(table.as_str()),
        ");
  tie record;
begin
  for tie in
    select pg_catalog.format('alter table %s drop constraint %I', k.conrelid::pg_catalog.regclass, k.conname) as cut
    from pg_catalog.pg_constraint k
    where k.contype = 'f' and k.conparentid = 0 and (k.conrelid = kept or k.confrelid = kept) and k.conrelid <> k.confrelid
    union all
    select pg_catalog.format('alter table %s alter column %I drop default', kept::pg_catalog.regclass, a.attname)
    from pg_catalog.pg_attribute a
    where a.attrelid = kept and a.atthasdef and a.attgenerated = '' and not a.attisdropped
  loop
    execute tie.cut;
  end loop;
end
$cut$"
    )
}
