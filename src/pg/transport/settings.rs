//! What a connection string asks for, checked and typed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;

use super::authentication::Methods;
use super::parameters::Parameters;
use super::password_file::{self, Login};
use super::tls::{Mode, Tls};
use super::{connection_string, silence::Patience};
use crate::pg::error::Error;

/// How long a connection may take to be made, in seconds, where the connection string does not say.
const CONNECT_SECONDS: u64 = 15;

/// The port of a server whose port is not given.
const DEFAULT_PORT: u16 = 5432;

/// Everything that a connection string says.
#[derive(Clone)]
pub(in crate::pg) struct Settings {
    pub(in crate::pg) hosts: Vec<Host>,
    /// The database; the login's name where none was given, as in libpq.
    pub(in crate::pg) database: String,
    pub(in crate::pg) user: String,
    pub(in crate::pg) password: Option<SecretString>,
    pub(in crate::pg) tls: Arc<Tls>,
    pub(in crate::pg) application: Option<String>,
    /// Settings for the session, in their order.
    pub(in crate::pg) options: Vec<(String, String)>,
    pub(super) methods: Methods,
    pub(super) wanted: Wanted,
    pub(super) timeout: Option<Duration>,
    pub(super) keepalive: Keepalive,
    pub(in crate::pg) patience: Patience,
    /// Where passwords are looked up.
    password_file: Option<String>,
    /// What PostgreSQL's own programs have to be told besides.
    pub(super) environment: Vec<(&'static str, SecretString)>,
}

/// One server that can be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pg) struct Host {
    /// A name, an address, or the folder of a socket.
    pub(in crate::pg) name: String,
    /// The address, where the name is only to be verified.
    pub(super) address: Option<IpAddr>,
    pub(in crate::pg) port: u16,
}

/// Which server of several is wanted (`target_session_attrs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// How the system finds out that nobody is there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keepalive {
    pub(super) on: bool,
    /// How long nothing may come before the system asks, in seconds.
    pub(super) idle_seconds: u32,
    /// How long it waits for each answer, in seconds.
    pub(super) interval_seconds: u32,
    /// How often it asks.
    pub(super) count: u32,
    /// How long what was sent may stay without an acknowledgement, in milliseconds.
    pub(super) unacknowledged_millis: u32,
}

/// By itself the system would wait for two hours before it asks whether a silent server still lives.
const KEEPALIVE: Keepalive =
    Keepalive { on: true, idle_seconds: 10, interval_seconds: 5, count: 3, unacknowledged_millis: 25_000 };

impl Host {
    /// Tells whether this is a socket on this machine.
    pub(in crate::pg) fn is_socket(&self) -> bool {
        self.address.is_none() && self.name.starts_with(['/', '@'])
    }

    /// Tells whether the name means this machine, without asking a name server.
    pub(in crate::pg) fn is_local(&self) -> bool {
        let address = self.address.or_else(|| self.name.parse().ok());
        self.is_socket() || address.map_or(self.name.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
    }

    /// Returns `host:port`, an IPv6 address in brackets.
    pub(in crate::pg) fn label(&self) -> String {
        let (name, port) = (&self.name, self.port);
        if name.contains(':') && !self.is_socket() { format!("[{name}]:{port}") } else { format!("{name}:{port}") }
    }
}

impl Settings {
    /// Reads a connection string, and the environment for what it does not say.
    ///
    /// # Errors
    /// The text cannot be read; a parameter is unknown, unsupported, or has an impossible value.
    pub(in crate::pg) fn parse(text: &SecretString) -> Result<Self, Error> {
        Self::from_parts(connection_string::split(text)?, |name| std::env::var(name).ok())
    }

    fn from_parts(
        written: Vec<connection_string::Written>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let parameters = Parameters::read(written, variable)?;
        let user = match parameters.text("user") {
            Some(user) => user.to_owned(),
            // the driver knows the name of who runs this process
            None => PgConnectOptions::new_without_pgpass().get_username().to_owned(),
        };
        let database = parameters.text("dbname").map_or_else(|| user.clone(), str::to_owned);
        let mut options = options(parameters.text("options").unwrap_or_default())?;
        options.extend(parameters.settings.iter().cloned());
        let application = parameters.text("application_name").or_else(|| parameters.text("fallback_application_name"));
        let tls = Tls::read(&parameters)?;
        let mut environment = parameters.environment();
        environment.extend(tls.environment());
        Ok(Self {
            hosts: hosts(&parameters)?,
            database,
            user,
            password: parameters.get("password").cloned(),
            application: application.map(str::to_owned),
            options,
            methods: Methods::read(parameters.text("require_auth"))?,
            wanted: Wanted::read(parameters.text("target_session_attrs"))?,
            timeout: timeout(&parameters)?,
            keepalive: Keepalive::read(&parameters)?,
            patience: Patience::default(),
            password_file: parameters.text("passfile").map(str::to_owned),
            tls: Arc::new(tls),
            environment,
        })
    }

    /// Returns the password for a host: the one that was given, else the password file's.
    pub(super) fn password(&self, host: &Host) -> Option<SecretString> {
        if let Some(password) = &self.password {
            return Some(password.clone());
        }
        let address = host.address.map(|address| address.to_string());
        let name = match address.as_deref() {
            Some(address) if host.name.is_empty() => address,
            _ if DEFAULT_FOLDERS.contains(&host.name.as_str()) => "localhost",
            _ => &host.name,
        };
        let login = Login { host: name, port: host.port, database: &self.database, user: &self.user };
        password_file::find(self.password_file.as_deref(), &login)
    }

    /// Returns `PGPASSWORD`, the TLS files and what else PostgreSQL's own programs have to be told, besides the place.
    pub(in crate::pg) fn environment(&self) -> Vec<(&'static str, SecretString)> {
        let mut environment = self.environment.clone();
        environment.retain(|(name, _)| *name != "PGPASSWORD");
        environment.extend(self.password.clone().map(|password| ("PGPASSWORD", password)));
        // what the relay refuses for us, libpq has to be told to refuse
        let is_verified = self.tls.verifies() && self.tls.mode >= Mode::Require;
        if self.methods.text().is_empty() && !is_verified && !self.hosts.iter().all(Host::is_local) {
            environment.push(("PGREQUIREAUTH", "!password,!md5".into()));
        }
        environment
    }
}

/// Where servers put their sockets: Debian's folder and PostgreSQL's own.
const DEFAULT_FOLDERS: [&str; 3] = ["/var/run/postgresql", "/private/tmp", "/tmp"];

/// Returns the servers, in the order in which they are tried.
fn hosts(parameters: &Parameters) -> Result<Vec<Host>, Error> {
    let list = |name| parameters.text(name).map(|text| text.split(',').map(str::trim).collect::<Vec<_>>());
    let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port").unwrap_or_default());
    let count = names.as_ref().or(addresses.as_ref()).map_or(1, Vec::len);
    let bad = |name: &str, expected: &str| Error::BadParameter { name: name.to_owned(), expected: expected.to_owned() };
    if names.is_some() && addresses.as_ref().is_some_and(|addresses| addresses.len() != count) {
        return Err(bad("hostaddr", "one address for each host"));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(bad("port", "one port for all hosts, or one for each"));
    }
    let mut hosts = Vec::new();
    for at in 0..count {
        let port = match ports.get(at).or_else(|| ports.first().filter(|_| ports.len() == 1)).copied() {
            None | Some("") => DEFAULT_PORT,
            Some(port) => {
                port.parse().ok().filter(|port| *port > 0).ok_or_else(|| bad("port", "a number from 1 to 65535"))?
            }
        };
        let address = addresses.as_ref().map_or("", |addresses| addresses[at]);
        let address = match address {
            "" => None,
            address => Some(address.parse().map_err(|_| bad("hostaddr", "an IP address"))?),
        };
        let name = names.as_ref().map_or("", |names| names[at]);
        let name = if !name.is_empty() {
            name.to_owned()
        } else if let Some(address) = address {
            IpAddr::to_string(&address)
        } else {
            default_host(port)
        };
        hosts.push(Host { name, address, port });
    }
    Ok(hosts)
}

/// Returns the folder in which a server of this machine has its socket, else `localhost`.
fn default_host(port: u16) -> String {
    let has_socket = |folder: &&&str| std::path::Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    DEFAULT_FOLDERS.iter().find(has_socket).map_or("localhost", |folder| folder).to_owned()
}

/// Splits `-c name=value --name=value`; a backslash escapes white space and itself.
fn options(text: &str) -> Result<Vec<(String, String)>, Error> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => words.last_mut().expect("never empty").extend(characters.next()),
            c if c.is_whitespace() => words.push(String::new()),
            c => words.last_mut().expect("never empty").push(c),
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut options = Vec::new();
    let bad =
        || Error::BadParameter { name: "options".to_owned(), expected: "-c name=value or --name=value".to_owned() };
    while let Some(word) = words.next() {
        let pair = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next().ok_or_else(bad)?,
            Some(pair) => pair.to_owned(),
            None => return Err(bad()),
        };
        let (name, value) = pair.split_once('=').ok_or_else(bad)?;
        options.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(options)
}

fn timeout(parameters: &Parameters) -> Result<Option<Duration>, Error> {
    match number(parameters, "connect_timeout", CONNECT_SECONDS)? {
        0 => Ok(None),
        // one second may be shorter than it seems, says libpq
        seconds => Ok(Some(Duration::from_secs(seconds.max(2)))),
    }
}

fn number<T: std::str::FromStr>(parameters: &Parameters, name: &'static str, default: T) -> Result<T, Error> {
    let bad = |_| Error::BadParameter { name: name.to_owned(), expected: "a number, 0 or greater".to_owned() };
    parameters.text(name).map_or(Ok(default), |text| text.trim().parse().map_err(bad))
}

impl Keepalive {
    fn read(parameters: &Parameters) -> Result<Self, Error> {
        let or_default = |value: u32, default| if value == 0 { default } else { value };
        Ok(Self {
            on: number(parameters, "keepalives", 1)? != 0,
            idle_seconds: or_default(number(parameters, "keepalives_idle", 0)?, KEEPALIVE.idle_seconds),
            interval_seconds: or_default(number(parameters, "keepalives_interval", 0)?, KEEPALIVE.interval_seconds),
            count: or_default(number(parameters, "keepalives_count", 0)?, KEEPALIVE.count),
            unacknowledged_millis: or_default(
                number(parameters, "tcp_user_timeout", 0)?,
                KEEPALIVE.unacknowledged_millis,
            ),
        })
    }
}

impl Wanted {
    fn read(text: Option<&str>) -> Result<Self, Error> {
        Ok(match text {
            None | Some("any") => Self::Any,
            Some("read-write") => Self::ReadWrite,
            Some("read-only") => Self::ReadOnly,
            Some("primary") => Self::Primary,
            Some("standby") => Self::Standby,
            Some("prefer-standby") => Self::PreferStandby,
            Some(_) => {
                return Err(Error::BadParameter {
                    name: "target_session_attrs".to_owned(),
                    expected: "any, read-write, read-only, primary, standby or prefer-standby".to_owned(),
                });
            }
        })
    }

    /// Tells whether a server will do, by what it says of itself: whether it is a standby, and whether its sessions are
    /// read-only.
    pub(super) fn fits(self, standby: bool, read_only: bool) -> bool {
        match self {
            Self::Any => true,
            Self::ReadWrite => !standby && !read_only,
            Self::ReadOnly => standby || read_only,
            Self::Primary => !standby,
            Self::Standby | Self::PreferStandby => standby,
        }
    }
}

impl Settings {
    /// Tells whether a server that proves nothing would be believed: TLS to another machine is not verified in full.
    pub(in crate::pg) fn is_unverified(&self) -> bool {
        self.tls.mode != Mode::VerifyFull && self.hosts.iter().any(|host| !host.is_local())
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
