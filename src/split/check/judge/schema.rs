//! What the schema itself must be like: rows that replication can identify, and nothing that it would leave out.

use super::super::facts::{Facts, Identity, Table};
use super::{Findings, size};
use crate::ident::Ident;
use crate::transfer::coupling::{Coupling, CouplingKind};

pub(super) fn judge(facts: &Facts, schema: &Ident, found: &mut Findings) {
    // a split under way has seen to it
    if facts.phase.is_none() {
        // The rows of a partitioned table are its partitions'.
        for table in facts.schema.tables.iter().filter(|table| !table.partitioned) {
            identity(table, schema, found);
        }
    }
    for unreadable in &facts.unreadable {
        let (message, fix) = (unreadable.message.clone(), unreadable.fix.clone());
        found.blocker(unreadable.code, &unreadable.relation, message, fix, None);
    }
    for owner in &facts.superuser_owners {
        let message = format!(
            "{owner} owns objects of the schema and is a superuser in the target: their definitions would run as one"
        );
        let fix = "give them to the service's owner, or look at each".to_owned();
        found.blocker("superuser-objects", owner, message, fix, None);
    }
    for coupling in &facts.couplings {
        couple(coupling, facts, found);
    }
    for trigger in &facts.schema.firing_triggers {
        let message = format!("trigger {trigger} fires on the target too, for rows that it has fired for already");
        let fix = "alter table … enable trigger, so that it fires for sessions only".to_owned();
        found.blocker("trigger", trigger, message, fix, None);
    }
    for (side, server) in [("source", &facts.source), ("target", &facts.target)] {
        for trigger in server.refusing_triggers.iter().filter(|_| facts.phase.is_none()) {
            let message =
                format!("event trigger {trigger} of the {side} may refuse the DDL of a split, also at its end");
            let fix = format!(
                "alter event trigger {} disable, as a superuser, until the split is finished",
                Ident::from_server(trigger).sql()
            );
            found.blocker("event-trigger", &format!("{side} {trigger}"), message, fix, None);
        }
    }
    for view in &facts.schema.materialized_views {
        let message = format!("materialized view {view} is not replicated");
        let fix = format!("refresh materialized view {} on the target after the cutover", named(schema, view));
        found.warning("materialized-view", view, message, fix, None);
    }
}

fn identity(table: &Table, schema: &Ident, found: &mut Findings) {
    let name = format!("{}.{}", schema.as_str(), table.name);
    let sql = named(schema, &table.name);
    if table.identity == Identity::Full && table.candidate.is_none() && table.rows > 100_000 {
        let message =
            format!("{name} is identified by whole rows: each UPDATE and DELETE is searched for on the target");
        let fix = "give it a primary key".to_owned();
        let cost = Some(format!("an index on about {} rows", table.rows));
        found.warning("replica-identity", &name, message, fix, cost);
    }
    if !table.incomparable.is_empty() {
        let columns = table.incomparable.join(", ");
        let message = format!(
            "{name} is identified by whole rows, and values of {columns} cannot be compared: its UPDATE and DELETE stop the \
             target"
        );
        let fix = match &table.candidate {
            Some(index) => {
                let index = Ident::from_server(index).sql();
                format!("alter table {sql} replica identity using index {index}")
            }
            None => "give it a primary key, and alter table … replica identity default".to_owned(),
        };
        found.blocker("replica-identity", &name, message, fix, None);
    }
    if !table.generated_key.is_empty() {
        let columns = table.generated_key.join(", ");
        let message = format!(
            "{name} is identified by {columns}, which is generated and not replicated: its UPDATE and DELETE stop the target"
        );
        let fix =
            format!("let a unique index of other columns identify it, or alter table {sql} replica identity full");
        found.blocker("replica-identity", &name, message, fix, None);
    }
    if table.identity != Identity::Nothing {
        return;
    }
    let why =
        if table.deferrable_key { "its primary key is deferrable and does not count" } else { "it has no primary key" };
    let message = format!("{name} has no replica identity ({why}): once published, its UPDATE and DELETE fail");
    let (fix, cost) = match &table.candidate {
        Some(index) => {
            let index = Ident::from_server(index).sql();
            let cost = "a short exclusive lock; the key's old values in the log".to_owned();
            (format!("alter table {sql} replica identity using index {index}"), cost)
        }
        None => (
            format!("give it a primary key, or alter table {sql} replica identity full"),
            format!(
                "a key: an index on about {} rows ({}); full: a short exclusive lock, whole old rows in the log, and on the \
                 target a scan for each of its updates and deletes ({} so far)",
                table.rows,
                size(table.bytes),
                table.changes.map_or_else(|| "unknown".to_owned(), |n| n.to_string())
            ),
        ),
    };
    found.blocker("replica-identity", &name, message, fix, Some(cost));
}

fn named(schema: &Ident, name: &str) -> String {
    format!("{}.{}", schema.sql(), Ident::from_server(name).sql())
}

/// Judges a coupling for a move for good: what stays behind and leans on the schema would read what is put aside.
fn couple(coupling: &Coupling, facts: &Facts, found: &mut Findings) {
    let (kind, object) = (coupling.kind.name(), &coupling.object);
    let (message, fix) = (coupling.message(), coupling.fix().to_owned());
    match coupling.kind {
        // judged by what the target offers
        CouplingKind::Extension => {}
        // a split's own, once it has begun
        CouplingKind::Publication if facts.phase.is_some() && object.starts_with("pgcleave_") => {}
        CouplingKind::Unlogged => {
            let message = format!("table {object} is unlogged, and replication leaves its rows out");
            let cost = Some("writes the whole table to the log, under an exclusive lock".to_owned());
            found.blocker(kind, object, message, format!("alter table {object} set logged"), cost);
        }
        CouplingKind::NeededBy => {
            let message =
                format!("{} needs {object}, and would go on with the rows that are left behind", coupling.refers_to);
            let cost = Some("a change to the other service".to_owned());
            found.blocker(kind, object, message, fix, cost);
        }
        CouplingKind::ForeignKey => {
            let cost =
                Some("a short exclusive lock on both tables; no server checks the reference any more".to_owned());
            found.blocker(kind, object, message, fix, cost);
        }
        kind_of if kind_of.blocks() => found.blocker(kind, object, message, fix, None),
        _ => found.warning(kind, object, message, fix, None),
    }
}
