//! RLS01: row security that does not hold for the foreign roles it is there for.

use super::view::{readers, securable};
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::relation::{Policy, Relation};
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::scene::{Reacher, Scene};
use crate::audit::through::{Checked, bases};

/// Row security is off, always true, or bypassed, where a foreign role reads.
pub(super) static RLS01: Rule = Rule {
    id: "RLS01",
    title: "row security without effect",
    severity: Severity::Error,
    explanation: "Policies are there, but the table's row security is not enabled, or a policy for the reader is simply \
                  true, or the reader comes through a view whose owner the policies do not bind.",
    fix: "Enable row security (and FORCE it where the owner's views are read), or narrow the policy.",
    check,
};

fn check(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let mut policies: std::collections::BTreeMap<u32, Vec<&Policy>> = std::collections::BTreeMap::new();
    for policy in &scene.facts.policies {
        policies.entry(policy.relation).or_default().push(policy);
    }
    for (oid, policies) in &policies {
        let Some(at) = scene.facts.relation(*oid) else { continue };
        let Some(securable) = securable(scene, at as u32) else { continue };
        for (reacher, _) in readers(scene, &securable) {
            if scene.is_foreign(reacher.principal, securable.object) {
                direct(scene, out, at as u32, policies, &reacher);
            }
        }
    }
    for (at, view) in (0..).zip(&scene.facts.relations).filter(|(_, r)| super::grant::is_view(r.kind)) {
        through(scene, out, at, view, &policies);
    }
}

fn direct(scene: &Scene<'_>, out: &mut Sink<'_>, at: u32, policies: &[&Policy], reacher: &Reacher) {
    let table = &scene.facts.relations[at as usize];
    let mut draft = Draft::new(scene, Some(reacher), Object::Relation(at));
    let (who, label) = (scene.name(reacher.principal), draft.object.clone());
    draft.path = draft.path.using("SELECT", &label);
    let open = policies.iter().find(|p| {
        let inherited = scene.inherited(reacher.principal);
        let applies = p.roles.is_empty() || p.roles.iter().any(|r| inherited.contains(*r));
        applies && p.permissive && matches!(p.command, '*' | 'r') && p.using.as_deref().is_none_or(|u| u == "true")
    });
    if !table.row_security {
        draft.message = format!("{who} reads all of {label}: it has policies, but row security is not enabled");
        draft.fix = format!("alter table {label} enable row level security;");
    } else if let Some(policy) = open {
        let policy = crate::audit::name::shown(&policy.name);
        draft.message = format!("{who} reads all of {label}: policy {policy} is always true");
        draft.fix = format!("alter policy {policy} on {label} using (…);");
    } else {
        return;
    }
    out.add(draft);
}

fn through(
    scene: &Scene<'_>,
    out: &mut Sink<'_>,
    at: u32,
    view: &Relation,
    policies: &std::collections::BTreeMap<u32, Vec<&Policy>>,
) {
    let bypassed = bases(scene, view, Checked::anyone()).into_iter().find_map(|base| {
        let table = &scene.facts.relations[base.relation as usize];
        let secured = table.row_security && policies.contains_key(&table.oid);
        let owner = base.checked_as.filter(|owner| secured && (base.copied || unbound(scene, *owner, table)));
        owner.map(|owner| (base.relation, owner))
    });
    let (Some((base, owner)), Some(securable)) = (bypassed, securable(scene, at)) else { return };
    for (reacher, _) in readers(scene, &securable) {
        if !scene.is_foreign(reacher.principal, securable.object)
            && !scene.is_foreign(reacher.principal, Object::Relation(base))
        {
            continue;
        }
        let mut draft = Draft::new(scene, Some(&reacher), securable.object);
        let table = scene.facts.label(Object::Relation(base));
        draft.path =
            draft.path.using("SELECT", &draft.object).then("view owner, not bound by policies", scene.name(owner));
        draft.path = draft.path.using("SELECT", &table);
        draft.message =
            format!("{} reads {table} through {} past its policies", scene.name(reacher.principal), draft.object);
        draft.fix = format!("alter table {table} force row level security; -- or make the view security_invoker");
        out.add(draft);
    }
}

/// Tells whether policies do not bind a role on a table.
fn unbound(scene: &Scene<'_>, role: RoleId, table: &Relation) -> bool {
    let row = scene.role(role);
    let owns = scene.inherited(role).contains(table.owner);
    row.superuser || row.bypass_rls || (owns && !table.force_row_security)
}
