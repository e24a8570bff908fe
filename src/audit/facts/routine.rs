//! Functions, procedures, types, languages, casts.

use super::acl::AclId;
use super::object::SchemaId;
use super::role::RoleId;
use crate::ident::Ident;

/// One function, procedure or aggregate.
#[derive(Debug, Clone)]
pub struct Routine {
    /// Its OID.
    pub oid: u32,
    /// Its schema.
    pub schema: SchemaId,
    /// Its name.
    pub name: Ident,
    /// Its argument types, as `oidvectortypes` prints them under an empty search path.
    pub arguments: Box<str>,
    /// Its owner.
    pub owner: RoleId,
    /// Its access list.
    pub acl: AclId,
    /// The catalog's letter: `f`, `p`, `a`, `w`.
    pub kind: char,
    /// SECURITY DEFINER.
    pub security_definer: bool,
    /// The catalog's letter: `i`, `s`, `v`.
    pub volatility: char,
    /// The language's name.
    pub language: Ident,
    /// The settings that hold while it runs, as `name=value`.
    pub config: Vec<String>,
    /// Whether it returns `trigger` or `event_trigger`.
    pub trigger: bool,
    /// Its source text; nothing for extension members, compiled code, and bodies that the server has parsed.
    pub body: Option<Box<str>>,
    /// Whether the server has parsed its body (`BEGIN ATOMIC`), so that `pg_depend` knows it.
    pub atomic: bool,
}

impl Routine {
    /// Gives the value of a setting in its `SET` clause.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.config.iter().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// One type or domain.
#[derive(Debug, Clone)]
pub struct Type {
    /// Its OID.
    pub oid: u32,
    /// Its schema.
    pub schema: SchemaId,
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: RoleId,
    /// Its access list.
    pub acl: AclId,
    /// The catalog's letter: `b`, `c`, `d`, `e`, `r`, `m`, `p`.
    pub kind: char,
    /// The element type's OID of an array, else 0.
    pub element: u32,
    /// The relation's OID of a row type, else 0.
    pub relation: u32,
    /// The OID of a composite type's own relation, on which its columns depend, else 0.
    pub composite: u32,
}

/// One procedural language.
#[derive(Debug, Clone)]
pub struct Language {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: RoleId,
    /// Its access list.
    pub acl: AclId,
    /// Whether it keeps its users inside the database.
    pub trusted: bool,
}

/// One cast.
#[derive(Debug, Clone)]
pub struct Cast {
    /// Its OID.
    pub oid: u32,
    /// The source type's OID.
    pub source: u32,
    /// The target type's OID.
    pub target: u32,
    /// The function's OID, or 0.
    pub function: u32,
    /// Both types, as `format_type` prints them.
    pub label: String,
}
