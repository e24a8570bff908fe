//! What all errors of this crate have in common.

/// How a command ended; its number is the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Done, nothing to report.
    Done = 0,
    /// Something failed on the way.
    Failed = 1,
    /// The command line or the manifests are invalid.
    Invalid = 2,
    /// Changes are pending, or blockers are left.
    Pending = 3,
    /// Findings at or above the threshold.
    Findings = 4,
    /// Refused: a hazard, drift since the plan, or a lock that another holds.
    Refused = 5,
    /// Interrupted from the terminal.
    Interrupted = 130,
}

/// An error with a stable code, listed in docs/errors.md.
pub trait Coded: std::error::Error + Send + Sync + 'static {
    /// Gives the stable kebab-case code.
    fn code(&self) -> &'static str;

    /// Gives the exit code's meaning.
    fn verdict(&self) -> Verdict {
        Verdict::Failed
    }
}

/// Shows control characters, line breaks and characters that turn the direction of writing, instead of sending them.
///
/// What a server or a service says is a stranger's text: on a line of its own it could command a CI runner, and raw it
/// could command a terminal.
#[must_use]
pub fn one_line(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let unseen = |c: char| matches!(c, '\u{ad}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_debug());
        } else if turns(c) || unseen(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}
