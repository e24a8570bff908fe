//! What the relations of contracts look like where they are, and what is there already on the other side.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sqlx::postgres::PgConnection;

use super::contract::Crossing;
use crate::ident::Ident;
use crate::manifest::service::ContractKind;
use crate::pg::error::Error as PgError;

/// The relations of contracts, and the types of their own schemas that they use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Shapes {
    /// The relations.
    pub relations: Vec<Relation>,
    /// The types.
    pub types: Vec<Type>,
    /// Each schema's owner.
    pub owners: BTreeMap<String, String>,
}

/// One relation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Relation {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `pg_class.relkind`.
    pub kind: char,
    /// Its owner.
    pub owner: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, with its schema unless that is PostgreSQL's own.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// A type that a service has made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Type {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `pg_type.typtype`.
    pub kind: char,
    /// An enum's labels, in order.
    pub labels: Vec<String>,
    /// A domain's type.
    pub base: Option<String>,
}

/// What is there of a bridge in one database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Side {
    /// The database's name.
    pub database: String,
    /// Whether this login is a superuser.
    pub superuser: bool,
    /// Whether memberships have options of their own: from 16 on.
    pub per_option: bool,
    /// Those of the roles asked for that are there.
    pub roles: BTreeSet<String>,
    /// Whether the foreign server is.
    pub server: bool,
    /// The owners of those of the schemas that are there.
    pub schemas: BTreeMap<String, String>,
    /// `schema.relation`.
    pub relations: BTreeSet<String>,
    /// `schema.type`.
    pub types: BTreeSet<String>,
}

impl Shapes {
    /// Finds the relation of a contract.
    #[must_use]
    pub fn of(&self, crossing: &Crossing) -> Option<&Relation> {
        let is_it = |r: &&Relation| r.schema == crossing.schema.as_str() && r.name == crossing.name.as_str();
        self.relations.iter().find(is_it)
    }

    /// Says why a contract cannot be bridged, in one sentence; nothing if it can.
    #[must_use]
    pub fn refusal(&self, crossing: &Crossing) -> Option<String> {
        let label = crossing.label.clone();
        let kind = match crossing.kind {
            ContractKind::View | ContractKind::Table => None,
            ContractKind::Function => Some("a function runs where its data are: expose a view, or call the service"),
            ContractKind::Sequence => Some("a sequence counts in one place: let the service hand out its numbers"),
            ContractKind::Type => Some("a type alone needs no bridge: create it in the consumer's schema"),
        };
        if let Some(why) = kind {
            return Some(format!("{label} cannot be bridged; {why}"));
        }
        let Some(relation) = self.of(crossing) else { return Some(format!("{label} does not exist")) };
        if Ident::new(&format!("{}.{}", relation.schema, relation.name)).is_err() {
            return Some(format!("{label} cannot be bridged: its name is too long for a foreign table's"));
        }
        let uses = |t: &&Type| relation.columns.iter().any(|column| is_of_type(&column.type_name, t));
        let odd = self.types.iter().filter(uses).find(|t| !matches!(t.kind, 'e' | 'd'))?;
        Some(format!("{label} cannot be bridged: {}.{} is neither an enum nor a domain", odd.schema, odd.name))
    }
}

/// Tells whether a column's type is one of a service's own, or an array of it.
fn is_of_type(text: &str, wanted: &Type) -> bool {
    let name =
        |name: &str| if Ident::from_server(name).as_str().bytes().all(plain) { name.to_owned() } else { quoted(name) };
    text.trim_end_matches("[]") == format!("{}.{}", name(&wanted.schema), name(&wanted.name))
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

fn quoted(name: &str) -> String {
    Ident::from_server(name).quoted()
}

/// Reads the shapes of contracts where they are; the session's search path must be empty.
pub(super) async fn shapes(connection: &mut PgConnection, crossings: &[Crossing]) -> Result<Shapes, PgError> {
    let schemas: Vec<_> = crossings.iter().map(|c| c.schema.as_str().to_owned()).collect();
    let names: Vec<_> = crossings.iter().map(|c| c.name.as_str().to_owned()).collect();
    let doing = "read the contracts' relations";
    let text: String = sqlx::query_scalar(include_str!("sql/shapes.sql"))
        .bind(schemas)
        .bind(names)
        .fetch_one(connection)
        .await
        .map_err(|e| PgError::new(doing, &e))?;
    parsed(doing, &text)
}

/// Reads what is there of a bridge.
pub(super) async fn side(
    connection: &mut PgConnection,
    roles: &[&Ident],
    server: &Ident,
    schemas: &[&Ident],
) -> Result<Side, PgError> {
    let texts = |names: &[&Ident]| names.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    let doing = "look for the bridge";
    let text: String = sqlx::query_scalar(include_str!("sql/side.sql"))
        .bind(texts(roles))
        .bind(server.as_str())
        .bind(texts(schemas))
        .fetch_one(connection)
        .await
        .map_err(|e| PgError::new(doing, &e))?;
    parsed(doing, &text)
}

fn parsed<T: serde::de::DeserializeOwned>(doing: &str, text: &str) -> Result<T, PgError> {
    serde_json::from_str(text).map_err(|e| PgError::Broken { doing: doing.to_owned(), message: e.to_string() })
}
