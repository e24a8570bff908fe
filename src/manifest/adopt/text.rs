//! What was found → YAML.

use std::fmt::Write as _;

use super::contracts::Exposure;
use super::credentials::{Found, Logins};
use crate::ident::Ident;
use crate::model::naming::{Access, Naming};

const HEAD: &str =
    "# Adopted: what the database has, not what it should have. Review it, then let `pgcleave plan` compare.\n";

const DESCRIBED: &str = "# Described, not managed: a plan changes nothing of it. Without this line it makes pgcleave's \
                         roles and grants.\nmanaged: false\n";

/// Which service a manifest is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) name: &'a Ident,
    pub(super) schema: &'a Ident,
    pub(super) managed: bool,
}

/// Writes one manifest.
pub(super) fn manifest(head: &Head<'_>, logins: &Logins, exposes: &[Exposure], consumes: &[String]) -> String {
    let Head { name, schema, managed } = *head;
    let mut out = HEAD.to_owned();
    let _ = writeln!(out, "service: {}", scalar(name.as_str()));
    if schema != name {
        let _ = writeln!(out, "schema: {}", scalar(schema.as_str()));
    }
    if !managed {
        out.push_str(DESCRIBED);
    }
    let _ = writeln!(out, "# migrations: ../migrations/{}", name.as_str());
    if !logins.extensions.is_empty() {
        let _ = writeln!(out, "extensions: [{}]", list(logins.extensions.iter().map(Ident::as_str)));
    }
    if !logins.credentials.is_empty() {
        out.push_str("\ncredentials:\n");
        for (name, found) in &logins.credentials {
            let _ = writeln!(out, "  {}: {}", scalar(name), credential(found));
        }
    }
    if !logins.successors.is_empty() {
        out.push_str("\n# Logins that are named otherwise are left alone. Credentials that could follow them:\n");
        out.push_str(if logins.credentials.is_empty() { "# credentials:\n" } else { "" });
        for (name, found) in &logins.successors {
            let _ = writeln!(out, "#  {}: {}", scalar(name), credential(found));
        }
    }
    if !exposes.is_empty() {
        out.push_str("\nexposes:\n");
        for exposure in exposes {
            let _ = writeln!(out, "  - {}", exposed(exposure));
        }
    }
    if !consumes.is_empty() {
        out.push_str("\nconsumes:\n");
        for consumed in consumes {
            let _ = writeln!(out, "  - {}", scalar(consumed));
        }
    }
    out
}

fn credential(found: &Found) -> String {
    let access = match found.access {
        Access::Owner => "owner",
        Access::Write => "write",
        Access::Read => "read",
    };
    let mut out = format!("{{ access: {access}");
    if let Some(limit) = found.connection_limit {
        let _ = write!(out, ", connection_limit: {limit}");
    }
    if !found.settings.is_empty() {
        let settings = found.settings.iter().map(|(name, value)| format!("{}: {}", scalar(name), scalar(value)));
        let _ = write!(out, ", settings: {{ {} }}", settings.collect::<Vec<_>>().join(", "));
    }
    out.push_str(" }");
    out
}

fn exposed(exposure: &Exposure) -> String {
    let mut out = format!("{{ {}: {}", exposure.kind, scalar(&exposure.object));
    let _ = write!(out, ", to: [{}]", list(exposure.to.iter().map(Ident::as_str)));
    if let Some(privileges) = exposure.privileges {
        let _ = write!(out, ", privileges: [{}]", list(privileges.iter().map(|p| p.keyword())));
    }
    out.push_str(" }");
    out
}

/// Writes pgcleave.yaml.
#[must_use]
pub fn config(naming: &Naming, environment: Option<&str>) -> String {
    let mut out = "# What is not a service: where the manifests are, where they are applied, how they are audited.\n\
                   manifests: manifests\n"
        .to_owned();
    if environment.is_some() || !naming.prefix.is_empty() {
        let name = scalar(environment.unwrap_or(ENVIRONMENT));
        let _ = writeln!(out, "\n# Chosen with --env; the connection string is in DATABASE_URL.");
        let _ = writeln!(out, "environments:\n  {name}: {{ role_prefix: {} }}", quoted(&naming.prefix));
    }
    out.push_str("\n# Where new passwords are written. Keep the folder out of version control.\n");
    out.push_str("secrets: { directory: .secrets }\n\naudit: { fail_on: warning }\n");
    out
}

/// The environment that is written for a role prefix when none is named.
pub const ENVIRONMENT: &str = "adopted";

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.map(scalar).collect::<Vec<_>>().join(", ")
}

/// Writes a text so that YAML reads it back as it is: bare where nothing can be misread, else in double quotes.
fn scalar(text: &str) -> String {
    const TAKEN: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let word = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.'))
        && !TAKEN.contains(&text);
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let measure = digits.len() < text.len() && matches!(digits, "ms" | "s" | "min" | "h" | "d" | "kB" | "MB" | "GB");
    if word || measure { text.to_owned() } else { quoted(text) }
}

/// Writes a text in double quotes; JSON's are YAML's, once control characters beyond ASCII are escaped too.
fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).expect("a text is always JSON");
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_read_back_as_it_was(text in "\\PC{0,20}|[a-z.]{1,6}|[0-9]{1,3}(ms|min|kB|e3)?|[\\x00-\\x20\u{85}\u{2028}#:{}\\[\\],'\"]{0,8}") {
            let read: std::collections::BTreeMap<String, String> =
                serde_yaml::from_str(&format!("{{ key: {} }}", scalar(&text))).expect("it is YAML");
            prop_assert_eq!(&read["key"], &text);
        }
    }
}
