//! What an apply did.

use std::fmt::Write as _;

use super::style::{ADDED, HEADING, REMOVED, count, plain};
use crate::apply::{Applied, ServiceResult};

/// Writes it for a person.
#[must_use]
pub fn human(applied: &Applied) -> String {
    let mut out = String::new();
    let _ = write_human(&mut out, applied);
    out
}

fn write_human(out: &mut String, applied: &Applied) -> std::fmt::Result {
    if applied.services.is_empty() {
        return writeln!(out, "Nothing to change.");
    }
    let width = applied.services.iter().map(|s| name(s).chars().count()).max().unwrap_or(0);
    for service in &applied.services {
        let (mark, style) = if service.error.is_some() { ('✗', REMOVED) } else { ('✓', ADDED) };
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
    }
    let changes: usize = applied.services.iter().map(|s| s.changes).sum();
    let done = applied.services.iter().filter(|s| s.error.is_none() && s.service.is_some()).count();
    write!(out, "{HEADING}{} for {}{HEADING:#}", count(changes, "change"), count(done, "service"))?;
    match applied.failed() {
        0 => writeln!(out, ".")?,
        failed => writeln!(out, "; {REMOVED}{failed} failed{REMOVED:#} and stays as its last stage left it.")?,
    }
    if let Some(place) = &applied.secrets {
        writeln!(out, "New secrets are in {}.", plain(place))?;
    }
    Ok(())
}

/// Writes it as `pgcleave.apply/1`.
///
/// # Panics
/// Never: it has only texts for keys.
#[must_use]
pub fn json(applied: &Applied) -> String {
    serde_json::to_string_pretty(applied).expect("it has only texts for keys") + "\n"
}

fn name(service: &ServiceResult) -> String {
    service.service.as_deref().map_or_else(|| "shared by all".to_owned(), plain)
}
