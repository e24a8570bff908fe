//! What is in the schemas, with effective access lists.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::{Error, ident};
use crate::ident::Ident;
use crate::model::acl::{Acl, AclKind};
use crate::model::state::{Class, ForeignArguments, Object, ObjectKind, ObjectName, Schema};
use crate::pg::error::Error as PgError;

/// Parses each distinct access list once.
pub(super) struct Acls {
    major: u32,
    known: HashMap<(AclKind, Ident), HashMap<Option<String>, Arc<Acl>>>,
}

impl Acls {
    pub(super) fn new(major: u32) -> Self {
        Self { major, known: HashMap::new() }
    }

    /// Gives the effective list for a stored text; a NULL stands for the kind's default.
    pub(super) fn effective(&mut self, kind: AclKind, owner: &Ident, text: Option<&str>) -> Result<Arc<Acl>, Error> {
        let known = self.known.entry((kind, owner.clone())).or_default();
        let text = text.map(str::to_owned);
        if let Some(acl) = known.get(&text) {
            return Ok(Arc::clone(acl));
        }
        let acl = Arc::new(match &text {
            Some(text) => Acl::parse(text)?,
            None => Acl::default_for(kind, owner, self.major),
        });
        known.insert(text, Arc::clone(&acl));
        Ok(acl)
    }
}

type Schemas = BTreeMap<Ident, Schema>;

pub(super) async fn relations(
    connection: &mut PgConnection,
    names: &[String],
    acls: &mut Acls,
    schemas: &mut Schemas,
) -> Result<(), Error> {
    let mut rows = sqlx::query(include_str!("sql/relations.sql")).bind(names).fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(|e| PgError::new("read relations", &e))? {
        let (class, kind) = match row.get::<&str, _>("kind") {
            "v" => (Class::Relation, ObjectKind::View),
            "m" => (Class::Relation, ObjectKind::MaterializedView),
            "f" => (Class::Relation, ObjectKind::ForeignTable),
            "S" => (Class::Sequence, ObjectKind::Sequence),
            "s" => (Class::Sequence, ObjectKind::LinkedSequence),
            _ => (Class::Relation, ObjectKind::Table),
        };
        insert(schemas, acls, &row, ObjectName { class, name: ident(&row, "name"), arguments: None }, kind)?;
    }
    Ok(())
}

pub(super) async fn columns(
    connection: &mut PgConnection,
    names: &[String],
    acls: &mut Acls,
    schemas: &mut Schemas,
) -> Result<(), Error> {
    let mut rows = sqlx::query(include_str!("sql/columns.sql")).bind(names).fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(|e| PgError::new("read column privileges", &e))? {
        let acl = acls.effective(AclKind::Column, &ident(&row, "owner"), row.get("acl"))?;
        if acl.is_empty() {
            continue;
        }
        let relation = ObjectName { class: Class::Relation, name: ident(&row, "relation"), arguments: None };
        let object = schemas.get_mut(row.get::<&str, _>("schema")).and_then(|s| s.objects.get_mut(&relation));
        if let Some(object) = object {
            object.columns.insert(ident(&row, "name"), acl);
        }
    }
    Ok(())
}

pub(super) async fn routines(
    connection: &mut PgConnection,
    names: &[String],
    acls: &mut Acls,
    schemas: &mut Schemas,
) -> Result<(), Error> {
    let mut rows = sqlx::query(include_str!("sql/routines.sql")).bind(names).fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(|e| PgError::new("read routines", &e))? {
        let kind = match row.get::<&str, _>("kind") {
            "p" => ObjectKind::Procedure,
            "r" => ObjectKind::ReadingFunction,
            _ => ObjectKind::Function,
        };
        let arguments = Some(Arc::from(row.get::<&str, _>("arguments")));
        insert(schemas, acls, &row, ObjectName { class: Class::Routine, name: ident(&row, "name"), arguments }, kind)?;
    }
    Ok(())
}

/// Finds the routines of which a statement cannot always name the argument types.
pub(super) async fn foreign_arguments(
    connection: &mut PgConnection,
    names: &[String],
    roles: &[String],
) -> Result<BTreeMap<Ident, BTreeMap<ObjectName, ForeignArguments>>, Error> {
    let rows = sqlx::query(include_str!("sql/foreign_arguments.sql")).bind(names).bind(roles).fetch_all(connection);
    let mut all: BTreeMap<Ident, BTreeMap<ObjectName, ForeignArguments>> = BTreeMap::new();
    for row in rows.await.map_err(|e| PgError::new("read where types of arguments are", &e))? {
        let idents = |column: &str| -> BTreeSet<Ident> {
            row.get::<Vec<String>, _>(column).iter().map(|name| Ident::from_server(name)).collect()
        };
        let arguments = Some(Arc::from(row.get::<&str, _>("arguments")));
        let name = ObjectName { class: Class::Routine, name: ident(&row, "name"), arguments };
        let found = ForeignArguments {
            schemas: idents("type_schemas"),
            alone: row.get("alone"),
            open: row.get("open"),
            usable_by: idents("usable_by"),
        };
        all.entry(ident(&row, "schema")).or_default().insert(name, found);
    }
    Ok(all)
}

pub(super) async fn types(
    connection: &mut PgConnection,
    names: &[String],
    acls: &mut Acls,
    schemas: &mut Schemas,
) -> Result<(), Error> {
    let mut rows = sqlx::query(include_str!("sql/types.sql")).bind(names).fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(|e| PgError::new("read types", &e))? {
        let kind = if row.get::<&str, _>("kind") == "d" { ObjectKind::Domain } else { ObjectKind::Type };
        let name = ObjectName { class: Class::Type, name: ident(&row, "name"), arguments: None };
        insert(schemas, acls, &row, name, kind)?;
    }
    Ok(())
}

fn insert(
    schemas: &mut Schemas,
    acls: &mut Acls,
    row: &PgRow,
    name: ObjectName,
    kind: ObjectKind,
) -> Result<(), Error> {
    let owner = ident(row, "owner");
    let acl = acls.effective(name.class.acl_kind(), &owner, row.get("acl"))?;
    let schema = schemas.get_mut(row.get::<&str, _>("schema")).expect("read in the same snapshot");
    schema.objects.insert(name, Object { kind, owner, acl, columns: BTreeMap::new() });
    Ok(())
}
