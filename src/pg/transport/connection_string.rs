//! Splits a connection string, a URI or `key=value` pairs, into libpq's parameters.
//!
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};

use crate::pg::error::Error;

/// One parameter as it was written: its name, and its value, which may be a password.
pub(super) type Written = (String, SecretString);

/// Names that other drivers give to libpq's parameters.
const ALIASES: &[(&str, &str)] = &[
    ("ssl-mode", "sslmode"),
    ("ssl-root-cert", "sslrootcert"),
    ("ssl-ca", "sslrootcert"),
    ("ssl-cert", "sslcert"),
    ("ssl-key", "sslkey"),
];

/// Splits a connection string; a later parameter of the same name replaces an earlier one.
///
/// # Errors
/// The text has neither form. No part of it is repeated in the error.
pub(super) fn split(text: &SecretString) -> Result<Vec<Written>, Error> {
    let text = text.expose_secret().trim();
    if text.contains('\0') {
        return Err(Error::BadUrl);
    }
    match text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
        Some(rest) => uri(rest),
        // `scheme://…` is the URL of something else
        None if text.split('=').next().is_some_and(|name| name.contains("://")) => Err(Error::BadUrl),
        None if text.contains('=') => pairs(text),
        None => Err(Error::BadUrl),
    }
}

/// Splits `user:password@host:port,host:port/database?name=value&…`.
fn uri(rest: &str) -> Result<Vec<Written>, Error> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.strip_prefix('/').unwrap_or(path);
    // A password with an unescaped / would continue as the database's name, and be shown.
    if path.contains('@') {
        return Err(Error::BadUrl);
    }
    let mut written = Vec::new();
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    if !user.is_empty() {
        written.push(("user".to_owned(), decoded(user)?));
    }
    if let Some(password) = password {
        written.push(("password".to_owned(), decoded(password)?));
    }
    if !hosts.is_empty() {
        let (hosts, ports) = self::hosts(hosts)?;
        written.push(("host".to_owned(), hosts.into()));
        if ports.chars().any(|c| c != ',') {
            written.push(("port".to_owned(), ports.into()));
        }
    }
    if !path.is_empty() {
        written.push(("dbname".to_owned(), decoded(path)?));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(Error::BadUrl)?;
        let name = decoded(name)?.expose_secret().to_owned();
        let value = decoded(value)?;
        match ALIASES.iter().find(|(alias, _)| *alias == name) {
            Some((_, known)) => written.push(((*known).to_owned(), value)),
            None if name == "ssl" && value.expose_secret() == "true" => {
                written.push(("sslmode".to_owned(), "require".into()));
            }
            None => written.push((name, value)),
        }
    }
    Ok(written)
}

/// Splits `host:port,[address]:port` into two lists of equal length.
fn hosts(text: &str) -> Result<(String, String), Error> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for one in text.split(',') {
        let (host, port) = match one.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or(Error::BadUrl)?;
                // a zone, as in fe80::1%25eth0, may be escaped
                let address = decoded(address)?.expose_secret().to_owned();
                let port = if after.is_empty() { "" } else { after.strip_prefix(':').ok_or(Error::BadUrl)? };
                (address, port)
            }
            None => {
                let (host, port) = one.split_once(':').unwrap_or((one, ""));
                (decoded(host)?.expose_secret().to_owned(), port)
            }
        };
        if host.contains(',') || !port.chars().all(|c| c.is_ascii_digit()) {
            return Err(Error::BadUrl);
        }
        hosts.push(host);
        ports.push(port.to_owned());
    }
    Ok((hosts.join(","), ports.join(",")))
}

/// Undoes percent-encoding. A % that starts no escape stands for itself.
fn decoded(text: &str) -> Result<SecretString, Error> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| Error::BadUrl)?;
    if text.contains('\0') { Err(Error::BadUrl) } else { Ok(text.into_owned().into()) }
}

/// Splits `name = value name = 'value'`; a backslash escapes the next character.
fn pairs(text: &str) -> Result<Vec<Written>, Error> {
    let mut written = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(Error::BadUrl)?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(Error::BadUrl);
        }
        let (value, after) = value(after.trim_start())?;
        written.push((name.to_owned(), value.into()));
        rest = after.trim_start();
    }
    Ok(written)
}

/// Reads one value of a list of pairs; returns it with what follows it.
fn value(text: &str) -> Result<(String, &str), Error> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if !quoted && c.is_whitespace() => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted { Err(Error::BadUrl) } else { Ok((value, "")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let written = split(&text.into()).expect("a connection string");
        written.into_iter().map(|(name, value)| (name, value.expose_secret().to_owned())).collect()
    }

    #[track_caller]
    fn reads(text: &str, expected: &[(&str, &str)]) {
        let read = read(text);
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, expected, "{text}");
    }

    #[test]
    fn uris_are_split_as_libpq_splits_them() {
        reads("postgres://", &[]);
        reads("postgresql:///shop?host=/run/pg", &[("dbname", "shop"), ("host", "/run/pg")]);
        reads(
            "postgresql://ann:p%40ss%25@[::1]:5433/sh%20op?sslmode=require",
            &[
                ("user", "ann"),
                ("password", "p@ss%"),
                ("host", "::1"),
                ("port", "5433"),
                ("dbname", "sh op"),
                ("sslmode", "require"),
            ],
        );
        reads("postgresql://a:1,b/d", &[("host", "a,b"), ("port", "1,"), ("dbname", "d")]);
        reads("postgresql://%2Frun%2Fpg:5433", &[("host", "/run/pg"), ("port", "5433")]);
        reads("postgresql://h?ssl=true&ssl-ca=a%2Bb", &[("host", "h"), ("sslmode", "require"), ("sslrootcert", "a+b")]);
    }

    #[test]
    fn pairs_are_split_as_libpq_splits_them() {
        reads(
            r"host = /run/pg  password='it\'s a \\' dbname=a\ b user=''",
            &[("host", "/run/pg"), ("password", r"it's a \"), ("dbname", "a b"), ("user", "")],
        );
    }

    #[test]
    fn a_text_of_another_form_is_refused_and_not_shown() {
        for text in [
            "secret",
            "mysql://ann:secret@h/d?a=b",
            "postgresql://ann:se@cr/secret@db/shop",
            "postgresql://ann:pa/secret@db:5432/shop",
            "postgresql://ann:secret@[::1/shop",
            "postgresql://ann:pa?secret@host/shop",
            "host=h password='secret",
            "host=h secret",
            "postgresql://ann:secret@h:port/shop",
            "postgresql://ann:secret%00@h/shop",
        ] {
            let error = split(&text.into()).expect_err("neither form");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
