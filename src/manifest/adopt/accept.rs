//! Whether the checks of manifests would take a text.

use std::path::Path;

use crate::ident::Ident;
use crate::manifest::decode::At;
use crate::manifest::report::Report;
use crate::manifest::yaml::Span;
use crate::manifest::{names, signature, value};

fn passes<T>(text: &str, check: impl FnOnce(&At<String>, &mut Report<'_>) -> Option<T>) -> bool {
    let mut problems = Vec::new();
    let mut report = Report { file: Path::new(""), problems: &mut problems };
    check(&At { value: text.to_owned(), span: Span::default() }, &mut report).is_some()
}

/// Tells whether a credential can have the name.
pub(super) fn credential(name: &str) -> bool {
    passes(name, |text, report| names::simple("a credential", text, report))
}

/// Tells whether a service can have the name.
pub(super) fn service(name: &str) -> bool {
    passes(name, |text, report| names::simple("a service", text, report))
        && passes(name, |text, report| names::not_reserved("service", text, report))
}

/// Tells whether a service's schema can have the name.
pub(super) fn schema(name: &str) -> bool {
    passes(name, |text, report| names::simple("a schema", text, report))
        && passes(name, |text, report| names::not_reserved("schema", text, report))
}

/// Tells whether a contract can name the object.
pub(super) fn object(name: &Ident) -> bool {
    passes(name.as_str(), |text, report| names::object("an object", text, report))
}

/// Tells whether a manifest can list the extension.
pub(super) fn extension(name: &Ident) -> bool {
    passes(name.as_str(), names::extension)
}

/// Tells whether a credential can have the setting.
pub(super) fn setting(name: &str) -> bool {
    passes(name, value::setting)
}

/// Writes a routine so that a manifest reads it back as it is; nothing where that cannot be.
pub(super) fn routine(name: &Ident, arguments: &str, schema: &Ident) -> Option<String> {
    let shown = if names::is_simple(name.as_str()) { name.as_str().to_owned() } else { name.quoted() };
    let text = format!("{shown}({arguments})");
    let read = signature::parse(&text, schema.as_str()).ok()?;
    let same = read.name == name.as_str() && read.arguments.as_deref() == Some(arguments);
    (same && object(name)).then_some(text)
}
