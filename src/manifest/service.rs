//! What a checked set of manifests says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

pub use super::contracts::Circle;
use crate::ident::Ident;
use crate::model::layout::Layout;
use crate::model::naming::{Access, Naming};
use crate::model::privilege::Privileges;

/// All checked manifests together with pgcleave.yaml.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder that holds pgcleave.yaml.
    pub root: PathBuf,
    /// The roles' names, with the chosen environment's prefix.
    pub naming: Naming,
    /// The environment variable that holds the chosen environment's connection string.
    pub database_url_env: Option<String>,
    /// The operator with the purpose `administrator of pgcleave`, whose registry is trusted besides the connecting login's.
    pub administrator: Option<Ident>,
    /// Where new passwords are written.
    pub secrets: SecretSink,
    /// `sslrootcert` in published secrets, where it is not the administrator's.
    pub client_sslrootcert: Option<String>,
    /// Whether PUBLIC is to lose its rights on the database and on schema `public`.
    pub close_database: bool,
    /// What a migration file may take.
    pub limits: MigrateLimits,
    /// How the audit judges.
    pub audit: AuditPolicy,
    /// The services by name, but for those that are only described.
    pub services: BTreeMap<Ident, Service>,
    /// Those that are described, not managed: nothing of them is changed.
    pub described: BTreeMap<Ident, Service>,
    /// Those that live in another database than the one that is looked at; none until [`Project::at`] chooses one.
    pub elsewhere: BTreeMap<Ident, Service>,
}

impl Project {
    /// Finds each group of services that consume each other, once.
    #[must_use]
    pub fn circles(&self) -> Vec<Circle> {
        super::contracts::circles(&self.here())
    }

    /// Gives the services of this database by name, whether managed or only described.
    #[must_use]
    pub fn here(&self) -> Vec<&Service> {
        let mut all: Vec<_> = self.services.values().chain(self.described.values()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Lists what the manifests declare and nothing applies yet: service, key and place, by service.
    #[must_use]
    pub fn not_yet_applied(&self) -> Vec<(&Ident, &'static str, &Position)> {
        let mut all = Vec::new();
        for service in self.here() {
            let name = &service.name;
            all.extend(service.read_models.first().map(|r| (name, "read_models", &r.at)));
            all.extend(service.event_log.iter().map(|e| (name, "event_log", &e.at)));
            all.extend(service.outbox.iter().map(|o| (name, "outbox", &o.at)));
        }
        all
    }
}

/// What a migration file may take, as pgcleave.yaml has it under `migrate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrateLimits {
    /// How long a file may run, in seconds.
    pub file_seconds: u64,
    /// How long a statement may wait for a lock, in seconds.
    pub lock_wait_seconds: u64,
    /// How often a file that waited too long is tried again.
    pub lock_retries: u32,
}

impl Default for MigrateLimits {
    fn default() -> Self {
        Self { file_seconds: 3600, lock_wait_seconds: 5, lock_retries: 10 }
    }
}

/// A place in a file, to point a person at; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct Position {
    /// The file's path as the user would type it.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name, `[a-z][a-z0-9_]{0,39}`.
    pub name: Ident,
    /// What it does, for people.
    pub description: Option<String>,
    /// Who looks after it.
    pub team: Option<String>,
    /// The schema that it owns.
    pub schema: Ident,
    /// The folder of its migrations, resolved against the manifest's folder.
    pub migrations: Option<PathBuf>,
    /// Whose rules the migrations follow; nothing where their names tell.
    pub layout: Option<Layout>,
    /// The extensions that it needs.
    pub extensions: Vec<Ident>,
    /// Its logins by short name.
    pub credentials: BTreeMap<String, Credential>,
    /// All that others may touch.
    pub exposes: Vec<Exposed>,
    /// What it uses of others.
    pub consumes: Vec<Consumed>,
    /// Its materialized views.
    pub read_models: Vec<ReadModel>,
    /// Its event log.
    pub event_log: Option<EventLog>,
    /// Its outbox.
    pub outbox: Option<Outbox>,
    /// The environment variable with the connection string of its own database, once it is split off.
    pub database_url_env: Option<String>,
    /// Whether it is pgcleave's to change; otherwise it is only described, so that others' contracts with it are known.
    pub managed: bool,
    /// `host:port/database` where a finished split has taken it, while the manifest does not say so yet.
    pub moved_to: Option<String>,
    /// Where its name is declared.
    pub at: Position,
}

/// One login of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Which of the service's roles it belongs to.
    pub access: Access,
    /// How many sessions at once; nothing for no limit.
    pub connection_limit: Option<i32>,
    /// Settings for it in this database, name → value as SET takes it.
    pub settings: BTreeMap<String, String>,
    /// Where it is declared.
    pub at: Position,
}

/// The kinds of object that a contract can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractKind {
    /// A view or materialized view.
    View,
    /// A table, partitioned or not.
    Table,
    /// A function or procedure, with its argument types.
    Function,
    /// A sequence.
    Sequence,
    /// A type or domain.
    Type,
}

/// One object that a service exposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// What kind of object.
    pub kind: ContractKind,
    /// Its name in the service's schema.
    pub name: Ident,
    /// A function's argument types as `oidvectortypes` prints them under an empty search path (`uuid, text`,
    /// `timestamp with time zone`, `orders.status`); empty text for no arguments; nothing for other kinds.
    pub arguments: Option<String>,
    /// The services that may use it.
    pub to: Vec<Ident>,
    /// What they may do with it.
    pub privileges: Privileges,
    /// Where it is declared.
    pub at: Position,
}

impl Exposed {
    /// Gives `schema.name`, with a function's types.
    #[must_use]
    pub fn label(&self, schema: &Ident) -> String {
        let arguments = self.arguments.as_ref().map(|types| format!("({types})")).unwrap_or_default();
        format!("{}.{}{arguments}", schema.as_str(), self.name.as_str())
    }
}

/// One object of another service that a service uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumed {
    /// The service that exposes it.
    pub service: Ident,
    /// The object's name.
    pub name: Ident,
    /// A function's argument types where they are given, normalised as in [`Exposed`].
    pub arguments: Option<String>,
    /// Where it is declared.
    pub at: Position,
}

/// One materialized view of a service (not yet applied).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadModel {
    /// Its name.
    pub name: Ident,
    /// The file with its query, resolved against the manifest's folder.
    pub query: PathBuf,
    /// The columns that identify a row.
    pub key: Vec<Ident>,
    /// How old it may get, in seconds.
    pub refresh_every_seconds: Option<u64>,
    /// The time of day of its refresh, `HH:MM`.
    pub refresh_at: Option<String>,
    /// Where it is declared.
    pub at: Position,
}

/// A service's event log (not yet applied).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLog {
    /// Its table.
    pub table: Ident,
    /// Where it is declared.
    pub at: Position,
}

/// A service's outbox (not yet applied).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbox {
    /// Topic → the services that take its events.
    pub topics: BTreeMap<String, Vec<Ident>>,
    /// Where it is declared.
    pub at: Position,
}

/// Where new passwords are written; relative paths are seen from the folder that holds pgcleave.yaml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSink {
    /// One dotenv file for each credential in a folder.
    Directory(PathBuf),
    /// One JSON file for all.
    Json(PathBuf),
    /// One Kubernetes Secret for each credential in a folder.
    Kubernetes {
        /// The folder.
        directory: PathBuf,
        /// The Secrets' namespace.
        namespace: Option<String>,
    },
    /// A command that gets each secret as JSON on its standard input; `{service}` and `{credential}` are filled in.
    Command(Vec<String>),
}

/// How the audit judges.
#[derive(Debug, Clone, Default)]
pub struct AuditPolicy {
    /// The least severity that fails: `error`, `warning` or `info`.
    pub fail_on: Option<String>,
    /// Findings that are accepted for a while.
    pub waivers: Vec<Waiver>,
}

/// One accepted finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// The rule's id.
    pub rule: String,
    /// The object, as the finding prints it; `*` for any.
    pub object: String,
    /// The principal, as the finding prints it; nothing for any.
    pub principal: Option<String>,
    /// Why it is accepted.
    pub reason: String,
    /// The last day on which it holds.
    pub expires: time::Date,
    /// Where it is declared.
    pub at: Position,
}
