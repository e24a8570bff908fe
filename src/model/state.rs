//! What a database looks like where services meet: the one type for what is asked for and what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::acl::{Acl, AclKind};
use super::moving::Moving;
use super::naming::Slot;
use super::privilege::Privileges;
use crate::ident::Ident;
use crate::sql::{Piece, Sql};

/// One side of a comparison: as the manifests want it, or as the catalog shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct State {
    /// The shared database itself.
    pub database: Database,
    /// Roles by name.
    pub roles: BTreeMap<Ident, Role>,
    /// Who is a member of what.
    #[serde(serialize_with = "as_pairs")]
    pub memberships: BTreeMap<Membership, MembershipOptions>,
    /// Settings of roles in this database.
    #[serde(serialize_with = "as_pairs")]
    pub settings: BTreeMap<Setting, String>,
    /// Extensions by name, with the schema that they are in.
    pub extensions: BTreeMap<Ident, Ident>,
    /// Schemas by name, with what is in them.
    pub schemas: BTreeMap<Ident, Schema>,
    /// Default privileges that differ from PostgreSQL's own.
    #[serde(serialize_with = "as_pairs")]
    pub default_privileges: BTreeMap<DefaultPrivilege, Acl>,
    /// The services that the registry knows, by name.
    pub services: BTreeMap<Ident, Ident>,
    /// The credentials that the registry knows, by service and short name.
    #[serde(serialize_with = "as_pairs")]
    pub credentials: BTreeMap<(Ident, String), Issued>,
}

/// The shared database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Database {
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: Ident,
    /// Who may connect, create schemas and temporary tables.
    pub acl: Acl,
}

/// A role's attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, clippy::struct_excessive_bools, reason = "each is PostgreSQL's own word")]
pub struct Role {
    pub login: bool,
    pub superuser: bool,
    pub inherit: bool,
    pub createrole: bool,
    pub createdb: bool,
    pub replication: bool,
    pub bypassrls: bool,
    /// How many sessions at once; -1 for no limit.
    pub connection_limit: i32,
    /// Whether its password is refused from some time on (VALID UNTIL).
    pub expires: bool,
}

impl Role {
    /// Gives a role that can do nothing but hold privileges.
    #[must_use]
    pub fn group() -> Self {
        Self {
            login: false,
            superuser: false,
            inherit: true,
            createrole: false,
            createdb: false,
            replication: false,
            bypassrls: false,
            connection_limit: -1,
            expires: false,
        }
    }
}

/// That one role is a member of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Membership {
    /// The role whose privileges are had.
    pub role: Ident,
    /// The one that has them.
    pub member: Ident,
    /// Who granted it; before 16 there is at most one grant, and from a superuser it is the bootstrap superuser's.
    pub grantor: Ident,
}

/// What a membership allows; before 16 `inherit` follows the member's attribute and `set` is always true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[expect(missing_docs, reason = "each is PostgreSQL's own word")]
pub struct MembershipOptions {
    pub admin: bool,
    pub inherit: bool,
    pub set: bool,
}

/// One setting of one role in this database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Setting {
    /// The login.
    pub role: Ident,
    /// The parameter, in lower case.
    pub name: String,
}

/// A schema with what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schema {
    /// Its owner.
    pub owner: Ident,
    /// Who may use it and create in it.
    pub acl: Arc<Acl>,
    /// What is in it, but for members of extensions.
    #[serde(serialize_with = "as_pairs")]
    pub objects: BTreeMap<ObjectName, Object>,
}

/// What GRANT tells apart inside a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Tables, partitioned tables, views, materialized views, foreign tables.
    Relation,
    /// Sequences.
    Sequence,
    /// Functions, procedures, aggregates, window functions.
    Routine,
    /// Types and domains, but for those that come with a table, an array or a range.
    Type,
}

impl Class {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::Relation, Self::Sequence, Self::Routine, Self::Type];

    /// Gives the kind of access list.
    #[must_use]
    pub fn acl_kind(self) -> AclKind {
        match self {
            Self::Relation => AclKind::Relation,
            Self::Sequence => AclKind::Sequence,
            Self::Routine => AclKind::Routine,
            Self::Type => AclKind::Type,
        }
    }

    /// Gives the word after `GRANT … ON`.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Relation => "table",
            Self::Sequence => "sequence",
            Self::Routine => "routine",
            Self::Type => "type",
        }
    }
}

/// An object's name inside its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ObjectName {
    /// Its class.
    pub class: Class,
    /// Its name.
    pub name: Ident,
    /// A routine's argument types as `oidvectortypes` prints them under an empty search path.
    pub arguments: Option<Arc<str>>,
}

impl ObjectName {
    /// Gives `schema.name` or `schema.name(types)`, for people.
    #[must_use]
    pub fn label(&self, schema: &Ident) -> String {
        let (schema, name) = (schema.as_str(), self.name.as_str());
        match &self.arguments {
            Some(arguments) => format!("{schema}.{name}({arguments})"),
            None => format!("{schema}.{name}"),
        }
    }
}

/// An object's full name, as GRANT wants it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a>(pub &'a Ident, pub &'a ObjectName);

impl Piece for Named<'_> {
    fn write(&self, out: &mut Sql) {
        crate::sql::Qualified(self.0, &self.1.name).write(out);
        if let Some(arguments) = &self.1.arguments {
            out.push_static("(");
            crate::sql::TypeList(arguments).write(out);
            out.push_static(")");
        }
    }
}

/// One object of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Object {
    /// What it is, as far as privileges depend on it.
    pub kind: ObjectKind,
    /// Its owner.
    pub owner: Ident,
    /// Its access list.
    pub acl: Arc<Acl>,
    /// Access lists of its columns, where there are any.
    pub columns: BTreeMap<Ident, Arc<Acl>>,
}

/// What an object is, as far as privileges and ownership depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// A table or partitioned table.
    Table,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A foreign table.
    ForeignTable,
    /// A sequence of its own.
    Sequence,
    /// A sequence that belongs to a column and follows its table's owner.
    LinkedSequence,
    /// A function that only reads: immutable or stable, and not SECURITY DEFINER.
    ReadingFunction,
    /// Any other function.
    Function,
    /// A procedure.
    Procedure,
    /// A type.
    Type,
    /// A domain.
    Domain,
}

impl ObjectKind {
    /// Gives the word after ALTER, with which an owner is changed.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::ForeignTable => "foreign table",
            Self::Sequence | Self::LinkedSequence => "sequence",
            Self::ReadingFunction | Self::Function | Self::Procedure => "routine",
            Self::Type => "type",
            Self::Domain => "domain",
        }
    }
}

/// Whose future objects of which class, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DefaultPrivilege {
    /// The role that will create the objects.
    pub creator: Ident,
    /// The schema; nothing for the global row, which alone can take from PUBLIC.
    pub schema: Option<Ident>,
    /// The objects' class.
    pub class: Class,
}

/// What the registry knows of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issued {
    /// Which login is published.
    pub active: Slot,
    /// Whether the other login is out of use, so that it must not log in.
    pub steady: bool,
}

/// What the connected administrator is and may do; not part of the managed state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four separate facts")]
pub struct Administrator {
    /// The login's name.
    pub name: Ident,
    /// Whether it is a superuser.
    pub superuser: bool,
    /// Whether it may create roles.
    pub createrole: bool,
    /// Who owns the registry: the administrator that provisions here, when another looks.
    pub registry_owner: Option<Ident>,
    /// Whether it may grant on the database as its owner does.
    pub owns_database: bool,
    /// Whether it may create schemas in the database.
    pub creates_schemas: bool,
    /// Schemas that are not a service's (`public`, those of extensions) and that it may grant on.
    pub grants_on: BTreeSet<Ident>,
    /// Roles that own something in a service's schema, and that it may not act as.
    pub out_of_reach: BTreeSet<Ident>,
}

/// What the catalog shows, with what is needed to judge it.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The actual state.
    pub state: State,
    /// Who looks.
    pub administrator: Administrator,
    /// The server's `server_version_num`, as in 150004.
    pub server_version: u32,
    /// Logins that are neither managed, nor superusers, nor the administrator.
    pub other_logins: BTreeMap<Ident, OtherLogin>,
    /// (view, function it calls), both of services' schemas, for the views that contracts name.
    pub view_calls: BTreeSet<(String, String)>,
    /// Extensions that the server offers and does not trust: only a superuser installs them.
    pub untrusted: BTreeSet<Ident>,
    /// (schema, function) of services' functions that run with the rights of whoever calls them.
    pub invokers: BTreeSet<(String, String)>,
    /// Routines of services with argument types of other schemas, by schema.
    pub foreign_arguments: BTreeMap<Ident, BTreeMap<ObjectName, ForeignArguments>>,
    /// Whether the registry is there.
    pub registry: bool,
    /// The splits that the registry knows, by service.
    pub splits: Vec<Moving>,
    /// Settings that managed roles have in every database of the server, whatever the manifests say.
    pub everywhere: BTreeMap<Setting, EverywhereSetting>,
    /// Managed logins without any password; empty where this login may not know.
    pub without_password: BTreeSet<Ident>,
    /// Published logins with another password than pgcleave gave them; empty where this login may not know.
    pub changed_passwords: BTreeSet<Ident>,
    /// The role prefix with which the registry knows each service.
    pub prefixes: BTreeMap<Ident, String>,
}

/// Where the types of a routine's arguments are, if not in its own schema, and who can look them up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignArguments {
    /// The schemas of the types.
    pub schemas: BTreeSet<Ident>,
    /// Whether no other routine of its schema has its name.
    pub alone: bool,
    /// Whether PUBLIC may use all of these schemas.
    pub open: bool,
    /// The managed roles that may, and the administrator if it may.
    pub usable_by: BTreeSet<Ident>,
}

/// A login of the server that belongs to nothing that pgcleave manages.
///
/// All but `replication` is found out only while PUBLIC has something on the database or on schema `public`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtherLogin {
    /// Whether it may replicate.
    pub replication: bool,
    /// Whether it, or a role that it belongs to, owns something in this database, was granted something here, or has settings
    /// for it.
    pub uses: bool,
    /// Whether that is in the schema of a service that is only described.
    pub described: bool,
    /// The managed roles whose privileges it has.
    pub managed: BTreeSet<Ident>,
    /// What it has on the database otherwise than through PUBLIC.
    pub kept_on_database: Privileges,
    /// What it has on schema `public` otherwise than through PUBLIC.
    pub kept_on_public: Privileges,
    /// Its open sessions in this database.
    pub sessions: u64,
}

/// A setting that a role has in every database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EverywhereSetting {
    /// Its value.
    pub value: String,
    /// Whether the connected login may take it away.
    pub resettable: bool,
}

impl Observed {
    /// Gives the server's major version.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.server_version / 10_000
    }
}

/// Serialises a map with structured keys as a list of pairs, since JSON keys are texts.
fn as_pairs<K: Serialize, V: Serialize, S: serde::Serializer>(
    map: &BTreeMap<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map)
}
