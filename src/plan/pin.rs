//! What a saved plan pins besides the database: the desired state, the migration files, the place of new passwords.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::build::PendingMigration;
use crate::ident::Ident;
use crate::manifest::path::shown;
use crate::manifest::service::{Project, SecretSink, Service};
use crate::model::layout::Layout;

/// What apply compares with the project before it carries a saved plan out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// SHA-256, in hexadecimal, of what the manifests declare; a comment or a description changes nothing.
    pub manifests: String,
    /// The migration files that are pending, by service and version.
    pub migrations: Vec<PinnedFile>,
    /// Where new passwords go.
    pub secrets: Destination,
}

/// One migration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PinnedFile {
    /// The service.
    pub service: Ident,
    /// The file's name.
    pub file: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// Where new passwords go; paths as pgcleave.yaml has them, relative to its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each field is a key of `secrets:` in pgcleave.yaml")]
pub enum Destination {
    Directory { path: PathBuf },
    Json { path: PathBuf },
    Kubernetes { path: PathBuf, namespace: Option<String> },
    Command { argv: Vec<String> },
}

impl Destination {
    /// Takes over what pgcleave.yaml says.
    #[must_use]
    pub fn of(sink: &SecretSink) -> Self {
        match sink {
            SecretSink::Directory(path) => Self::Directory { path: path.clone() },
            SecretSink::Json(path) => Self::Json { path: path.clone() },
            SecretSink::Kubernetes { directory, namespace } => {
                Self::Kubernetes { path: directory.clone(), namespace: namespace.clone() }
            }
            SecretSink::Command(argv) => Self::Command { argv: argv.clone() },
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path } => write!(f, "directory {}", path.display()),
            Self::Json { path } => write!(f, "JSON file {}", path.display()),
            Self::Kubernetes { path, namespace: None } => write!(f, "Kubernetes manifests in {}", path.display()),
            Self::Kubernetes { path, namespace: Some(namespace) } => {
                write!(f, "Kubernetes manifests in {}, namespace {namespace}", path.display())
            }
            // the words apart, so that a space in one of them cannot pass for two
            Self::Command { argv } => write!(f, "command {argv:?}"),
        }
    }
}

impl Pins {
    /// Pins a project and its pending migrations.
    #[must_use]
    pub fn of(project: &Project, pending: &[PendingMigration]) -> Self {
        let pin = |migration: &PendingMigration| PinnedFile {
            service: migration.service.clone(),
            file: migration.file.clone(),
            sha256: migration.sha256.clone(),
        };
        Self {
            manifests: sha256(declared(project).to_string().as_bytes()),
            migrations: pending.iter().map(pin).collect(),
            secrets: Destination::of(&project.secrets),
        }
    }

    /// Names what is another now, the first thing of it.
    #[must_use]
    pub fn change(&self, now: &Self) -> Option<Changed> {
        let Self { manifests, migrations, secrets } = self;
        let file = |pinned: &PinnedFile| Changed::Migration {
            service: pinned.service.as_str().to_owned(),
            file: pinned.file.clone(),
        };
        if *secrets != now.secrets {
            let (planned, now) = (secrets.to_string(), now.secrets.to_string());
            return Some(Changed::Secrets { planned, now });
        }
        let gone_or_other = migrations.iter().find(|pinned| !now.migrations.contains(pinned));
        let new = || now.migrations.iter().find(|found| !migrations.contains(found));
        if let Some(pinned) = gone_or_other.or_else(new) {
            return Some(file(pinned));
        }
        (*manifests != now.manifests).then_some(Changed::Manifests)
    }
}

/// Why a saved plan is no longer the plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Changed {
    /// It was saved by a version that pinned less.
    #[error("the plan is of an earlier format, which does not pin the migration files and the place of new passwords")]
    Format,
    /// The services live in other databases now.
    #[error("the plan is for other databases than the manifests name now")]
    Databases,
    /// The manifests declare something else.
    #[error("the manifests have changed since the plan was made")]
    Manifests,
    /// A migration file is another, is new or is gone.
    #[error("the migrations have changed since the plan was made: {service}/{file} is not the same file")]
    Migration {
        /// The service.
        service: String,
        /// The file's name.
        file: String,
    },
    /// New passwords would go elsewhere.
    #[error("new passwords would go elsewhere than planned: to {now}, not to {planned}")]
    Secrets {
        /// Where the plan said.
        planned: String,
        /// Where they would go.
        now: String,
    },
    /// The same manifests and migrations give other changes.
    #[error("the manifests or migrations have changed since the plan was made")]
    Changes,
}

/// Gives the SHA-256 of bytes, in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Gives all that the manifests and the chosen environment declare, without places in files and without prose.
fn declared(project: &Project) -> Value {
    let Project {
        root,
        naming,
        database_url_env,
        // whose registry is trusted is no part of what is wanted
        administrator: _,
        secrets: _,
        client_sslrootcert,
        close_database,
        limits,
        // how findings are judged is no part of what is wanted
        audit: _,
        services,
        described,
        elsewhere,
    } = project;
    let all = |services: &std::collections::BTreeMap<Ident, Service>| -> Vec<Value> {
        services.values().map(|service| of_service(root, service)).collect()
    };
    json!({
        "role_prefix": naming.prefix,
        "database_url_env": database_url_env,
        "client_sslrootcert": client_sslrootcert,
        "close_database": close_database,
        "migrate": [limits.file_seconds, limits.lock_wait_seconds, u64::from(limits.lock_retries)],
        "services": all(services),
        "described": all(described),
        "elsewhere": all(elsewhere),
    })
}

fn of_service(root: &Path, service: &Service) -> Value {
    let Service {
        name,
        description: _,
        team: _,
        schema,
        migrations,
        layout,
        extensions,
        credentials,
        exposes,
        consumes,
        read_models,
        event_log,
        outbox,
        database_url_env,
        managed,
        // where a split has taken it is a fact of the database
        moved_to: _,
        at: _,
    } = service;
    let path = |path: &Path| {
        let (path, root) = (shown(path), shown(root));
        path.strip_prefix(root).unwrap_or(&path).display().to_string()
    };
    let credentials = credentials.iter().map(|(name, credential)| {
        json!([name, format!("{:?}", credential.access), credential.connection_limit, credential.settings])
    });
    let exposes = exposes.iter().map(|exposed| {
        json!([exposed.kind, exposed.name, exposed.arguments, exposed.to, exposed.privileges.to_string()])
    });
    let consumes = consumes.iter().map(|consumed| json!([consumed.service, consumed.name, consumed.arguments]));
    let read_models = read_models
        .iter()
        .map(|model| json!([model.name, path(&model.query), model.key, model.refresh_every_seconds, model.refresh_at]));
    json!({
        "service": name,
        "schema": schema,
        "migrations": migrations.as_deref().map(path),
        "layout": layout.map(Layout::word),
        "extensions": extensions,
        "credentials": credentials.collect::<Vec<_>>(),
        "exposes": exposes.collect::<Vec<_>>(),
        "consumes": consumes.collect::<Vec<_>>(),
        "read_models": read_models.collect::<Vec<_>>(),
        "event_log": event_log.as_ref().map(|log| &log.table),
        "outbox": outbox.as_ref().map(|outbox| &outbox.topics),
        "database_url_env": database_url_env,
        "managed": managed,
    })
}
