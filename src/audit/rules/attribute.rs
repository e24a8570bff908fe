//! ATT01–05: attributes that reach over every line, by the role itself or by one that it can become.

use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::role::Role;
use crate::audit::finding::Severity;
use crate::audit::remedy::Takes;
use crate::audit::scene::{Reacher, Scene};

/// SUPERUSER.
pub(super) static ATT01: Rule = Rule {
    id: "ATT01",
    title: "superuser",
    severity: Severity::Error,
    explanation: "A superuser passes every check of every service, and reads and writes the server's files. The role \
                  that initdb made is not told of; every other one is, and everyone who can become one, or inherits \
                  one: inherited, it gives all that belongs to it, the catalogs of passwords among that.",
    fix: "Take SUPERUSER away; administrators who provision services need CREATEROLE and CREATE on the database only.",
    check: |scene, out| attribute(scene, out, "SUPERUSER", Severity::Error, |r| r.superuser),
};

/// BYPASSRLS.
pub(super) static ATT02: Rule = Rule {
    id: "ATT02",
    title: "bypasses row security",
    severity: Severity::Error,
    explanation: "Row security policies do not apply to the role, so that a contract limited to some rows is not.",
    fix: "Take BYPASSRLS away.",
    check: |scene, out| attribute(scene, out, "BYPASSRLS", Severity::Error, |r| r.bypass_rls && !r.superuser),
};

/// REPLICATION.
pub(super) static ATT03: Rule = Rule {
    id: "ATT03",
    title: "may replicate",
    severity: Severity::Error,
    explanation: "Replication streams all databases (physical) or decodes any table's changes (logical) without \
                  looking at a single access list.",
    fix: "Take REPLICATION away from service roles.",
    check: |scene, out| attribute(scene, out, "REPLICATION", Severity::Error, |r| r.replication && !r.superuser),
};

/// CREATEROLE.
pub(super) static ATT04: Rule = Rule {
    id: "ATT04",
    title: "may create and grant roles",
    severity: Severity::Warning,
    explanation: "Before 16, CREATEROLE can grant itself any role that is no superuser, those that run programs on the \
                  server included: an error. From 16 on it reaches the roles that it created.",
    fix: "Take CREATEROLE away from service roles.",
    check: |scene, out| {
        let severity = if scene.facts.session.major < 16 { Severity::Error } else { Severity::Warning };
        attribute(scene, out, "CREATEROLE", severity, |r| r.create_role && !r.superuser);
    },
};

/// CREATEDB.
pub(super) static ATT05: Rule = Rule {
    id: "ATT05",
    title: "may create databases",
    severity: Severity::Warning,
    explanation: "A database that a service creates for itself is in nobody's plan, and fills the shared disk.",
    fix: "Take CREATEDB away from service roles.",
    check: |scene, out| attribute(scene, out, "CREATEDB", Severity::Warning, |r| r.create_db && !r.superuser),
};

fn attribute(scene: &Scene<'_>, out: &mut Sink<'_>, word: &str, severity: Severity, has: impl Fn(&Role) -> bool) {
    for (role, row) in scene.facts.roles.iter().filter(|(_, r)| has(r) && !r.is_system()) {
        let mut reachers = scene.setters(role);
        if row.superuser {
            // whoever inherits a superuser is none, but owns all that it owns, the catalogs of passwords among it
            let mut heirs = scene.enterers(role);
            heirs.retain(|heir| !reachers.iter().any(|r| r.principal == heir.principal));
            reachers.extend(heirs);
        }
        if !row.is_bootstrap() {
            reachers.push(Reacher::itself(role));
        }
        for reacher in reachers {
            let mut draft = Draft::new(scene, Some(&reacher), Object::Role(role));
            let (who, name) = (scene.name(reacher.principal), scene.name(role));
            draft.severity = Some(severity);
            draft.path = draft.path.using(word, "everything");
            if reacher.steps.is_empty() {
                draft.message = format!("{who} is {word}");
                draft.fix = format!("alter role {who} no{};", word.to_ascii_lowercase());
                draft.first = Some("find out what the role does with it: that stops");
            } else {
                let verb = if reacher.inherits { "has all that belongs to" } else { "can become" };
                draft.message = format!("{who} {verb} {name}, which is {word}");
                draft.fix = super::membership::revoke(scene, role, reacher.last_member());
                draft.takes = Takes::Holder(reacher.last_member());
            }
            if is_own_session(scene, &reacher) {
                draft.severity = Some(Severity::Info);
                draft.message.push_str(": the administrator that reads this database");
            }
            out.add(draft);
        }
    }
}

/// Tells whether the principal is the administrator that the audit itself runs as, and of no service.
fn is_own_session(scene: &Scene<'_>, reacher: &Reacher) -> bool {
    scene.is_administrator(reacher.principal) && scene.map.of_role(reacher.principal).is_none()
}
