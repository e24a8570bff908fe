//! What SQL text refers to.

use crate::model::privilege::{Privilege, Privileges};

/// One thing that SQL text refers to by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The byte where it begins.
    pub at: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its column, from 1, in characters.
    pub column: usize,
    /// How many characters it spans on its line.
    pub length: usize,
    /// What for.
    pub used: Use,
    /// What the privileges on the object must hold; nothing where no privilege is enough, or none is needed.
    pub needs: Privileges,
    /// The schema; nothing when it is put together at run time, or for a role.
    pub schema: Option<String>,
    /// The object's name; nothing when it is the schema itself, or put together at run time.
    pub name: Option<String>,
    /// How sure it is.
    pub certainty: Certainty,
}

/// How sure a reference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// The text says so.
    Proven,
    /// Text that is built or chosen at run time says so.
    Possible,
    /// Something is referred to, and the text alone does not say what.
    Unprovable,
}

/// What an object is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// A relation's rows or columns are read.
    Read,
    /// Rows are inserted.
    Insert,
    /// Rows are updated.
    Update,
    /// Rows are deleted.
    Delete,
    /// Rows are merged.
    Merge,
    /// A relation is emptied.
    Truncate,
    /// A relation is locked.
    Lock,
    /// A foreign key points to it.
    ForeignKey,
    /// A table inherits from it, or is a partition of it, or has it as one.
    Inherit,
    /// A function or procedure is called, or kept to be called.
    Call,
    /// A sequence is read or advanced.
    Sequence,
    /// A type is used.
    Type,
    /// A relation's row type, or the type of a column of it.
    RowType,
    /// An operator is used.
    Operator,
    /// A collation is used.
    Collation,
    /// An object of any other kind is used, or is named by a `regclass` and the like.
    Object,
    /// It is created, altered, dropped, granted or commented on.
    Define,
    /// The schema itself is named.
    Schema,
    /// Names without a schema will be looked up in it.
    SearchPath,
    /// A role is granted something, or given ownership.
    Role,
    /// A role is named for something else: its membership, its default privileges, its objects.
    RoleName,
    /// Nobody knows.
    Unknown,
}

impl Use {
    /// Gives the privileges that it needs on the object.
    #[must_use]
    pub fn needs(self) -> Privileges {
        match self {
            Self::Read => Privilege::Select.into(),
            Self::Insert => Privilege::Insert.into(),
            Self::Update => Privilege::Update.into(),
            Self::Delete => Privilege::Delete.into(),
            Self::Truncate => Privilege::Truncate.into(),
            Self::Call => Privilege::Execute.into(),
            Self::Sequence | Self::Type => Privilege::Usage.into(),
            Self::Merge
            | Self::Lock
            | Self::ForeignKey
            | Self::Inherit
            | Self::RowType
            | Self::Operator
            | Self::Collation
            | Self::Object
            | Self::Define
            | Self::Schema
            | Self::SearchPath
            | Self::Role
            | Self::RoleName
            | Self::Unknown => Privileges::NONE,
        }
    }

    /// Says it as a verb: who … the object.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Insert => "inserts into",
            Self::Update => "updates",
            Self::Delete => "deletes from",
            Self::Merge => "merges into",
            Self::Truncate => "truncates",
            Self::Lock => "locks",
            Self::ForeignKey => "has a foreign key to",
            Self::Inherit => "inherits or partitions",
            Self::Call => "calls",
            Self::Sequence => "takes numbers of",
            Self::Type => "uses the type",
            Self::RowType => "uses the row type of",
            Self::Operator => "uses the operator",
            Self::Collation => "uses the collation",
            Self::Object => "names",
            Self::Define => "creates, changes or drops",
            Self::Schema => "names the schema",
            Self::SearchPath => "looks up names in the schema",
            Self::Role => "gives something to the role",
            Self::RoleName => "names the role",
            Self::Unknown => "runs SQL that touches",
        }
    }

    /// Tells whether a name without a schema is looked up along the search path.
    pub(super) fn is_looked_up(self) -> bool {
        !self.is_role()
            && !matches!(self, Self::Schema | Self::SearchPath | Self::Unknown | Self::Operator | Self::Define)
    }

    /// Tells whether a role is named, and not an object.
    #[must_use]
    pub fn is_role(self) -> bool {
        matches!(self, Self::Role | Self::RoleName)
    }
}
