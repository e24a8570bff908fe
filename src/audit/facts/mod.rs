//! What the audit knows about a database: the catalogs, read once, as compact rows that point at each other.
//!
//! Nothing here judges. Rows are kept in the order in which the server gave them, which every query fixes.

pub mod acl;
pub mod coupling;
pub mod dependency;
pub mod object;
pub mod outside;
pub mod relation;
pub mod role;
pub mod routine;

use std::collections::HashMap;

use crate::ident::Ident;
use crate::model::moving::Moving;
use acl::{AclId, Acls};
use coupling::{Crossing, HiddenText, LargeObjects, RegColumn, Secret, TablespaceUse};
use dependency::Dependencies;
use object::{SchemaId, StandaloneObject};
use outside::{
    Database, DefaultAcl, EventTrigger, Extension, ForeignTable, LargeObject, Parameter, Publication, Server,
    Subscription, SystemGrant, Tablespace, UserMapping, Wrapper,
};
use relation::{Column, Constraint, ForeignKey, Index, Inheritance, Policy, Relation, Rule, Trigger, ValueDefault};
use role::{Membership, Roles, Setting};
use routine::{Cast, Language, Routine, Type};

/// The server and the session that read it.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// The major version.
    pub major: u32,
    /// The database that was read.
    pub database: String,
    /// The role that read it.
    pub role: String,
    /// The administrator that the project declares; empty where it declares none.
    pub administrator: String,
    /// Whether large objects ignore their access lists (`lo_compat_privileges`).
    pub lo_compat_privileges: bool,
    /// The port that the server listens on.
    pub port: String,
    /// The names and addresses under which the server reaches itself.
    pub own_hosts: Vec<String>,
}

/// A registry that is not in trusted hands.
#[derive(Debug, Clone)]
pub struct ForeignRegistry {
    /// What in it belongs to others, or is not as pgcleave makes it.
    pub listed: String,
    /// What to do.
    pub fix: String,
}

/// A service that pgcleave manages here, as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedService {
    /// Its name.
    pub name: Ident,
    /// Its schema.
    pub schema: Ident,
    /// What stands before the names of its roles.
    pub role_prefix: String,
    /// The names of the credentials that were issued.
    pub credentials: Vec<String>,
}

/// One schema; `pg_*` and `information_schema` are not among them.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: role::RoleId,
    /// Its access list.
    pub acl: AclId,
}

/// Everything that was read.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The server and the session.
    pub session: Session,
    /// The splits that the registry knows.
    pub splits: Vec<Moving>,
    /// The services that the registry knows; none where this session may not read it.
    pub managed: Vec<ManagedService>,
    /// What keeps the registry from being read, if anything does.
    pub foreign_registry: Option<ForeignRegistry>,
    /// All roles, system roles too.
    pub roles: Roles,
    /// Who is a member of what.
    pub memberships: Vec<Membership>,
    /// Settings of roles and databases.
    pub settings: Vec<Setting>,
    /// The distinct access lists.
    pub acls: Acls,
    /// All databases of the server.
    pub databases: Vec<Database>,
    /// The schemas by OID.
    pub schemas: Vec<Schema>,
    /// Tables, views, sequences and the like, by OID.
    pub relations: Vec<Relation>,
    /// The columns that have an access list of their own.
    pub columns: Vec<Column>,
    /// Functions and procedures, by OID.
    pub routines: Vec<Routine>,
    /// Types and domains, by OID; row types of tables and arrays only where something was granted on them.
    pub types: Vec<Type>,
    /// Statistics, operators, collations and so on, as far as they have an owner.
    pub standalone: Vec<StandaloneObject>,
    /// Procedural languages.
    pub languages: Vec<Language>,
    /// Casts that are not the system's.
    pub casts: Vec<Cast>,
    /// Rules, the ones of views too.
    pub rules: Vec<Rule>,
    /// Which views read catalogs that are closed to all but superusers.
    pub closed_reads: Vec<relation::ClosedRead>,
    /// Triggers that are not internal.
    pub triggers: Vec<Trigger>,
    /// Row security policies.
    pub policies: Vec<Policy>,
    /// Column defaults that depend on something or hide text, and generated columns.
    pub defaults: Vec<ValueDefault>,
    /// Check and other constraints that may depend on something elsewhere.
    pub constraints: Vec<Constraint>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Indexes with an expression or a predicate.
    pub indexes: Vec<Index>,
    /// Which table is whose child.
    pub inheritance: Vec<Inheritance>,
    /// What depends on what (`pg_depend`, normal and extension dependencies).
    pub dependencies: Dependencies,
    /// Default privileges.
    pub default_acls: Vec<DefaultAcl>,
    /// Large objects that have an access list.
    pub large_objects: Vec<LargeObject>,
    /// Foreign-data wrappers.
    pub wrappers: Vec<Wrapper>,
    /// Foreign servers.
    pub servers: Vec<Server>,
    /// User mappings.
    pub user_mappings: Vec<UserMapping>,
    /// The options of foreign tables.
    pub foreign_tables: Vec<ForeignTable>,
    /// Publications with what they publish.
    pub publications: Vec<Publication>,
    /// Subscriptions of this database.
    pub subscriptions: Vec<Subscription>,
    /// Event triggers.
    pub event_triggers: Vec<EventTrigger>,
    /// Extensions.
    pub extensions: Vec<Extension>,
    /// Parameters that something was granted on.
    pub parameters: Vec<Parameter>,
    /// Tablespaces.
    pub tablespaces: Vec<Tablespace>,
    /// System objects whose access list is not the initial one.
    pub system_grants: Vec<SystemGrant>,
    /// Dependencies from one schema into another.
    pub crossings: Vec<Crossing>,
    /// Checks and views that look names up only when they run.
    pub hidden_texts: Vec<HiddenText>,
    /// Columns that keep OIDs of objects.
    pub reg_columns: Vec<RegColumn>,
    /// Which schemas lie in which tablespaces.
    pub tablespace_uses: Vec<TablespaceUse>,
    /// Whose large objects there are.
    pub large_object_owners: Vec<LargeObjects>,
    /// What looks like a secret where everybody can read it.
    pub secrets: Vec<Secret>,
    /// What this session was not allowed to read, sorted.
    pub not_readable: Vec<String>,
    lookup: Lookup,
}

/// From OIDs to positions.
#[derive(Debug, Clone, Default)]
struct Lookup {
    schemas: HashMap<u32, SchemaId>,
    relations: HashMap<u32, u32>,
    routines: HashMap<u32, u32>,
    types: HashMap<u32, u32>,
    views: HashMap<u32, Vec<u32>>,
    rules: HashMap<u32, u32>,
}

impl Facts {
    /// Builds the indexes; to be called once, after all rows are in.
    pub fn finish(&mut self) {
        fn positions<T>(rows: &[T], oid: impl Fn(&T) -> u32) -> HashMap<u32, u32> {
            rows.iter().zip(0..).map(|(row, at)| (oid(row), at)).collect()
        }
        self.lookup.schemas = self.schemas.iter().zip(0..).map(|(s, at)| (s.oid, SchemaId(at))).collect();
        self.lookup.relations = positions(&self.relations, |r| r.oid);
        self.lookup.routines = positions(&self.routines, |r| r.oid);
        self.lookup.types = positions(&self.types, |t| t.oid);
        self.lookup.rules = positions(&self.rules, |r| r.oid);
        self.columns.sort_by_key(|c| (c.relation, c.number));
        self.lookup.views = HashMap::new();
        for (rule, at) in self.rules.iter().zip(0..) {
            self.lookup.views.entry(rule.relation).or_default().push(at);
        }
        self.dependencies.finish();
        self.not_readable.sort();
        self.not_readable.dedup();
    }

    /// Finds a schema by OID; system schemas are not there.
    #[must_use]
    pub fn schema(&self, oid: u32) -> Option<SchemaId> {
        self.lookup.schemas.get(&oid).copied()
    }

    /// Gives a schema's row.
    #[must_use]
    pub fn schema_row(&self, id: SchemaId) -> &Schema {
        &self.schemas[id.0 as usize]
    }

    /// Finds a relation's position by OID.
    #[must_use]
    pub fn relation(&self, oid: u32) -> Option<usize> {
        self.lookup.relations.get(&oid).map(|at| *at as usize)
    }

    /// Finds a routine's position by OID.
    #[must_use]
    pub fn routine(&self, oid: u32) -> Option<usize> {
        self.lookup.routines.get(&oid).map(|at| *at as usize)
    }

    /// Tells whether a trigger is a write block of a split: one that the registry knows, which runs the registry's own
    /// function, and that belongs to the registry's owner.
    #[must_use]
    pub fn is_write_block(&self, trigger: &Trigger) -> bool {
        let Some(routine) = self.routine(trigger.function).map(|at| &self.routines[at]) else { return false };
        let schema = self.schema_row(routine.schema);
        schema.name.as_str() == "pgcleave"
            && routine.name.as_str() == "split_moved"
            && routine.owner == schema.owner
            && self.splits.iter().any(|split| split.is_write_block(trigger.oid, trigger.name.as_str()))
    }

    /// Gives the registry's schema, where there is one in trusted hands.
    #[must_use]
    pub fn registry(&self) -> Option<&Schema> {
        let trusted = self.foreign_registry.is_none();
        self.schemas.iter().find(|schema| trusted && schema.name.as_str() == "pgcleave")
    }

    /// Finds a type's position by OID.
    #[must_use]
    pub fn type_(&self, oid: u32) -> Option<usize> {
        self.lookup.types.get(&oid).map(|at| *at as usize)
    }

    /// Finds a rule by OID.
    #[must_use]
    pub fn rule(&self, oid: u32) -> Option<&Rule> {
        self.lookup.rules.get(&oid).map(|at| &self.rules[*at as usize])
    }

    /// Gives the columns of a relation that have an access list.
    #[must_use]
    pub fn columns_of(&self, relation_oid: u32) -> &[Column] {
        let from = self.columns.partition_point(|c| c.relation < relation_oid);
        let to = self.columns.partition_point(|c| c.relation <= relation_oid);
        &self.columns[from..to]
    }

    /// Goes through a relation's rules.
    pub fn rules_of(&self, relation_oid: u32) -> impl Iterator<Item = &Rule> {
        self.lookup.views.get(&relation_oid).into_iter().flatten().map(|at| &self.rules[*at as usize])
    }

    /// Gives the current database's row.
    #[must_use]
    pub fn current_database(&self) -> Option<&Database> {
        self.databases.iter().find(|d| d.name.as_str() == self.session.database)
    }
}
