//! Connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::SecretString;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection as _};

use super::error::Error;
use super::pooler;
use super::session::{self, SessionKind};
use super::transport::settings::{Host, Settings};
use super::transport::{self, Connected};
use crate::ident::Ident;

/// PgBouncer's SQLSTATE for a startup option that it does not know.
const UNKNOWN_OPTION: &str = "08P01";

/// Where to connect to and as whom; its `Debug` shows no password.
#[derive(Clone)]
pub struct Target {
    settings: Settings,
    /// Which of several servers answered last.
    current: Arc<AtomicUsize>,
    /// The administrator that the project declares, besides the login itself.
    administrator: Option<Ident>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({})", self.label())
    }
}

impl Target {
    /// Reads a connection string as libpq does, `postgresql://…` or `host=… port=…`. What it does not say, a service file
    /// and the environment do (`PGPASSFILE`, `PGSSLMODE` and the like).
    ///
    /// # Errors
    /// The text has neither form; a parameter is unknown, unsupported, or has an impossible value. No value is repeated in
    /// the error.
    pub fn parse(url: &SecretString) -> Result<Self, Error> {
        Ok(Self { settings: Settings::parse(url)?, current: Arc::default(), administrator: None })
    }

    /// Gives the same server with another login.
    #[must_use]
    pub fn with_login(&self, role: &Ident, password: &SecretString) -> Self {
        let mut target = self.clone();
        target.settings.user = role.as_str().to_owned();
        target.settings.password = Some(password.clone());
        target.administrator = None;
        target
    }

    /// Gives the same target, whose sessions trust what this role owns as they trust what the login itself owns.
    ///
    /// The name comes from the project's own files, never from the database.
    #[must_use]
    pub fn administered_by(&self, administrator: Ident) -> Self {
        Self { administrator: Some(administrator), ..self.clone() }
    }

    /// Gives the same server and login with another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        let mut target = self.clone();
        target.settings.database = database.to_owned();
        target
    }

    /// Makes the server's silence count after other times than the usual ones. For tests only.
    #[doc(hidden)]
    #[must_use]
    pub fn with_patience(mut self, silent: std::time::Duration, answer: std::time::Duration) -> Self {
        self.settings.patience = transport::silence::Patience { silent, answer };
        self
    }

    /// Returns the server that answered last, of several; the first one before that.
    fn server(&self) -> &Host {
        &self.settings.hosts[self.current.load(Ordering::Relaxed)]
    }

    /// Gives the host name or socket folder.
    #[must_use]
    pub fn host(&self) -> String {
        self.server().name.clone()
    }

    /// Gives the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server().port
    }

    /// Gives the database's name; the login's where none was given, as libpq does.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.settings.database
    }

    /// Gives the login's name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.settings.user
    }

    /// Gives `role@host:port/database`, for people.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}@{}/{}", self.username(), self.server().label(), self.database())
    }

    /// Returns the mode of TLS that the connection string or the environment asks for, and the file of the root
    /// certificate: what clients of the same server need too.
    #[must_use]
    pub fn tls_of_clients(&self) -> (Option<&'static str>, Option<&str>) {
        let tls = &self.settings.tls;
        let is_file = |root: &&str| !root.trim_start().starts_with("-----BEGIN");
        (tls.mode_is_given.then(|| tls.mode.name()), tls.root_file.as_deref().filter(is_file))
    }

    /// Returns the server's name where it is on another machine and need not prove that it is the right one.
    #[must_use]
    pub fn unverified(&self) -> Option<String> {
        self.settings.is_unverified().then(|| self.server().label())
    }

    /// Gives the settings that the connection string or the environment has for each session, in their order.
    pub(super) fn session_options(&self) -> &[(String, String)] {
        &self.settings.options
    }

    /// Gives libpq's environment variables for this target, for PostgreSQL's own programs.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, SecretString)> {
        let list = |of: fn(&Host) -> String| self.settings.hosts.iter().map(of).collect::<Vec<_>>().join(",");
        let own = [
            ("PGHOST", list(|host| host.name.clone())),
            ("PGPORT", list(|host| host.port.to_string())),
            ("PGUSER", self.username().to_owned()),
            ("PGDATABASE", self.database().to_owned()),
            ("PGSSLMODE", self.settings.tls.mode.name().to_owned()),
        ];
        own.into_iter().map(|(name, value)| (name, value.into())).chain(self.settings.environment()).collect()
    }

    /// Connects, and pins the settings that this kind of session does not leave to the database's owner.
    ///
    /// `application` is what `pg_stat_activity` shows, unless the connection string says otherwise.
    ///
    /// # Errors
    /// The server could not be reached within 15 s (or `connect_timeout`), turned the login away, asked for a kind of login
    /// that is not answered, or does not keep a setting; or a pooler in transaction mode is between.
    pub async fn connect(&self, kind: SessionKind<'_>, application: &str) -> Result<PgConnection, Error> {
        let options = kind.startup(self.options(application));
        let mut connected = match self.connect_with(options.clone()).await {
            Err(error) if kind != SessionKind::Tested && error.sqlstate() == Some(UNKNOWN_OPTION) => {
                pooler::refuse(self).await?;
                return Err(error);
            }
            connected => connected?,
        };
        if kind != SessionKind::Tested && !pooler::is_direct(&mut connected).await? {
            // Settings that are pinned behind such a pooler would be those of its other clients.
            let mut beside = self.connect_with(options).await?.connection;
            pooler::compare(self, &mut connected.connection, &mut beside).await?;
            let _ = beside.close().await;
        }
        session::begin(&mut connected.connection, kind, self.administrator.as_ref()).await?;
        Ok(connected.connection)
    }

    /// Connects to a pooler's console, which knows few of a server's parameters.
    ///
    /// # Errors
    /// As [`Target::connect`].
    pub async fn connect_console(&self, application: &str) -> Result<PgConnection, Error> {
        Ok(self.connect_with(self.options(application).extra_float_digits(None)).await?.connection)
    }

    /// Returns the driver's options, but for the place and the login.
    fn options(&self, application: &str) -> PgConnectOptions {
        let application = self.settings.application.as_deref().unwrap_or(application);
        let options = PgConnectOptions::new_without_pgpass().disable_statement_logging().application_name(application);
        if self.settings.options.is_empty() { options } else { options.options(self.settings.options.iter().cloned()) }
    }

    async fn connect_with(&self, options: PgConnectOptions) -> Result<Connected, Error> {
        let (connected, server) = transport::connect(&self.settings, &options).await?;
        self.current.store(server, Ordering::Relaxed);
        Ok(connected)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn programs_get_the_password_through_the_environment() {
        let target = Target::parse(&"postgres://ann:p%40ss%25@db:5433/shop?sslmode=require&sslrootcert=/ca.pem".into());
        let environment = target.expect("a good connection string").environment();
        let shown: Vec<_> = environment.iter().map(|(name, value)| (*name, value.expose_secret())).collect();
        assert_eq!(
            shown,
            [
                ("PGHOST", "db"),
                ("PGPORT", "5433"),
                ("PGUSER", "ann"),
                ("PGDATABASE", "shop"),
                ("PGSSLMODE", "require"),
                ("PGSSLROOTCERT", "/ca.pem"),
                ("PGPASSWORD", "p@ss%"),
            ]
        );
    }

    #[test]
    fn a_password_that_is_not_escaped_is_refused_and_not_shown() {
        for url in ["postgresql://ann:se@cr/et@db/shop", "postgresql://ann:se/cret@db:5432/shop"] {
            let error = Target::parse(&url.into()).expect_err("where the password ends is not clear");
            assert!(!error.to_string().contains("cret"), "{error}");
        }
        let target = Target::parse(&"postgresql://ann:se@cret@db/shop".into()).expect("the last @ counts");
        assert_eq!(target.label(), "ann@db:5432/shop");
    }
}
