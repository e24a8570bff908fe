//! What has no schema: databases, foreign servers, publications, parameters, default privileges.

use super::acl::AclId;
use super::object::SchemaId;
use super::role::RoleId;
use crate::ident::Ident;
use crate::model::acl::AclKind;

/// One database of the server.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: RoleId,
    /// Its access list.
    pub acl: AclId,
    /// Whether anybody may connect at all.
    pub allows_connections: bool,
}

/// The kind of object that a default privilege is for (`pg_default_acl.defaclobjtype`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is PostgreSQL's own word")]
pub enum DefaultKind {
    Tables,
    Sequences,
    Routines,
    Types,
    Schemas,
    LargeObjects,
}

impl DefaultKind {
    /// Reads the catalog's letter.
    #[must_use]
    pub fn from_letter(letter: &str) -> Option<Self> {
        Some(match letter {
            "r" => Self::Tables,
            "S" => Self::Sequences,
            "f" => Self::Routines,
            "T" => Self::Types,
            "n" => Self::Schemas,
            "L" => Self::LargeObjects,
            _ => return None,
        })
    }

    /// Gives the words that follow `ON` in ALTER DEFAULT PRIVILEGES.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Tables => "tables",
            Self::Sequences => "sequences",
            Self::Routines => "routines",
            Self::Types => "types",
            Self::Schemas => "schemas",
            Self::LargeObjects => "large objects",
        }
    }

    /// Gives the words for people, who say functions.
    #[must_use]
    pub fn label(self) -> &'static str {
        if self == Self::Routines { "functions" } else { self.words() }
    }

    /// Gives the kind of access list that it becomes.
    #[must_use]
    pub fn acl_kind(self) -> AclKind {
        match self {
            Self::Tables => AclKind::Relation,
            Self::Sequences => AclKind::Sequence,
            Self::Routines => AclKind::Routine,
            Self::Types => AclKind::Type,
            Self::Schemas => AclKind::Schema,
            Self::LargeObjects => AclKind::LargeObject,
        }
    }
}

/// One row of default privileges.
#[derive(Debug, Clone)]
pub struct DefaultAcl {
    /// Whose new objects get it.
    pub creator: RoleId,
    /// The schema; nothing for the global row, which replaces the built-in default instead of adding to it.
    pub schema: Option<SchemaId>,
    /// What kind of object.
    pub kind: DefaultKind,
    /// What they get.
    pub acl: AclId,
}

/// One large object.
#[derive(Debug, Clone)]
pub struct LargeObject {
    /// Its OID.
    pub oid: u32,
    /// Its owner.
    pub owner: RoleId,
    /// Its access list.
    pub acl: AclId,
}

/// One foreign-data wrapper.
#[derive(Debug, Clone)]
pub struct Wrapper {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: RoleId,
    /// Its access list.
    pub acl: AclId,
}

/// One foreign server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// Its wrapper's name.
    pub wrapper: Ident,
    /// Whether its wrapper reads files of the server's machine, as `file_fdw` does.
    pub of_files: bool,
    /// Its owner.
    pub owner: RoleId,
    /// Its access list.
    pub acl: AclId,
    /// Its options, `key=value`.
    pub options: Vec<String>,
}

/// One user mapping.
#[derive(Debug, Clone)]
pub struct UserMapping {
    /// The server's OID.
    pub server: u32,
    /// Whose; nothing for PUBLIC.
    pub role: Option<RoleId>,
    /// The remote role, where this session may see it.
    pub remote_role: Option<String>,
    /// Whether it names none, so that the server's own account is the remote role.
    pub own_account: bool,
}

/// The options of a foreign table.
#[derive(Debug, Clone)]
pub struct ForeignTable {
    /// The relation's OID.
    pub relation: u32,
    /// The server's OID.
    pub server: u32,
    /// Its options, `key=value`.
    pub options: Vec<String>,
}

/// Finds an option's value in a list of `key=value`.
#[must_use]
pub fn option<'a>(options: &'a [String], key: &str) -> Option<&'a str> {
    options.iter().find_map(|line| line.split_once('=').filter(|(k, _)| *k == key).map(|(_, value)| value))
}

/// One publication.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: RoleId,
    /// Whether it publishes every table, now and later.
    pub all_tables: bool,
    /// The OIDs of the relations that it names.
    pub relations: Vec<u32>,
    /// The schemas that it publishes whole.
    pub schemas: Vec<SchemaId>,
}

/// One subscription.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: RoleId,
    /// Whether it runs.
    pub enabled: bool,
    /// The publications that it follows.
    pub publications: Vec<String>,
}

/// One event trigger.
#[derive(Debug, Clone)]
pub struct EventTrigger {
    /// Its name.
    pub name: Ident,
    /// Its event.
    pub event: String,
    /// Its owner.
    pub owner: RoleId,
    /// The function's OID.
    pub function: u32,
    /// The function's owner.
    pub function_owner: RoleId,
    /// The function's name for people.
    pub function_label: String,
    /// Whether it fires.
    pub enabled: bool,
}

/// One extension.
#[derive(Debug, Clone)]
pub struct Extension {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: RoleId,
    /// The schema of its objects, if that is not a system schema.
    pub schema: Option<SchemaId>,
}

/// One parameter that something was granted on.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// The bootstrap superuser, to whom all parameters belong.
    pub owner: RoleId,
    /// Its access list.
    pub acl: AclId,
}

/// One tablespace.
#[derive(Debug, Clone)]
pub struct Tablespace {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: RoleId,
    /// Its access list.
    pub acl: AclId,
}

/// A system object, or a member of an extension, whose access list is not the initial one.
#[derive(Debug, Clone)]
pub struct SystemGrant {
    /// Its OID.
    pub oid: u32,
    /// Its schema's name.
    pub schema: String,
    /// The column, for a column's access list.
    pub column: Option<String>,
    /// What it is.
    pub kind: AclKind,
    /// Its name for people, quoted where it must be.
    pub label: String,
    /// Its owner.
    pub owner: RoleId,
    /// What its access list gives beyond the initial one.
    pub acl: AclId,
}
