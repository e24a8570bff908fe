//! One dotenv file for each credential.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::file::{self, Writer};
use super::{Secret, SinkError};
use crate::credentials::secret::Place;
use crate::ident::Ident;
use crate::model::naming::Access;

/// Writes the files; gives warnings.
pub(super) fn publish(folder: &Path, prefix: &str, secrets: &[Secret]) -> Result<Vec<String>, SinkError> {
    let mut warnings = file::private_folder(folder)?;
    file::ignore_by_git(folder)?;
    let lock = file::lock(&folder.join(".lock"))?;
    let writer = Writer::new(folder, &lock)?;
    for secret in secrets {
        if let Ok(Some(old)) = read(folder, prefix, &secret.service, &secret.credential) {
            let path = folder.join(name(prefix, &secret.service, &secret.credential));
            warnings.extend(file::elsewhere(&old, secret, &path));
        }
        let text = render(secret);
        writer.replace(&name(prefix, &secret.service, &secret.credential), text.expose_secret())?;
    }
    writer.sync()?;
    Ok(warnings)
}

/// Reads one file back.
pub(super) fn read(folder: &Path, prefix: &str, service: &str, credential: &str) -> Result<Option<Secret>, SinkError> {
    let path = folder.join(name(prefix, service, credential));
    let Some(text) = file::read(&path)? else { return Ok(None) };
    let corrupt = |what: &'static str| SinkError::Corrupt { path: PathBuf::from(&path), reason: what.to_owned() };
    let get = |key: &'static str| value(&text, key).ok_or_else(|| corrupt(key_missing(key)));
    let access = text
        .lines()
        .find_map(|line| line.strip_prefix("# access: "))
        .and_then(|word| serde_json::from_value(word.into()).ok())
        .unwrap_or(Access::Read);
    Ok(Some(Secret {
        service: service.to_owned(),
        credential: credential.to_owned(),
        role: Ident::new(&get("PGUSER")?).map_err(|_| corrupt("PGUSER is not a role's name"))?,
        password: SecretString::from(get("PGPASSWORD")?),
        place: Place {
            host: get("PGHOST")?,
            port: get("PGPORT")?.parse().map_err(|_| corrupt("PGPORT is not a port"))?,
            database: get("PGDATABASE")?,
            sslmode: value(&text, "PGSSLMODE"),
            sslrootcert: value(&text, "PGSSLROOTCERT"),
        },
        access,
    }))
}

fn name(prefix: &str, service: &str, credential: &str) -> String {
    format!("{prefix}{service}_{credential}.env")
}

fn key_missing(key: &str) -> &'static str {
    match key {
        "PGUSER" => "PGUSER is missing",
        "PGPASSWORD" => "PGPASSWORD is missing",
        "PGHOST" => "PGHOST is missing",
        "PGPORT" => "PGPORT is missing",
        _ => "PGDATABASE is missing",
    }
}

fn render(secret: &Secret) -> SecretString {
    let mut out = format!("# {}/{}, written by pgcleave\n", secret.service, secret.credential);
    let word = match secret.access {
        Access::Owner => "owner",
        Access::Write => "write",
        Access::Read => "read",
    };
    out.push_str(&format!("# access: {word}\n"));
    for (key, value) in secret.variables() {
        out.push_str(&format!("{key}={}\n", quote(value.expose_secret())));
    }
    SecretString::from(out)
}

/// Quotes a value only where it must be, since some readers take quotes literally.
fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%[],+~".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    if !value.contains(['\'', '\n', '\r']) {
        return format!("'{value}'");
    }
    let mut out = String::from('"');
    for c in value.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '"' | '\\' | '$' | '`' => out.extend(['\\', c]),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Finds a key's value as [`quote`] wrote it.
fn value(text: &str, key: &str) -> Option<String> {
    let raw = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    if let Some(inner) = raw.strip_prefix('\'') {
        return inner.strip_suffix('\'').map(str::to_owned);
    }
    let Some(inner) = raw.strip_prefix('"') else { return Some(raw.to_owned()) };
    let mut out = String::new();
    let mut chars = inner.strip_suffix('"')?.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quoted_value_reads_back(text in "[a-z '\"\\\\$`\n\ré#=]{0,12}") {
            prop_assert_eq!(value(&format!("X=1\nKEY={}\nY=2\n", quote(&text)), "KEY"), Some(text));
        }
    }
}
