//! libpq's connection parameters: which are obeyed, which are refused, and where their values come from.
//!
//! No parameter is ignored. A value comes from the connection string, else from a service file, else from the
//! parameter's environment variable, as in libpq.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::connection_string::Written;
use super::service_file;
use crate::pg::error::Error;

/// What becomes of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is obeyed; [`super::settings`] checks the value.
    Obeyed,
    /// It is an error that says why.
    Refused(&'static str),
    /// It is an error in a connection string. In the environment it is meant for other logins than by password.
    RefusedIfWritten(&'static str),
    /// Only these values are possible; they say what pgcleave does anyway.
    Only(&'static [&'static str], &'static str),
}

use Use::{Obeyed, Only, Refused, RefusedIfWritten};

const NO_GSS: &str = "pgcleave does not log in with GSSAPI";
const NO_OAUTH: &str = "pgcleave does not log in with OAuth";

/// Name, environment variable, use. The variable of a parameter without one is empty.
const PARAMETERS: &[(&str, &str, Use)] = &[
    ("application_name", "PGAPPNAME", Obeyed),
    (
        "channel_binding",
        "PGCHANNELBINDING",
        Only(
            &["disable", "prefer"],
            "pgcleave cannot bind a login to its TLS connection; sslmode=verify-full proves which server answers",
        ),
    ),
    ("client_encoding", "PGCLIENTENCODING", Only(&["utf8", "utf-8", "unicode", "auto"], "pgcleave speaks UTF-8")),
    ("connect_timeout", "PGCONNECT_TIMEOUT", Obeyed),
    ("dbname", "PGDATABASE", Obeyed),
    ("fallback_application_name", "", Obeyed),
    ("gssdelegation", "PGGSSDELEGATION", RefusedIfWritten(NO_GSS)),
    (
        "gssencmode",
        "PGGSSENCMODE",
        Only(&["disable", "prefer"], "pgcleave does not encrypt with GSSAPI; sslmode encrypts with TLS"),
    ),
    ("gsslib", "PGGSSLIB", RefusedIfWritten(NO_GSS)),
    ("host", "PGHOST", Obeyed),
    ("hostaddr", "PGHOSTADDR", Obeyed),
    ("keepalives", "", Obeyed),
    ("keepalives_count", "", Obeyed),
    ("keepalives_idle", "", Obeyed),
    ("keepalives_interval", "", Obeyed),
    ("krbsrvname", "PGKRBSRVNAME", RefusedIfWritten(NO_GSS)),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS", Only(&["disable"], "pgcleave tries hosts in their order")),
    ("max_protocol_version", "PGMAXPROTOCOLVERSION", Only(&["3.0", "3.2", "latest"], "pgcleave speaks protocol 3.0")),
    ("min_protocol_version", "PGMINPROTOCOLVERSION", Only(&["3.0"], "pgcleave speaks protocol 3.0")),
    ("oauth_client_id", "", Refused(NO_OAUTH)),
    ("oauth_client_secret", "", Refused(NO_OAUTH)),
    ("oauth_issuer", "", Refused(NO_OAUTH)),
    ("oauth_scope", "", Refused(NO_OAUTH)),
    ("options", "PGOPTIONS", Obeyed),
    ("passfile", "PGPASSFILE", Obeyed),
    ("password", "PGPASSWORD", Obeyed),
    ("port", "PGPORT", Obeyed),
    ("replication", "", Only(&["false", "off", "no", "0"], "pgcleave makes replication connections itself")),
    ("require_auth", "PGREQUIREAUTH", Obeyed),
    ("requirepeer", "PGREQUIREPEER", Refused("pgcleave does not check who runs a server behind a socket")),
    ("scram_client_key", "", Refused("pgcleave logs in with the password")),
    ("scram_server_key", "", Refused("pgcleave logs in with the password")),
    ("service", "PGSERVICE", Obeyed),
    ("servicefile", "PGSERVICEFILE", Obeyed),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", Obeyed),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", Obeyed),
    ("sslcert", "PGSSLCERT", Obeyed),
    ("sslcertmode", "PGSSLCERTMODE", Obeyed),
    ("sslcompression", "PGSSLCOMPRESSION", Only(&["0"], "TLS compression is unsafe, and TLS 1.3 has none")),
    ("sslcrl", "PGSSLCRL", Obeyed),
    ("sslcrldir", "PGSSLCRLDIR", Obeyed),
    ("sslkey", "PGSSLKEY", Obeyed),
    ("sslkeylogfile", "", Refused("pgcleave writes no TLS keys to files")),
    ("sslmode", "PGSSLMODE", Obeyed),
    ("sslnegotiation", "PGSSLNEGOTIATION", Obeyed),
    (
        "sslpassword",
        "",
        Refused("pgcleave reads keys without a password only: give sslkey a file that only you can read"),
    ),
    ("sslrootcert", "PGSSLROOTCERT", Obeyed),
    ("sslsni", "PGSSLSNI", Obeyed),
    // sqlx's own; every connection of pgcleave keeps its statements for itself
    ("statement-cache-capacity", "", Refused("it is a parameter of a driver, not of PostgreSQL")),
    ("target_session_attrs", "PGTARGETSESSIONATTRS", Obeyed),
    ("tcp_user_timeout", "", Obeyed),
    ("user", "PGUSER", Obeyed),
];

/// The parameters of one connection string.
#[derive(Default)]
pub(super) struct Parameters {
    values: BTreeMap<&'static str, SecretString>,
    /// `options[name]=value`, as sqlx writes them.
    pub(super) settings: Vec<(String, String)>,
}

impl Parameters {
    /// Checks what was written, and adds what a service file and the environment say.
    ///
    /// # Errors
    /// A parameter is unknown, or refused.
    pub(super) fn read(written: Vec<Written>, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let mut parameters = Self::default();
        for (name, value) in written {
            match name.strip_prefix("options[").and_then(|rest| rest.strip_suffix(']')) {
                Some(setting) => parameters.settings.push((setting.to_owned(), value.expose_secret().to_owned())),
                None => parameters.write(&name, value)?,
            }
        }
        let from_variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let service = parameters.text("service").map(str::to_owned).or_else(|| from_variable("PGSERVICE"));
        if let Some(service) = service {
            let file = parameters.text("servicefile").map(str::to_owned).or_else(|| from_variable("PGSERVICEFILE"));
            let mut own = Self::default();
            for (name, value) in service_file::read(&service, file, from_variable)? {
                own.write(&name, value)?;
            }
            for (name, value) in own.values {
                parameters.values.entry(name).or_insert(value);
            }
        }
        for (name, variable, usage) in PARAMETERS {
            if variable.is_empty() || parameters.values.contains_key(name) || matches!(usage, RefusedIfWritten(_)) {
                continue;
            }
            if let Some(value) = from_variable(variable) {
                check(variable, *usage, &value)?;
                parameters.values.insert(name, value.into());
            }
        }
        Ok(parameters)
    }

    fn write(&mut self, name: &str, value: SecretString) -> Result<(), Error> {
        let Some((name, _, usage)) = PARAMETERS.iter().find(|(known, ..)| *known == name) else {
            return Err(unknown(name));
        };
        check(name, *usage, value.expose_secret())?;
        // as in libpq, an empty value counts as none
        self.values.remove(name);
        if !value.expose_secret().is_empty() {
            self.values.insert(name, value);
        }
        Ok(())
    }

    /// Returns a value that is not empty.
    pub(super) fn get(&self, name: &'static str) -> Option<&SecretString> {
        debug_assert!(PARAMETERS.iter().any(|(known, _, usage)| *known == name && *usage == Obeyed), "{name}");
        self.values.get(name)
    }

    /// Returns a value that is no secret.
    pub(super) fn text(&self, name: &'static str) -> Option<&str> {
        self.get(name).map(ExposeSecret::expose_secret)
    }

    /// Returns the environment variables that say the same to a program of PostgreSQL; not those of the place, the login
    /// and the session, which the caller knows better.
    pub(super) fn environment(&self) -> Vec<(&'static str, SecretString)> {
        let elsewhere = [
            "application_name",
            "client_encoding",
            "dbname",
            "host",
            "options",
            "port",
            "service",
            "servicefile",
            "sslmode",
            "user",
        ];
        let listed = PARAMETERS.iter().filter(|(name, variable, _)| !variable.is_empty() && !elsewhere.contains(name));
        listed.filter_map(|(name, variable, _)| Some((*variable, self.values.get(name)?.clone()))).collect()
    }
}

fn check(name: &str, usage: Use, value: &str) -> Result<(), Error> {
    let why = match usage {
        Obeyed => return Ok(()),
        Only(allowed, _) if value.is_empty() || allowed.contains(&value.to_ascii_lowercase().as_str()) => return Ok(()),
        Refused(why) | RefusedIfWritten(why) | Only(_, why) => why,
    };
    Err(Error::UnsupportedParameter { name: name.to_owned(), why: why.to_owned() })
}

/// Names an unknown parameter, unless it may be a piece of a password.
fn unknown(name: &str) -> Error {
    let is_name = name.len() <= 40 && name.starts_with(|c: char| c.is_ascii_lowercase());
    if !is_name || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return Error::BadUrl;
    }
    let names = PARAMETERS.iter().filter(|(_, _, usage)| !matches!(usage, Refused(_) | RefusedIfWritten(_)));
    let near = names.map(|(known, ..)| (strsim::damerau_levenshtein(known, name), *known)).min();
    let near = near.filter(|(distance, _)| *distance <= 3).map(|(_, known)| known);
    Error::UnknownParameter { name: name.to_owned(), near }
}
