//! The password file: `host:port:database:user:password`, one a line.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html>

use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// The largest password file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What a line is compared with.
pub(super) struct Login<'a> {
    /// The host's name, or its address where it has none; `localhost` for the default socket folders.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// Returns the password that the file has for a login. As in libpq, a file that others can read is not used.
pub(super) fn find(file: Option<&str>, login: &Login<'_>) -> Option<SecretString> {
    let path = file.map(PathBuf::from).or_else(|| std::env::home_dir().map(|home| home.join(".pgpass")))?;
    let metadata = std::fs::metadata(&path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES || !is_private(&path, &metadata) {
        return None;
    }
    let text = std::fs::read_to_string(&path).ok()?;
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| matching(line, login)).map(SecretString::from)
}

#[cfg(unix)]
fn is_private(_path: &Path, metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 == 0
}

#[cfg(not(unix))]
fn is_private(_path: &Path, _metadata: &std::fs::Metadata) -> bool {
    true
}

/// Returns the password of a line whose first four fields fit.
fn matching(line: &str, login: &Login<'_>) -> Option<String> {
    let port = login.port.to_string();
    let mut rest = line;
    for wanted in [login.host, &port, login.database, login.user] {
        let (field, after) = field(rest)?;
        if rest[..rest.len() - after.len()] != *"*:" && field != wanted {
            return None;
        }
        rest = after;
    }
    let password = field(rest).map_or_else(|| unescaped(rest), |(password, _)| password);
    (!password.is_empty()).then_some(password)
}

/// Returns a field without its escapes, and what follows its colon.
fn field(text: &str) -> Option<(String, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ':' => return Some((unescaped(&text[..at]), &text[at + 1..])),
            _ => {}
        }
    }
    None
}

fn unescaped(text: &str) -> String {
    let mut characters = text.chars();
    let mut out = String::new();
    while let Some(c) = characters.next() {
        out.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let login = Login { host: "::1", port: 5433, database: "sh:op", user: "ann" };
        assert_eq!(matching(r"\:\:1:5433:sh\:op:ann:p\:a\\ss", &login), Some(r"p:a\ss".to_owned()));
        assert_eq!(matching("*:*:*:ann:x:ignored", &login), Some("x".to_owned()));
        assert_eq!(matching("*:*:*:bob:x", &login), None);
        assert_eq!(matching(r"\*:*:*:ann:x", &login), None);
        assert_eq!(matching("*:5433:*", &login), None);
    }
}
