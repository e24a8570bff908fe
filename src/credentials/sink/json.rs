//! One JSON file for all credentials.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::file::{self, Writer};
use super::{Secret, SinkError};
use crate::credentials::secret::Place;
use crate::ident::Ident;
use crate::model::naming::Access;

const FORMAT: &str = "pgcleave.secrets/1";

/// The whole file.
#[derive(Serialize, Deserialize)]
struct Document {
    format: String,
    /// Service (with the roles' prefix) → credential → secret.
    secrets: BTreeMap<String, BTreeMap<String, Entry>>,
}

/// One secret; it is also what a command sink gets.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) service: String,
    pub(super) credential: String,
    pub(super) access: Access,
    pub(super) role: Ident,
    pub(super) password: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sslmode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sslrootcert: Option<String>,
}

impl From<&Secret> for Entry {
    fn from(secret: &Secret) -> Self {
        Self {
            service: secret.service.clone(),
            credential: secret.credential.clone(),
            access: secret.access,
            role: secret.role.clone(),
            password: secret.password.expose_secret().to_owned(),
            host: secret.place.host.clone(),
            port: secret.place.port,
            database: secret.place.database.clone(),
            url: secret.url().expose_secret().to_owned(),
            sslmode: secret.place.sslmode.clone(),
            sslrootcert: secret.place.sslrootcert.clone(),
        }
    }
}

impl From<Entry> for Secret {
    fn from(entry: Entry) -> Self {
        Self {
            service: entry.service,
            credential: entry.credential,
            role: entry.role,
            password: SecretString::from(entry.password),
            place: Place {
                host: entry.host,
                port: entry.port,
                database: entry.database,
                sslmode: entry.sslmode,
                sslrootcert: entry.sslrootcert,
            },
            access: entry.access,
        }
    }
}

/// Adds the secrets to the file; gives warnings.
pub(super) fn publish(path: &Path, prefix: &str, secrets: &[Secret]) -> Result<Vec<String>, SinkError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| SinkError::Corrupt { path: path.to_owned(), reason: "its path names no file".to_owned() })?;
    if !folder.exists() {
        file::private_folder(folder)?;
    }
    let mut warnings = Vec::new();
    let lock = file::lock(&folder.join(format!(".{name}.lock")))?;
    let mut document = load(path)?.unwrap_or_else(|| Document { format: FORMAT.to_owned(), secrets: BTreeMap::new() });
    for secret in secrets {
        let service = document.secrets.entry(format!("{prefix}{}", secret.service)).or_default();
        if let Some(old) = service.insert(secret.credential.clone(), Entry::from(secret)) {
            warnings.extend(file::elsewhere(&old.into(), secret, path));
        }
    }
    let mut text = serde_json::to_string_pretty(&document).expect("texts and numbers are always JSON");
    text.push('\n');
    let writer = Writer::new(folder, &lock)?;
    writer.replace(name, &text)?;
    writer.sync()?;
    Ok(warnings)
}

/// Reads one secret back.
pub(super) fn read(path: &Path, prefix: &str, service: &str, credential: &str) -> Result<Option<Secret>, SinkError> {
    let Some(mut document) = load(path)? else { return Ok(None) };
    let entry = document.secrets.get_mut(&format!("{prefix}{service}")).and_then(|s| s.remove(credential));
    Ok(entry.map(Secret::from))
}

fn load(path: &Path) -> Result<Option<Document>, SinkError> {
    let Some(text) = file::read(path)? else { return Ok(None) };
    let corrupt = |reason: String| SinkError::Corrupt { path: PathBuf::from(path), reason };
    // the parser's own message may quote a piece of the file: only its place is told
    let document: Document = serde_json::from_str(&text)
        .map_err(|e| corrupt(format!("line {}, column {} is not as it was written", e.line(), e.column())))?;
    if document.format != FORMAT {
        return Err(corrupt(format!("its format is not {FORMAT}")));
    }
    Ok(Some(document))
}
