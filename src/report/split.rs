//! How far a split is.

use std::fmt::Write as _;

use super::style::{ADDED, CHANGED, FAINT, HEADING, REMOVED, bytes, plain};
use crate::split::status::Status;

/// Writes it for a person.
#[must_use]
pub fn human(status: &Status) -> String {
    let mut out = String::new();
    let _ = write_human(&mut out, status);
    out
}

fn write_human(out: &mut String, status: &Status) -> std::fmt::Result {
    let (service, phase) = (plain(&status.service), status.phase);
    writeln!(out, "{HEADING}{service}{HEADING:#}: {phase}, writes go to the {}", status.writable)?;
    writeln!(out, "  {FAINT}source {}  target {}{FAINT:#}", plain(&status.source), plain(&status.target))?;
    if let Some(lag) = status.lag_bytes {
        write!(out, "  lag {lag} bytes")?;
        if let Some(seconds) = status.lag_seconds {
            write!(out, ", {seconds:.1} s")?;
        }
        if let Some(retained) = status.retained_bytes {
            write!(out, "; the slot holds back {retained} bytes")?;
        }
        writeln!(out)?;
    }
    if let (Some(copied), Some(total)) = (status.copied_bytes, status.total_bytes) {
        writeln!(out, "  copied {} of about {}", bytes(copied), bytes(total))?;
    }
    if let Some(rate) = status.bytes_per_second {
        write!(out, "  {} a second", bytes(rate))?;
        match status.seconds_to_go {
            Some(seconds) => writeln!(out, ", about {seconds} s to go")?,
            None => writeln!(out, ", and it comes no nearer")?,
        }
    }
    if let Some(cutover) = &status.cutover {
        write!(out, "  writes went to the {}", cutover.to)?;
        if let Some(millis) = cutover.pause_ms {
            write!(out, " in a pause of {millis} ms")?;
        }
        match cutover.equal {
            Some(true) => writeln!(out, "; {ADDED}all rows were the same{ADDED:#}")?,
            Some(false) => writeln!(out, "; {REMOVED}rows differed{REMOVED:#}")?,
            None => writeln!(out)?,
        }
    }
    if let Some(kept) = &status.kept {
        writeln!(out, "  the old schema is kept as {} until {}", plain(kept.schema.as_str()), kept.until)?;
    }
    for blocker in &status.blockers {
        writeln!(out, "  {REMOVED}✗{REMOVED:#} {}", plain(blocker))?;
    }
    for warning in &status.warnings {
        writeln!(out, "  {CHANGED}!{CHANGED:#} {}", plain(warning))?;
    }
    if let Some(what) = &status.waiting_for {
        writeln!(out, "  waits for {what}")?;
    }
    Ok(())
}

/// Writes it as `pgcleave.split/1`.
///
/// # Panics
/// Never: it has only texts for keys.
#[must_use]
pub fn json(status: &Status) -> String {
    serde_json::to_string_pretty(status).expect("it has only texts for keys") + "\n"
}

/// Writes it as `pgcleave.split/1` in one line.
///
/// # Panics
/// Never: it has only texts for keys.
#[must_use]
pub fn json_line(status: &Status) -> String {
    serde_json::to_string(status).expect("it has only texts for keys") + "\n"
}
