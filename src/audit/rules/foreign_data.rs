//! FDW: ways out of the database, and back in as somebody else.

use super::acl::sweep;
use super::view::{readers, securable};
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::outside::{ForeignTable, Server, UserMapping, option};
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::path::Path;
use crate::audit::scene::Scene;
use crate::model::acl::AclKind;

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

/// Tells whether an object is the function by which dblink connects without a password.
pub(super) fn is_dblink_connect_u(scene: &Scene<'_>, object: Object) -> bool {
    let named = |at: u32| scene.facts.system_grants[at as usize].label.contains("dblink_connect_u(");
    matches!(object, Object::SystemGrant(at) if named(at))
}

/// Tells whether a server's options lead to the database that is being read.
fn is_loop(scene: &Scene<'_>, server: &Server) -> bool {
    let session = &scene.facts.session;
    let host = option(&server.options, "host").or_else(|| option(&server.options, "hostaddr"));
    let here = host.is_none_or(|h| h.is_empty() || h.starts_with('/') || session.own_hosts.iter().any(|own| own == h));
    // under another name of the host, a remote role that is a local one of a service gives it away
    let here =
        here || scene.facts.user_mappings.iter().filter(|m| m.server == server.oid).any(|m| lends(scene, m).is_some());
    let port = option(&server.options, "port").is_none_or(|p| p == session.port);
    let database = option(&server.options, "dbname").is_none_or(|d| d == session.database);
    here && port && database
}

/// Gives the local role of a service that a mapping logs in as, where the name is one.
fn lends(scene: &Scene<'_>, mapping: &UserMapping) -> Option<RoleId> {
    let remote = mapping.remote_role.as_deref().and_then(|name| scene.facts.roles.find(name))?;
    scene.map.of_role(remote).map(|_| remote)
}

/// Finds the mapping that a role uses on a server: its own, else PUBLIC's.
fn mapping<'a>(scene: &'a Scene<'_>, server: u32, role: RoleId) -> Option<&'a UserMapping> {
    let own = scene.facts.user_mappings.iter().find(|m| m.server == server && m.role == Some(role));
    own.or_else(|| scene.facts.user_mappings.iter().find(|m| m.server == server && m.role.is_none()))
}

/// Names the table that a foreign table stands for.
fn remote(scene: &Scene<'_>, table: &ForeignTable, at: usize) -> (String, Option<Object>) {
    let local = &scene.facts.relations[at];
    let schema = option(&table.options, "schema_name").unwrap_or(scene.facts.schema_row(local.schema).name.as_str());
    let name = option(&table.options, "table_name").unwrap_or(local.name.as_str());
    let found = (0..)
        .zip(&scene.facts.relations)
        .find(|(_, r)| r.name.as_str() == name && scene.facts.schema_row(r.schema).name.as_str() == schema);
    match found {
        Some((at, _)) => (scene.facts.label(Object::Relation(at)), Some(Object::Relation(at))),
        None => (format!("{schema}.{name}"), None),
    }
}

fn loops(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for table in &scene.facts.foreign_tables {
        let Some(server) = scene.facts.servers.iter().find(|s| s.oid == table.server) else { continue };
        let Some(at) = scene.facts.relation(table.relation).filter(|_| is_loop(scene, server)) else { continue };
        let Some(securable) = securable(scene, at as u32) else { continue };
        let (remote, target) = remote(scene, table, at);
        for (reacher, held) in readers(scene, &securable) {
            let Some(mapping) = mapping(scene, server.oid, reacher.principal) else { continue };
            if target.is_some_and(|target| !scene.is_foreign(reacher.principal, target)) {
                continue;
            }
            let mut draft = Draft::new(scene, Some(&reacher), target.unwrap_or(securable.object));
            let local = scene.facts.label(securable.object);
            let as_whom = mapping.remote_role.clone().unwrap_or_else(|| "the mapped role".to_owned());
            draft.path = draft.path.using(held, &local).then("user mapping", &as_whom).using(held, &remote);
            let who = scene.name(reacher.principal);
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

fn mappings(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for mapping in &scene.facts.user_mappings {
        let Some((at, server)) = (0..).zip(&scene.facts.servers).find(|(_, s)| s.oid == mapping.server) else {
            continue;
        };
        let remote = lends(scene, mapping);
        let lent = match (mapping.role, remote) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(role), Some(remote)) => scene.is_judged(role) && scene.map.of_role(role) != scene.map.of_role(remote),
        };
        if !lent {
            continue;
        }
        let mut draft = Draft::new(scene, None, Object::Server(at));
        draft.principal = mapping.role;
        draft.service = remote.and_then(|r| scene.map.of_role(r));
        let who = mapping.role.map_or_else(|| "PUBLIC".to_owned(), |r| scene.name(r));
        let as_whom = mapping.remote_role.clone().unwrap_or_else(|| "a role that this session may not see".to_owned());
        draft.path = Path::from(&who).then("user mapping", &as_whom);
        draft.message = format!("the user mapping of {who} on {} logs in as {as_whom}", draft.object);
        draft.fix = drop_mapping(scene, mapping, server);
        draft.severity = (!is_loop(scene, server)).then_some(Severity::Warning);
        out.add(draft);
    }
}
