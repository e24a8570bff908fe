//! pgcleave.yaml, checked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::decode::{At, Must};
use super::names;
use super::problem::{Kind, nearest, quoted};
use super::raw::{FailOn, RawAudit, RawConfig, RawEnvironment, RawMigrate, RawSecrets};
use super::report::Report;
use super::service::{AuditPolicy, MigrateLimits, SecretSink, Waiver};
use super::value;
use super::yaml::Span;
use crate::ident::Ident;

/// What pgcleave.yaml says.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) environments: BTreeMap<String, Environment>,
    pub(crate) default_environment: Option<String>,
    /// The operator whose registry is trusted, besides the connecting login's.
    pub(crate) administrator: Option<Ident>,
    pub(crate) secrets: SecretSink,
    pub(crate) limits: MigrateLimits,
    pub(crate) audit: AuditPolicy,
}

/// The purpose of the operator whose registry is trusted.
const ADMINISTRATOR: &str = "administrator of pgcleave";

/// How often a file may be tried again.
const MOST_LOCK_RETRIES: u32 = 100;

/// One environment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Environment {
    pub(crate) database_url_env: Option<String>,
    pub(crate) role_prefix: String,
    pub(crate) client_sslrootcert: Option<String>,
    /// Whether PUBLIC keeps its rights on the database and on schema `public`: `close_database: false`.
    pub(crate) keep_open: bool,
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

    /// Finds the chosen environment; without any there is no prefix. None is ever guessed among several.
    pub(crate) fn choose(&self, choice: Choice<'_>, report: &mut Report<'_>) -> Option<Environment> {
        let names: Vec<_> = self.environments.keys().map(String::as_str).collect();
        let name = match (choice, self.default_environment.as_deref(), names.as_slice()) {
            (Choice::Named(name), ..) => name,
            (Choice::None, ..) | (_, _, []) => return Some(Environment::default()),
            (Choice::Default, Some(name), _) => name,
            (Choice::Default, None, [name]) => *name,
            (Choice::Default, None, _) => {
                let help = "choose one with --env, or write `default_environment` into pgcleave.yaml";
                return refuse(report, format!("no environment is chosen; there are {}", names.join(", ")), help);
            }
            (Choice::WithUrl, ..) => {
                let help = "choose one with --env, or leave --database-url out";
                let message = format!(
                    "--database-url does not say which environment it is of; there {} {}",
                    if names.len() == 1 { "is" } else { "are" },
                    names.join(", ")
                );
                return refuse(report, message, help);
            }
        };
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

fn refuse(report: &mut Report<'_>, message: String, help: &str) -> Option<Environment> {
    report.push(Kind::NoEnvironment, Span { line: 1, column: 1, length: 0 }, message, help);
    None
}

/// Which environment is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<'a> {
    /// This one.
    Named(&'a str),
    /// The default one, or the only one.
    Default,
    /// A connection string was given without an environment: there must be none to choose.
    WithUrl,
    /// None: nothing depends on the environment, so that role names get no prefix.
    None,
}

impl<'a> From<Option<&'a str>> for Choice<'a> {
    fn from(name: Option<&'a str>) -> Self {
        name.map_or(Self::Default, Self::Named)
    }
}

/// Checks what pgcleave.yaml says; paths stay as written, relative to its folder.
pub(crate) fn check(raw: &RawConfig, report: &mut Report<'_>) -> Config {
    let mut environments = BTreeMap::new();
    for (name, raw) in raw.environments.iter().flat_map(|named| &named.0) {
        names::simple("an environment", name, report);
        environments.insert(name.value.clone(), environment(&raw.value, report));
    }
    let default_environment = raw.default_environment.as_ref().map(|name| {
        if !environments.contains_key(&name.value) {
            let names: Vec<_> = environments.keys().map(String::as_str).collect();
            let help = match names.as_slice() {
                [] => "add it to `environments`, or remove the key".to_owned(),
                names => format!("write one of {}", names.join(", ")),
            };
            let message = format!("there is no environment {}", quoted(&name.value));
            report.push(Kind::UnknownEnvironment, name.span, message, help);
        }
        name.value.clone()
    });
    if let Some(folder) = &raw.manifests {
        value::something("the folder's name", folder, report);
    }
    let secrets = raw.secrets.as_ref().and_then(|s| sink(s, report));
    Config {
        environments,
        default_environment,
        administrator: administrator(raw, report),
        secrets: secrets.unwrap_or_else(|| SecretSink::Directory(PathBuf::from(".secrets"))),
        limits: raw.migrate.as_ref().map(|m| limits(&m.value, report)).unwrap_or_default(),
        audit: raw.audit.as_ref().map(|a| audit(&a.value, report)).unwrap_or_default(),
    }
}

/// Checks the operators, and finds the administrator among them.
fn administrator(raw: &RawConfig, report: &mut Report<'_>) -> Option<Ident> {
    let mut found = None;
    for (name, operator) in raw.operators.iter().flat_map(|named| &named.0) {
        let Some(purpose) = operator.value.purpose.get() else { continue };
        if purpose.value != ADMINISTRATOR {
            let message = format!("{} is not a purpose that is known", quoted(&purpose.value));
            report.push(
                Kind::BadValue,
                purpose.span,
                message,
                format!("write `{ADMINISTRATOR}`, or leave the operator out"),
            );
        } else if found.is_some() {
            let message = format!("{} is a second {ADMINISTRATOR}", quoted(&name.value));
            report.push(Kind::BadValue, name.span, message, "a database has one registry: leave one of them out");
        } else {
            match Ident::new(&name.value) {
                Ok(role) => found = Some(role),
                Err(error) => report.push(Kind::BadName, name.span, error.to_string(), "write the login's name"),
            }
        }
    }
    found
}

fn limits(raw: &RawMigrate, report: &mut Report<'_>) -> MigrateLimits {
    let mut limits = MigrateLimits::default();
    if let Some(seconds) = raw.file_limit.as_ref().and_then(|v| value::duration_seconds(v, report)) {
        limits.file_seconds = seconds;
    }
    if let Some(seconds) = raw.lock_wait.as_ref().and_then(|v| value::duration_seconds(v, report)) {
        limits.lock_wait_seconds = seconds;
    }
    if let Some(retries) = &raw.lock_retries {
        match u32::try_from(retries.value).ok().filter(|retries| *retries <= MOST_LOCK_RETRIES) {
            Some(retries) => limits.lock_retries = retries,
            None => {
                let message = format!("{} is not a number of tries", retries.value);
                report.push(Kind::BadValue, retries.span, message, "write a number from 0 to 100");
            }
        }
    }
    limits
}

fn environment(raw: &RawEnvironment, report: &mut Report<'_>) -> Environment {
    let database_url_env = raw.database_url_env.as_ref().and_then(|v| value::variable(v, report));
    let root = raw.client_sslrootcert.as_ref();
    let client_sslrootcert = root.and_then(|v| value::something("the root certificate's file", v, report));
    let keep_open = raw.close_database.as_ref().is_some_and(|close| !close.value);
    let Some(prefix) = &raw.role_prefix else {
        return Environment { database_url_env, role_prefix: String::new(), client_sslrootcert, keep_open };
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
    Environment { database_url_env, role_prefix: text.to_owned(), client_sslrootcert, keep_open }
}

fn sink(raw: &At<RawSecrets>, report: &mut Report<'_>) -> Option<SecretSink> {
    let RawSecrets { directory, json, kubernetes, command } = &raw.value;
    let given = [directory.is_some(), json.is_some(), kubernetes.is_some(), command.is_some()];
    if given.iter().filter(|g| **g).count() != 1 {
        let message = "`secrets` needs exactly one of directory, json, kubernetes and command";
        report.push(Kind::BadValue, raw.span, message, "for example `secrets: { directory: .secrets }`");
        return None;
    }
    let mut path = |text: &At<String>| value::something("the path", text, report).map(PathBuf::from);
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
