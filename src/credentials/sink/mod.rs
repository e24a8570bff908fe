//! Where passwords are published: the one place outside this process that holds them in the clear.

mod command;
mod directory;
mod file;
mod json;
mod kubernetes;

use std::io;
use std::path::{Path, PathBuf};

use super::secret::Secret;
use crate::error::Coded;
use crate::event::{Event, Listener};
use crate::manifest::service::SecretSink;
use crate::model::naming::Naming;

/// A place that secrets are published to.
#[derive(Debug, Clone)]
pub struct Sink {
    kind: SecretSink,
    root: PathBuf,
    prefix: String,
}

/// Says why a secret was not published or read.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A file or folder could not be read or written.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: io::Error,
    },
    /// Another process holds the sink's lock.
    #[error("another process has been writing to {path} for {waited_seconds} s", path = path.display())]
    Busy {
        /// The lock's file.
        path: PathBuf,
        /// How long we waited.
        waited_seconds: u64,
    },
    /// A file of the sink is not as it was written; it is left as it is.
    #[error("{path} is not a file of secrets: {reason}", path = path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong, without any content.
        reason: String,
    },
    /// A name cannot be used in this kind of sink.
    #[error("the secret of {service}/{credential} cannot be named in this sink: {reason}")]
    Name {
        /// The service.
        service: String,
        /// The credential.
        credential: String,
        /// Why not.
        reason: &'static str,
    },
    /// The sink's command failed.
    #[error("the secret sink's command {program} failed for {service}/{credential}: {reason}")]
    Command {
        /// The program.
        program: String,
        /// The service.
        service: String,
        /// The credential.
        credential: String,
        /// Its exit status and what it wrote to stderr, without the password.
        reason: String,
    },
    /// Secrets cannot be read back from a command.
    #[error("the secret sink is a command: it takes secrets and cannot give them back")]
    WriteOnly,
}

impl Coded for SinkError {
    fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "sink-file",
            Self::Busy { .. } => "sink-busy",
            Self::Corrupt { .. } => "sink-corrupt",
            Self::Name { .. } => "sink-name",
            Self::Command { .. } => "sink-command",
            Self::WriteOnly => "sink-write-only",
        }
    }
}

impl Sink {
    /// Takes the sink that pgcleave.yaml names; paths are relative to `root`, commands run in it.
    ///
    /// The roles' prefix is part of every secret's name, so that environments with one sink do not overwrite each other.
    #[must_use]
    pub fn new(kind: &SecretSink, root: &Path, naming: &Naming) -> Self {
        Self { kind: kind.clone(), root: root.to_owned(), prefix: naming.prefix.clone() }
    }

    /// Tells whether [`Sink::read`] works.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !matches!(self.kind, SecretSink::Command(_))
    }

    /// Gives the place in words.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.kind {
            SecretSink::Directory(path) | SecretSink::Kubernetes { directory: path, .. } | SecretSink::Json(path) => {
                crate::manifest::path::shown(&self.root.join(path)).display().to_string()
            }
            SecretSink::Command(argv) => format!("command {}", argv.first().map_or("", String::as_str)),
        }
    }

    /// Publishes one secret durably: when this returns, it is there and survives a crash.
    ///
    /// # Errors
    /// The sink did not take it; what it held before is still there (a command's own doing excepted).
    pub async fn publish(&self, secret: &Secret, listener: Listener<'_>) -> Result<(), SinkError> {
        self.publish_all(std::slice::from_ref(secret), listener).await
    }

    /// Publishes several secrets, with one lock and one sync of the folder for all.
    ///
    /// # Errors
    /// The sink did not take one of them; those before it may be published.
    pub async fn publish_all(&self, secrets: &[Secret], listener: Listener<'_>) -> Result<(), SinkError> {
        for secret in secrets {
            check_names(&secret.service, &secret.credential)?;
        }
        if let SecretSink::Command(argv) = &self.kind {
            for secret in secrets {
                command::publish(argv, &self.root, secret).await?;
            }
            return Ok(());
        }
        let (sink, secrets) = (self.clone(), secrets.to_vec());
        let warnings = blocking(move || match &sink.kind {
            SecretSink::Directory(path) => directory::publish(&sink.root.join(path), &sink.prefix, &secrets),
            SecretSink::Json(path) => json::publish(&sink.root.join(path), &sink.prefix, &secrets),
            SecretSink::Kubernetes { directory, namespace } => {
                kubernetes::publish(&sink.root.join(directory), namespace.as_deref(), &sink.prefix, &secrets)
            }
            SecretSink::Command(_) => unreachable!("commands are run above"),
        })
        .await?;
        for message in warnings {
            listener(Event::Warning { message });
        }
        Ok(())
    }

    /// Reads a secret back; nothing when it is not there.
    ///
    /// # Errors
    /// The sink is a command, cannot be read, or holds something else.
    pub async fn read(&self, service: &str, credential: &str) -> Result<Option<Secret>, SinkError> {
        check_names(service, credential)?;
        let (sink, service, credential) = (self.clone(), service.to_owned(), credential.to_owned());
        blocking(move || match &sink.kind {
            SecretSink::Directory(path) => directory::read(&sink.root.join(path), &sink.prefix, &service, &credential),
            SecretSink::Json(path) => json::read(&sink.root.join(path), &sink.prefix, &service, &credential),
            SecretSink::Kubernetes { directory, .. } => {
                kubernetes::read(&sink.root.join(directory), &sink.prefix, &service, &credential)
            }
            SecretSink::Command(_) => Err(SinkError::WriteOnly),
        })
        .await
    }
}

/// Runs work on files away from the runtime's own threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SinkError> + Send + 'static,
) -> Result<T, SinkError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Refuses names that could leave the folder or be taken for an option; the manifests' own rule is stricter.
fn check_names(service: &str, credential: &str) -> Result<(), SinkError> {
    let plain = |name: &str| {
        name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
            && name.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric())
    };
    if plain(service) && plain(credential) {
        return Ok(());
    }
    Err(SinkError::Name {
        service: service.to_owned(),
        credential: credential.to_owned(),
        reason: "only letters, digits and underscores are safe in a file's name",
    })
}
