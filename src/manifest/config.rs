//! pgcleave.yaml, checked.

use std::collections::BTreeMap;
use std::path::Path;

use super::decode::{At, Must};
use super::names;
use super::problem::{Kind, nearest, quoted};
use super::raw::{FailOn, RawAudit, RawConfig, RawEnvironment, RawSecrets};
use super::report::Report;
use super::service::{AuditPolicy, SecretSink, Waiver};
use super::value;
use super::yaml::Span;

/// What pgcleave.yaml says.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) environments: BTreeMap<String, Environment>,
    pub(crate) secrets: SecretSink,
    pub(crate) audit: AuditPolicy,
}

/// One environment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Environment {
    pub(crate) database_url_env: Option<String>,
    pub(crate) role_prefix: String,
}

impl Config {
    /// Gives every prefix that role names can get, each once.
    pub(crate) fn prefixes(&self) -> Vec<String> {
        let mut prefixes: Vec<_> = self.environments.values().map(|e| e.role_prefix.clone()).collect();
        if prefixes.is_empty() {
            prefixes.push(String::new());
        }
        prefixes.sort_unstable();
        prefixes.dedup();
        prefixes
    }

    /// Finds the chosen environment; without a choice there is no prefix.
    pub(crate) fn choose(&self, environment: Option<&str>, report: &mut Report<'_>) -> Option<Environment> {
        let Some(name) = environment else { return Some(Environment::default()) };
        let found = self.environments.get(name);
        if found.is_none() {
            let names: Vec<_> = self.environments.keys().map(String::as_str).collect();
            let help = match (nearest(name, names.iter().copied()), names.as_slice()) {
                (Some(near), _) => format!("use `--env {near}`"),
                (None, []) => format!("add `environments: {{ {name}: {{}} }}`, or leave --env out"),
                (None, names) => format!("use one of {}", names.join(", ")),
            };
            let message = format!("there is no environment {}", quoted(name));
            report.push(Kind::UnknownEnvironment, Span { line: 1, column: 1, length: 0 }, message, help);
        }
        found.cloned()
    }
}

/// Checks what pgcleave.yaml says; paths are seen from its folder.
pub(crate) fn check(raw: &RawConfig, root: &Path, report: &mut Report<'_>) -> Config {
    let mut environments = BTreeMap::new();
    for (name, raw) in raw.environments.iter().flat_map(|named| &named.0) {
        names::simple("an environment", name, report);
        environments.insert(name.value.clone(), environment(&raw.value, report));
    }
    if let Some(folder) = &raw.manifests {
        value::something("the folder's name", folder, report);
    }
    let secrets = raw.secrets.as_ref().and_then(|s| sink(s, root, report));
    Config {
        environments,
        secrets: secrets.unwrap_or_else(|| SecretSink::Directory(root.join(".secrets"))),
        audit: raw.audit.as_ref().map(|a| audit(&a.value, report)).unwrap_or_default(),
    }
}

fn environment(raw: &RawEnvironment, report: &mut Report<'_>) -> Environment {
    let database_url_env = raw.database_url_env.as_ref().and_then(|v| value::variable(v, report));
    let Some(prefix) = &raw.role_prefix else {
        return Environment { database_url_env, role_prefix: String::new() };
    };
    let text = prefix.value.as_str();
    let fits = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !text.starts_with(|c: char| c.is_ascii_digit());
    if text.starts_with("pg_") {
        let message = "role names cannot begin with `pg_`: that is PostgreSQL's own";
        report.push(Kind::ReservedName, prefix.span, message, "choose another prefix, such as `stg_`");
    } else if !fits {
        let message = format!("{} cannot begin a role's name", quoted(text));
        report.push(Kind::BadName, prefix.span, message, "write lower-case letters, digits and `_`, such as `stg_`");
    }
    Environment { database_url_env, role_prefix: text.to_owned() }
}

fn sink(raw: &At<RawSecrets>, root: &Path, report: &mut Report<'_>) -> Option<SecretSink> {
    let RawSecrets { directory, json, kubernetes, command } = &raw.value;
    let given = [directory.is_some(), json.is_some(), kubernetes.is_some(), command.is_some()];
    if given.iter().filter(|g| **g).count() != 1 {
        let message = "`secrets` needs exactly one of directory, json, kubernetes and command";
        report.push(Kind::BadValue, raw.span, message, "for example `secrets: { directory: .secrets }`");
        return None;
    }
    let mut path = |text: &At<String>| value::something("the path", text, report).map(|p| root.join(p));
    if let Some(directory) = directory {
        return path(directory).map(SecretSink::Directory);
    }
    if let Some(json) = json {
        return path(json).map(SecretSink::Json);
    }
    if let Some(kubernetes) = kubernetes {
        let directory = kubernetes.value.directory.get().and_then(path)?;
        return Some(SecretSink::Kubernetes { directory, namespace: kubernetes.value.namespace.clone() });
    }
    let command = command.as_ref()?;
    if command.value.first().is_none_or(|program| program.value.trim().is_empty()) {
        let help = "write the program and its arguments: `command: [vault, kv, put, \"secret/{service}/{credential}\", \"-\"]`";
        report.push(Kind::BadValue, command.span, "the command has no program", help);
        return None;
    }
    Some(SecretSink::Command(command.value.iter().map(|word| word.value.clone()).collect()))
}

fn audit(raw: &RawAudit, report: &mut Report<'_>) -> AuditPolicy {
    let mut waivers = Vec::new();
    for At { value: raw, span } in raw.waivers.iter().flatten() {
        let mut text = |what: &str, field: &Must<String>| field.get().and_then(|v| value::something(what, v, report));
        let rule = text("the rule", &raw.rule);
        let object = text("the object", &raw.object);
        let reason = text("the reason", &raw.reason);
        let expires = raw.expires.get().and_then(|v| value::date(v, report));
        if let (Some(rule), Some(object), Some(reason), Some(expires)) = (rule, object, reason, expires) {
            let principal = raw.principal.as_ref().map(|p| p.value.clone());
            waivers.push(Waiver { rule, object, principal, reason, expires, at: report.position(*span) });
        }
    }
    AuditPolicy { fail_on: raw.fail_on.map(FailOn::as_str).map(str::to_owned), waivers }
}
