//! The last look at a text before it leaves: nothing in it may command a terminal or the program that runs CI.
//!
//! Reports show each name by [`plain`](super::style::plain). This is the second fence, the same for every text of every
//! command: our own colours, newlines and tabs pass, all other invisible characters are shown by their number.

use crate::ident::is_invisible;

/// What a text is written as, which decides how an escape looks in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// For people, and formats in which a backslash is only a backslash.
    Text,
    /// JSON: invisible characters are inside of strings only.
    Json,
}

/// What makes a CI runner obey the rest of a line, wherever it stands in it (GitHub's older form, Azure, TeamCity).
const ANYWHERE: [&str; 3] = ["##[", "##vso[", "##teamcity["];

/// What does so at the start of a line (GitHub).
const AT_START: &str = "::";

/// Returns the text with all that a terminal or a CI runner would obey made visible.
#[must_use]
pub fn visible(text: &str, kind: Kind) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut line_start = true;
    while let Some(c) = rest.chars().next() {
        let colour = colour(rest);
        if colour > 0 {
            out.push_str(&rest[..colour]);
            rest = &rest[colour..];
            continue;
        }
        let commands = ANYWHERE.iter().any(|word| rest.starts_with(word)) || line_start && rest.starts_with(AT_START);
        match c {
            '\n' | '\t' | ' ' => out.push(c),
            c if is_invisible(c) => push_escaped(&mut out, c, kind),
            c if commands && kind == Kind::Json => push_escaped(&mut out, c, kind),
            c => {
                out.extend(commands.then_some('\\'));
                out.push(c);
            }
        }
        line_start = c == '\n' || line_start && c.is_whitespace();
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// Returns the length of the colour sequence (`ESC [ digits ; digits m`) that a text starts with; 0 if it starts otherwise.
fn colour(text: &str) -> usize {
    let Some(codes) = text.strip_prefix("\u{1b}[") else { return 0 };
    let length = codes.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(codes.len());
    // 8 hides what follows, 5 and 6 blink
    let odd = codes[..length].split(';').any(|code| matches!(code, "5" | "6" | "8"));
    let ends = codes[length..].starts_with('m') && !odd;
    if ends { 2 + length + 1 } else { 0 }
}

fn push_escaped(out: &mut String, c: char, kind: Kind) {
    match kind {
        Kind::Text => out.extend(c.escape_unicode()),
        Kind::Json => {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_colours_pass_and_nothing_else_does() {
        let text = |text| visible(text, Kind::Text);
        assert_eq!(text("\u{1b}[1;31merror\u{1b}[0m: a\tb\n"), "\u{1b}[1;31merror\u{1b}[0m: a\tb\n");
        assert_eq!(text("\u{1b}]0;title\u{7}"), "\\u{1b}]0;title\\u{7}");
        assert_eq!(text("\u{1b}[2J\u{1b}[8mx\rover\u{9b}31m"), "\\u{1b}[2J\\u{1b}[8mx\\u{d}over\\u{9b}31m");
        assert_eq!(text("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn no_line_is_a_command_of_a_ci_runner() {
        let text = |text| visible(text, Kind::Text);
        assert_eq!(text("a\n  ::error::x ::y"), "a\n  \\::error::x ::y");
        assert_eq!(text("\u{1b}[31m::error::x"), "\u{1b}[31m\\::error::x");
        assert_eq!(text("x ##[error]y ##vso[task]"), "x \\##[error]y \\##vso[task]");
        assert_eq!(text("regclass::text"), "regclass::text");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({ "name": "a\u{202e}b\u{9b}##vso[x]\u{1b}::\u{e0001}" });
        let written = visible(&serde_json::to_string_pretty(&value).expect("JSON"), Kind::Json);
        assert!(written.is_ascii() || !written.chars().any(|c| c != '\n' && is_invisible(c)), "{written}");
        assert!(!written.contains("##vso["), "{written}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).expect("JSON still"), value);
    }
}
