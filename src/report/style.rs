//! The few styles that all reports share; whoever prints them strips what the terminal cannot show.

use anstyle::{AnsiColor, Style};

use crate::ident::is_invisible;

/// For headings.
pub const HEADING: Style = Style::new().bold();
/// For what comes.
pub const ADDED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
/// For what changes.
pub const CHANGED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
/// For what goes, and for what went wrong.
pub const REMOVED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
/// For what is said beside.
pub const FAINT: Style = Style::new().dimmed();

/// Makes a text safe for a terminal and for one line: control characters, line separators, and what turns the
/// direction of writing are shown, not sent.
#[must_use]
pub fn plain(text: &str) -> String {
    if !text.chars().any(is_invisible) {
        return text.to_owned();
    }
    let shown = |c: char| match c {
        c if c.is_control() => c.escape_debug().collect(),
        c if is_invisible(c) => c.escape_unicode().collect(),
        c => vec![c],
    };
    text.chars().flat_map(shown).collect()
}

/// Gives a count with its noun, as in `1 change` and `2 changes`.
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Writes what there is to be told besides, if anything.
pub(super) fn write_notes(out: &mut String, notes: &[String]) -> std::fmt::Result {
    use std::fmt::Write as _;
    if !notes.is_empty() {
        writeln!(out, "\n{HEADING}Notes{HEADING:#}")?;
    }
    notes.iter().try_for_each(|note| writeln!(out, "  {}", plain(note)))
}

/// Gives a size with a decimal unit.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut whole, mut tenth, mut unit) = (n, 0, 0);
    while whole >= 1000 && unit + 1 < UNITS.len() {
        (whole, tenth, unit) = (whole / 1000, whole % 1000 / 100, unit + 1);
    }
    if unit == 0 { format!("{n} B") } else { format!("{whole}.{tenth} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_in_a_name_is_shown_and_not_sent() {
        assert_eq!(plain("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\nc");
        assert_eq!(plain("größe"), "größe");
        assert_eq!(plain("a\u{202e}b\u{2028}c\u{feff}"), "a\\u{202e}b\\u{2028}c\\u{feff}");
    }

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 999, 1_000, 1_234_567, 5_000_000_000_000_000].map(bytes);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "1.2 MB", "5000.0 TB"]);
    }
}
