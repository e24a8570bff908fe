//! MEM: memberships that cross the line. One finding for each foreign role entered, not one for each object behind it.

use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::role::{BOOTSTRAP_SUPERUSER, Membership, RoleId};
use crate::audit::finding::Severity;
use crate::audit::graph::Edge;
use crate::audit::remedy::Takes;
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
    explanation: "ADMIN OPTION lets its holder grant the role to anyone, itself included, with INHERIT and SET; so does \
                  ADMIN OPTION on whoever has it. From 16 on whoever creates a role keeps it, granted by the bootstrap \
                  superuser.",
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
    let own = scene.map.of_role(role);
    let services = own.map_or_else(|| scene.leads_to(role), |service| [service].into());
    let objects: Vec<_> = services.iter().map(|s| format!("{}.*", scene.map.name(*s).as_str())).collect();
    if !objects.is_empty() {
        draft.path = draft.path.using(if owns { "owner" } else { "all that it holds" }, objects.join(", "));
    }
    draft.fix = revoke(scene, role, reacher.last_member());
    draft.takes = Takes::Holder(reacher.last_member());
    draft
}

/// Gives the REVOKE that ends a membership: one for each grantor, since a plain one leaves what others granted.
pub(super) fn revoke(scene: &Scene<'_>, role: RoleId, member: RoleId) -> String {
    revoke_from_each(scene, role, member, "", |m| m.inherit || m.set)
}

fn revoke_from_each(
    scene: &Scene<'_>,
    role: RoleId,
    member: RoleId,
    what: &str,
    which: impl Fn(&Membership) -> bool,
) -> String {
    let (name, from) = (scene.name(role), scene.name(member));
    // what a member granted on goes with its own membership only by CASCADE
    let granted_on = |m: &Membership| m.admin && scene.has_granted(role, member);
    let mut own: Vec<&Membership> = scene.memberships(role, member).iter().copied().filter(|m| which(m)).collect();
    // what it granted to itself comes before what let it do so
    own.sort_by_key(|m| (m.grantor != member, scene.role(m.grantor).is_bootstrap(), m.grantor));
    let lines: Vec<String> = own
        .iter()
        .map(|m| {
            let plain = scene.facts.session.major < 16 || scene.role(m.grantor).is_bootstrap();
            let by = if plain { String::new() } else { format!(" granted by {}", scene.name(m.grantor)) };
            let cascade = if granted_on(m) && scene.facts.session.major >= 16 { " cascade" } else { "" };
            format!("revoke {what}{name} from {from}{by}{cascade};")
        })
        .collect();
    if lines.is_empty() { format!("revoke {what}{name} from {from};") } else { lines.join("\n") }
}

fn admin(scene: &Scene<'_>, out: &mut Sink<'_>) {
    for (role, _) in scene.facts.roles.iter().filter(|(_, row)| !row.superuser) {
        let own = scene.map.of_role(role);
        for chain in admin_chains(scene, role) {
            let holder = chain[0];
            let mut reachers = scene.reachers(holder, None);
            reachers.retain(|r| own.is_none() || scene.map.of_role(r.principal) != own);
            for mut reacher in reachers {
                let service = scene.map.of_role(reacher.principal);
                // where the chain enters another service's role, that is the finding
                let entered = chain[1..].iter().filter_map(|between| scene.map.of_role(*between));
                let collapsed = entered.into_iter().any(|between| Some(between) != service);
                if collapsed || !scene.leads_anywhere(role, service) {
                    continue;
                }
                reacher.steps.extend(chain[1..].iter().chain([&role]).map(|to| (Edge::Admin, *to)));
                let mut draft = draft(scene, &reacher, role);
                let (who, name) = (scene.name(reacher.principal), scene.name(role));
                draft.message = format!("{who} has ADMIN OPTION on {name} and may grant it to itself");
                let last = *chain.last().expect("a chain has a holder");
                draft.fix = revoke_from_each(scene, role, last, "admin option for ", |m| m.admin);
                draft.takes = Takes::Holder(last);
                if is_administrators_own(scene, holder, role) {
                    draft.severity = Some(Severity::Info);
                    draft.message.push_str(", as the administrator that made it");
                }
                out.add(draft);
            }
        }
    }
}

/// How many administrators' administrators a chain is followed through.
const MOST_ADMINISTRATORS: usize = 8;

/// Gives who holds ADMIN OPTION on a role, and on whoever holds it, each as the chain down to the last holder.
fn admin_chains(scene: &Scene<'_>, role: RoleId) -> Vec<Vec<RoleId>> {
    let mut seen = std::collections::HashSet::from([role]);
    let direct = scene.graph.previous(role, Edge::Admin).iter();
    let mut chains: Vec<Vec<RoleId>> = direct.filter(|h| seen.insert(**h)).map(|holder| vec![*holder]).collect();
    let mut at = 0;
    while let Some(chain) = chains.get(at).cloned() {
        at += 1;
        let holder = chain[0];
        if chain.len() >= MOST_ADMINISTRATORS || scene.role(holder).superuser {
            continue;
        }
        for above in scene.graph.previous(holder, Edge::Admin).iter().filter(|above| seen.insert(**above)) {
            chains.push([&[*above], chain.as_slice()].concat());
        }
    }
    chains.retain(|chain| !scene.role(chain[0]).superuser);
    chains
}

/// Tells whether an ADMIN option is the one that a CREATEROLE administrator, in no service, has on what it created.
fn is_administrators_own(scene: &Scene<'_>, holder: RoleId, role: RoleId) -> bool {
    let implicit = scene.memberships(role, holder).iter().filter(|m| m.admin);
    let mut implicit = implicit.map(|m| scene.role(m.grantor).oid == BOOTSTRAP_SUPERUSER && !m.inherit && !m.set);
    super::ownership::is_administrator(scene, holder) && implicit.all(|own| own)
}
