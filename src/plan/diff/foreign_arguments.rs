//! Routines whose argument types live in other schemas: how a statement can name them, and who can run it.
//!
//! GRANT and ALTER look the types of an argument list up as the role that runs them, and the owner of a service may not use the
//! schemas of others. A name without arguments needs no look-up, where only one routine of the schema has it.

use super::Comparison;
use crate::ident::Ident;
use crate::model::state::{Named, ObjectName};
use crate::sql;
use crate::sql::Sql;

/// How a statement about an object can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Route {
    /// As any other: with the arguments, by the role that is to run it.
    Ordinary,
    /// With the name alone, by the role that is to run it.
    NameAlone,
    /// With the arguments, by the administrator, who is a superuser: the server takes the owner as the grantor.
    Superuser,
    /// Not by this administrator.
    Closed,
}

impl Route {
    /// Gives the name by which a statement on this route calls the object.
    pub(super) fn name(self, name: &ObjectName) -> ObjectName {
        let arguments = name.arguments.clone().filter(|_| self != Self::NameAlone);
        ObjectName { class: name.class, name: name.name.clone(), arguments }
    }
}

impl Comparison<'_> {
    /// Finds how a statement about an object can be run by one of the roles.
    pub(super) fn route(&self, schema: &Ident, name: &ObjectName, roles: &[&Ident]) -> Route {
        let Some(foreign) = self.observed.foreign_arguments.get(schema).and_then(|all| all.get(name)) else {
            return Route::Ordinary;
        };
        let administrator = &self.observed.administrator;
        if foreign.alone {
            return Route::NameAlone;
        }
        if administrator.superuser {
            return Route::Superuser;
        }
        // the same plan takes a service's schema from PUBLIC and from the administrator
        let managed = foreign.schemas.iter().any(|schema| self.desired.schemas.contains_key(schema));
        let keeps = |role: &&Ident| !managed || !foreign.open && **role != administrator.name;
        let usable = roles.iter().any(|role| foreign.usable_by.contains(*role) && keeps(role));
        if usable || foreign.open && !managed { Route::Ordinary } else { Route::Closed }
    }

    /// Says that a routine is left as it is, and what a superuser can run.
    pub(super) fn left_closed(&self, (schema, name): (&Ident, &ObjectName), who: &Ident, statements: &[Sql]) -> String {
        let foreign = self.observed.foreign_arguments.get(schema).and_then(|all| all.get(name));
        let schemas: Vec<_> = foreign.iter().flat_map(|f| &f.schemas).map(Ident::as_str).collect();
        let statements: Vec<_> = statements.iter().map(Sql::as_str).collect();
        format!(
            "{} is left as it is: {} may not use {}, where types of its arguments are, and other routines have its name; \
             a superuser can run: {}",
            name.label(schema),
            who.as_str(),
            schemas.join(", "),
            statements.join("; ")
        )
    }
}

/// Writes the statement that gives an object a new owner.
pub(super) fn owner_change(keyword: &'static str, schema: &Ident, name: &ObjectName, owner: &Ident) -> Sql {
    let mut sql = sql!("alter ");
    sql.push_static(keyword);
    sql.push(&sql!(" ", Named(schema, name), " owner to ", owner));
    sql
}
