//! What the server's own functions say of a claim, asked from the administrator's session.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::audit::facts::Facts;
use crate::audit::facts::object::{Object, SchemaId};
use crate::audit::facts::relation::RelationKind;
use crate::audit::proof::Claim;
use crate::model::privilege::{Privilege, Privileges};
use crate::pg::error::Error;

/// What grants of single columns can give.
const BY_COLUMN: Privileges =
    Privileges::of(&[Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::References]);

/// What they say of all privileges of a claim together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    /// All of them are held; `whole` where none of them only on columns.
    All {
        /// Whether on the whole object.
        whole: bool,
    },
    /// These are not.
    Not(Vec<Privilege>),
    /// The principal may not SET ROLE as the claim says.
    NoSet,
    /// There is no function to ask.
    Unknown,
}

/// The claims' privileges as columns of a query.
#[derive(Debug, Default)]
struct Columns {
    principals: Vec<i64>,
    roles: Vec<i64>,
    kinds: Vec<&'static str>,
    objects: Vec<i64>,
    numbers: Vec<i32>,
    schemas: Vec<i64>,
    privileges: Vec<&'static str>,
}

/// Asks about all claims at once; gives an answer for each, in order.
pub(super) async fn ask(connection: &mut PgConnection, facts: &Facts, claims: &[Claim]) -> Result<Vec<Held>, Error> {
    let mut columns = Columns::default();
    let mut of: Vec<(usize, Privilege)> = Vec::new();
    let mut answers = vec![Held::All { whole: true }; claims.len()];
    for (at, claim) in claims.iter().enumerate() {
        let Some((oid, number)) = oid_of(facts, claim.object) else {
            answers[at] = Held::Unknown;
            continue;
        };
        let schema = facts.schema_of(claim.object).filter(|_| !matches!(claim.object, Object::Schema(_)));
        for privilege in claim.privileges.iter() {
            let Some(kind) = kind_of(facts, claim.object, privilege) else {
                answers[at] = Held::Unknown;
                continue;
            };
            columns.principals.push(i64::from(facts.roles[claim.identity.principal].oid));
            columns.roles.push(claim.identity.role.map_or(0, |role| i64::from(facts.roles[role].oid)));
            columns.kinds.push(kind);
            columns.objects.push(i64::from(oid));
            columns.numbers.push(number);
            columns.schemas.push(schema.map_or(0, |id: SchemaId| i64::from(facts.schema_row(id).oid)));
            columns.privileges.push(privilege.keyword());
            of.push((at, privilege));
        }
    }
    let rows = columns.ask(connection).await?;
    for ((at, privilege), (answer, whole)) in of.into_iter().zip(rows) {
        let so_far = std::mem::replace(&mut answers[at], Held::Unknown);
        answers[at] = match (so_far, answer.as_str()) {
            (Held::Unknown, _) => Held::Unknown,
            (_, "set") | (Held::NoSet, _) => Held::NoSet,
            (Held::All { whole: before }, "held") => Held::All { whole: before && whole },
            (Held::Not(mut missing), "refused") => {
                missing.push(privilege);
                Held::Not(missing)
            }
            (Held::All { .. }, _) => Held::Not(vec![privilege]),
            (missing @ Held::Not(_), _) => missing,
        };
    }
    Ok(answers)
}

impl Columns {
    async fn ask(self, connection: &mut PgConnection) -> Result<Vec<(String, bool)>, Error> {
        let rows = sqlx::query(include_str!("sql/held.sql"))
            .bind(self.principals)
            .bind(self.roles)
            .bind(self.kinds)
            .bind(self.objects)
            .bind(self.numbers)
            .bind(self.schemas)
            .bind(self.privileges)
            .fetch_all(connection)
            .await
            .map_err(|e| Error::new("ask what is held", &e))?;
        Ok(rows.iter().map(|row| (row.get("answer"), row.get("whole"))).collect())
    }
}

fn oid_of(facts: &Facts, object: Object) -> Option<(u32, i32)> {
    Some(match object {
        Object::Role(role) => (facts.roles[role].oid, 0),
        Object::Relation(at) => (facts.relations[at as usize].oid, 0),
        Object::Column(at) => {
            let column = &facts.columns[at as usize];
            (column.relation, i32::from(column.number))
        }
        Object::Routine(at) => (facts.routines[at as usize].oid, 0),
        Object::Type(at) => (facts.types[at as usize].oid, 0),
        Object::Schema(id) => (facts.schema_row(id).oid, 0),
        _ => return None,
    })
}

/// Names the function to ask, as sql/held.sql does.
fn kind_of(facts: &Facts, object: Object, privilege: Privilege) -> Option<&'static str> {
    Some(match object {
        Object::Role(_) => "role",
        Object::Relation(at) if facts.relations[at as usize].kind == RelationKind::Sequence => "sequence",
        Object::Relation(_) if BY_COLUMN.contains(privilege) => "columns",
        Object::Relation(_) => "table",
        Object::Column(_) => "column",
        Object::Routine(_) => "routine",
        Object::Type(_) => "type",
        Object::Schema(_) => "schema",
        _ => return None,
    })
}
