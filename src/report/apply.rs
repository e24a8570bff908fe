//! What an apply did.

use std::fmt::Write as _;

use serde::Serialize;

use super::style::{ADDED, CHANGED, HEADING, REMOVED, count, plain};
use crate::apply::{Applied, FORMAT, ServiceResult, Skipped};

/// What became of one database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The environment variable with its connection string; nothing for the shared one.
    pub url_env: Option<String>,
    /// What was done; nothing when nothing could be.
    #[serde(flatten)]
    pub applied: Option<Applied>,
    /// Why nothing was done.
    pub error: Option<PlaceError>,
}

impl Place {
    /// Takes what was done in the shared database.
    #[must_use]
    pub fn shared(applied: Applied) -> Self {
        Self { applied: Some(applied), ..Self::default() }
    }
}

/// Why nothing was done in a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlaceError {
    /// The stable code.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
}

/// Writes it for a person, one section for each database.
#[must_use]
pub fn human(places: &[Place]) -> String {
    let mut out = String::new();
    for place in places {
        let _ = write_place(&mut out, place, places.len() > 1);
    }
    out
}

fn write_place(out: &mut String, place: &Place, several: bool) -> std::fmt::Result {
    if several {
        let before = if out.is_empty() { "" } else { "\n" };
        let name = place.url_env.as_deref().map_or_else(|| "The shared database".to_owned(), plain);
        writeln!(out, "{before}{HEADING}{name}{HEADING:#}")?;
    }
    match (&place.applied, &place.error) {
        (Some(applied), _) => {
            write_human(out, applied)?;
            super::style::write_notes(out, &applied.notes)
        }
        (None, Some(error)) => writeln!(out, "{REMOVED}✗{REMOVED:#} nothing was done: {}", plain(&error.message)),
        (None, None) => Ok(()),
    }
}

fn write_human(out: &mut String, applied: &Applied) -> std::fmt::Result {
    if applied.services.is_empty() {
        return writeln!(out, "Nothing to change.");
    }
    let width = applied.services.iter().map(|s| name(s).chars().count()).max().unwrap_or(0);
    for service in &applied.services {
        let (mark, style) = match (&service.error, &service.pending) {
            (Some(_), _) => ('✗', REMOVED),
            (None, Some(_)) => ('!', CHANGED),
            (None, None) => ('✓', ADDED),
        };
        write!(out, "{style}{mark}{style:#} {:width$}  {}", name(service), count(service.changes, "change"))?;
        if !service.migrations.is_empty() {
            write!(out, ", {}", count(service.migrations.len(), "migration"))?;
        }
        if !service.issued.is_empty() {
            write!(out, ", {}", count(service.issued.len(), "credential"))?;
        }
        writeln!(out)?;
        if let Some(error) = &service.error {
            writeln!(out, "    {REMOVED}{}{REMOVED:#}", error.lines().map(plain).collect::<Vec<_>>().join("\n    "))?;
        }
        if let Some(waiting) = &service.pending {
            writeln!(out, "    {CHANGED}{}: {}{CHANGED:#}", waiting.code, plain(&waiting.message))?;
        }
    }
    let changes: usize = applied.services.iter().map(|s| s.changes).sum();
    let done = applied.services.iter().filter(|s| s.error.is_none() && s.service.is_some()).count();
    write!(out, "{HEADING}{} for {}{HEADING:#}", count(changes, "change"), count(done, "service"))?;
    match applied.failed() {
        0 => writeln!(out, ".")?,
        1 => writeln!(out, "; {REMOVED}1 failed{REMOVED:#} and stays as its last stage left it.")?,
        failed => writeln!(out, "; {REMOVED}{failed} failed{REMOVED:#} and stay as their last stages left them.")?,
    }
    for skipped in &applied.skipped {
        let Skipped { change, why, needs } = skipped;
        let until = match needs.as_slice() {
            [] => "a service failed or was left out, which may need what it takes".to_owned(),
            hazards => format!("it needs --allow {}", hazards.join(",")),
        };
        writeln!(out, "{REMOVED}Not done: {}{REMOVED:#}; {until}.\n    {}", plain(change), plain(why))?;
    }
    if let Some(place) = &applied.secrets {
        writeln!(out, "New secrets: {}.", plain(place))?;
    }
    Ok(())
}

/// `pgcleave.apply/1`; with several databases, the services of all and each database by itself.
#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    fingerprint: &'a str,
    services: Vec<&'a ServiceResult>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<&'a Skipped>,
    secrets: Option<&'a str>,
    notes: Vec<&'a str>,
    #[serde(skip_serializing_if = "<[Place]>::is_empty")]
    databases: &'a [Place],
}

/// Writes it as `pgcleave.apply/1`.
///
/// # Panics
/// Never: it has only texts for keys.
#[must_use]
pub fn json(places: &[Place]) -> String {
    let applied = || places.iter().filter_map(|place| place.applied.as_ref());
    let document = Document {
        format: FORMAT,
        fingerprint: applied().next().map_or("", |applied| &applied.fingerprint),
        services: applied().flat_map(|applied| &applied.services).collect(),
        skipped: applied().flat_map(|applied| &applied.skipped).collect(),
        secrets: applied().find_map(|applied| applied.secrets.as_deref()),
        notes: applied().flat_map(|applied| &applied.notes).map(String::as_str).collect(),
        databases: if places.len() > 1 { places } else { &[] },
    };
    serde_json::to_string_pretty(&document).expect("it has only texts for keys") + "\n"
}

fn name(service: &ServiceResult) -> String {
    service.service.as_deref().map_or_else(|| "shared by all".to_owned(), plain)
}
