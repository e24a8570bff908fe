//! The way to a server: what the connection string asks for, TLS, and a relay between the driver and the server.

mod authentication;
mod connection_string;
mod dial;
mod frames;
mod parameters;
mod password_file;
mod private_socket;
mod relay;
mod service_file;
pub(super) mod settings;
pub(super) mod silence;
pub(super) mod tls;

use std::sync::{Arc, Mutex, PoisonError};

use secrecy::ExposeSecret as _;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};

use self::authentication::Method;
use self::dial::{Encryption, Failure, Line, Peer};
use self::private_socket::PrivateSocket;
use self::relay::{Learnt, Refused, Relay};
use self::settings::{Host, Settings, Wanted};
use self::tls::Mode;
use super::error::Error;

/// The server refuses this kind of connection (pg_hba.conf), encrypted or not.
const NOT_THIS_WAY: &str = "28000";

/// The server is there, and takes no logins yet, or no more.
const NOT_NOW: &str = "57P03";

/// A connection, and what was learnt when it was made.
pub(super) struct Connected {
    pub(super) connection: PgConnection,
    /// The process that the server, or a pooler, says serves it.
    pub(super) process: Option<i32>,
}

/// Connects with the driver's options, whose place and login are replaced, to the first server that will do.
///
/// # Errors
/// No server could be reached, or the one that was reached turned the login away.
pub(super) async fn connect(settings: &Settings, options: &PgConnectOptions) -> Result<(Connected, usize), Error> {
    let mut failed = None;
    let passes: &[Wanted] = match settings.wanted {
        Wanted::PreferStandby => &[Wanted::PreferStandby, Wanted::Any],
        _ => std::slice::from_ref(&settings.wanted),
    };
    for wanted in passes {
        for (number, host) in settings.hosts.iter().enumerate() {
            let attempt = Attempt { settings, host, options, wanted: *wanted };
            match attempt.connect().await {
                Ok(connected) => return Ok((connected, number)),
                Err(error @ Error::Connect { .. }) => match error.sqlstate() {
                    None | Some(NOT_NOW) => failed = Some(joined(failed, error)),
                    // another server would say the same
                    Some(_) => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
    }
    Err(failed.expect("there is a host at least"))
}

/// Adds one server's failure to those of the servers before it.
fn joined(failed: Option<Error>, next: Error) -> Error {
    match (failed, next) {
        (Some(Error::Connect { target: first, message: before, .. }), Error::Connect { target, message, sqlstate })
            if !before.ends_with(&message) =>
        {
            Error::Connect { target: first, message: format!("{before}; {target}: {message}"), sqlstate }
        }
        (Some(failed), _) => failed,
        (None, next) => next,
    }
}

/// One server, and how it is to be reached.
struct Attempt<'a> {
    settings: &'a Settings,
    host: &'a Host,
    options: &'a PgConnectOptions,
    wanted: Wanted,
}

impl Attempt<'_> {
    /// Tries each address of the host, with and without TLS as `sslmode` has it.
    async fn connect(&self) -> Result<Connected, Error> {
        let mut failed = self.failed("the host has no address".to_owned());
        let places = self.within(async { Ok(dial::places(self.host).await) }).await?;
        for peer in places.map_err(|error| self.failed(error.to_string()))? {
            let (first, second) = match self.settings.tls.mode {
                Mode::Disable => (Encryption::No, None),
                Mode::Allow => (Encryption::No, Some(Encryption::Yes)),
                Mode::Prefer => (Encryption::IfOffered, Some(Encryption::No)),
                Mode::Require | Mode::VerifyCa | Mode::VerifyFull => (Encryption::Yes, None),
            };
            let mut answer = self.within(self.try_one(peer.clone(), first)).await;
            if let (Err(error), Some(second), Peer::Address(_)) = (&answer, second, &peer)
                && matches!(error, Error::Tls { .. } | Error::Connect { sqlstate: Some(_), .. })
                && error.sqlstate().is_none_or(|sqlstate| sqlstate == NOT_THIS_WAY)
            {
                let again = self.within(self.try_one(peer, second)).await;
                // without TLS the second try says no more than the first
                if again.is_ok() || !matches!(again, Err(Error::Tls { .. })) {
                    answer = again;
                }
            }
            match answer {
                Err(error @ Error::Connect { sqlstate: None, .. }) => failed = error,
                answer => return answer,
            }
        }
        Err(failed)
    }

    fn label(&self) -> String {
        format!("{}@{}/{}", self.settings.user, self.host.label(), self.settings.database)
    }

    fn failed(&self, message: String) -> Error {
        Error::Connect { target: self.label(), message, sqlstate: None }
    }

    /// Gives up after `connect_timeout`.
    async fn within<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Some(timeout) = self.settings.timeout else { return work.await };
        match tokio::time::timeout(timeout, work).await {
            Ok(done) => done,
            Err(_) => Err(self.failed(format!("no answer within {} s", timeout.as_secs()))),
        }
    }

    /// Reaches one place, and logs in through a relay.
    async fn try_one(&self, peer: Peer, encryption: Encryption) -> Result<Connected, Error> {
        let line = dial::reach(self.settings, self.host, peer, encryption).await.map_err(|failure| match failure {
            Failure::Io(error) => self.failed(error.to_string()),
            Failure::Tls(message) => Error::Tls { target: self.label(), message },
        })?;
        let learnt = Arc::new(Mutex::new(Learnt::default()));
        let answer = self.log_in(line, Arc::clone(&learnt)).await;
        let learnt = learnt.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(refused) = learnt.refused {
            return Err(self.refused(refused));
        }
        let mut connection = answer.map_err(|error| match Error::new("connect", &error) {
            Error::Statement(statement) => {
                let (message, sqlstate) = (statement.message, Some(statement.sqlstate));
                Error::Connect { target: self.label(), message, sqlstate }
            }
            Error::Broken { message, .. } => self.failed(message),
            other => other,
        })?;
        if self.wanted != Wanted::Any && !self.fits(&mut connection, &learnt).await? {
            let _ = connection.close().await;
            return Err(self.failed("the server is not of the kind that target_session_attrs wants".to_owned()));
        }
        Ok(Connected { connection, process: learnt.process })
    }

    async fn log_in(&self, line: Line, learnt: Arc<Mutex<Learnt>>) -> sqlx::Result<PgConnection> {
        let socket = PrivateSocket::listen(self.host.port)?;
        let mut options = self
            .options
            .clone()
            .host(&self.host.name)
            .port(self.host.port)
            .socket(&socket.folder)
            .username(&self.settings.user)
            .database(&self.settings.database)
            .ssl_mode(PgSslMode::Disable);
        if let Some(password) = self.settings.password(self.host) {
            options = options.password(password.expose_secret());
        }
        let peer = line.peer.clone();
        let trusted = peer.is_local() || (line.encrypted && self.settings.tls.verifies());
        let (settings, host) = (self.settings.clone(), self.host.clone());
        let relay = Relay { settings, host, peer, trusted, learnt };
        let carrying = tokio::spawn(async move {
            // only the driver, a moment later, connects to it
            if let Ok(client) = socket.accept().await {
                relay.run(client, line).await;
            }
        });
        let connecting = Ended(Some(carrying));
        let connection = PgConnection::connect_with(&options).await?;
        connecting.keep();
        Ok(connection)
    }

    fn refused(&self, refused: Refused) -> Error {
        let target = self.label();
        match refused {
            Refused::NotAllowed(method) => {
                let allowed = self.settings.methods.text().to_owned();
                Error::LoginMethod { target, method: method.name(), allowed }
            }
            Refused::GivesAway(method) => {
                let asked = match method {
                    Method::Md5 => "an MD5 hash of the password",
                    _ => "the password in clear text",
                };
                Error::PasswordRequest { target, asked, method: method.name() }
            }
        }
    }

    /// Tells whether the server is of the wanted kind; asks it, where it did not say.
    async fn fits(&self, connection: &mut PgConnection, learnt: &Learnt) -> Result<bool, Error> {
        let (standby, read_only) = match (learnt.standby, learnt.read_only) {
            (Some(standby), Some(read_only)) => (standby, read_only),
            _ => sqlx::query_as(
                "select pg_catalog.pg_is_in_recovery(), \
                   pg_catalog.current_setting('transaction_read_only') operator(pg_catalog.=) 'on'",
            )
            .fetch_one(connection)
            .await
            .map_err(|error| Error::new("ask what kind of server it is", &error))?,
        };
        Ok(self.wanted.fits(standby, read_only))
    }
}

/// Ends a relay whose connection was never made.
struct Ended(Option<tokio::task::JoinHandle<()>>);

impl Ended {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(relay) = &self.0 {
            relay.abort();
        }
    }
}
