//! Connections.

use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use super::error::Error;
use crate::ident::Ident;

/// How long a connection may take to be made.
const CONNECT_SECONDS: u64 = 15;

/// Where to connect to and as whom; its `Debug` shows no password.
#[derive(Clone)]
pub struct Target {
    options: PgConnectOptions,
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
        let options = PgConnectOptions::from_str(url).map_err(|_| Error::BadUrl)?;
        Ok(Self { options: options.disable_statement_logging() })
    }

    /// Gives the same server with another login.
    #[must_use]
    pub fn with_login(&self, role: &Ident, password: &SecretString) -> Self {
        let options = self.options.clone().username(role.as_str()).password(password.expose_secret());
        Self { options }
    }

    /// Gives the same server and login with another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self { options: self.options.clone().database(database) }
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

    /// Connects.
    ///
    /// `application` is what `pg_stat_activity` shows.
    ///
    /// # Errors
    /// The server could not be reached within 15 s, or turned the login away.
    pub async fn connect(&self, application: &str) -> Result<PgConnection, Error> {
        let options = self.options.clone().application_name(application);
        let failed = |message: String, sqlstate| Error::Connect { target: self.label(), message, sqlstate };
        let connecting = PgConnection::connect_with(&options);
        match tokio::time::timeout(Duration::from_secs(CONNECT_SECONDS), connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => match Error::new("connect", &error) {
                Error::Statement(statement) => Err(failed(statement.message, Some(statement.sqlstate))),
                Error::Broken { message, .. } => Err(failed(message, None)),
                other => Err(other),
            },
            Err(_) => Err(failed(format!("no answer within {CONNECT_SECONDS} s"), None)),
        }
    }
}
