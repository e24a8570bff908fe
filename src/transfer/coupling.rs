//! What ties a schema to the rest of its database, so that a copy of the schema alone would miss it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::ident::Ident;
use crate::pg::error::Error as PgError;

/// What the triggers of a split under way refer to.
const SPLIT_BLOCK: &str = "function pgcleave.split_moved()";

/// How many of a kind are listed for people.
const LISTED: usize = 20;

/// One thing that reaches over the schema's edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Coupling {
    /// What kind.
    pub kind: CouplingKind,
    /// The object of the schema, or the object beside it, that this is about.
    pub object: String,
    /// What it is tied to; empty where the kind says it all.
    pub refers_to: String,
}

/// The kinds of coupling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CouplingKind {
    /// A conversion between types that belongs to no schema.
    Cast,
    /// A trigger on DDL of the whole database.
    EventTrigger,
    /// An extension that the schema needs.
    Extension,
    /// A foreign key to a table of another schema.
    ForeignKey,
    /// A foreign table, whose rows and server are elsewhere.
    ForeignTable,
    /// A table or sequence that this login may not read.
    Inaccessible,
    /// Columns that may name large objects.
    LargeObjects,
    /// Something of another schema needs an object of this one.
    NeededBy,
    /// An object of this schema needs something of another one.
    Needs,
    /// A partition of a table of this schema lies in another one, with its rows.
    PartitionElsewhere,
    /// A publication of the schema's tables.
    Publication,
    /// A role of the service has an attribute that reaches over the whole server.
    RoleAttribute,
    /// Row-level security keeps rows from this login.
    RowLevelSecurity,
    /// A function that an index, constraint or materialized view calls depends on the caller's search path.
    SearchPath,
    /// A label of a security provider, which the server must have loaded.
    SecurityLabel,
    /// A setting of the whole database.
    Setting,
    /// A relation is in a tablespace of its own.
    Tablespace,
    /// A table that is empty after a crash and cannot be replicated.
    Unlogged,
}

impl CouplingKind {
    /// Tells whether a copy of the schema alone would be wrong or could not be restored.
    #[must_use]
    pub fn blocks(self) -> bool {
        use CouplingKind::*;
        matches!(
            self,
            ForeignKey | ForeignTable | Inaccessible | LargeObjects | Needs | PartitionElsewhere | RowLevelSecurity
        )
    }

    /// Tells whether the copy would lack rows without a word, so that it can never be allowed.
    #[must_use]
    pub fn hides_rows(self) -> bool {
        matches!(self, Self::Inaccessible | Self::RowLevelSecurity)
    }

    /// Tells whether rows would lack in files that hold rows and nothing else.
    #[must_use]
    pub fn leaves_rows_out(self) -> bool {
        use CouplingKind::*;
        self.hides_rows() || matches!(self, ForeignTable | LargeObjects | PartitionElsewhere)
    }

    /// Gives its name in JSON and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        use CouplingKind::*;
        match self {
            Cast => "cast",
            EventTrigger => "event-trigger",
            Extension => "extension",
            ForeignKey => "foreign-key",
            ForeignTable => "foreign-table",
            Inaccessible => "inaccessible",
            LargeObjects => "large-objects",
            NeededBy => "needed-by",
            Needs => "needs",
            PartitionElsewhere => "partition-elsewhere",
            Publication => "publication",
            RoleAttribute => "role-attribute",
            RowLevelSecurity => "row-level-security",
            SearchPath => "search-path",
            SecurityLabel => "security-label",
            Setting => "setting",
            Tablespace => "tablespace",
            Unlogged => "unlogged",
        }
    }

    fn parse(name: &str) -> Self {
        use CouplingKind::*;
        let all = [
            Cast,
            EventTrigger,
            Extension,
            ForeignKey,
            ForeignTable,
            Inaccessible,
            LargeObjects,
            NeededBy,
            Needs,
            PartitionElsewhere,
            Publication,
            RoleAttribute,
            RowLevelSecurity,
            SearchPath,
            SecurityLabel,
            Setting,
            Tablespace,
            Unlogged,
        ];
        all.into_iter().find(|kind| kind.name() == name).expect("the query names only these")
    }
}

impl Coupling {
    /// Tells whether it is but the block that a split under way has made.
    #[must_use]
    pub fn is_of_a_split(&self) -> bool {
        self.refers_to == SPLIT_BLOCK
    }

    /// Says what it is and what becomes of it, in one sentence.
    #[must_use]
    pub fn message(&self) -> String {
        use CouplingKind::*;
        let (object, other) = (&self.object, &self.refers_to);
        match self.kind {
            Cast => format!("the {object} belongs to no schema and is left out"),
            EventTrigger => format!("event trigger {object} ({other}) fires for DDL here and is left out"),
            Extension => format!("extension {object} is needed and is created on restore"),
            ForeignKey => format!("{object} points to {other}"),
            ForeignTable => format!("{object} depends on {other}, which is left out"),
            Inaccessible => format!("role {other} may not read {object}"),
            LargeObjects => format!("column {object} may name large objects, which are left out"),
            NeededBy => format!("{object} is needed by {other}, which stays behind"),
            Needs => format!("{object} needs {other}, which is left out"),
            PartitionElsewhere => format!("{other} holds rows of {object} and is left out"),
            Publication => format!("publication {object} of {other} is left out"),
            RoleAttribute => format!("{other} of role {object} is left out"),
            RowLevelSecurity => format!("row-level security hides rows of {object} from {other}"),
            SearchPath => format!(
                "function {object} is called by an index, constraint or materialized view and has no search_path of its own"
            ),
            SecurityLabel => format!("{object} has a security label of {other}, which goes along"),
            Setting => format!("the database's setting {object} is left out"),
            Tablespace => format!("{object} is in tablespace {other}; it is restored into the default one"),
            Unlogged => format!("table {object} is unlogged: its rows are copied as they are now"),
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        use CouplingKind::*;
        match self.kind {
            Cast => "create the cast on the target by hand",
            EventTrigger => "create it on the target if it is wanted there",
            Extension => "make sure that the target's server offers it",
            ForeignKey => "drop the foreign key, and keep the other service's id as a plain value",
            ForeignTable => "create the foreign server on the target first, or drop the foreign table",
            Inaccessible => "grant SELECT, or export as the schema's owner",
            LargeObjects => "move the contents into a bytea column",
            NeededBy => "read it through a contract, which a split can bridge",
            Needs => "move or copy what it needs into the schema, or create it on the target first",
            PartitionElsewhere => "alter table … set schema, so that all partitions are in one schema",
            Publication => "create a publication on the target if it is wanted there",
            RoleAttribute => "alter role … on the target, if it is wanted there",
            RowLevelSecurity => "export as the table's owner (without FORCE) or as a role with BYPASSRLS",
            SearchPath => "alter function … set search_path, or qualify the names in its body",
            SecurityLabel => "load the provider on the target's server before the restore",
            Setting => "alter database … set it on the target, if the service leans on it",
            Tablespace => "move it on the target if need be",
            Unlogged => "alter table … set logged, if its rows matter",
        }
    }
}

/// Lists couplings of any order for people, each with its fix; of a kind that has very many, the first.
#[must_use]
pub fn listed(couplings: &[Coupling]) -> String {
    let mut kinds = BTreeMap::<CouplingKind, Vec<&Coupling>>::new();
    couplings.iter().for_each(|coupling| kinds.entry(coupling.kind).or_default().push(coupling));
    let mut out = String::new();
    for (kind, all) in kinds {
        for coupling in all.iter().take(LISTED) {
            let (message, fix) = (coupling.message(), coupling.fix());
            out.push_str(&format!("\n  {message} [{}]\n    {fix}", kind.name()));
        }
        if let more @ 1.. = all.len().saturating_sub(LISTED) {
            out.push_str(&format!("\n  and {more} more [{}]", kind.name()));
        }
    }
    out
}

/// Finds them all, in order.
///
/// # Errors
/// The server refused the query.
pub async fn find(connection: &mut PgConnection, schema: &Ident) -> Result<Vec<Coupling>, PgError> {
    let rows = sqlx::query(include_str!("sql/couplings.sql"))
        .bind(schema.as_str())
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("look for couplings", &e))?;
    let coupling = |row: &sqlx::postgres::PgRow| Coupling {
        kind: CouplingKind::parse(row.get("kind")),
        object: row.get("object"),
        refers_to: row.get("refers_to"),
    };
    let mut found: Vec<_> = rows.iter().map(coupling).collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_of_a_kind_the_first_are_listed_and_the_rest_counted() {
        let coupling = |kind, n: usize| Coupling { kind, object: format!("view v{n}"), refers_to: "table a.t".into() };
        let mut all: Vec<_> = (0..LISTED + 5).map(|n| coupling(CouplingKind::Needs, n)).collect();
        all.push(coupling(CouplingKind::NeededBy, 0));
        let list = listed(&all);
        assert_eq!(list.matches("[needs]\n    ").count(), LISTED, "{list}");
        assert!(list.contains("\n  and 5 more [needs]") && list.contains("[needed-by]"), "{list}");
        assert!(!listed(&all[..LISTED]).contains("more"));
    }
}
