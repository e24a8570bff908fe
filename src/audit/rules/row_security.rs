//! RLS01: row security that does not hold for the foreign roles it is there for.

use super::view::{readers, securable};
use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::relation::{Policy, Relation, RelationKind};
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
                  true, or the reader comes through a view whose owner the policies do not bind. A policy that asks for \
                  a setting of the session (a warning) lets the reader choose: whoever can connect can set it.",
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
    let (who, label) = (scene.who(Some(reacher)), draft.object.clone());
    draft.path = draft.path.using("SELECT", &label);
    let inherited = scene.inherited(reacher.principal);
    let mut for_reader = policies.iter().filter(|p| {
        let applies = p.roles.is_empty() || p.roles.iter().any(|r| inherited.contains(*r));
        applies && p.permissive && matches!(p.command, '*' | 'r')
    });
    let open = for_reader.clone().find(|p| p.using.as_deref().is_none_or(is_always_true));
    let chosen = for_reader.find_map(|p| p.using.as_deref().and_then(own_setting).map(|setting| (p, setting)));
    if !table.row_security {
        draft.message = format!("{who} reads all of {label}: it has policies, but row security is not enabled");
        draft.fix = format!("alter table {label} enable row level security;");
        draft.first = Some("roles without a policy of their own see no row afterwards");
    } else if let Some(policy) = open {
        let policy = crate::audit::name::shown(&policy.name);
        draft.message = format!("{who} reads all of {label}: policy {policy} is always true");
        draft.fix =
            format!("-- let policy {policy} on {label} name the rows that {who} may read: it shows all of them");
    } else if let Some((policy, setting)) = chosen {
        let policy = crate::audit::name::shown(&policy.name);
        draft.path = draft.path.then(format!("policy {policy} asks for"), format!("setting {setting}"));
        draft.message = format!(
            "{who} chooses what it reads of {label}: policy {policy} asks for {setting}, which any session sets"
        );
        draft.fix = format!("-- let policy {policy} on {label} ask for current_user, or for columns alone");
        draft.severity = Some(Severity::Warning);
    } else {
        return;
    }
    out.add(draft);
}

/// Finds a setting that a condition asks for and that every session may set: one of no extension's, with a dot.
fn own_setting(condition: &str) -> Option<&str> {
    let asked = condition.split("current_setting('").skip(1).filter_map(|rest| rest.split('\'').next());
    asked.into_iter().find(|name| name.contains('.'))
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
        let copy = |at: &u32| scene.facts.relations[*at as usize].kind == RelationKind::MaterializedView;
        let copy = std::iter::once(at).chain(base.through.iter().map(|(through, _)| *through)).find(copy);
        owner.map(|owner| (base.relation, owner, copy))
    });
    let (Some((base, owner, copy)), Some(securable)) = (bypassed, securable(scene, at)) else { return };
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
            format!("{} reads {table} through {} past its policies", scene.who(Some(&reacher)), draft.object);
        draft.fix = match copy {
            Some(copy) => format!("drop materialized view {} cascade;", scene.facts.label(Object::Relation(copy))),
            None if is_never_bound(scene, owner) => format!(
                "-- row security never binds {}: give the view to a role of its service, or make it security_invoker",
                scene.name(owner)
            ),
            None => format!("alter table {table} force row level security;"),
        };
        draft.first = Some("the table's owner then needs a policy too, or sees no row");
        out.add(draft);
    }
}

/// Tells whether policies do not bind a role on any table, FORCE or not.
fn is_never_bound(scene: &Scene<'_>, role: RoleId) -> bool {
    let row = scene.role(role);
    row.superuser || row.bypass_rls
}

/// Tells whether policies do not bind a role on a table.
fn unbound(scene: &Scene<'_>, role: RoleId, table: &Relation) -> bool {
    let owns = scene.inherited(role).contains(table.owner);
    is_never_bound(scene, role) || (owns && !table.force_row_security)
}

/// Tells whether a policy's condition, as the server prints it, holds for every row: it is true, or compares a constant
/// with itself, or one side of an OR does.
fn is_always_true(condition: &str) -> bool {
    let condition = condition.trim();
    let inner = condition.strip_prefix('(').and_then(|c| c.strip_suffix(')'));
    if let Some(inner) = inner.filter(|inner| is_balanced(inner)) {
        return is_always_true(inner);
    }
    let mut from = 0;
    for (end, word) in condition.match_indices(" OR ") {
        if is_balanced(&condition[from..end]) {
            if is_always_true(&condition[from..end]) || is_always_true(&condition[end + word.len()..]) {
                return true;
            }
            from = end + word.len();
        }
    }
    let is_constant = |text: &str| {
        let is_text = text.starts_with('\'') && text.matches('\'').count() == 2;
        is_text || text.parse::<f64>().is_ok()
    };
    let same =
        condition.split_once(" = ").is_some_and(|(a, b)| a == b && is_constant(a.split("::").next().unwrap_or(a)));
    condition == "true" || same
}

/// Tells whether each parenthesis of a text closes in it, and none that opened before; quoted text is left out.
fn is_balanced(text: &str) -> bool {
    let mut depth = 0_i32;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0 && !quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_settings_that_a_session_sets() {
        let asks = "(tenant = current_setting('app.tenant'::text, true))";
        assert_eq!(own_setting(asks), Some("app.tenant"));
        assert_eq!(own_setting("(port = current_setting('port'::text))"), None);
        assert_eq!(own_setting("(tenant = CURRENT_USER)"), None);
    }

    #[test]
    fn sees_through_conditions_that_hold_for_every_row() {
        for open in
            ["true", "(1 = 1)", "('a'::text = 'a'::text)", "((tenant = 'x'::text) OR true)", "(true OR (a = 1))"]
        {
            assert!(is_always_true(open), "{open}");
        }
        for closed in [
            "(tenant = 'public'::text)",
            "(1 = 2)",
            "((tenant = 'a'::text) OR (tenant = ' OR true'::text))",
            "false",
            "(tenant = tenant)",
            "((a = 1) AND true)",
        ] {
            assert!(!is_always_true(closed), "{closed}");
        }
    }
}
