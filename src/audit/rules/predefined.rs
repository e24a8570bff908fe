//! PRE: membership in roles of the server that reach over every line.

use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::finding::Severity;
use crate::audit::remedy::Takes;
use crate::audit::scene::{Reacher, Scene};

/// A principal has one of the roles that reach all data.
pub(super) static PRE01: Rule = Rule {
    id: "PRE01",
    title: "all-data role",
    severity: Severity::Error,
    explanation: "pg_read_all_data and pg_write_all_data read and write every table of every schema, USAGE included, \
                  without a trace in any access list; pg_maintain locks, vacuums and refreshes every relation.",
    fix: "Revoke the role; grant what is needed, on what is needed.",
    check: |scene, out| members(scene, out, &["pg_read_all_data", "pg_write_all_data", "pg_maintain"]),
};

/// A principal has one of the roles that reach the server's files and programs.
pub(super) static PRE02: Rule = Rule {
    id: "PRE02",
    title: "server files or programs",
    severity: Severity::Error,
    explanation: "Whoever reads or writes files, or runs programs, as the server's operating system account reads all \
                  data files, rewrites the configuration, and is a superuser in all but name.",
    fix: "Revoke the role; COPY … FROM STDIN and TO STDOUT need none of it.",
    check: |scene, out| {
        members(scene, out, &["pg_read_server_files", "pg_write_server_files", "pg_execute_server_program"]);
    },
};

/// A principal has one of the roles that watch or disturb other sessions.
pub(super) static PRE03: Rule = Rule {
    id: "PRE03",
    title: "monitors or signals others",
    severity: Severity::Warning,
    explanation: "These roles see the statements, settings and statistics of every service, with the values in them, \
                  count and lock any table, or end other services' sessions.",
    fix: "Revoke the role from service roles; keep monitoring in a role of its own.",
    check: |scene, out| {
        let roles =
            ["pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables", "pg_signal_backend"];
        members(scene, out, &roles);
    },
};

/// A principal has one of the roles that act on the server as a whole.
pub(super) static PRE04: Rule = Rule {
    id: "PRE04",
    title: "acts on the whole server",
    severity: Severity::Warning,
    explanation: "Checkpoints, subscriptions, reserved connections and autovacuum are the business of whoever runs the \
                  server: a service that has them can slow down or fill up the others.",
    fix: "Revoke the role.",
    check: |scene, out| {
        let roles =
            ["pg_checkpoint", "pg_create_subscription", "pg_use_reserved_connections", "pg_signal_autovacuum_worker"];
        members(scene, out, &roles);
    },
};

fn members(scene: &Scene<'_>, out: &mut Sink<'_>, names: &[&str]) {
    for role in names.iter().filter_map(|name| scene.facts.roles.find(name)) {
        // pg_monitor brings others: the one that was granted is told
        let bundled = |r: &Reacher| scene.role(r.last_member()).is_system();
        for reacher in scene.enterers(role).into_iter().filter(|r| !bundled(r)) {
            let mut draft = Draft::new(scene, Some(&reacher), Object::Role(role));
            draft.path = draft.path.using("all that it holds", opened(scene.role(role).name.as_str()));
            let (who, name) = (scene.name(reacher.principal), scene.name(role));
            let verb = if reacher.inherits { "has" } else { "can become" };
            draft.message = format!("{who} {verb} {name}");
            draft.fix = super::membership::revoke(scene, role, reacher.last_member());
            draft.takes = Takes::Holder(reacher.last_member());
            out.add(draft);
        }
    }
}

/// Says what a predefined role opens.
fn opened(role: &str) -> &'static str {
    match role {
        "pg_read_all_data" | "pg_write_all_data" | "pg_maintain" => "everything",
        "pg_read_server_files" | "pg_write_server_files" => "server files",
        "pg_execute_server_program" => "server programs",
        "pg_signal_backend" => "sessions",
        "pg_read_all_settings" => "settings",
        "pg_monitor" | "pg_read_all_stats" | "pg_stat_scan_tables" => "statistics",
        "pg_signal_autovacuum_worker" => "autovacuum",
        "pg_create_subscription" => "subscriptions",
        _ => "server",
    }
}
