//! The list of credentials.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{FORMAT, columns};
use crate::credentials::list::Listed;
use crate::model::naming::Access;
use crate::registry::credential::Phase;

/// The document for programs.
#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    credentials: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    service: &'a str,
    credential: &'a str,
    /// Nothing when it is gone from the manifests.
    access: Option<Access>,
    /// The active login; nothing when it has not been issued.
    active: Option<&'a str>,
    phase: Option<Phase>,
    issued_at: Option<String>,
    rotated_at: Option<String>,
    retire_after: Option<String>,
    sessions: u64,
    /// The login that is not active, with the sessions that are still on it.
    other: &'a str,
    other_sessions: u64,
}

/// Writes the list for programs.
#[must_use]
pub fn json(list: &[Listed]) -> String {
    let document = Document { format: FORMAT, credentials: list.iter().map(entry).collect() };
    let mut out = serde_json::to_string_pretty(&document).expect("texts and numbers are always JSON");
    out.push('\n');
    out
}

/// Writes the list for a person.
#[must_use]
pub fn human(list: &[Listed], width: usize) -> String {
    if list.is_empty() {
        return "No credentials.\n".to_owned();
    }
    columns(
        &["CREDENTIAL", "ACCESS", "ACTIVE LOGIN", "PHASE", "LAST ROTATED (UTC)", "SESSIONS", "ON THE OTHER"],
        &list.iter().map(row).collect::<Vec<_>>(),
        width,
    )
}

fn row(listed: &Listed) -> Vec<String> {
    let access = match listed.access {
        Some(Access::Owner) => "owner",
        Some(Access::Write) => "write",
        Some(Access::Read) => "read",
        None => "not in the manifests",
    };
    let name = format!("{}/{}", listed.service.as_str(), listed.credential);
    let Some(issued) = &listed.row else {
        return vec![name, access.to_owned(), "-".to_owned(), "not issued".to_owned()];
    };
    let rotated = match issued.rotated_at {
        Some(at) => minutes(at),
        None => format!("issued {}", minutes(issued.issued_at)),
    };
    vec![
        name,
        access.to_owned(),
        listed.active.as_str().to_owned(),
        issued.phase.as_str().to_owned(),
        rotated,
        listed.sessions.to_string(),
        listed.other_sessions.to_string(),
    ]
}

fn entry(listed: &Listed) -> Entry<'_> {
    let row = listed.row.as_ref();
    Entry {
        service: listed.service.as_str(),
        credential: &listed.credential,
        access: listed.access,
        active: row.map(|_| listed.active.as_str()),
        phase: row.map(|r| r.phase),
        issued_at: row.and_then(|r| r.issued_at.format(&Rfc3339).ok()),
        rotated_at: row.and_then(|r| r.rotated_at?.format(&Rfc3339).ok()),
        retire_after: row.and_then(|r| r.retire_after?.format(&Rfc3339).ok()),
        sessions: listed.sessions,
        other: listed.other.as_str(),
        other_sessions: listed.other_sessions,
    }
}

fn minutes(at: OffsetDateTime) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]");
    at.format(format).unwrap_or_else(|_| "-".to_owned())
}
