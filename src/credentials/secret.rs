//! What a client needs to log in.

use secrecy::{ExposeSecret, SecretString};

use crate::ident::Ident;
use crate::model::naming::Access;
use crate::pg::connect::Target;

/// Where the clients connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The host name, address or socket folder.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// How clients speak TLS (`sslmode`), where that was said; else it is up to them.
    pub sslmode: Option<String>,
    /// The file that clients verify the server's certificate with (`sslrootcert`), where one was given.
    pub sslrootcert: Option<String>,
}

impl Place {
    /// Says where clients connect to, with the root certificate as their machines have it.
    #[must_use]
    pub fn of(target: &Target, client_sslrootcert: Option<&str>) -> Self {
        let place = Self::from(target);
        Self { sslrootcert: client_sslrootcert.map(str::to_owned).or(place.sslrootcert), ..place }
    }
}

impl From<&Target> for Place {
    fn from(target: &Target) -> Self {
        let (sslmode, sslrootcert) = target.tls_of_clients();
        Self {
            host: target.host(),
            port: target.port(),
            database: target.database().to_owned(),
            sslmode: sslmode.map(str::to_owned),
            sslrootcert: sslrootcert.map(str::to_owned),
        }
    }
}

/// One credential as it is published; its `Debug` shows no password.
#[derive(Debug, Clone)]
pub struct Secret {
    /// The service.
    pub service: String,
    /// The credential's short name.
    pub credential: String,
    /// The login role.
    pub role: Ident,
    /// Its password.
    pub password: SecretString,
    /// Where to connect to.
    pub place: Place,
    /// What it is for.
    pub access: Access,
}

impl Secret {
    /// Gives the connection string that libpq and most drivers take, each part percent-encoded.
    #[must_use]
    pub fn url(&self) -> SecretString {
        let Place { host, port, database, sslmode, sslrootcert } = &self.place;
        let named = [("sslmode", sslmode), ("sslrootcert", sslrootcert)];
        let named = named.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encode(value.as_deref()?))));
        let named: Vec<_> = named.collect();
        let tls = if named.is_empty() { String::new() } else { format!("?{}", named.join("&")) };
        let host = if host.contains(':') && !host.starts_with('/') { format!("[{host}]") } else { encode(host) };
        SecretString::from(format!(
            "postgresql://{}:{}@{host}:{port}/{}{tls}",
            encode(self.role.as_str()),
            encode(self.password.expose_secret()),
            encode(database)
        ))
    }

    /// Gives the variables that libpq and most frameworks read, in a fixed order.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, SecretString)> {
        let Place { host, port, database, sslmode, sslrootcert } = &self.place;
        let mut variables = vec![
            ("PGHOST", SecretString::from(host.as_str())),
            ("PGPORT", SecretString::from(port.to_string())),
            ("PGDATABASE", SecretString::from(database.as_str())),
            ("PGUSER", SecretString::from(self.role.as_str())),
            ("PGPASSWORD", self.password.clone()),
            ("DATABASE_URL", self.url()),
        ];
        let tls = [("PGSSLMODE", sslmode), ("PGSSLROOTCERT", sslrootcert)];
        variables.extend(tls.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?.into()))));
        variables
    }
}

/// Percent-encodes all but the characters that RFC 3986 calls unreserved.
fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(host: &str, database: &str, password: &str) -> Secret {
        Secret {
            service: "orders".to_owned(),
            credential: "app".to_owned(),
            role: Ident::new("orders_app_a").expect("a name"),
            password: SecretString::from(password),
            place: Place {
                host: host.to_owned(),
                port: 5433,
                database: database.to_owned(),
                sslmode: None,
                sslrootcert: None,
            },
            access: Access::Write,
        }
    }

    fn reads_back(secret: &Secret) {
        let target = Target::parse(&secret.url()).expect("a connection string");
        assert_eq!(Place::from(&target), secret.place);
        assert_eq!(target.username(), "orders_app_a");
    }

    #[test]
    fn every_part_of_the_url_reads_back() {
        reads_back(&secret("db.example", "shop", "abc"));
        reads_back(&secret("/var/run/post gresql", "sh/op?x=1#y", "p@ss:w/ord% é"));
        assert_eq!(secret("::1", "shop", "x").url().expose_secret(), "postgresql://orders_app_a:x@[::1]:5433/shop");
    }

    #[test]
    fn the_clients_root_certificate_is_not_the_administrators() {
        let target = Target::parse(&"postgresql://a@db/shop?sslmode=verify-full&sslrootcert=/home/admin/ca.pem".into());
        let target = target.expect("a connection string");
        let root = |clients| Place::of(&target, clients).sslrootcert;
        assert_eq!(root(None).as_deref(), Some("/home/admin/ca.pem"));
        assert_eq!(root(Some("/etc/ssl/ca.pem")).as_deref(), Some("/etc/ssl/ca.pem"));
    }

    #[test]
    fn how_to_speak_tls_is_published() {
        let mut secret = secret("db.example", "shop", "x");
        secret.place.sslmode = Some("verify-full".to_owned());
        secret.place.sslrootcert = Some("/etc/our ca.pem".to_owned());
        reads_back(&secret);
        let url = secret.url().expose_secret().to_owned();
        assert!(url.ends_with("/shop?sslmode=verify-full&sslrootcert=%2Fetc%2Four%20ca.pem"), "{url}");
        let variables = secret.variables();
        let shown: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={}", value.expose_secret())).collect();
        assert_eq!(shown[6..], ["PGSSLMODE=verify-full", "PGSSLROOTCERT=/etc/our ca.pem"]);
    }

    #[test]
    fn debug_shows_no_password() {
        assert!(!format!("{:?}", secret("h", "d", "hunter2")).contains("hunter2"));
    }
}
