//! What a rotation did.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::style::{ADDED, FAINT, REMOVED, count, plain};
use super::FORMAT;
use crate::credentials::rotate::session::Session;
use crate::credentials::rotate::{Outcome, Rotated};
use crate::error::Coded as _;

/// The document for programs.
#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    rotated: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    service: &'a str,
    credential: &'a str,
    active: Option<&'a str>,
    published: bool,
    old: Option<&'a str>,
    old_is_open: bool,
    /// Who is still connected as the old login.
    sessions: &'a [Session],
    terminated: usize,
    error: Option<Failed>,
}

#[derive(Serialize)]
struct Failed {
    code: &'static str,
    message: String,
}

/// Writes it for programs.
#[must_use]
pub fn json(outcomes: &[Outcome]) -> String {
    let document = Document { format: FORMAT, rotated: outcomes.iter().map(as_entry).collect() };
    let mut out = serde_json::to_string_pretty(&document).expect("texts and numbers are always JSON");
    out.push('\n');
    out
}

fn as_entry(outcome: &Outcome) -> Entry<'_> {
    let rotated = outcome.result.as_ref().ok();
    let error = outcome.result.as_ref().err();
    Entry {
        service: outcome.service.as_str(),
        credential: &outcome.credential,
        active: rotated.map(|r| r.active.as_str()),
        published: rotated.is_some_and(|r| r.published),
        old: rotated.map(|r| r.old.as_str()),
        old_is_open: rotated.is_some_and(|r| r.old_is_open),
        sessions: rotated.map_or(&[], |r| &r.sessions),
        terminated: rotated.map_or(0, |r| r.terminated),
        error: error.map(|e| Failed { code: e.code(), message: e.to_string() }),
    }
}

/// Writes it for a person.
#[must_use]
pub fn human(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    for outcome in outcomes {
        let name = format!("{}/{}", outcome.service.as_str(), outcome.credential);
        let _ = match &outcome.result {
            Ok(rotated) => one(&mut out, &name, rotated),
            Err(error) => writeln!(out, "{REMOVED}{name}: {}{REMOVED:#}", plain(&error.to_string())),
        };
    }
    if outcomes.is_empty() {
        out.push_str("No credentials.\n");
    }
    out
}

fn one(out: &mut String, name: &str, rotated: &Rotated) -> std::fmt::Result {
    let (active, old) = (rotated.active.as_str(), rotated.old.as_str());
    let what = if rotated.published { "published" } else { "is active, nothing new published" };
    write!(out, "{ADDED}{name}{ADDED:#}: {active} {what}; {old} is ")?;
    out.push_str(if rotated.old_is_open { "still open" } else { "closed" });
    if rotated.terminated > 0 {
        write!(out, ", {} ended", count(rotated.terminated, "session"))?;
    }
    if !rotated.sessions.is_empty() {
        write!(out, ", {} on it", count(rotated.sessions.len(), "session"))?;
    }
    out.push('\n');
    for session in &rotated.sessions {
        writeln!(out, "  {}", plain(&session.to_string()))?;
    }
    if rotated.old_is_open {
        writeln!(out, "  {FAINT}credentials rotate --finish closes it once nobody is on it{FAINT:#}")?;
    }
    Ok(())
}
