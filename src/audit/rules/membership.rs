//! MEM: memberships that cross the line. One finding for each foreign role entered, not one for each object behind it.

use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::role::{BOOTSTRAP_SUPERUSER, RoleId};
use crate::audit::finding::Severity;
use crate::audit::graph::Edge;
use crate::audit::scene::{Reacher, Scene};

/// A principal inherits a foreign role.
pub(super) static MEM01: Rule = Rule {
    id: "MEM01",
    title: "inherits a foreign role",
    severity: Severity::Error,
    explanation: "The principal holds at once all that a role of another service holds, and all that it will be \
                  granted. From 16 on each membership says for itself whether it is inherited; NOINHERIT on the role \
                  does not switch that off.",
    fix: "Revoke the membership; what is needed belongs in a contract.",
    check: |scene, out| entered(scene, out, true),
};

/// A principal can SET ROLE to a foreign role, or to one that inherits it.
pub(super) static MEM02: Rule = Rule {
    id: "MEM02",
    title: "can become a foreign role",
    severity: Severity::Error,
    explanation: "The principal does not inherit the role but may SET ROLE to it, or to a role that inherits it. \
                  has_table_privilege() and most tools do not see this way.",
    fix: "Revoke the membership.",
    check: |scene, out| entered(scene, out, false),
};

/// A principal can grant itself a foreign role.
pub(super) static MEM03: Rule = Rule {
    id: "MEM03",
    title: "ADMIN option on a foreign role",
    severity: Severity::Error,
    explanation: "ADMIN OPTION lets its holder grant the role to anyone, itself included, with INHERIT and SET. From 16 \
                  on whoever creates a role keeps it, granted by the bootstrap superuser.",
    fix: "Revoke the ADMIN option.",
    check: admin,
};

fn entered(scene: &Scene<'_>, out: &mut Sink<'_>, inherits: bool) {
    for (role, row) in scene.facts.roles.iter() {
        let Some(own) = scene.map.of_role(role) else { continue };
        if row.superuser || row.is_system() || !has_members(scene, role) {
            continue;
        }
        for reacher in scene.enterers(role).into_iter().filter(|r| r.inherits == inherits) {
            let Some((edge, _)) = reacher.steps.last() else { continue };
            let service = scene.map.of_role(reacher.principal);
            if service == Some(own) || !scene.leads_anywhere(role, service) {
                continue;
            }
            let service = scene.map.name(own).as_str();
            let mut draft = draft(scene, &reacher, role);
            let (who, name) = (scene.name(reacher.principal), scene.name(role));
            let verb = if inherits { "inherits" } else { "can SET ROLE to" };
            let target = if *edge == Edge::Inherit && !inherits { "a role that inherits " } else { "" };
            draft.message = format!("{who} {verb} {target}{name}, a role of service {service}");
            out.add(draft);
        }
    }
}

fn has_members(scene: &Scene<'_>, role: RoleId) -> bool {
    [Edge::Inherit, Edge::Set].into_iter().any(|edge| !scene.graph.previous(role, edge).is_empty())
}

fn draft(scene: &Scene<'_>, reacher: &Reacher, role: RoleId) -> Draft {
    let mut draft = Draft::new(scene, Some(reacher), Object::Role(role));
    let owns = scene.facts.schemas.iter().any(|s| s.owner == role);
    let objects = scene.map.of_role(role).map(|s| format!("{}.*", scene.map.name(s).as_str())).unwrap_or_default();
    draft.path = draft.path.using(if owns { "owner" } else { "all that it holds" }, objects);
    draft.fix = format!("revoke {} from {};", scene.name(role), scene.name(reacher.last_member()));
    draft
}

fn admin(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (role, row) in scene.facts.roles.iter() {
        if row.is_system() || row.superuser {
            continue;
        }
        for holder in scene.graph.previous(role, Edge::Admin) {
            let mut reachers = scene.reachers(*holder, None);
            reachers.retain(|r| scene.map.of_role(r.principal) != scene.map.of_role(role));
            for mut reacher in reachers {
                if !scene.leads_anywhere(role, scene.map.of_role(reacher.principal)) {
                    continue;
                }
                reacher.steps.push((Edge::Admin, role));
                let mut draft = draft(scene, &reacher, role);
                let (who, name) = (scene.name(reacher.principal), scene.name(role));
                draft.message = format!("{who} has ADMIN OPTION on {name} and may grant it to itself");
                draft.fix = format!("revoke admin option for {name} from {};", scene.name(*holder));
                if is_administrators_own(scene, *holder, role) {
                    draft.severity = Some(Severity::Info);
                    draft.message.push_str(", as the administrator that made it");
                }
                out.add(draft);
            }
        }
    }
}

/// Tells whether an ADMIN option is the one that a CREATEROLE administrator, in no service, has on what it created.
fn is_administrators_own(scene: &Scene<'_>, holder: RoleId, role: RoleId) -> bool {
    let administrator = scene.role(holder).create_role && scene.map.of_role(holder).is_none();
    let implicit = scene.facts.memberships.iter().filter(|m| m.role == role && m.member == holder && m.admin);
    let mut implicit = implicit.map(|m| scene.role(m.grantor).oid == BOOTSTRAP_SUPERUSER && !m.inherit && !m.set);
    administrator && implicit.all(|own| own)
}
