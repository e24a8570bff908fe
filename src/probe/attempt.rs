//! Claims → statements that need the privilege and do nothing.

use std::collections::HashMap;

use crate::audit::facts::Facts;
use crate::audit::facts::object::Object;
use crate::audit::facts::relation::RelationKind;
use crate::audit::proof::{Claim, kind_of};
use crate::ident::Ident;
use crate::model::acl::AclKind;
use crate::model::privilege::{Privilege, Privileges};
use crate::sql;
use crate::sql::{Qualified, Sql, TypeList};

/// How one privilege is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) privilege: Privilege,
    /// A statement that fails without the privilege and is only explained, or fails behind the check.
    pub(super) statement: Option<Sql>,
    /// The server's own function, asked as the principal, for what has no such statement.
    pub(super) question: Sql,
}

/// Gives the attempts of a claim; `columns` has a column of each relation that is to be updated.
pub(super) fn of(facts: &Facts, claim: &Claim, columns: &HashMap<u32, Ident>) -> Result<Vec<Attempt>, String> {
    if let Object::Role(role) = claim.object {
        let oid = i64::from(facts.roles[role].oid);
        let question = sql!(
            "select case when pg_catalog.pg_has_role(",
            oid,
            "::pg_catalog.oid, 'usage') then 'held' else 'refused' end"
        );
        return Ok(vec![Attempt { privilege: Privilege::Usage, statement: None, question }]);
    }
    if let Object::Relation(at) = claim.object
        && facts.relations[at as usize].kind == RelationKind::ForeignTable
    {
        return Err("a foreign table may turn to its own server".to_owned());
    }
    let kind = kind_of(facts, claim.object).ok_or("the object has no statement that only tries")?;
    let attempt = |privilege: Privilege| {
        let statement = statement(facts, claim.object, kind, privilege, columns);
        let question = question(facts, claim.object, privilege).ok_or("the server has no function to ask")?;
        Ok(Attempt { privilege, statement, question })
    };
    claim.privileges.iter().map(attempt).collect()
}

fn statement(
    facts: &Facts,
    object: Object,
    kind: AclKind,
    privilege: Privilege,
    columns: &HashMap<u32, Ident>,
) -> Option<Sql> {
    use Privilege::{Delete, Execute, Insert, Select, Update, Usage};
    match (object, kind, privilege) {
        (Object::Relation(at), AclKind::Relation, _) => {
            let relation = &facts.relations[at as usize];
            let name = Qualified(&facts.schema_row(relation.schema).name, &relation.name);
            match privilege {
                // without a column, a privilege on any one is enough
                Select => Some(sql!("explain select from ", name, " limit 0")),
                Insert => Some(sql!("explain insert into ", name, " select where false")),
                // where columns have lists of their own, it may be any of them: the server's function knows
                Update if !facts.columns_of(relation.oid).is_empty() => None,
                Update => Some(sql!("explain update ", name, " set ", columns.get(&relation.oid)?, " = default")),
                Delete => Some(sql!("explain delete from ", name)),
                _ => None,
            }
        }
        (Object::Relation(at), AclKind::Sequence, _) => {
            let relation = &facts.relations[at as usize];
            let oid = i64::from(relation.oid);
            match privilege {
                Select => {
                    let name = Qualified(&facts.schema_row(relation.schema).name, &relation.name);
                    Some(sql!("explain select x from ", name, " as x limit 0"))
                }
                // in a read-only transaction both fail, once the privilege has let them through
                Usage => Some(sql!("select pg_catalog.nextval(", oid, "::pg_catalog.regclass)::text")),
                Update => Some(sql!("select pg_catalog.setval(", oid, "::pg_catalog.regclass, 1)::text")),
                _ => None,
            }
        }
        (Object::Column(at), AclKind::Column, Select | Update) => {
            let column = &facts.columns[at as usize];
            let relation = &facts.relations[facts.relation(column.relation)?];
            let name = Qualified(&facts.schema_row(relation.schema).name, &relation.name);
            Some(match privilege {
                Select => sql!("explain select ", column.name, " from ", name, " limit 0"),
                _ => sql!("explain update ", name, " set ", column.name, " = default"),
            })
        }
        (Object::Routine(at), AclKind::Routine, Execute) => call(facts, at),
        _ => None,
    }
}

/// Explains a call; nothing where planning might already run the routine, or its arguments cannot be named.
fn call(facts: &Facts, at: u32) -> Option<Sql> {
    let routine = &facts.routines[at as usize];
    let arguments = &*routine.arguments;
    let immutable = routine.volatility == 'i';
    // a type of another schema, or one with an odd name, is more than this call is about
    if routine.kind != 'f' || routine.trigger || immutable || arguments.contains(['"', '.', '(']) {
        return None;
    }
    let name = Qualified(&facts.schema_row(routine.schema).name, &routine.name);
    if arguments.is_empty() {
        return Some(sql!("explain select ", name, "()"));
    }
    let (mut values, mut names) = (Sql::new(), Sql::new());
    for (i, argument) in arguments.split(", ").enumerate() {
        let number = i64::try_from(i).ok()?;
        if i > 0 {
            values.push_static(", ");
            names.push_static(", ");
        }
        values.push(&sql!("null::", TypeList(argument), " as a", number));
        names.push(&sql!("v.a", number));
    }
    // behind OFFSET the planner cannot see that the arguments are null and leave the call out
    Some(sql!("explain select ", name, "(", names, ") from (select ", values, " offset 0) as v"))
}

/// Asks the server's own function, and whether the schema may be used, which those functions leave out.
fn question(facts: &Facts, object: Object, privilege: Privilege) -> Option<Sql> {
    let mut asked = sql!("select case when ");
    if let Some(schema) = facts.schema_of(object).filter(|_| !matches!(object, Object::Schema(_))) {
        let oid = i64::from(facts.schema_row(schema).oid);
        asked.push(&sql!("pg_catalog.has_schema_privilege(", oid, "::pg_catalog.oid, 'usage') and "));
    }
    let (function, oid, column) = match object {
        Object::Relation(at) => {
            let relation = &facts.relations[at as usize];
            let by_column =
                Privileges::of(&[Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::References]);
            let function = match relation.kind {
                RelationKind::Sequence => "has_sequence_privilege(",
                _ if by_column.contains(privilege) => "has_any_column_privilege(",
                _ => "has_table_privilege(",
            };
            (function, relation.oid, None)
        }
        Object::Column(at) => {
            let column = &facts.columns[at as usize];
            ("has_column_privilege(", column.relation, Some(column.number))
        }
        Object::Routine(at) => ("has_function_privilege(", facts.routines[at as usize].oid, None),
        Object::Type(at) => ("has_type_privilege(", facts.types[at as usize].oid, None),
        Object::Schema(id) => ("has_schema_privilege(", facts.schema_row(id).oid, None),
        _ => return None,
    };
    asked.push_static("pg_catalog.");
    asked.push_static(function);
    asked.push(&sql!(i64::from(oid), "::pg_catalog.oid, "));
    if let Some(number) = column {
        asked.push(&sql!("(", i64::from(number), ")::int2, "));
    }
    asked.push_static("'");
    asked.push_static(privilege.keyword());
    asked.push_static("') then 'held' else 'refused' end");
    Some(asked)
}
