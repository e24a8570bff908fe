//! What the two servers must offer: versions, replication, room in it, rights.

use super::super::facts::{Facts, Server, Transaction};
use super::super::readiness::Estimate;
use super::{Findings, size};

/// The oldest major with all that a split uses.
const OLDEST: u32 = 15;

/// How many WAL senders each side needs free: for the stream, and on the source for the connection that makes the slot.
const SENDERS: [(&str, i64); 2] = [("source", 2), ("target", 1)];

/// How many sessions of a copy hold a lock on each table: it was measured with two connections that copy.
const HOLDERS: u64 = 6;

/// How much of its connections a server may use before a split's own are too many, in percent.
const MOST_CONNECTIONS_PERCENT: i64 = 90;

pub(super) fn judge(facts: &Facts, estimate: &Estimate, found: &mut Findings) {
    let (source, target) = (&facts.source, &facts.target);
    versions(source, target, found);
    let has_begun = facts.phase.is_some();
    for (side, server) in [("source", source), ("target", target)] {
        if server.recovery {
            let message = format!("the {side} is a standby, which only follows");
            found.blocker("standby", side, message, "name the primary".to_owned(), None);
        }
        level(side, server, found);
        if !has_begun {
            room(side, server, found);
        }
        rights(side, server, found);
        connections(side, server, found);
        prepared(side, server, found);
    }
    if !has_begun {
        lock_table(facts, found);
    }
    for transaction in &source.long_transactions {
        long_transaction(transaction, found);
    }
    held_back(source, estimate, found);
}

fn versions(source: &Server, target: &Server, found: &mut Findings) {
    for (side, server) in [("source", source), ("target", target)] {
        if server.major() < OLDEST {
            let message =
                format!("the {side} is PostgreSQL {}; {OLDEST} is the oldest that can take part", server.major());
            found.blocker("version", side, message, format!("upgrade it to {OLDEST} or newer"), None);
        }
    }
    if target.major() < source.major() {
        let message = format!(
            "the target is PostgreSQL {}, older than the source's {}: definitions do not go backwards",
            target.major(),
            source.major()
        );
        found.blocker("version", "target", message, format!("use a server of {} or newer", source.major()), None);
    }
}

fn level(side: &str, server: &Server, found: &mut Findings) {
    let is = server.settings.get("wal_level").map_or("unknown", String::as_str);
    if is == "logical" {
        return;
    }
    let why = if side == "source" { "changes cannot be followed" } else { "there would be no way back" };
    let message = format!("wal_level of the {side} is {is}: {why}");
    let cost = if side == "source" {
        "a restart of the shared server, which all services notice, and somewhat more log from then on"
    } else {
        "a restart of the target"
    };
    let fix = "alter system set wal_level = logical, then restart the server".to_owned();
    found.blocker("wal-level", side, message, fix, Some(cost.to_owned()));
}

/// The locks that a copy holds at once: on the source by each of its sessions, on the target by the one that makes everything.
fn lock_table(facts: &Facts, found: &mut Findings) {
    let schema = &facts.schema;
    // A server has room for two holders of each lock.
    let source = schema.locked * HOLDERS / 2;
    for (side, server, needed) in [("source", &facts.source, source), ("target", &facts.target, schema.relations)] {
        let needed = i64::try_from(needed).unwrap_or(i64::MAX);
        let (Some(room), Some(each)) = (server.lock_table(), server.number("max_locks_per_transaction")) else {
            continue;
        };
        if needed <= room {
            continue;
        }
        let message = format!(
            "the {side} has room for some {room} locks by its settings, and the copy needs about {needed} at once"
        );
        let enough = needed.saturating_mul(each) / room.max(1) + 64;
        let fix = format!("alter system set max_locks_per_transaction = {enough}, then restart the server");
        let cost = Some(format!("a restart of the {side}"));
        found.blocker("lock-table", &format!("{side} max_locks_per_transaction"), message, fix, cost);
    }
}

/// Slots, senders and workers: a split needs one of each on both sides, since it also replicates back.
fn room(side: &str, server: &Server, found: &mut Findings) {
    let (senders, most_senders) = (server.senders, server.number("max_wal_senders"));
    let needed = SENDERS.iter().find(|(name, _)| *name == side).map_or(1, |(_, n)| *n);
    let restart = Some(format!("a restart of the {side}"));
    let mut short = |setting: &str, used: i64, most: Option<i64>, needed: i64, users: String| {
        let Some(most) = most.filter(|most| most - used < needed) else { return };
        let message =
            format!("{setting} of the {side} is {most}, and {used} are in use{users}; a split needs {needed}");
        let fix = format!("alter system set {setting} = {}, then restart the server", used + needed + 4);
        found.blocker("replication-room", &format!("{side} {setting}"), message, fix, restart.clone());
    };
    let named = |names: &[String]| if names.is_empty() { String::new() } else { format!(" by {}", names.join(", ")) };
    let slots = i64::try_from(server.slots.len()).unwrap_or(i64::MAX);
    short("max_replication_slots", slots, server.number("max_replication_slots"), 1, named(&server.slots));
    short("max_wal_senders", senders, most_senders, needed, String::new());
    let users = named(&server.subscriptions);
    let workers = server.number("max_logical_replication_workers");
    short("max_logical_replication_workers", server.workers, workers, 1, users.clone());
    // subscriptions' own marks, which have a setting of their own from 18 on
    let subscriptions = i64::try_from(server.subscriptions.len()).unwrap_or(i64::MAX);
    let origins = server.number("max_active_replication_origins");
    short("max_active_replication_origins", subscriptions, origins, 1, users);
    // parallel workers, the launcher and extensions' own workers come out of the same pool
    if server.number("max_worker_processes").is_some_and(|most| most < server.workers + 4) {
        let message = format!("max_worker_processes of the {side} leaves little room beside its other workers");
        let fix = "alter system set max_worker_processes = 16, then restart the server".to_owned();
        found.warning("replication-room", &format!("{side} max_worker_processes"), message, fix, restart);
    }
}

fn rights(side: &str, server: &Server, found: &mut Findings) {
    if server.superuser {
        return;
    }
    let login = &server.login;
    let mut lacks = |what: &str, fix: String| {
        let message = format!("{login} may not {what} on the {side}");
        found.blocker("rights", &format!("{side} {what}"), message, fix, None);
    };
    if !server.replication {
        lacks("make replication slots", format!("alter role {login} replication, as a superuser"));
    }
    if server.major() >= 16 && !server.subscribes {
        lacks("create subscriptions", format!("grant pg_create_subscription to {login}"));
    }
    if server.major() == 15 {
        lacks("create subscriptions", "connect as a superuser: 15 lets nobody else".to_owned());
    }
    if !server.creates {
        lacks("create schemas", format!("grant create on database {} to {login}", server.database));
    }
    if side == "target" && !server.createrole {
        lacks("create roles", format!("alter role {login} createrole"));
    }
}

fn connections(side: &str, server: &Server, found: &mut Findings) {
    let (Some(used), Some(most)) = (server.connections, server.number("max_connections")) else { return };
    if used * 100 > most * MOST_CONNECTIONS_PERCENT {
        let message = format!("{used} of {most} connections of the {side} are in use; a split takes up to ten");
        let fix = "lower --jobs, or raise max_connections".to_owned();
        found.warning("connections", side, message, fix, Some("a restart, to raise it".to_owned()));
    }
}

fn prepared(side: &str, server: &Server, found: &mut Findings) {
    if server.prepared.is_empty() || side == "target" {
        return;
    }
    let message = format!(
        "prepared transactions wait on the source, and no slot is made before they end: {}",
        server.prepared.join(", ")
    );
    let fix = "commit prepared or rollback prepared, as whoever prepared them wants".to_owned();
    found.blocker("prepared-transaction", side, message, fix, None);
}

fn long_transaction(transaction: &Transaction, found: &mut Findings) {
    let Transaction { pid, login, state, database, seconds } = transaction;
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let message = format!(
        "process {pid} ({}, {} in {}) has had a transaction open for {seconds} s; a slot waits for it to end",
        or(login),
        or(state),
        or(database)
    );
    let fix = format!("let it end, or select pg_terminate_backend({pid})");
    found.warning("long-transaction", &pid.to_string(), message, fix, None);
}

/// What the slot holds back on the shared server while the copy runs.
fn held_back(source: &Server, estimate: &Estimate, found: &mut Findings) {
    match source.number("max_slot_wal_keep_size") {
        Some(-1) => {
            let message =
                "nothing bounds the log that a slot holds back on the source: if the target stops following, \
                           its disk fills up"
                    .to_owned();
            let fix = "give split start --max-wal, or set max_slot_wal_keep_size".to_owned();
            found.warning("wal-kept", "source", message, fix, None);
        }
        Some(megabytes) => {
            let most = u64::try_from(megabytes).unwrap_or(0).saturating_mul(1 << 20);
            let Some(expected) = estimate.wal_bytes.filter(|expected| *expected > most) else { return };
            let message = format!(
                "the source keeps at most {} of log for a slot, and writes about {} while the copy runs: the slot would be lost",
                size(most),
                size(expected)
            );
            let fix = "raise max_slot_wal_keep_size (a reload is enough), or split at a quieter time".to_owned();
            found.blocker("wal-kept", "source", message, fix, Some(format!("{} of disk meanwhile", size(expected))));
        }
        None => {}
    }
}
