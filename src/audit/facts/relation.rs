//! Tables and the like, and what hangs on them.

use super::acl::AclId;
use super::object::SchemaId;
use super::role::RoleId;
use crate::ident::Ident;
use crate::model::privilege::Privileges;

/// The kinds of relation (`pg_class.relkind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is PostgreSQL's own word")]
pub enum RelationKind {
    Table,
    PartitionedTable,
    View,
    MaterializedView,
    ForeignTable,
    Sequence,
}

impl RelationKind {
    /// Reads the catalog's letter; nothing for kinds that have no access list.
    #[must_use]
    pub fn from_letter(letter: &str) -> Option<Self> {
        Some(match letter {
            "r" => Self::Table,
            "p" => Self::PartitionedTable,
            "v" => Self::View,
            "m" => Self::MaterializedView,
            "f" => Self::ForeignTable,
            "S" => Self::Sequence,
            _ => return None,
        })
    }

    /// Gives PostgreSQL's words for it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::PartitionedTable => "partitioned table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::ForeignTable => "foreign table",
            Self::Sequence => "sequence",
        }
    }
}

/// How a view checks what is written through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOption {
    /// Against its own condition only: what the views below it hide may be written.
    Local,
    /// Against the conditions of the views below it too.
    Cascaded,
}

/// One relation.
#[derive(Debug, Clone)]
pub struct Relation {
    /// Its OID.
    pub oid: u32,
    /// Its schema.
    pub schema: SchemaId,
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: RoleId,
    /// What kind.
    pub kind: RelationKind,
    /// Its access list.
    pub acl: AclId,
    /// Whether a view checks its base relations as whoever queries it.
    pub security_invoker: bool,
    /// Whether a view keeps functions of its user away from rows that it hides.
    pub security_barrier: bool,
    /// Whether a view refuses rows that it would not show.
    pub check_option: Option<CheckOption>,
    /// Whether a view passes UPDATE (2), INSERT (3) and DELETE (4) on to its base table by itself, as bits.
    pub updatable: u8,
    /// Whether row security is on.
    pub row_security: bool,
    /// Whether it binds the owner too.
    pub force_row_security: bool,
    /// Whether a materialized view holds rows.
    pub populated: bool,
    /// Whether it is a partition.
    pub partition: bool,
    /// Whether a sequence belongs to a column, whose table's owner then owns it as well.
    pub of_column: bool,
    /// Its tablespace; 0 is the database's.
    pub tablespace: u32,
}

/// A column that has an access list.
#[derive(Debug, Clone)]
pub struct Column {
    /// The relation's OID.
    pub relation: u32,
    /// Its number; system columns count down from −1.
    pub number: i16,
    /// Its name.
    pub name: Ident,
    /// Its access list.
    pub acl: AclId,
}

/// The command that a rule rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is PostgreSQL's own word")]
pub enum RuleEvent {
    Select,
    Update,
    Insert,
    Delete,
}

/// One rewrite rule; a view's SELECT is one.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// The relation's OID.
    pub relation: u32,
    /// What it rewrites.
    pub event: RuleEvent,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether the original command is left out.
    pub instead: bool,
    /// Its text; nothing for a view's query.
    pub definition: Option<String>,
}

/// One trigger.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// The relation's OID.
    pub relation: u32,
    /// The function's OID.
    pub function: u32,
    /// The writes that fire it.
    pub events: Privileges,
    /// Whether it fires in an ordinary session; what only a replica fires does not.
    pub enabled: bool,
    /// Whether it fires for each row, so that a write to a parent fires it too.
    pub for_rows: bool,
}

/// One row security policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// The relation's OID.
    pub relation: u32,
    /// Whom it is for; empty for PUBLIC.
    pub roles: Vec<RoleId>,
    /// Whether it opens rows (permissive) or narrows them.
    pub permissive: bool,
    /// The command letter, `*` for all.
    pub command: char,
    /// USING, as text.
    pub using: Option<String>,
    /// WITH CHECK, as text.
    pub check: Option<String>,
}

/// A column's default or generation expression.
#[derive(Debug, Clone)]
pub struct ValueDefault {
    /// Its OID in `pg_attrdef`.
    pub oid: u32,
    /// The relation's OID.
    pub relation: u32,
    /// The column's name.
    pub column: Ident,
    /// Whether the column is generated.
    pub generated: bool,
    /// The expression, where it calls user code or turns text into an object at run time.
    pub expression: Option<String>,
}

/// A constraint that is no foreign key and may depend on something elsewhere.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// The relation's OID, 0 for a domain's.
    pub relation: u32,
    /// The domain's OID, 0 for a relation's.
    pub domain: u32,
}

/// What a foreign key does to the referencing rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is PostgreSQL's own word")]
pub enum KeyAction {
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

impl KeyAction {
    /// Reads the catalog's letter.
    #[must_use]
    pub fn from_letter(letter: &str) -> Self {
        match letter {
            "r" => Self::Restrict,
            "c" => Self::Cascade,
            "n" => Self::SetNull,
            "d" => Self::SetDefault,
            _ => Self::NoAction,
        }
    }

    /// Tells whether it writes.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Cascade | Self::SetNull | Self::SetDefault)
    }

    /// Gives the SQL words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NoAction => "NO ACTION",
            Self::Restrict => "RESTRICT",
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
            Self::SetDefault => "SET DEFAULT",
        }
    }
}

/// One foreign key; those that partitions inherit are not among them.
#[derive(Debug, Clone)]
pub struct ForeignKey {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// The referencing relation's OID.
    pub from: u32,
    /// The referenced relation's OID.
    pub to: u32,
    /// ON DELETE.
    pub on_delete: KeyAction,
    /// ON UPDATE.
    pub on_update: KeyAction,
    /// Whether all rows were checked.
    pub validated: bool,
    /// Whether it is enforced (18).
    pub enforced: bool,
}

/// An index with an expression or a predicate.
#[derive(Debug, Clone)]
pub struct Index {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// The table's OID.
    pub relation: u32,
    /// Whether it is there for a constraint of the same name.
    pub of_constraint: bool,
}

/// One link from a child to a parent table.
#[derive(Debug, Clone, Copy)]
pub struct Inheritance {
    /// The child's OID.
    pub child: u32,
    /// The parent's OID.
    pub parent: u32,
}

/// A view's or materialized view's use of a catalog that only superusers may read.
#[derive(Debug, Clone)]
pub struct ClosedRead {
    /// The view's OID.
    pub relation: u32,
    /// The catalog's name.
    pub catalog: String,
    /// Whether it shows each reader its own rows, so that only a copy gives away others'.
    pub asks: bool,
}
