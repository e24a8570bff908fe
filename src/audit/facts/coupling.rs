//! What depends on something in another schema, and what the server cannot tell about that.

use super::dependency::Class;
use super::object::SchemaId;
use super::role::RoleId;
use crate::ident::Ident;

/// A dependency from one schema into another, or on a member of an extension elsewhere.
///
/// What depends is told as what people know it by: a view instead of its rule, a column instead of its default.
#[derive(Debug, Clone)]
pub struct Crossing {
    /// The catalog of what depends, before that.
    pub from_kind: Class,
    /// The catalog's letter for its kind: `relkind`, `contype`, `ev_type`, `attgenerated` and so on.
    pub from_detail: char,
    /// The schema that it is in, or that what it hangs on is in.
    pub from_schema: SchemaId,
    /// The catalog of what it is told as.
    pub from_class: Class,
    /// The OID of what it is told as.
    pub from_oid: u32,
    /// PostgreSQL's words for its kind.
    pub from_words: String,
    /// Its name, quoted where it must be.
    pub from_label: String,
    /// The catalog of what is depended on.
    pub to_class: Class,
    /// Its OID.
    pub to_oid: u32,
    /// The catalog's letter for its kind.
    pub to_detail: char,
    /// Its schema; nothing for a system schema, a language or an access method.
    pub to_schema: Option<SchemaId>,
    /// PostgreSQL's words for its kind.
    pub to_words: String,
    /// Its name, quoted where it must be.
    pub to_label: String,
    /// The extension that it came with.
    pub extension: Option<Ident>,
}

/// An expression that looks a name up only when it runs.
#[derive(Debug, Clone)]
pub struct HiddenText {
    /// The schema of what it belongs to.
    pub schema: SchemaId,
    /// What it is: `check`, `view`, `rule`, `default`, `standard body`, `trigger` or `trigger argument`.
    pub kind: String,
    /// The name of what it belongs to.
    pub label: String,
    /// The text.
    pub expression: String,
}

/// A column that keeps OIDs of objects as data.
#[derive(Debug, Clone)]
pub struct RegColumn {
    /// The relation's OID.
    pub relation: u32,
    /// Its name.
    pub column: Ident,
    /// Its type, as `format_type` prints it.
    pub type_name: String,
}

/// The relations and indexes of a schema that lie in a tablespace other than the database's.
#[derive(Debug, Clone)]
pub struct TablespaceUse {
    /// The schema.
    pub schema: SchemaId,
    /// The tablespace's name.
    pub name: Ident,
    /// The first of them by name.
    pub example: String,
    /// How many there are.
    pub count: i32,
}

/// The large objects of a role, which are in no schema.
#[derive(Debug, Clone)]
pub struct LargeObjects {
    /// Whose.
    pub owner: RoleId,
    /// The OID of the first.
    pub example: u32,
    /// How many there are.
    pub count: i32,
}

/// Something that looks like a secret where everybody can read it; the secret itself is never fetched.
#[derive(Debug, Clone)]
pub struct Secret {
    /// What kind of place: `setting`, `body`, `comment`, `option` and so on.
    pub place: String,
    /// Whose.
    pub label: String,
    /// The schema, where it has one.
    pub schema: Option<SchemaId>,
    /// The role that the place belongs to, where one does.
    pub role: Option<RoleId>,
    /// What it looks like.
    pub pattern: String,
}
