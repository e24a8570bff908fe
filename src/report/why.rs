//! Why a role reaches an object, or the proof that it does not.

use std::fmt::Write as _;

use serde::Serialize;

use super::style::{ADDED, FAINT, REMOVED, plain};
use crate::audit::path::{Path, Step};
use crate::audit::why::Answer;
use crate::model::privilege::Privilege;

/// Writes the answer for a person.
#[must_use]
pub fn human(role: &str, object: &str, privilege: Privilege, answer: &Answer) -> String {
    let mut out = String::new();
    let (role, object) = (plain(role), plain(object));
    if answer.reachable {
        let _ = writeln!(out, "{REMOVED}{role} has {privilege} on {object}{REMOVED:#}");
        for path in &answer.paths {
            let _ = writeln!(out, "  {}", plain(&path.to_string()));
        }
    } else {
        let _ = writeln!(out, "{ADDED}{role} does not have {privilege} on {object}: no path{ADDED:#}");
    }
    let _ = writeln!(out, "{FAINT}examined {}{FAINT:#}", plain(&answer.examined.join(", ")));
    out
}

/// The format's name and version.
pub const FORMAT: &str = "pgcleave.why/1";

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    role: &'a str,
    object: &'a str,
    privilege: Privilege,
    reachable: bool,
    paths: Vec<PathRow<'a>>,
    examined: &'a [String],
}

#[derive(Serialize)]
struct PathRow<'a> {
    text: String,
    from: &'a str,
    steps: &'a [Step],
}

fn row(path: &Path) -> PathRow<'_> {
    PathRow { text: path.to_string(), from: &path.from, steps: &path.steps }
}

/// Writes the answer for programs.
#[must_use]
pub fn json(role: &str, object: &str, privilege: Privilege, answer: &Answer) -> String {
    let document = Document {
        format: FORMAT,
        role,
        object,
        privilege,
        reachable: answer.reachable,
        paths: answer.paths.iter().map(row).collect(),
        examined: &answer.examined,
    };
    let mut text = serde_json::to_string_pretty(&document).expect("an answer is plain data");
    text.push('\n');
    text
}
