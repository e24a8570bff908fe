//! Service files: named groups of connection parameters.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgservice.html>

use std::path::PathBuf;

use secrecy::SecretString;

use super::connection_string::Written;
use crate::pg::error::Error;

/// The largest service file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Returns the parameters of a service: from the given file or `~/.pg_service.conf`, else from the system's file.
///
/// # Errors
/// No file has the service, or its group cannot be read.
pub(super) fn read(
    service: &str,
    file: Option<String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Written>, Error> {
    let bad = |expected: String| Error::BadParameter { name: "service".to_owned(), expected };
    let home = || std::env::home_dir().map(|home| home.join(".pg_service.conf"));
    let user = file.map(PathBuf::from).or_else(home);
    let folder = variable("PGSYSCONFDIR").unwrap_or_else(|| "/etc/postgresql-common".to_owned());
    let system = PathBuf::from(folder).join("pg_service.conf");
    let mut read = Vec::new();
    for path in user.into_iter().chain([system]) {
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if metadata.len() > MAX_BYTES {
            return Err(bad(format!("a service file of at most {MAX_BYTES} bytes, which {} is not", path.display())));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|error| bad(format!("a service file that can be read: {}: {error}", path.display())))?;
        if let Some(group) = group(&text, service) {
            return group.map_err(|line| bad(format!("name=value in line {line} of {}", path.display())));
        }
        read.push(path.display().to_string());
    }
    let read =
        if read.is_empty() { "there is no service file".to_owned() } else { format!("read {}", read.join(", ")) };
    Err(bad(format!("a service of a service file; {read}")))
}

/// Returns the parameters of one group, or the number of a line that is none; nothing where there is no such group.
fn group(text: &str, service: &str) -> Option<Result<Vec<Written>, usize>> {
    let mut found: Option<Vec<Written>> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if found.is_some() {
                break;
            }
            if name == service {
                found = Some(Vec::new());
            }
            continue;
        }
        let Some(written) = &mut found else { continue };
        match line.split_once('=') {
            // a service file cannot name another one; ldap:// lines have no =, or an odd name
            Some((name, value)) if name != "service" && name != "servicefile" && !name.contains("://") => {
                written.push((name.to_owned(), SecretString::from(value)));
            }
            _ => return Some(Err(number + 1)),
        }
    }
    found.map(Ok)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn only_the_named_group_counts() {
        let text = "# ours\n[a]\nhost=one\n\n[b]\nhost=two\n port=5433\n[c]\nbad\n[d]\nldap://h/x\n";
        let group = |name| {
            let written = group(text, name)?;
            Some(written.map(|all| {
                all.into_iter().map(|(name, value)| format!("{name}={}", value.expose_secret())).collect::<Vec<_>>()
            }))
        };
        assert_eq!(group("b"), Some(Ok(vec!["host=two".to_owned(), "port=5433".to_owned()])));
        assert_eq!(group("c"), Some(Err(9)));
        assert_eq!(group("d"), Some(Err(11)));
        assert_eq!(group("e"), None);
    }
}
