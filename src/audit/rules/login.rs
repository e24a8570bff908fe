//! ATT06 and ATT07: how roles log in, and as whom they find themselves then.

use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::role::{Password, RoleId};
use crate::audit::finding::Severity;
use crate::audit::scene::{Reacher, Scene};

/// A login's password, expiry or limit is not as it should be, or an owner can log in.
pub(super) static ATT06: Rule = Rule {
    id: "ATT06",
    title: "login hygiene",
    severity: Severity::Warning,
    explanation: "An md5 hash is as good as the password to whoever reads a backup; an expired login is forgotten or \
                  about to be needed; a schema's owner that logs in itself can grant everything to everybody; without \
                  a connection limit one service can take all connections (that alone is information).",
    fix: "Set a new password (SCRAM), drop or renew the login, or make the owner NOLOGIN with a login as its member.",
    check: hygiene,
};

/// A role becomes a foreign role at login.
pub(super) static ATT07: Rule = Rule {
    id: "ATT07",
    title: "becomes a foreign role at login",
    severity: Severity::Error,
    explanation: "`ALTER ROLE … SET role` makes every session begin as another role. Over the line it turns a \
                  membership that is not inherited into one that is always in effect.",
    fix: "Reset the setting, and revoke the membership behind it.",
    check: becomes,
};

fn hygiene(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let owners: std::collections::HashSet<RoleId> = scene.facts.schemas.iter().map(|s| s.owner).collect();
    for (id, role) in scene.facts.roles.iter().filter(|(_, r)| r.login && !r.is_system() && !r.is_bootstrap()) {
        let name = scene.name(id);
        let mut told = Vec::new();
        let mut fixes = Vec::new();
        let mut severity = Severity::Info;
        let mut worse = |text: &str, fix: String, by: Severity| {
            severity = severity.min(by);
            told.push(text.to_owned());
            fixes.push(fix);
        };
        if owners.contains(&id) && scene.map.of_role(id).is_some() {
            worse("owns a schema and can log in", format!("alter role {name} nologin;"), Severity::Warning);
        }
        if role.password == Password::Md5 {
            let fix = format!("alter role {name} password null; -- then give it a new one: \\password {name}");
            worse("has an md5 password", fix, Severity::Warning);
        }
        if role.expired {
            worse(
                "has expired (VALID UNTIL)",
                format!("alter role {name} nologin; -- or drop it, or renew it: valid until"),
                Severity::Warning,
            );
        }
        if role.password == Password::None {
            worse(
                "has no password",
                format!("alter role {name} nologin; -- unless it logs in otherwise"),
                Severity::Info,
            );
        }
        if role.connection_limit < 0 && scene.map.of_role(id).is_some() {
            let fix = format!("alter role {name} connection limit 20; -- or what the service needs");
            worse("has no connection limit", fix, Severity::Info);
        }
        if told.is_empty() {
            continue;
        }
        let mut draft = Draft::new(scene, Some(&Reacher::itself(id)), Object::Role(id));
        draft.message = format!("{name} {}", told.join(", "));
        draft.fix = fixes.join("\n");
        draft.severity = Some(severity);
        if scene.map.own(id).is_some() {
            draft.message.push_str("; a command of pgcleave has made it");
            draft.fix = "-- leave it: the next command of pgcleave that makes such a login removes it".to_owned();
            draft.severity = Some(Severity::Info);
        }
        out.add(draft);
    }
}

fn becomes(scene: &Scene<'_>, out: &mut Sink<'_>) {
    let here = |database: &Option<crate::ident::Ident>| {
        database.as_ref().is_none_or(|name| name.as_str() == scene.facts.session.database)
    };
    for setting in scene.facts.settings.iter().filter(|s| s.name.eq_ignore_ascii_case("role") && here(&s.database)) {
        let target = setting.value.trim_matches(['"', '\'']);
        let Some(target) = scene.facts.roles.find(&setting.value).or_else(|| scene.facts.roles.find(target)) else {
            continue;
        };
        let principals = match setting.role {
            Some(role) => vec![role],
            None => scene.logins.clone(),
        };
        for principal in principals {
            let own = scene.map.of_role(principal);
            let row = scene.role(principal);
            let foreign = own != scene.map.of_role(target) || (own.is_none() && principal != target);
            let possible = row.superuser || scene.graph.identities(principal).contains(target);
            if row.is_bootstrap() || !foreign || !possible {
                continue;
            }
            let mut draft = Draft::new(scene, Some(&Reacher::itself(principal)), Object::Role(target));
            let (who, name) = (scene.name(principal), scene.name(target));
            draft.path = draft.path.then("set at login", &name);
            if let Some(service) = scene.service_name(scene.map.of_role(target)) {
                draft.path = draft.path.using("all that it holds", format!("{service}.*"));
            }
            draft.message = format!("every session of {who} begins as {name}");
            let whose = if setting.role.is_some() { who } else { "all".to_owned() };
            let database = setting.database.as_ref().map(|d| format!(" in database {}", crate::audit::name::shown(d)));
            // where the setting is everybody's, it is in force for whoever mends it as well
            let first = if setting.role.is_some() { "" } else { "set role none; " };
            draft.fix = format!("{first}alter role {whose}{} reset role;", database.unwrap_or_default());
            out.add(draft);
        }
    }
}
