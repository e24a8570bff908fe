//! FDW: ways out of the database, and back in as somebody else.

use super::acl::sweep;
use super::view::{row_users, securable};
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::outside::{Server, UserMapping, option};
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::passage::{is_loop, lends, remote};
use crate::audit::path::Path;
use crate::audit::scene::Scene;
use crate::model::acl::AclKind;
use crate::model::privilege::Privilege;

/// A foreign table leads back into this database, as the mapped role.
pub(super) static FDW01: Rule = Rule {
    id: "FDW01",
    title: "foreign table loops back",
    severity: Severity::Error,
    explanation: "A foreign table whose server is this very server reads another service's table as the role of the \
                  user mapping; a mapping for PUBLIC lends that role to everybody.",
    fix: "Drop the foreign table and the user mapping.",
    check: loops,
};

/// A foreign-data wrapper or server is granted to a foreign role.
pub(super) static FDW02: Rule = Rule {
    id: "FDW02",
    title: "foreign-data wrapper or server granted",
    severity: Severity::Warning,
    explanation: "USAGE on a wrapper makes servers that point anywhere, USAGE on a server makes tables on it and uses \
                  its mapping: data leaves by it, unseen by any access list here.",
    fix: "Revoke USAGE.",
    check: |scene, out| {
        let kinds = [AclKind::ForeignDataWrapper, AclKind::ForeignServer];
        let mut seen = Vec::new();
        sweep(scene, |s| kinds.contains(&s.kind), |hit| seen.push(hit.draft(scene, hit.privileges)));
        // a bridge's own role on its own server
        let is_bridge = |role: RoleId| scene.map.bridges.contains(&scene.role(role).name);
        for mut draft in seen.into_iter().filter(|draft| !draft.principal.is_some_and(is_bridge)) {
            draft.severity = Some(Severity::Warning);
            out.add(draft);
        }
    },
};

/// A user mapping logs in as another service's role.
pub(super) static FDW03: Rule = Rule {
    id: "FDW03",
    title: "foreign credentials in a user mapping",
    severity: Severity::Error,
    explanation: "A user mapping lends its remote role to the mapped role, or to everybody: over a server that points \
                  here that is another service's login.",
    fix: "Drop the user mapping.",
    check: mappings,
};

/// A non-superuser may connect through dblink without a password of its own.
pub(super) static FDW04: Rule = Rule {
    id: "FDW04",
    title: "dblink_connect_u open",
    severity: Severity::Error,
    explanation: "dblink_connect_u connects as any role that the server's own host is trusted to be, without a password.",
    fix: "Revoke EXECUTE on dblink_connect_u.",
    check: |scene, out| {
        sweep(scene, |s| is_dblink_connect_u(scene, s.object), |hit| out.add(hit.draft(scene, hit.privileges)));
    },
};

/// A foreign table shows a file of the server's machine, or what a program there prints.
pub(super) static FDW05: Rule = Rule {
    id: "FDW05",
    title: "foreign table over the server's files",
    severity: Severity::Error,
    explanation: "Whoever made the table was allowed to read the server's files or to run programs; whoever may SELECT \
                  from it need not be. The file is read as the server's own account: another service's export, a log \
                  with its statements, a data file.",
    fix: "Revoke SELECT, or drop the foreign table; load the file into a table of the service instead.",
    check: files,
};

fn files(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for table in &scene.facts.foreign_tables {
        let server = scene.facts.servers.iter().find(|s| s.oid == table.server).filter(|s| s.of_files);
        let Some(at) = server.and_then(|_| scene.facts.relation(table.relation)) else { continue };
        let Some(securable) = securable(scene, at as u32) else { continue };
        let program = option(&table.options, "program").map(|program| ("program", program));
        let file = option(&table.options, "filename").map(|file| ("file", file));
        let Some((word, what)) = program.or(file) else { continue };
        for user in row_users(scene, &securable).into_iter().filter(|user| user.held.contains(Privilege::Select)) {
            let mut draft = Draft::new(scene, Some(&user.reacher), securable.object);
            let way = user.path(scene, &securable, Privilege::Select.into());
            draft.path = way.then(format!("server {word}"), what);
            let who = scene.who(Some(&user.reacher));
            draft.message = format!("{who} reads the server's {word} {what} through {}", draft.object);
            let cascade = if user.needs_view() { " cascade" } else { "" };
            draft.fix = format!("drop foreign table {}{cascade};", draft.object);
            draft.declared = false;
            out.add(draft);
        }
    }
}

/// Tells whether an object is the function by which dblink connects without a password.
pub(super) fn is_dblink_connect_u(scene: &Scene<'_>, object: Object) -> bool {
    let named = |at: u32| scene.facts.system_grants[at as usize].label.contains("dblink_connect_u(");
    matches!(object, Object::SystemGrant(at) if named(at))
}

/// Finds the mapping that a role uses on a server: its own, else PUBLIC's.
fn mapping<'a>(scene: &'a Scene<'_>, server: u32, role: RoleId) -> Option<&'a UserMapping> {
    let own = scene.facts.user_mappings.iter().find(|m| m.server == server && m.role == Some(role));
    own.or_else(|| scene.facts.user_mappings.iter().find(|m| m.server == server && m.role.is_none()))
}

fn loops(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for table in &scene.facts.foreign_tables {
        let Some(server) = scene.facts.servers.iter().find(|s| s.oid == table.server) else { continue };
        let Some(at) = scene.facts.relation(table.relation).filter(|_| is_loop(scene, server)) else { continue };
        let Some(securable) = securable(scene, at as u32) else { continue };
        let (remote, target) = remote(scene.facts, table, at);
        let target = target.map(Object::Relation);
        for user in row_users(scene, &securable) {
            let (principal, held) = (user.reacher.principal, user.held);
            // a view's owner connects with its own mapping
            let Some(mapping) = mapping(scene, server.oid, user.acting()) else { continue };
            if target.is_some_and(|target| !scene.is_foreign(principal, target)) {
                continue;
            }
            let mut draft = Draft::new(scene, Some(&user.reacher), target.unwrap_or(securable.object));
            let local = scene.facts.label(securable.object);
            let as_whom = remote_name(mapping, "the mapped role");
            draft.path = user.path(scene, &securable, held).then("user mapping", &as_whom).using(held, &remote);
            let who = scene.name(principal);
            draft.message = format!("{who} reaches {remote} through {local}, which connects back as {as_whom}");
            draft.fix = drop_mapping(scene, mapping, server);
            out.add(draft);
        }
    }
}

fn drop_mapping(scene: &Scene<'_>, mapping: &UserMapping, server: &Server) -> String {
    let whose = mapping.role.map_or_else(|| "public".to_owned(), |r| scene.name(r));
    format!("drop user mapping for {whose} server {};", crate::audit::name::shown(&server.name))
}

/// Names the role that a mapping logs in as; `hidden` where this session may not see it.
fn remote_name(mapping: &UserMapping, hidden: &str) -> String {
    let unnamed = if mapping.own_account { "the server's own account" } else { hidden };
    mapping.remote_role.clone().unwrap_or_else(|| unnamed.to_owned())
}

/// Gives the local superuser that a mapping on a server that leads back logs in as.
fn lends_all(scene: &Scene<'_>, mapping: &UserMapping, server: &Server) -> Option<RoleId> {
    let remote = mapping.remote_role.as_deref().and_then(|name| scene.facts.roles.find(name))?;
    (scene.role(remote).superuser && is_loop(scene, server)).then_some(remote)
}

fn mappings(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for mapping in &scene.facts.user_mappings {
        let Some((at, server)) = (0..).zip(&scene.facts.servers).find(|(_, s)| s.oid == mapping.server) else {
            continue;
        };
        let remote = lends(scene, mapping).or_else(|| lends_all(scene, mapping, server));
        let lent = match (mapping.role, remote) {
            (None, _) => true,
            // to itself, the server most often lets its own account in as a superuser
            (Some(role), None) => scene.is_judged(role) && mapping.own_account && is_loop(scene, server),
            (Some(role), Some(remote)) => scene.is_judged(role) && scene.map.of_role(role) != scene.map.of_role(remote),
        };
        if !lent {
            continue;
        }
        let mut draft = Draft::new(scene, None, Object::Server(at));
        draft.principal = mapping.role;
        draft.service = remote.and_then(|r| scene.map.of_role(r));
        let who = mapping.role.map_or_else(|| "PUBLIC".to_owned(), |r| scene.name(r));
        let as_whom = remote_name(mapping, "a role that this session may not see");
        draft.path = Path::from(&who).then("user mapping", &as_whom);
        draft.message = format!("the user mapping of {who} on {} logs in as {as_whom}", draft.object);
        draft.fix = drop_mapping(scene, mapping, server);
        draft.severity = (!is_loop(scene, server)).then_some(Severity::Warning);
        out.add(draft);
    }
}
