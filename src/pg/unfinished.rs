//! What an interrupted statement that runs without a transaction leaves: invalid indexes, pending partition detaches.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::error::Error;
use crate::error::one_line;
use crate::ident::Ident;
use crate::sql;
use crate::sql::{Qualified, Sql};

/// Which kind of leftover it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An index that no query uses, left by CREATE INDEX, REINDEX or DROP INDEX CONCURRENTLY.
    Index,
    /// A partition whose DETACH CONCURRENTLY has not ended.
    Detach,
}

/// One leftover of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The OID of the index or of the partition.
    pub oid: i64,
    /// Which kind it is.
    pub kind: Kind,
    /// The schema of the index or of the partition.
    pub schema: Ident,
    /// The index or the partition.
    pub name: Ident,
    /// The schema of the partitioned table.
    pub parent_schema: Ident,
    /// The index's table, or the partitioned table.
    pub parent: Ident,
    /// The backend that may be working on it right now.
    pub busy: Option<i32>,
}

impl Unfinished {
    /// Gives the statement that removes the index, or that finishes the detach.
    #[must_use]
    pub fn cure(&self) -> Sql {
        let name = Qualified(&self.schema, &self.name);
        match self.kind {
            Kind::Index => sql!("drop index concurrently if exists ", name),
            Kind::Detach => {
                let parent = Qualified(&self.parent_schema, &self.parent);
                sql!("alter table ", parent, " detach partition ", name, " finalize")
            }
        }
    }

    /// Gives its qualified name, for people.
    #[must_use]
    pub fn label(&self) -> String {
        one_line(&format!("{}.{}", self.schema.as_str(), self.name.as_str()))
    }

    /// Tells whether a script says the name of the index.
    ///
    /// IF NOT EXISTS takes an invalid index for the index that is wanted; dynamic SQL can say it as well, so the words
    /// of the text are compared and not its statements.
    #[must_use]
    pub fn is_named_in(&self, script: &str) -> bool {
        if self.kind == Kind::Detach {
            return false;
        }
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let name = self.name.as_str();
        let simple = name.chars().all(is_part);
        if !simple {
            return script.contains(&self.name.quoted());
        }
        script.split(|c| !is_part(c)).any(|word| word.eq_ignore_ascii_case(name))
    }
}

impl std::fmt::Display for Unfinished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            Kind::Index => write!(f, "the index {} is invalid", self.label())?,
            Kind::Detach => write!(f, "the detach of the partition {} is pending", self.label())?,
        }
        match self.busy {
            Some(pid) => write!(f, " (pid {pid} holds its table and may be working on it)"),
            None => Ok(()),
        }
    }
}

/// Reads what is invalid or pending in a schema, by OID.
///
/// The index of a partitioned table is left out: it is invalid until each partition has one, as
/// `create index on only` means it.
///
/// # Errors
/// The server could not be asked.
pub async fn read(connection: &mut PgConnection, schema: &Ident) -> Result<Vec<Unfinished>, Error> {
    let rows = sqlx::query(include_str!("sql/unfinished.sql"))
        .bind(schema.as_str())
        .fetch_all(connection)
        .await
        .map_err(|e| Error::new("look for invalid indexes", &e))?;
    let name = |row: &sqlx::postgres::PgRow, column: &str| Ident::from_server(row.get(column));
    Ok(rows
        .iter()
        .map(|row| Unfinished {
            oid: row.get("oid"),
            kind: if row.get("is_index") { Kind::Index } else { Kind::Detach },
            schema: name(row, "schema"),
            name: name(row, "name"),
            parent_schema: name(row, "parent_schema"),
            parent: name(row, "parent"),
            busy: row.get("busy"),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_a_whole_word_in_any_case() {
        let index = |name: &str| Unfinished {
            oid: 1,
            kind: Kind::Index,
            schema: Ident::from_server("s"),
            name: Ident::from_server(name),
            parent_schema: Ident::from_server("s"),
            parent: Ident::from_server("t"),
            busy: None,
        };
        let script =
            "create index if not exists T_v4 on t (v); do $$ begin execute 'create index \"odd name\"'; end $$";
        for (name, found) in [("t_v4", true), ("t_v", false), ("v4", false), ("odd name", true), ("odd", true)] {
            assert_eq!(index(name).is_named_in(script), found, "{name}");
        }
    }
}
