//! One way to point at anything that can be owned, granted or told of.

use super::Facts;
use super::acl::AclId;
use super::dependency::Class;
use super::relation::RelationKind;
use super::role::RoleId;
use super::routine::Type;
use crate::audit::name::{qualified, shown};
use crate::ident::Ident;
use crate::model::acl::AclKind;

/// A schema's position in [`Facts::schemas`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaId(pub u32);

/// A thing with an owner and a schema, but without an access list.
#[derive(Debug, Clone)]
pub struct StandaloneObject {
    /// Its catalog.
    pub class: Class,
    /// Its OID.
    pub oid: u32,
    /// Its schema.
    pub schema: SchemaId,
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: RoleId,
    /// For a statistics object, the table's OID; else 0.
    pub relation: u32,
    /// What follows the name in ALTER: an operator's types, the access method of an operator class or family.
    pub signature: Box<str>,
}

impl StandaloneObject {
    /// Gives PostgreSQL's words for its kind, as DROP and ALTER take them.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self.class {
            Class::Statistics => "statistics",
            Class::Operator => "operator",
            Class::OperatorClass => "operator class",
            Class::OperatorFamily => "operator family",
            Class::Collation => "collation",
            Class::Conversion => "conversion",
            Class::TextSearchConfiguration => "text search configuration",
            Class::TextSearchDictionary => "text search dictionary",
            _ => "object",
        }
    }
}

/// A position in one of the lists of [`Facts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is named for its list")]
pub enum Object {
    Relation(u32),
    Column(u32),
    Routine(u32),
    Type(u32),
    Schema(SchemaId),
    Database(u32),
    LargeObject(u32),
    Language(u32),
    Wrapper(u32),
    Server(u32),
    Parameter(u32),
    Tablespace(u32),
    Standalone(u32),
    Publication(u32),
    Subscription(u32),
    EventTrigger(u32),
    SystemGrant(u32),
    Role(RoleId),
}

/// An object that has an access list.
#[derive(Debug, Clone, Copy)]
pub struct Securable {
    /// Which.
    pub object: Object,
    /// What its access list is of.
    pub kind: AclKind,
    /// Its access list.
    pub acl: AclId,
    /// Its owner.
    pub owner: RoleId,
    /// The schema that must be usable to reach it.
    pub schema: Option<SchemaId>,
}

fn rows<T>(list: &[T]) -> impl Iterator<Item = (u32, &T)> {
    (0..).zip(list)
}

impl Facts {
    /// Goes through everything that has an access list, in a fixed order.
    pub fn securables(&self) -> impl Iterator<Item = Securable> + '_ {
        let relations = rows(&self.relations).map(|(at, r)| Securable {
            object: Object::Relation(at),
            kind: if r.kind == RelationKind::Sequence { AclKind::Sequence } else { AclKind::Relation },
            acl: r.acl,
            owner: r.owner,
            schema: Some(r.schema),
        });
        let columns = rows(&self.columns).filter_map(|(at, c)| {
            let relation = &self.relations[self.relation(c.relation)?];
            Some(Securable {
                object: Object::Column(at),
                kind: AclKind::Column,
                acl: c.acl,
                owner: relation.owner,
                schema: Some(relation.schema),
            })
        });
        let routines = rows(&self.routines).map(|(at, r)| Securable {
            object: Object::Routine(at),
            kind: AclKind::Routine,
            acl: r.acl,
            owner: r.owner,
            schema: Some(r.schema),
        });
        // an array goes by its element; a table's row type is born open and stays so unless somebody grants on it
        let judged = |t: &Type| t.element == 0 && (t.relation == 0 || self.acls[t.acl].stored);
        let types = rows(&self.types).filter(move |(_, t)| judged(t)).map(|(at, t)| Securable {
            object: Object::Type(at),
            kind: AclKind::Type,
            acl: t.acl,
            owner: t.owner,
            schema: Some(t.schema),
        });
        relations.chain(columns).chain(routines).chain(types).chain(self.schemaless())
    }

    fn schemaless(&self) -> impl Iterator<Item = Securable> + '_ {
        let plain = |object, kind, acl, owner| Securable { object, kind, acl, owner, schema: None };
        let schemas = (0..).map(SchemaId).zip(&self.schemas);
        schemas
            .map(move |(at, s)| plain(Object::Schema(at), AclKind::Schema, s.acl, s.owner))
            .chain(
                rows(&self.databases)
                    .map(move |(at, d)| plain(Object::Database(at), AclKind::Database, d.acl, d.owner)),
            )
            .chain(
                rows(&self.large_objects)
                    .map(move |(at, l)| plain(Object::LargeObject(at), AclKind::LargeObject, l.acl, l.owner)),
            )
            .chain(
                rows(&self.languages)
                    .map(move |(at, l)| plain(Object::Language(at), AclKind::Language, l.acl, l.owner)),
            )
            .chain(
                rows(&self.wrappers)
                    .map(move |(at, w)| plain(Object::Wrapper(at), AclKind::ForeignDataWrapper, w.acl, w.owner)),
            )
            .chain(
                rows(&self.servers)
                    .map(move |(at, s)| plain(Object::Server(at), AclKind::ForeignServer, s.acl, s.owner)),
            )
            .chain(
                rows(&self.tablespaces)
                    .map(move |(at, t)| plain(Object::Tablespace(at), AclKind::Tablespace, t.acl, t.owner)),
            )
            .chain(
                rows(&self.parameters)
                    .map(move |(at, p)| plain(Object::Parameter(at), AclKind::Parameter, p.acl, p.owner)),
            )
            .chain(rows(&self.system_grants).map(move |(at, g)| Securable {
                // an extension's object may be in a schema that not everybody may use
                schema:
                    self.schemas.iter().zip(0..).find(|(s, _)| s.name.as_str() == g.schema).map(|(_, s)| SchemaId(s)),
                ..plain(Object::SystemGrant(at), g.kind, g.acl, g.owner)
            }))
    }

    /// Gives an object's owner, where it has one.
    #[must_use]
    pub fn owner_of(&self, object: Object) -> Option<RoleId> {
        Some(match object {
            Object::Relation(at) => self.relations[at as usize].owner,
            Object::Column(at) => self.relations[self.relation(self.columns[at as usize].relation)?].owner,
            Object::Routine(at) => self.routines[at as usize].owner,
            Object::Type(at) => self.types[at as usize].owner,
            Object::Schema(id) => self.schema_row(id).owner,
            Object::Database(at) => self.databases[at as usize].owner,
            Object::LargeObject(at) => self.large_objects[at as usize].owner,
            Object::Language(at) => self.languages[at as usize].owner,
            Object::Wrapper(at) => self.wrappers[at as usize].owner,
            Object::Server(at) => self.servers[at as usize].owner,
            Object::Tablespace(at) => self.tablespaces[at as usize].owner,
            Object::Standalone(at) => self.standalone[at as usize].owner,
            Object::Publication(at) => self.publications[at as usize].owner,
            Object::Subscription(at) => self.subscriptions[at as usize].owner,
            Object::EventTrigger(at) => self.event_triggers[at as usize].owner,
            Object::SystemGrant(at) => self.system_grants[at as usize].owner,
            Object::Parameter(_) | Object::Role(_) => return None,
        })
    }

    /// Gives the schema that an object is in.
    #[must_use]
    pub fn schema_of(&self, object: Object) -> Option<SchemaId> {
        match object {
            Object::Relation(at) => Some(self.relations[at as usize].schema),
            Object::Column(at) => Some(self.relations[self.relation(self.columns[at as usize].relation)?].schema),
            Object::Routine(at) => Some(self.routines[at as usize].schema),
            Object::Type(at) => Some(self.types[at as usize].schema),
            Object::Standalone(at) => Some(self.standalone[at as usize].schema),
            Object::Schema(id) => Some(id),
            _ => None,
        }
    }

    /// Gives an object's name for people: `billing.invoices`, `billing.total(bigint)`, `schema billing`.
    #[must_use]
    pub fn label(&self, object: Object) -> String {
        let in_schema = |schema: SchemaId, name: &Ident| qualified(&self.schema_row(schema).name, name);
        match object {
            Object::Relation(at) => {
                let r = &self.relations[at as usize];
                in_schema(r.schema, &r.name)
            }
            Object::Column(at) => {
                let c = &self.columns[at as usize];
                let table = self.relation(c.relation).map(|r| self.label(Object::Relation(r as u32)));
                format!("{}.{}", table.unwrap_or_default(), shown(&c.name))
            }
            Object::Routine(at) => {
                let r = &self.routines[at as usize];
                format!("{}({})", in_schema(r.schema, &r.name), r.arguments)
            }
            Object::Type(at) => in_schema(self.types[at as usize].schema, &self.types[at as usize].name),
            Object::Standalone(at) => {
                let o = &self.standalone[at as usize];
                let name = match o.class {
                    // an operator's name is never quoted
                    Class::Operator => format!("{}.{}", shown(&self.schema_row(o.schema).name), o.name.as_str()),
                    _ => in_schema(o.schema, &o.name),
                };
                if o.class == Class::Statistics { name } else { format!("{} {name}", o.words()) }
            }
            Object::Schema(id) => format!("schema {}", shown(&self.schema_row(id).name)),
            Object::Database(at) => format!("database {}", shown(&self.databases[at as usize].name)),
            Object::LargeObject(at) => format!("large object {}", self.large_objects[at as usize].oid),
            Object::Language(at) => format!("language {}", shown(&self.languages[at as usize].name)),
            Object::Wrapper(at) => format!("foreign-data wrapper {}", shown(&self.wrappers[at as usize].name)),
            Object::Server(at) => format!("foreign server {}", shown(&self.servers[at as usize].name)),
            Object::Parameter(at) => format!("parameter {}", self.parameters[at as usize].name),
            Object::Tablespace(at) => format!("tablespace {}", shown(&self.tablespaces[at as usize].name)),
            Object::Publication(at) => format!("publication {}", shown(&self.publications[at as usize].name)),
            Object::Subscription(at) => format!("subscription {}", shown(&self.subscriptions[at as usize].name)),
            Object::EventTrigger(at) => format!("event trigger {}", shown(&self.event_triggers[at as usize].name)),
            Object::SystemGrant(at) => self.system_grants[at as usize].label.clone(),
            Object::Role(id) => format!("role {}", shown(&self.roles[id].name)),
        }
    }

    /// Gives an object as GRANT and ALTER … OWNER TO take it: `table billing.invoices`.
    #[must_use]
    pub fn sql_name(&self, object: Object) -> String {
        let label = self.label(object);
        match object {
            Object::Relation(at) => match self.relations[at as usize].kind {
                RelationKind::Sequence => format!("sequence {label}"),
                _ => format!("table {label}"),
            },
            Object::Column(at) => {
                let table = self.relation(self.columns[at as usize].relation).unwrap_or_default();
                format!("table {}", self.label(Object::Relation(table as u32)))
            }
            Object::Routine(_) => format!("routine {label}"),
            Object::Type(_) => format!("type {label}"),
            Object::Standalone(at) if self.standalone[at as usize].class == Class::Statistics => {
                format!("statistics {label}")
            }
            Object::Standalone(at) => format!("{label}{}", self.standalone[at as usize].signature),
            Object::Wrapper(_) | Object::Server(_) => label.replacen("foreign-data wrapper", "foreign data wrapper", 1),
            Object::SystemGrant(at) => match self.system_grants[at as usize].kind {
                AclKind::Routine => format!("routine {label}"),
                AclKind::Type => format!("type {label}"),
                AclKind::Schema => label,
                _ => format!("table {label}"),
            },
            _ => label,
        }
    }

    /// Tells whether an object came with an extension.
    #[must_use]
    pub fn is_extension_member(&self, object: Object) -> bool {
        self.extension_oid(object).is_some()
    }

    /// Gives the name of the extension that an object came with.
    #[must_use]
    pub fn extension_of(&self, object: Object) -> Option<&Ident> {
        let oid = self.extension_oid(object)?;
        self.extensions.iter().find(|extension| extension.oid == oid).map(|extension| &extension.name)
    }

    fn extension_oid(&self, object: Object) -> Option<u32> {
        let (class, oid) = match object {
            Object::Relation(at) => (Class::Relation, self.relations[at as usize].oid),
            Object::Column(at) => (Class::Relation, self.columns[at as usize].relation),
            Object::Routine(at) => (Class::Routine, self.routines[at as usize].oid),
            Object::Type(at) => (Class::Type, self.types[at as usize].oid),
            Object::Schema(id) => (Class::Schema, self.schema_row(id).oid),
            Object::Standalone(at) => (self.standalone[at as usize].class, self.standalone[at as usize].oid),
            _ => return None,
        };
        self.dependencies.extension_of(class, oid)
    }
}
