//! One Kubernetes Secret for each credential, as YAML to apply or to seal.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::file::{self, Writer};
use super::{Secret, SinkError};
use crate::credentials::secret::Place;
use crate::ident::Ident;
use crate::model::naming::Access;

/// The longest name of a Secret (an RFC 1123 subdomain), in bytes.
const MAX_NAME_BYTES: usize = 253;

/// What is read back of a Secret.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "stringData")]
    data: Data,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    annotations: Annotations,
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(rename = "pgcleave/service")]
    service: String,
    #[serde(rename = "pgcleave/credential")]
    credential: String,
    #[serde(rename = "pgcleave/access")]
    access: Access,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Data {
    pghost: String,
    pgport: String,
    pgdatabase: String,
    pguser: String,
    pgpassword: String,
    pgsslmode: Option<String>,
    pgsslrootcert: Option<String>,
}

/// Writes the files; gives warnings.
pub(super) fn publish(
    folder: &Path,
    namespace: Option<&str>,
    prefix: &str,
    secrets: &[Secret],
) -> Result<Vec<String>, SinkError> {
    let mut warnings = file::private_folder(folder)?;
    file::ignore_by_git(folder)?;
    let lock = file::lock(&folder.join(".lock"))?;
    let writer = Writer::new(folder, &lock)?;
    for secret in secrets {
        let name = name(prefix, &secret.service, &secret.credential)?;
        let file = format!("{name}.yaml");
        if let Ok(Some(old)) = read(folder, prefix, &secret.service, &secret.credential) {
            warnings.extend(file::elsewhere(&old, secret, &folder.join(&file)));
        }
        writer.replace(&file, render(&name, namespace, secret).expose_secret())?;
    }
    writer.sync()?;
    Ok(warnings)
}

/// Reads one file back.
pub(super) fn read(folder: &Path, prefix: &str, service: &str, credential: &str) -> Result<Option<Secret>, SinkError> {
    let path = folder.join(format!("{}.yaml", name(prefix, service, credential)?));
    let Some(text) = file::read(&path)? else { return Ok(None) };
    let corrupt = |reason: &str| SinkError::Corrupt { path: PathBuf::from(&path), reason: reason.to_owned() };
    // the parser's own message may quote a piece of the file
    let document: Document =
        serde_yaml::from_str(&text).map_err(|_| corrupt("it is not a Secret as it was written"))?;
    let (data, notes) = (document.data, document.metadata.annotations);
    if notes.service != service || notes.credential != credential {
        return Err(corrupt("it is another credential's"));
    }
    Ok(Some(Secret {
        service: notes.service,
        credential: notes.credential,
        role: Ident::new(&data.pguser).map_err(|_| corrupt("PGUSER is not a role's name"))?,
        password: SecretString::from(data.pgpassword),
        place: Place {
            host: data.pghost,
            port: data.pgport.parse().map_err(|_| corrupt("PGPORT is not a port"))?,
            database: data.pgdatabase,
            sslmode: data.pgsslmode,
            sslrootcert: data.pgsslrootcert,
        },
        access: notes.access,
    }))
}

/// Makes the Secret's name, which has dashes where ours has underscores.
fn name(prefix: &str, service: &str, credential: &str) -> Result<String, SinkError> {
    let name = format!("{prefix}{service}_{credential}").to_ascii_lowercase().replace('_', "-");
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let valid = ends(name.chars().next())
        && ends(name.chars().next_back())
        && name.len() <= MAX_NAME_BYTES
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if valid {
        return Ok(name);
    }
    Err(SinkError::Name {
        service: service.to_owned(),
        credential: credential.to_owned(),
        reason: "a Kubernetes name starts and ends with a letter or digit and holds no more than those and dashes",
    })
}

fn render(name: &str, namespace: Option<&str>, secret: &Secret) -> SecretString {
    let mut out = String::from("apiVersion: v1\nkind: Secret\nmetadata:\n");
    let mut line = |indent: usize, key: &str, value: &str| {
        // a JSON text is a YAML text, whatever it holds
        let value = serde_json::to_string(value).expect("a text is always JSON");
        out.push_str(&format!("{:indent$}{key}: {value}\n", ""));
    };
    line(2, "name", name);
    if let Some(namespace) = namespace {
        line(2, "namespace", namespace);
    }
    let access = match secret.access {
        Access::Owner => "owner",
        Access::Write => "write",
        Access::Read => "read",
    };
    out.push_str("  labels:\n    app.kubernetes.io/managed-by: pgcleave\n  annotations:\n");
    let mut line = |key: &str, value: &str| {
        let value = serde_json::to_string(value).expect("a text is always JSON");
        out.push_str(&format!("    {key}: {value}\n"));
    };
    line("pgcleave/service", &secret.service);
    line("pgcleave/credential", &secret.credential);
    line("pgcleave/access", access);
    out.push_str("type: Opaque\nstringData:\n");
    for (key, value) in secret.variables() {
        let value = serde_json::to_string(value.expose_secret()).expect("a text is always JSON");
        out.push_str(&format!("  {key}: {value}\n"));
    }
    SecretString::from(out)
}
