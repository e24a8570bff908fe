//! The services' schemas: owners and privileges of them and of all that is in them.

use std::collections::BTreeMap;

use super::super::change::{Action, Change, Hazard, Kind, Phase, Stage};
use super::foreign_arguments::{Route, owner_change};
use super::{Comparison, Differences, Unmanaged, acl, add_hazard, provision};
use crate::ident::Ident;
use crate::model::acl::{Acl, AclKind, Grantee};
use crate::model::privilege::Privileges;
use crate::model::state::{Class, Named, Object, ObjectKind, ObjectName, Schema};
use crate::plan::desired::HISTORY_TABLE;
use crate::sql;
use crate::sql::{Comma, Sql};

/// How many objects one transaction may lock before that is a hazard; the lock table has room for 64 times
/// `max_connections` by default, shared by all.
const MANY_LOCKS: usize = 500;

/// How many objects one GRANT names at most, so that no statement grows without bound.
const OBJECTS_PER_STATEMENT: usize = 1_000;

pub(super) fn diff(comparison: &Comparison<'_>, found: &mut Differences) {
    for (name, desired) in &comparison.desired.schemas {
        let Some(service) = comparison.service_of(name) else { continue };
        let site = Site { comparison, service, schema: name, owner: &desired.owner };
        let actual = comparison.actual().schemas.get(name);
        site.schema(desired, actual, found);
        let Some(actual) = actual else { continue };
        site.owners(desired, actual, found);
        site.objects(desired, actual, found);
    }
}

/// The schema that is being compared.
struct Site<'a> {
    comparison: &'a Comparison<'a>,
    service: &'a Ident,
    schema: &'a Ident,
    owner: &'a Ident,
}

/// Objects with the same thing to be done, in one statement.
#[derive(Default)]
struct Groups<'a>(BTreeMap<GroupKey<'a>, Vec<&'a ObjectName>>);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct GroupKey<'a> {
    class: Class,
    verb: Verb,
    grantee: Grantee,
    privileges: Privileges,
    column: Option<&'a Ident>,
    history: bool,
    route: Route,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Grant,
    Revoke,
    RevokeOption,
}

/// One GRANT or REVOKE, but for whom.
pub(super) struct Statement<'a> {
    pub(super) verb: Verb,
    pub(super) privileges: Privileges,
    /// Column privileges take the column's name behind each.
    pub(super) column: Option<&'a Ident>,
    pub(super) on: &'a Sql,
}

impl Statement<'_> {
    pub(super) fn sql(&self, grantee: &Grantee) -> Sql {
        let mut sql = match self.verb {
            Verb::Grant => sql!("grant "),
            Verb::Revoke => sql!("revoke "),
            Verb::RevokeOption => sql!("revoke grant option for "),
        };
        for (i, privilege) in self.privileges.iter().enumerate() {
            sql.push_static(if i > 0 { ", " } else { "" });
            sql.push_static(privilege.keyword());
            if let Some(column) = self.column {
                sql.push(&sql!(" (", column, ")"));
            }
        }
        sql.push(&sql!(" on ", self.on));
        match self.verb {
            Verb::Grant => sql.push(&sql!(" to ", grantee)),
            // what the grantee passed on goes with it
            _ => sql.push(&sql!(" from ", grantee, " cascade")),
        }
        sql
    }
}

impl<'a> Site<'a> {
    fn change(&self, phase: Phase, action: Action, kind: Kind) -> Change {
        provision(Some(self.service), phase, action, kind)
    }

    fn schema(&self, desired: &Schema, actual: Option<&Schema>, found: &mut Differences) {
        let major = self.comparison.observed.major();
        let is = match actual {
            None => {
                let mut change = self.change(Phase::Schemas, Action::Create, Kind::Schema);
                change.object = self.schema.as_str().to_owned();
                change.reason = "the manifest wants it".to_owned();
                change.sql = vec![sql!("create schema ", self.schema, " authorization ", self.owner)];
                found.push(change);
                Acl::default_for(AclKind::Schema, self.owner, major)
            }
            Some(actual) if actual.owner != *self.owner => {
                let mut change = self.change(Phase::Schemas, Action::Alter, Kind::Owner);
                change.object = format!("schema {}", self.schema.as_str());
                change.reason = format!("{} owns it", actual.owner.as_str());
                add_hazard(&mut change.hazards, Hazard::ChangeOwner);
                let sql = sql!("alter schema ", self.schema, " owner to ", self.owner);
                change.sql = self.as_old_owner(&actual.owner, vec![sql]);
                found.push(change);
                acl::reown(&actual.acl, &actual.owner, self.owner)
            }
            Some(actual) => Acl::clone(&actual.acl),
        };
        let difference = acl::diff(&desired.acl, &is, self.owner, self.comparison.managed);
        let on = sql!("schema ", self.schema);
        let label = format!("schema {}", self.schema.as_str());
        let lists = [
            (Verb::Grant, &difference.grant),
            (Verb::Revoke, &difference.revoke),
            (Verb::RevokeOption, &difference.revoke_option),
        ];
        for (verb, list) in lists {
            for (grantee, privileges) in list {
                let statement = Statement { verb, privileges: *privileges, column: None, on: &on };
                found.push(self.privilege(&statement, grantee, &label));
            }
        }
        self.unmanaged(difference.unmanaged, None, &label, &on, found);
    }

    /// Makes one change of privileges.
    fn privilege(&self, statement: &Statement<'_>, grantee: &Grantee, label: &str) -> Change {
        let contract = self.comparison.is_contract(grantee, Some(self.service));
        let kind = if contract { Kind::Contract } else { Kind::Privilege };
        let (phase, action) = match statement.verb {
            Verb::Grant => (Phase::Grants, Action::Grant),
            _ => (Phase::Revokes, Action::Revoke),
        };
        let mut change = self.change(phase, action, kind);
        change.object = statement.column.map_or_else(|| label.to_owned(), |c| format!("{label}({})", c.as_str()));
        change.run_as = Some(self.owner.clone());
        let (who, privileges) = (grantee.as_str(), statement.privileges);
        change.reason = match statement.verb {
            Verb::Grant => format!("{privileges} for {who}"),
            Verb::Revoke => format!("{privileges} is not for {who}"),
            Verb::RevokeOption => format!("{who} may not pass {privileges} on"),
        };
        change.sql = vec![statement.sql(grantee)];
        if contract && statement.verb == Verb::Grant {
            change.stage = Stage::Settle;
            change.consumer = grantee.role().cloned();
        }
        if statement.verb != Verb::Grant && self.may_be_used(grantee) {
            add_hazard(&mut change.hazards, Hazard::Revoke);
        }
        change
    }

    /// Tells whether somebody may be using what PUBLIC or a managed role has here.
    fn may_be_used(&self, grantee: &Grantee) -> bool {
        let Some(role) = grantee.role() else {
            // without USAGE on the schema nobody else gets at its objects
            let actual = self.comparison.actual().schemas.get(self.schema);
            return actual.is_some_and(|schema| self.is_open(schema));
        };
        self.comparison.actual().roles.contains_key(role)
    }

    /// Tells whether others than managed roles can enter the schema.
    fn is_open(&self, schema: &Schema) -> bool {
        schema.acl.iter().any(|(grantee, _, granted)| {
            let outsider = match grantee {
                Grantee::Public => !self.comparison.observed.other_logins.is_empty(),
                Grantee::Role(role) => *role != schema.owner && !self.comparison.managed.roles.contains_key(role),
            };
            outsider && !granted.privileges.is_empty()
        })
    }

    fn unmanaged(
        &self,
        unmanaged: BTreeMap<(Grantee, Ident), Privileges>,
        column: Option<&Ident>,
        label: &str,
        on: &Sql,
        found: &mut Differences,
    ) {
        let by_hand = self.comparison.managed.by_hand.get(label).filter(|_| column.is_none());
        for ((grantee, grantor), privileges) in unmanaged {
            let privileges = privileges.without(by_hand.copied().unwrap_or_default());
            if privileges.is_empty() {
                continue;
            }
            // what a third role passed on goes only with that role's own right to pass it on
            let passed_on = grantor != *self.owner;
            let verb = if passed_on { Verb::RevokeOption } else { Verb::Revoke };
            let from = if passed_on { Grantee::Role(grantor.clone()) } else { grantee.clone() };
            found.unmanaged.push(Unmanaged {
                service: Some(self.service.clone()),
                grantee: grantee.as_str().to_owned(),
                what: privileges.to_string(),
                object: column.map_or_else(|| label.to_owned(), |c| format!("{label}({})", c.as_str())),
                grantor: grantor.as_str().to_owned(),
                run_as: Some(self.owner.clone()),
                sql: Statement { verb, privileges, column, on }.sql(&from),
                ours: false,
                needs: None,
            });
        }
    }

    fn owners(&self, desired: &Schema, actual: &Schema, found: &mut Differences) {
        let mut foreign: BTreeMap<(&Ident, ObjectKind), Vec<&ObjectName>> = BTreeMap::new();
        for (name, object) in &actual.objects {
            let wanted = desired.objects.get(name).map(|o| &o.owner);
            if !self.in_reach(name, object) {
                if self.is_closed(name, object) {
                    let sql = owner_change(object.kind.keyword(), self.schema, name, self.owner);
                    let who = &self.comparison.observed.administrator.name;
                    found.closed.push(self.comparison.left_closed((self.schema, name), who, &[sql]));
                }
                continue;
            }
            // a column's sequence follows its table
            if wanted.is_some_and(|owner| *owner != object.owner) && object.kind != ObjectKind::LinkedSequence {
                foreign.entry((&object.owner, object.kind)).or_default().push(name);
            }
        }
        let locked: usize = foreign.values().map(Vec::len).sum();
        for ((old, kind), names) in foreign {
            let mut change = self.change(Phase::Owners, Action::Alter, Kind::Owner);
            change.object = self.labels(&names);
            change.reason = format!("{} owns {}", old.as_str(), if names.len() == 1 { "it" } else { "them" });
            add_hazard(&mut change.hazards, Hazard::ChangeOwner);
            if locked > MANY_LOCKS {
                add_hazard(&mut change.hazards, Hazard::LockMany);
            }
            let mut statements = Vec::with_capacity(names.len());
            for name in names {
                let name = self.owners_route(name, old).name(name);
                statements.push(owner_change(kind.keyword(), self.schema, &name, self.owner));
            }
            change.sql = self.as_old_owner(old, statements);
            found.push(change);
        }
    }

    /// Tells whether the administrator may change the object at all; the plan has a note of what it may not.
    fn in_reach(&self, name: &ObjectName, object: &Object) -> bool {
        let is_ours = !self.comparison.observed.administrator.out_of_reach.contains(&object.owner);
        is_ours && !self.is_closed(name, object)
    }

    /// Tells whether the administrator cannot give the routine its owner, because it cannot name its argument types.
    fn is_closed(&self, name: &ObjectName, object: &Object) -> bool {
        object.owner != *self.owner && self.owners_route(name, &object.owner) == Route::Closed
    }

    /// Finds how an object can be given to its new owner.
    fn owners_route(&self, name: &ObjectName, old: &Ident) -> Route {
        self.comparison.route(self.schema, name, &[&self.comparison.observed.administrator.name, old])
    }

    /// Lets an administrator who is no superuser act on what another role owns, for these statements only.
    fn as_old_owner(&self, old: &Ident, statements: Vec<Sql>) -> Vec<Sql> {
        let administrator = &self.comparison.observed.administrator;
        if administrator.superuser || *old == administrator.name {
            return statements;
        }
        let options =
            if self.comparison.observed.major() >= 16 { sql!(" with inherit true, set true") } else { Sql::new() };
        let mut all = vec![sql!("grant ", old, " to ", administrator.name, options)];
        all.extend(statements);
        all.push(sql!("revoke ", old, " from ", administrator.name));
        all
    }

    fn objects(&self, desired: &'a Schema, actual: &'a Schema, found: &mut Differences) {
        let mut groups = Groups::default();
        for (name, object) in &actual.objects {
            let Some(wanted) = desired.objects.get(name).filter(|_| self.in_reach(name, object)) else { continue };
            self.object(name, wanted, object, &mut groups, found);
        }
        for (key, names) in groups.0 {
            for names in names.chunks(OBJECTS_PER_STATEMENT) {
                found.push(self.grouped(&key, names));
            }
        }
    }

    fn object(
        &self,
        name: &'a ObjectName,
        wanted: &Object,
        is: &'a Object,
        groups: &mut Groups<'a>,
        found: &mut Differences,
    ) {
        let reowned;
        let current = if is.owner == *self.owner {
            &*is.acl
        } else {
            reowned = acl::reown(&is.acl, &is.owner, self.owner);
            &reowned
        };
        let mut compare = |wanted: &Acl, current: &Acl, column: Option<&'a Ident>| {
            let difference = acl::diff(wanted, current, self.owner, self.comparison.managed);
            let history = name.name.as_str() == HISTORY_TABLE;
            let route = self.comparison.route(self.schema, name, &[self.owner]);
            let on = on(self.schema, name.class, &[&route.name(name)]);
            let mut closed = Vec::new();
            let mut add = |verb, list: BTreeMap<Grantee, Privileges>| {
                for (grantee, privileges) in list {
                    if route == Route::Closed {
                        closed.push(Statement { verb, privileges, column, on: &on }.sql(&grantee));
                        continue;
                    }
                    let key = GroupKey { class: name.class, verb, grantee, privileges, column, history, route };
                    groups.0.entry(key).or_default().push(name);
                }
            };
            add(Verb::Grant, difference.grant);
            add(Verb::Revoke, difference.revoke);
            add(Verb::RevokeOption, difference.revoke_option);
            if !closed.is_empty() {
                found.closed.push(self.comparison.left_closed((self.schema, name), self.owner, &closed));
            }
            if !difference.unmanaged.is_empty() {
                self.unmanaged(difference.unmanaged, column, &name.label(self.schema), &on, found);
            }
        };
        if *wanted.acl != *current {
            compare(&wanted.acl, current, None);
        }
        for (column, acl) in &is.columns {
            compare(&Acl::empty(), &acl::reown(acl, &is.owner, self.owner), Some(column));
        }
    }

    fn grouped(&self, key: &GroupKey<'_>, names: &[&ObjectName]) -> Change {
        let called: Vec<ObjectName> = names.iter().map(|name| key.route.name(name)).collect();
        let on = on(self.schema, key.class, &called.iter().collect::<Vec<_>>());
        let statement = Statement { verb: key.verb, privileges: key.privileges, column: key.column, on: &on };
        let mut change = self.privilege(&statement, &key.grantee, &self.labels(names));
        if key.class == Class::Relation {
            let objects = self.comparison.actual().schemas.get(self.schema).map(|schema| &schema.objects);
            // LOCK TABLE takes tables and views only
            let lockable = |name: &&&ObjectName| {
                let kind = objects.and_then(|objects| objects.get(**name)).map(|object| object.kind);
                matches!(kind, Some(ObjectKind::Table | ObjectKind::View))
            };
            change.locks = names.iter().filter(lockable).map(|name| sql!(Named(self.schema, name))).collect();
        }
        if key.route == Route::Superuser {
            change.run_as = None;
        }
        if key.history {
            // only migrations write their history: nobody can rely on this
            change.hazards.clear();
        }
        change
    }

    fn labels(&self, names: &[&ObjectName]) -> String {
        names.iter().map(|name| name.label(self.schema)).collect::<Vec<_>>().join(", ")
    }
}

pub(super) fn on(schema: &Ident, class: Class, names: &[&ObjectName]) -> Sql {
    let mut sql = Sql::new();
    sql.push_static(class.keyword());
    sql.push_static(" ");
    sql.push(&Comma(names.iter().map(|name| Named(schema, name))));
    sql
}
