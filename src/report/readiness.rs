//! Whether a service can move.

use std::fmt::Write as _;

use serde::Serialize;

use super::style::{ADDED, CHANGED, FAINT, HEADING, REMOVED, bytes, count, plain};
use crate::split::check::readiness::{Estimate, Item, Readiness};

/// `pgcleave.split/1`, as far as a check knows.
#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    service: &'a str,
    /// The phase of a split that has begun, `checked` when nothing is in the way, else nothing.
    phase: Option<&'a str>,
    lag_bytes: Option<u64>,
    lag_seconds: Option<f64>,
    waiting_for: Option<&'a str>,
    blockers: &'a [Item],
    warnings: &'a [Item],
    cutover: Option<()>,
    unknown: &'a [String],
    estimate: &'a Estimate,
}

/// Writes it as `pgcleave.split/1`.
///
/// # Panics
/// Never: it has only texts for keys.
#[must_use]
pub fn json(readiness: &Readiness) -> String {
    let checked = readiness.is_ready().then_some("checked");
    let document = Document {
        format: "pgcleave.split/1",
        service: &readiness.service,
        phase: readiness.phase.as_deref().or(checked),
        lag_bytes: None,
        lag_seconds: None,
        waiting_for: None,
        blockers: &readiness.blockers,
        warnings: &readiness.warnings,
        cutover: None,
        unknown: &readiness.unknown,
        estimate: &readiness.estimate,
    };
    serde_json::to_string_pretty(&document).expect("it has only texts for keys") + "\n"
}

/// Writes it for a person.
#[must_use]
pub fn human(readiness: &Readiness) -> String {
    let mut out = String::new();
    let _ = write_human(&mut out, readiness);
    out
}

fn write_human(out: &mut String, readiness: &Readiness) -> std::fmt::Result {
    let service = plain(&readiness.service);
    if let Some(phase) = &readiness.phase {
        writeln!(out, "A split of {service} is under way: {}.\n", plain(phase))?;
    }
    list(out, "In the way", REMOVED, '✗', &readiness.blockers)?;
    list(out, "To know", CHANGED, '!', &readiness.warnings)?;
    if !readiness.unknown.is_empty() {
        writeln!(out, "{HEADING}Not known{HEADING:#}")?;
        for what in &readiness.unknown {
            writeln!(out, "  {CHANGED}?{CHANGED:#} {}", plain(what))?;
        }
        writeln!(out)?;
    }
    let Estimate {
        tables,
        rows,
        bytes: size,
        index_bytes,
        seconds,
        database_bytes,
        transactions_per_second,
        wal_bytes,
    } = &readiness.estimate;
    write!(
        out,
        "{}, about {rows} rows, {} and {} of indexes: some {} at full speed",
        count(*tables, "table"),
        bytes(*size),
        bytes(*index_bytes),
        duration(*seconds)
    )?;
    match wal_bytes {
        Some(wal) => writeln!(out, ", while the source writes about {} of log.", bytes(*wal))?,
        None => writeln!(out, ".")?,
    }
    if let (Some(whole), Some(rate)) = (database_bytes, transactions_per_second) {
        writeln!(out, "It shares a database of {} with about {rate} transactions a second.", bytes(*whole))?;
    }
    match readiness.blockers.len() {
        0 => writeln!(out, "{ADDED}✓{ADDED:#} {service} can move."),
        blockers => writeln!(out, "{REMOVED}✗{REMOVED:#} {service} cannot move yet: {}.", count(blockers, "blocker")),
    }
}

fn list(out: &mut String, title: &str, style: anstyle::Style, sign: char, items: &[Item]) -> std::fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    let blocks = sign == '✗';
    writeln!(out, "{HEADING}{title}{HEADING:#}")?;
    for item in items {
        writeln!(out, "  {style}{sign}{style:#} {}  {FAINT}{}{FAINT:#}", plain(&item.message), plain(&item.kind))?;
        let mut lines = item.fix.lines();
        writeln!(out, "      {ADDED}fix{ADDED:#} {}", plain(lines.next().unwrap_or_default()))?;
        for line in lines {
            writeln!(out, "          {}", plain(line))?;
        }
        if blocks && item.allowable {
            writeln!(out, "      or  --allow {}", plain(&item.kind))?;
        }
        if let Some(cost) = &item.cost {
            writeln!(out, "      cost {}", plain(cost))?;
        }
    }
    writeln!(out)
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}
