//! What is tried: one statement for each object and action.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::ident::Ident;
use crate::pg::error::Error;

/// What is tried with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is PostgreSQL's own word, or explained where it is not")]
pub enum Action {
    Select,
    Insert,
    Update,
    Delete,
    /// INSERT or UPDATE of at least one column.
    WriteColumns,
    /// TRUNCATE, REFERENCES, TRIGGER or, from 17 on, MAINTAIN.
    Other,
    Usage,
    Execute,
    /// CREATE in the schema.
    Create,
    /// Becoming another role.
    SetRole,
}

impl Action {
    /// Gives the word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::WriteColumns => "write columns",
            Self::Other => "truncate, reference or trigger",
            Self::Usage => "usage",
            Self::Execute => "execute",
            Self::Create => "create",
            Self::SetRole => "set role",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        use Action::{Create, Delete, Execute, Insert, Other, Select, SetRole, Update, Usage, WriteColumns};
        [Select, Insert, Update, Delete, WriteColumns, Other, Usage, Execute, Create, SetRole]
            .into_iter()
            .find(|action| action.as_str() == word)
    }
}

/// The kinds of object that are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is PostgreSQL's own word")]
pub enum Kind {
    Schema,
    Relation,
    Sequence,
    Routine,
    Type,
    Role,
}

/// What a statement does to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Means {
    /// It is planned, and may run code of the object's owner before any privilege is checked.
    Plan,
    /// It makes a table.
    Create,
    /// It calls a function of the server's own, and no other code.
    Call,
    /// It asks the server's own functions about privileges: an answer from the catalog.
    Ask,
}

/// One thing to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The schema; for a role that of its service.
    pub schema: Ident,
    /// What kind of object.
    pub kind: Kind,
    /// Its OID; nothing for a schema and a role, which are found by name.
    pub oid: Option<u32>,
    /// Its name.
    pub name: Ident,
    /// A routine's argument types.
    pub arguments: Option<String>,
    /// What is tried.
    pub action: Action,
    /// For relations: whether it is a table (rows can be written), and not a view.
    pub is_table: bool,
    /// For relations: whether it is a view.
    pub is_view: bool,
    /// For sequences: whether it belongs to an identity column, which needs no privilege.
    pub is_internal: bool,
    /// For routines: whether a reader may call it (not volatile, not SECURITY DEFINER).
    pub is_for_readers: bool,
    /// What the statement does.
    pub means: Means,
    /// The statement, made by the server with its own quoting.
    pub statement: String,
}

impl Attempt {
    /// Gives the object's name for people, as in `billing.total(uuid)`.
    #[must_use]
    pub fn object(&self) -> String {
        let (schema, name) = (self.schema.as_str(), self.name.as_str());
        match (self.kind, &self.arguments) {
            (Kind::Schema, _) => format!("schema {schema}"),
            (Kind::Role, _) => format!("role {name}"),
            (_, Some(arguments)) => format!("{schema}.{name}({arguments})"),
            (_, None) => format!("{schema}.{name}"),
        }
    }

    /// Gives the statement that takes the weakest lock, where the object takes one.
    ///
    /// It asks for SELECT on the whole relation, and runs nobody's code.
    #[must_use]
    pub fn lock(&self) -> Option<String> {
        let takes_it = self.kind == Kind::Relation && (self.is_table || self.is_view);
        let name = crate::sql::Qualified(&self.schema, &self.name);
        let statement = crate::sql!("lock table only ", name, " in access share mode nowait");
        takes_it.then(|| statement.as_str().to_owned())
    }

    fn plain(schema: &Ident, kind: Kind, name: &Ident, (action, means): (Action, Means), statement: String) -> Self {
        Self {
            schema: schema.clone(),
            kind,
            oid: None,
            name: name.clone(),
            arguments: None,
            action,
            is_table: false,
            is_view: false,
            is_internal: false,
            is_for_readers: true,
            means,
            statement,
        }
    }

    /// Tries to make a table in a schema.
    #[must_use]
    pub fn create_in(schema: &Ident) -> Self {
        let statement = crate::sql!("create table ", schema, ".pgcleave_attempt ()");
        Self::plain(schema, Kind::Schema, schema, (Action::Create, Means::Create), statement.as_str().to_owned())
    }

    /// Tries to become a role of the service that owns a schema.
    #[must_use]
    pub fn become_role(schema: &Ident, role: &Ident) -> Self {
        let name = crate::sql::Literal(role.as_str());
        let statement = crate::sql!("select pg_catalog.set_config('role', ", name, ", true)");
        Self::plain(schema, Kind::Role, role, (Action::SetRole, Means::Call), statement.as_str().to_owned())
    }
}

/// Lists what can be tried in schemas; names only are read.
///
/// # Errors
/// The server could not be asked.
pub async fn in_schemas(connection: &mut PgConnection, schemas: &[Ident]) -> Result<Vec<Attempt>, Error> {
    let names: Vec<_> = schemas.iter().map(|s| s.as_str().to_owned()).collect();
    let failed = |e: sqlx::Error| Error::new("list the objects to try", &e);
    // types are then named with their schema, as the statements and the manifests want them
    sqlx::raw_sql("begin transaction read only; set local search_path = ''")
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    let rows = sqlx::query(include_str!("sql/attempts.sql")).bind(names).fetch_all(&mut *connection).await;
    sqlx::raw_sql("rollback").execute(&mut *connection).await.map_err(failed)?;
    let attempt = |row: &sqlx::postgres::PgRow| Attempt {
        schema: Ident::from_server(row.get("schema")),
        kind: match row.get("kind") {
            "relation" => Kind::Relation,
            "sequence" => Kind::Sequence,
            "routine" => Kind::Routine,
            _ => Kind::Type,
        },
        oid: u32::try_from(row.get::<i64, _>("oid")).ok(),
        name: Ident::from_server(row.get("name")),
        arguments: row.get("arguments"),
        action: Action::from_word(row.get("action")).expect("the query uses our own words"),
        is_table: matches!(row.get("detail"), "r" | "p"),
        is_view: row.get::<&str, _>("detail") == "v",
        is_internal: row.get::<&str, _>("detail") == "internal",
        is_for_readers: row.get("is_for_readers"),
        means: match row.get("means") {
            "plan" => Means::Plan,
            "call" => Means::Call,
            _ => Means::Ask,
        },
        statement: row.get("statement"),
    };
    Ok(rows.map_err(failed)?.iter().map(attempt).collect())
}
