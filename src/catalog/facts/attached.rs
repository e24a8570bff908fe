//! What hangs on relations: rules, triggers, policies, defaults, constraints, indexes, inheritance, dependencies.

use super::Error;
use super::reader::{Query, Reader};
use crate::audit::facts::dependency::{Class, Dependency};
use crate::audit::facts::relation::{
    ClosedRead, Constraint, ForeignKey, Index, Inheritance, KeyAction, Policy, Rule, RuleEvent, Trigger, ValueDefault,
};
use crate::model::privilege::{Privilege, Privileges};

const RULES: Query = Query { about: "rules and views", needs: &["pg_rewrite"], sql: include_str!("sql/rules.sql") };
const CLOSED_READS: Query =
    Query { about: "views of closed catalogs", needs: &["pg_rewrite"], sql: include_str!("sql/closed_reads.sql") };
const TRIGGERS: Query = Query { about: "triggers", needs: &["pg_trigger"], sql: include_str!("sql/triggers.sql") };
const POLICIES: Query = Query { about: "policies", needs: &["pg_policy"], sql: include_str!("sql/policies.sql") };
const DEFAULTS: Query = Query { about: "defaults", needs: &["pg_attrdef"], sql: include_str!("sql/defaults.sql") };
const CONSTRAINTS: Query =
    Query { about: "constraints", needs: &["pg_constraint"], sql: include_str!("sql/constraints.sql") };
const FOREIGN_KEYS: Query =
    Query { about: "foreign keys", needs: &["pg_constraint"], sql: include_str!("sql/foreign_keys.sql") };
const INDEXES: Query = Query { about: "indexes", needs: &["pg_index"], sql: include_str!("sql/indexes.sql") };
const INHERITANCE: Query =
    Query { about: "inheritance", needs: &["pg_inherits"], sql: include_str!("sql/inheritance.sql") };
const DEPENDENCIES: Query =
    Query { about: "dependencies", needs: &["pg_depend"], sql: include_str!("sql/dependencies.sql") };

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader
        .each(&RULES, |facts, row| {
            let event = match row.letter("event") {
                '2' => RuleEvent::Update,
                '3' => RuleEvent::Insert,
                '4' => RuleEvent::Delete,
                _ => RuleEvent::Select,
            };
            let (oid, name, relation) = (row.oid("oid"), row.name("name"), row.oid("relation"));
            let (enabled, instead) = (row.flag("enabled"), row.flag("instead"));
            let definition = row.maybe_text("definition").map(str::to_owned);
            facts.rules.push(Rule { oid, name, relation, event, enabled, instead, definition });
            Ok(())
        })
        .await?;
    reader
        .each(&CLOSED_READS, |facts, row| {
            let (relation, catalog) = (row.oid("relation"), row.text("catalog").to_owned());
            facts.closed_reads.push(ClosedRead { relation, catalog, asks: row.flag("asks") });
            Ok(())
        })
        .await?;
    reader
        .each(&TRIGGERS, |facts, row| {
            let (oid, name, relation) = (row.oid("oid"), row.name("name"), row.oid("relation"));
            let (function, enabled) = (row.oid("function"), row.flag("enabled"));
            let events = events(row.number("type"));
            let for_rows = row.flag("for_rows");
            facts.triggers.push(Trigger { oid, name, relation, function, events, enabled, for_rows });
            Ok(())
        })
        .await?;
    reader
        .each(&POLICIES, |facts, row| {
            let roles = row.oids("roles").into_iter().map(|oid| facts.roles.by_oid(oid)).collect();
            facts.policies.push(Policy {
                oid: row.oid("oid"),
                name: row.name("name"),
                relation: row.oid("relation"),
                roles,
                permissive: row.flag("permissive"),
                command: row.letter("command"),
                using: row.maybe_text("using").map(str::to_owned),
                check: row.maybe_text("check").map(str::to_owned),
            });
            Ok(())
        })
        .await?;
    reader
        .each(&DEFAULTS, |facts, row| {
            facts.defaults.push(ValueDefault {
                oid: row.oid("oid"),
                relation: row.oid("relation"),
                column: row.name("column"),
                generated: row.flag("generated"),
                expression: row.maybe_text("expression").map(str::to_owned),
            });
            Ok(())
        })
        .await?;
    constraints(reader).await?;
    reader
        .each(&DEPENDENCIES, |facts, row| {
            let column = |name| i16::try_from(row.number(name)).unwrap_or(0);
            facts.dependencies.push(Dependency {
                class: Class::from_oid(row.oid("class")),
                oid: row.oid("oid"),
                column: column("column"),
                ref_class: Class::from_oid(row.oid("ref_class")),
                ref_oid: row.oid("ref_oid"),
                ref_column: column("ref_column"),
                extension: row.flag("extension"),
            });
            Ok(())
        })
        .await
}

/// Reads the events of `pg_trigger.tgtype` (src/include/catalog/pg_trigger.h).
fn events(bits: i32) -> Privileges {
    use Privilege::{Delete, Insert, Truncate, Update};
    let events = [(2, Insert), (3, Delete), (4, Update), (5, Truncate)];
    events.into_iter().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, event)| event).collect()
}

async fn constraints(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader
        .each(&CONSTRAINTS, |facts, row| {
            let (oid, name) = (row.oid("oid"), row.name("name"));
            let (relation, domain) = (row.oid("relation"), row.oid("domain"));
            facts.constraints.push(Constraint { oid, name, relation, domain });
            Ok(())
        })
        .await?;
    reader
        .each(&FOREIGN_KEYS, |facts, row| {
            facts.foreign_keys.push(ForeignKey {
                oid: row.oid("oid"),
                name: row.name("name"),
                from: row.oid("from_relation"),
                to: row.oid("to_relation"),
                on_delete: KeyAction::from_letter(row.text("on_delete")),
                on_update: KeyAction::from_letter(row.text("on_update")),
                validated: row.flag("validated"),
                enforced: row.flag("enforced"),
            });
            Ok(())
        })
        .await?;
    reader
        .each(&INDEXES, |facts, row| {
            let (oid, name, relation) = (row.oid("oid"), row.name("name"), row.oid("relation"));
            facts.indexes.push(Index { oid, name, relation, of_constraint: row.flag("of_constraint") });
            Ok(())
        })
        .await?;
    reader
        .each(&INHERITANCE, |facts, row| {
            facts.inheritance.push(Inheritance { child: row.oid("child"), parent: row.oid("parent") });
            Ok(())
        })
        .await
}
