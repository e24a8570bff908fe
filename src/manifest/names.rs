//! Which names are allowed, and whether the roles' names stay apart.

use std::collections::{BTreeMap, BTreeSet};

use super::decode::At;
use super::problem::{Kind, nearest, quoted};
use super::report::Report;
use super::service::{Position, Service};
use crate::ident::{Ident, MAX_BYTES};
use crate::model::naming::{Naming, Slot};

/// The longest name of a service or credential.
const MAX_NAME_CHARACTERS: usize = 40;

/// Checks the name of a service, credential or environment: `[a-z][a-z0-9_]{0,39}`.
pub(crate) fn simple(what: &str, name: &At<String>, report: &mut Report<'_>) -> Option<Ident> {
    let text = name.value.as_str();
    if !is_simple(text) {
        let help = match suggested(text) {
            Some(better) => format!("write {better}: a lower-case letter, then letters, digits and `_`"),
            None => "write a lower-case letter, then lower-case letters, digits and `_`".into(),
        };
        report.push(Kind::BadName, name.span, format!("{} cannot be {what}'s name", quoted(text)), help);
        return None;
    }
    if text.len() > MAX_NAME_CHARACTERS {
        let message = format!("{what}'s name has {} characters; {MAX_NAME_CHARACTERS} are allowed", text.len());
        report.push(Kind::BadName, name.span, message, "shorten it: role names are made from it");
        return None;
    }
    Ident::new(text).ok()
}

fn is_simple(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn suggested(text: &str) -> Option<String> {
    let better: String =
        text.trim().chars().map(|c| if matches!(c, '-' | ' ' | '.') { '_' } else { c.to_ascii_lowercase() }).collect();
    (is_simple(&better) && better.len() <= MAX_NAME_CHARACTERS).then(|| format!("`{better}`"))
}

/// Checks the name of a service or schema against those that are taken already.
pub(crate) fn not_reserved(what: &str, name: &At<String>, report: &mut Report<'_>) -> Option<()> {
    let text = name.value.as_str();
    let owner = if text.starts_with("pg_") || text == "information_schema" {
        "PostgreSQL"
    } else if text == "public" {
        "everybody"
    } else if text.starts_with("pgcleave") {
        "pgcleave"
    } else if what == "schema" && text == "extensions" {
        "the extensions"
    } else {
        return Some(());
    };
    let message = format!("the {what} {} belongs to {owner}", quoted(text));
    report.push(Kind::ReservedName, name.span, message, "choose another name");
    None
}

/// Checks the name of an object inside a schema, as the catalog has it.
pub(crate) fn object(what: &str, name: &At<String>, report: &mut Report<'_>) -> Option<Ident> {
    let text = name.value.as_str();
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '.' | '"' | '\'' | '(' | ')' | ',' | ';');
    let help = match text.rsplit_once('.') {
        Some((_, last)) if !last.is_empty() && !last.contains(odd) => {
            format!("write {}, without the schema", quoted(last))
        }
        _ => "write the bare name, as the catalog has it".to_owned(),
    };
    if text.is_empty() || text.contains(odd) {
        report.push(Kind::BadName, name.span, format!("{} cannot be {what}'s name", quoted(text)), help);
        return None;
    }
    let ident = Ident::new(text);
    if ident.is_err() {
        let message = format!("{what}'s name has {} bytes; PostgreSQL keeps {MAX_BYTES}", text.len());
        report.push(Kind::NameTooLong, name.span, message, "shorten it");
    }
    ident.ok()
}

/// Checks an extension's name.
pub(crate) fn extension(name: &At<String>, report: &mut Report<'_>) -> Option<Ident> {
    let text = name.value.as_str();
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    if text.is_empty() || text.len() > MAX_BYTES || !text.bytes().all(fits) {
        let message = format!("{} cannot be an extension's name", quoted(text));
        report.push(Kind::BadName, name.span, message, "write its name as in `pg_available_extensions`");
        return None;
    }
    Ident::new(text).ok()
}

/// Says which of the services a name was most likely meant to be.
pub(crate) fn likely_service<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(service) => format!("write `{service}`, or add a manifest `{}.yaml`", plain(name)),
        None => format!("add a manifest `{}.yaml`, or remove this", plain(name)),
    }
}

fn plain(name: &str) -> String {
    quoted(name).trim_matches('`').to_owned()
}

/// Composes every role's name with every prefix; reports those that are too long or not alone.
pub(crate) fn roles(services: &BTreeMap<Ident, Service>, prefixes: &[String], report: &mut Report<'_>) {
    let mut taken: BTreeMap<String, (String, Position)> = BTreeMap::new();
    let mut told: BTreeSet<Position> = BTreeSet::new();
    for prefix in prefixes {
        let naming = Naming { prefix: prefix.clone() };
        for service in services.values() {
            for (role, what, at) in composed(&naming, service) {
                let problem = match role {
                    Err(name) => {
                        let message = format!("{what} would have the name {}, of {} bytes", quoted(&name), name.len());
                        Some((Kind::NameTooLong, message, format!("PostgreSQL keeps {MAX_BYTES}: shorten it"), None))
                    }
                    Ok(role) => match taken.get(&role) {
                        None => {
                            taken.insert(role, (what, at.clone()));
                            None
                        }
                        // The same role of another environment with the same prefix.
                        Some((other, first)) if *other == what && first == at => None,
                        Some((other, first)) => {
                            let message = format!("{what} would have the same name as {other}: {}", quoted(&role));
                            let also = Some((first.clone(), "the other is declared".to_owned()));
                            Some((Kind::NameCollision, message, "rename one of the two".to_owned(), also))
                        }
                    },
                };
                if let Some((kind, message, help, also)) = problem
                    && told.insert(at.clone())
                {
                    report.at(kind, at.clone(), 1, message, help, also);
                }
            }
        }
    }
}

/// Gives each role's name, or the text that is too long, with what it is and where that is declared.
fn composed<'a>(naming: &Naming, service: &'a Service) -> Vec<(Result<String, String>, String, &'a Position)> {
    let name = service.name.as_str();
    let outcome = |made: Result<Ident, crate::ident::IdentError>, tail: String| match made {
        Ok(ident) => Ok(ident.as_str().to_owned()),
        Err(_) => Err(format!("{}{tail}", naming.prefix)),
    };
    let groups = [(naming.owner(name), "owner"), (naming.writer(name), "writer"), (naming.reader(name), "reader")];
    let mut all: Vec<_> = groups
        .into_iter()
        .map(|(made, kind)| (outcome(made, format!("{name}_{kind}")), format!("the {kind} of `{name}`"), &service.at))
        .collect();
    for (credential, declared) in &service.credentials {
        for slot in Slot::BOTH {
            let made = naming.login(name, credential, slot);
            let tail = format!("{name}_{credential}_{}", slot.letter());
            all.push((outcome(made, tail), format!("the credential `{credential}` of `{name}`"), &declared.at));
        }
    }
    all
}
