//! PostgreSQL's own programs, as children that know of the connection only what their target says.

use std::ffi::OsStr;

use secrecy::ExposeSecret as _;
use tokio::process::Command;

use super::connect::Target;
use super::session::SessionKind;

impl Target {
    /// Starts a command line of pg_dump or psql that connects to this target with pinned settings.
    ///
    /// libpq's variables of our own environment do not get through: each is in the target, or is not meant for this server.
    /// Secrets are in the child's environment, never among its arguments. Parameters that a server of this version may not
    /// know are left out.
    #[must_use]
    pub fn program(&self, path: impl AsRef<OsStr>, kind: SessionKind<'_>, version: u32, application: &str) -> Command {
        let mut command = Command::new(path);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        command
            .envs(self.environment().iter().map(|(name, value)| (*name, value.expose_secret().to_owned())))
            .env("PGOPTIONS", kind.pgoptions(version, self.session_options()))
            .env("PGAPPNAME", application)
            .env("LC_ALL", "C");
        command
    }
}
