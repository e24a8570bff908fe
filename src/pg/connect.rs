//! Connections.

use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use super::error::Error;
use super::socket;
use crate::ident::Ident;

/// How long a connection may take to be made.
const CONNECT_SECONDS: u64 = 15;

/// Where to connect to and as whom; its `Debug` shows no password.
#[derive(Clone)]
pub struct Target {
    options: PgConnectOptions,
    /// What the options do not give back, as libpq's variables: a password, the TLS files.
    environment: Vec<(&'static str, SecretString)>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({})", self.label())
    }
}

impl Target {
    /// Reads a connection string, `postgresql://…` or `postgres://…`; `PGPASSFILE` and the like are honoured.
    ///
    /// # Errors
    /// The text is not of that form. It is not repeated in the error.
    pub fn parse(url: &SecretString) -> Result<Self, Error> {
        let url = url.expose_secret();
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(Error::BadUrl);
        }
        // an unescaped / in a password would make the rest of it a host's and a database's name, and show it
        let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        if path.split('?').next().is_some_and(|database| database.contains('@')) {
            return Err(Error::BadUrl);
        }
        let options = PgConnectOptions::from_str(url).map_err(|_| Error::BadUrl)?;
        Ok(Self { options: options.disable_statement_logging(), environment: environment(url) })
    }

    /// Gives the same server with another login.
    #[must_use]
    pub fn with_login(&self, role: &Ident, password: &SecretString) -> Self {
        let options = self.options.clone().username(role.as_str()).password(password.expose_secret());
        let mut environment = self.environment.clone();
        environment.retain(|(name, _)| *name != "PGPASSWORD");
        environment.push(("PGPASSWORD", password.clone()));
        Self { options, environment }
    }

    /// Gives the same server and login with another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self { options: self.options.clone().database(database), environment: self.environment.clone() }
    }

    /// Gives the host name or socket folder.
    #[must_use]
    pub fn host(&self) -> String {
        match self.options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None => self.options.get_host().to_owned(),
        }
    }

    /// Gives the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.options.get_port()
    }

    /// Gives the database's name; the login's where none was given, as libpq does.
    #[must_use]
    pub fn database(&self) -> &str {
        self.options.get_database().unwrap_or_else(|| self.options.get_username())
    }

    /// Gives the login's name.
    #[must_use]
    pub fn username(&self) -> &str {
        self.options.get_username()
    }

    /// Gives `role@host:port/database`, for people.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}@{}:{}/{}", self.username(), self.host(), self.port(), self.database())
    }

    /// Gives libpq's environment variables for this target, for PostgreSQL's own programs.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, SecretString)> {
        let mode = match self.options.get_ssl_mode() {
            PgSslMode::Disable => "disable",
            PgSslMode::Allow => "allow",
            PgSslMode::Prefer => "prefer",
            PgSslMode::Require => "require",
            PgSslMode::VerifyCa => "verify-ca",
            PgSslMode::VerifyFull => "verify-full",
        };
        let own = [
            ("PGHOST", self.host()),
            ("PGPORT", self.port().to_string()),
            ("PGUSER", self.username().to_owned()),
            ("PGDATABASE", self.database().to_owned()),
            ("PGSSLMODE", mode.to_owned()),
        ];
        own.into_iter().map(|(name, value)| (name, value.into())).chain(self.environment.iter().cloned()).collect()
    }

    /// Connects.
    ///
    /// `application` is what `pg_stat_activity` shows.
    ///
    /// # Errors
    /// The server could not be reached within 15 s, or turned the login away.
    pub async fn connect(&self, application: &str) -> Result<PgConnection, Error> {
        self.connect_with(self.options.clone().application_name(application)).await
    }

    /// Connects to a pooler's console, which knows few of a server's parameters.
    ///
    /// # Errors
    /// As [`Target::connect`].
    pub async fn connect_plainly(&self, application: &str) -> Result<PgConnection, Error> {
        self.connect_with(self.options.clone().application_name(application).extra_float_digits(None)).await
    }

    async fn connect_with(&self, options: PgConnectOptions) -> Result<PgConnection, Error> {
        let failed = |message: String, sqlstate| Error::Connect { target: self.label(), message, sqlstate };
        let connecting = PgConnection::connect_with(&options);
        match tokio::time::timeout(Duration::from_secs(CONNECT_SECONDS), connecting).await {
            Ok(Ok(connection)) => {
                if self.options.get_socket().is_none() {
                    socket::set(self.port());
                }
                Ok(connection)
            }
            Ok(Err(error)) => match Error::new("connect", &error) {
                Error::Statement(statement) => Err(failed(statement.message, Some(statement.sqlstate))),
                Error::Broken { message, .. } => Err(failed(message, None)),
                other => Err(other),
            },
            Err(_) => Err(failed(format!("no answer within {CONNECT_SECONDS} s"), None)),
        }
    }
}

/// Reads from a connection string what the driver's options keep to themselves.
fn environment(url: &str) -> Vec<(&'static str, SecretString)> {
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let authority = url.split_once("://").map_or("", |(_, rest)| rest).split('/').next().unwrap_or_default();
    let login = authority.rsplit_once('@').map_or("", |(login, _)| login);
    let password = login.split_once(':').map(|(_, password)| ("PGPASSWORD", decoded(password).into()));
    let named = query.split('&').filter_map(|pair| pair.split_once('=')).filter_map(|(name, value)| {
        let variable = match name {
            "password" => "PGPASSWORD",
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => "PGSSLROOTCERT",
            "sslcert" | "ssl-cert" => "PGSSLCERT",
            "sslkey" | "ssl-key" => "PGSSLKEY",
            _ => return None,
        };
        Some((variable, decoded(value).into()))
    });
    password.into_iter().chain(named).collect()
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
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
                ("PGPASSWORD", "p@ss%"),
                ("PGSSLROOTCERT", "/ca.pem"),
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
