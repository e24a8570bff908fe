//! One manifest, checked by itself.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::decode::At;
use super::names;
use super::path;
use super::problem::{Kind, quoted};
use super::raw::{RawCredential, RawExposed, RawReadModel, RawService};
use super::report::Report;
use super::service::{Consumed, ContractKind, Credential, EventLog, Exposed, Outbox, ReadModel, Service};
use super::signature;
use super::value;
use super::yaml::Span;
use crate::ident::Ident;
use crate::model::acl::AclKind;
use crate::model::privilege::{Privilege, Privileges};

/// What stands at a path that a manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// Something outside the project's folder; it was not looked at.
    Outside,
}

/// What stands at the paths that manifests name; a path that is not here is not there.
pub type Disk = HashMap<PathBuf, Found>;

/// Gives the paths that a manifest names, seen from where it stands.
pub(crate) fn mentioned(raw: &RawService, folder: &Path) -> Vec<PathBuf> {
    let queries = raw.read_models.iter().flatten().filter_map(|model| model.value.query.get());
    raw.migrations.iter().chain(queries).map(|path| folder.join(&path.value)).collect()
}

/// Checks one manifest; nothing when its name or its schema cannot be used, but the rest is checked all the same.
pub(crate) fn service(raw: &RawService, disk: &Disk, report: &mut Report<'_>) -> Option<Service> {
    let name = raw.service.get().and_then(|written| service_name(written, report));
    let schema = match (&raw.schema, raw.service.get().filter(|_| name.is_some())) {
        (Some(written), _) => schema_name(written, report),
        (None, Some(written)) => schema_name(written, report),
        (None, None) => None,
    };
    let written = raw.schema.as_ref().or(raw.service.get()).map_or("", |written| written.value.as_str());
    let folder = report.file.parent().unwrap_or(Path::new("")).to_path_buf();
    Some(Service {
        description: raw.description.clone(),
        team: raw.team.clone(),
        migrations: raw.migrations.as_ref().and_then(|path| existing(path, &folder, Found::Folder, disk, report)),
        layout: raw.layout,
        extensions: extensions(raw, report),
        credentials: credentials(raw, report),
        exposes: exposes(raw, written, report),
        consumes: consumes(raw, report),
        read_models: read_models(raw, &folder, disk, report),
        event_log: raw.event_log.as_ref().and_then(|log| {
            let table = names::object("a table", log.value.table.get()?, report)?;
            Some(EventLog { table, at: report.position(log.span) })
        }),
        outbox: outbox(raw, report),
        database_url_env: raw.database.as_ref().and_then(|d| value::variable(d.value.url_env.get()?, report)),
        managed: raw.managed.as_ref().is_none_or(|managed| managed.value),
        moved_to: None,
        at: report.position(raw.service.get()?.span),
        name: name?,
        schema: schema?,
    })
}

fn service_name(written: &At<String>, report: &mut Report<'_>) -> Option<Ident> {
    let name = names::simple("a service", written, report)?;
    names::not_reserved("service", written, report)?;
    let stem = report.file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    if stem != name.as_str() {
        let message =
            format!("the service {} stands in the file {}", quoted(name.as_str()), quoted(&file_name(report.file)));
        let help = format!("rename the file to `{}.yaml`, or write `service: {stem}`", name.as_str());
        report.push(Kind::FileName, written.span, message, help);
    }
    Some(name)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn schema_name(name: &At<String>, report: &mut Report<'_>) -> Option<Ident> {
    names::not_reserved("schema", name, report)?;
    names::simple("a schema", name, report)
}

fn existing(path: &At<String>, folder: &Path, wanted: Found, disk: &Disk, report: &mut Report<'_>) -> Option<PathBuf> {
    let whole = folder.join(&path.value);
    let what = if wanted == Found::Folder { "folder" } else { "file" };
    let (message, help) = match disk.get(&whole) {
        Some(found) if *found == wanted => return Some(whole),
        Some(Found::Outside) => {
            let message = format!("{} lies outside the folder that holds pgcleave.yaml", path::shown(&whole).display());
            let help = "move it into that folder; links that lead out of it are not followed";
            report.push(Kind::OutsideProject, path.span, message, help);
            return None;
        }
        Some(_) => (
            format!("{} is no {what}", path::shown(&whole).display()),
            format!("name a {what}, seen from the manifest's folder"),
        ),
        None => (
            format!("there is no {what} {}", path::shown(&whole).display()),
            format!("make it, or correct the path: it is seen from {}", shown(folder)),
        ),
    };
    report.push(Kind::MissingFile, path.span, message, help);
    None
}

fn shown(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { "this folder".into() } else { format!("the folder {}", folder.display()) }
}

fn extensions(raw: &RawService, report: &mut Report<'_>) -> Vec<Ident> {
    let mut once = Once::default();
    let listed = raw.extensions.iter().flatten();
    listed
        .filter_map(|e| {
            once.check("the extension", &e.value, e.span, report).and_then(|()| names::extension(e, report))
        })
        .collect()
}

/// Notes what stands twice in a list.
#[derive(Default)]
struct Once(HashMap<String, Span>);

impl Once {
    fn check(&mut self, what: &str, key: &str, span: Span, report: &mut Report<'_>) -> Option<()> {
        match self.0.get(key) {
            Some(first) => {
                report.twice(span, *first, format!("{what} {} is listed twice", quoted(key)));
                None
            }
            None => {
                self.0.insert(key.to_owned(), span);
                Some(())
            }
        }
    }
}

fn credentials(raw: &RawService, report: &mut Report<'_>) -> BTreeMap<String, Credential> {
    let mut all = BTreeMap::new();
    for (name, At { value: raw, .. }) in raw.credentials.iter().flat_map(|named| &named.0) {
        let is_named = names::simple("a credential", name, report).is_some();
        if let Some(credential) = credential(name, raw, report).filter(|_| is_named) {
            all.insert(name.value.clone(), credential);
        }
    }
    all
}

fn credential(name: &At<String>, raw: &RawCredential, report: &mut Report<'_>) -> Option<Credential> {
    if let Some(limit) = raw.connection_limit.as_ref().filter(|limit| limit.value < 1) {
        let message = format!("a connection limit of {} lets nobody in", limit.value);
        report.push(Kind::BadValue, limit.span, message, "write 1 or more, or remove it for no limit");
    }
    let mut settings = BTreeMap::new();
    for (key, scalar) in raw.settings.iter().flat_map(|named| &named.0) {
        if value::setting(key, report).is_some() {
            settings.insert(key.value.clone(), scalar.value.0.clone());
        }
    }
    Some(Credential {
        access: raw.access.get()?.value,
        connection_limit: raw.connection_limit.as_ref().map(|limit| limit.value),
        settings,
        at: report.position(name.span),
    })
}

fn exposes(raw: &RawService, schema: &str, report: &mut Report<'_>) -> Vec<Exposed> {
    let mut once = Once::default();
    let mut all = Vec::new();
    for raw in raw.exposes.iter().flatten() {
        let Some(exposed) = exposed(raw, schema, report) else { continue };
        let arguments = exposed.arguments.as_ref().map(|a| format!("({a})")).unwrap_or_default();
        let shown = format!("{}{arguments}", exposed.name.as_str());
        if once.check("the object", &shown, raw.span, report).is_some() {
            all.push(exposed);
        }
    }
    all
}

fn exposed(raw: &At<RawExposed>, schema: &str, report: &mut Report<'_>) -> Option<Exposed> {
    let RawExposed { view, table, function, procedure, sequence, r#type, to, privileges } = &raw.value;
    let to = to.get().map(|list| services(list, report)).unwrap_or_default();
    let given: Vec<_> = [
        (ContractKind::View, "a view", view),
        (ContractKind::Table, "a table", table),
        (ContractKind::Function, "a function", function),
        (ContractKind::Function, "a procedure", procedure),
        (ContractKind::Sequence, "a sequence", sequence),
        (ContractKind::Type, "a type", r#type),
    ]
    .into_iter()
    .filter_map(|(kind, what, name)| name.as_ref().map(|name| (kind, what, name)))
    .collect();
    let [(kind, what, written)] = given.as_slice() else {
        let message = "an entry of `exposes` names exactly one object";
        let help = "write one of view, table, function, procedure, sequence and type: `{ view: order_summary, to: [billing] }`";
        report.push(Kind::BadValue, raw.span, message, help);
        return None;
    };
    let privileges = granted(*kind, privileges.as_ref(), report);
    let (name, arguments) = match kind {
        ContractKind::Function => {
            let (name, arguments) = routine(what, written, schema, report)?;
            (name, Some(arguments))
        }
        _ => (names::object(what, written, report)?, None),
    };
    let at = report.position(written.span);
    Some(Exposed { kind: *kind, name, arguments, to, privileges, at })
}

fn routine(what: &str, written: &At<String>, schema: &str, report: &mut Report<'_>) -> Option<(Ident, String)> {
    let text = written.value.as_str();
    let help = "write its name and argument types: `cancel_order(uuid, text)`, without the schema";
    match signature::parse(text, schema) {
        Ok(signature) => {
            let name = names::object(what, &At { value: signature.name.clone(), span: written.span }, report)?;
            if signature.arguments.is_none() {
                let message = format!("{} does not say which argument types", quoted(text));
                let help = format!("write `{0}(uuid, text)` with its own types, or `{0}()` for none", name.as_str());
                report.push(Kind::BadSignature, written.span, message, help);
            }
            Some((name, signature.arguments?))
        }
        Err(why) => {
            report.push(
                Kind::BadSignature,
                written.span,
                format!("{} is no {}: {why}", quoted(text), &what[2..]),
                help,
            );
            None
        }
    }
}

/// Reads a list of services; each once, at least one.
fn services(list: &At<Vec<At<String>>>, report: &mut Report<'_>) -> Vec<Ident> {
    if list.value.is_empty() {
        let help = "name the services that may use it, or remove the entry";
        report.push(Kind::BadValue, list.span, "the list names nobody", help);
    }
    let mut once = Once::default();
    let mut named = |name: &At<String>| {
        once.check("the service", &name.value, name.span, report)?;
        names::simple("a service", name, report)
    };
    list.value.iter().filter_map(&mut named).collect()
}

fn granted(kind: ContractKind, listed: Option<&At<Vec<At<String>>>>, report: &mut Report<'_>) -> Privileges {
    use Privilege::{Execute, Select, Usage};
    // MAINTAIN is left out: older servers do not have it.
    const BEFORE_MAINTAIN: u32 = 16;
    let (default, acl_kind) = match kind {
        ContractKind::View | ContractKind::Table => (Select, AclKind::Relation),
        ContractKind::Function => (Execute, AclKind::Routine),
        ContractKind::Sequence => (Usage, AclKind::Sequence),
        ContractKind::Type => (Usage, AclKind::Type),
    };
    let Some(listed) = listed else { return default.into() };
    let allowed = acl_kind.all(BEFORE_MAINTAIN);
    let words: Vec<_> = allowed.iter().map(Privilege::keyword).collect();
    if listed.value.is_empty() {
        report.push(
            Kind::BadPrivilege,
            listed.span,
            "the list grants nothing",
            format!("write some of {}", words.join(", ")),
        );
    }
    let mut all = Privileges::NONE;
    for word in &listed.value {
        match Privilege::from_keyword(&word.value).filter(|p| allowed.contains(*p)) {
            Some(privilege) => all = all.union(privilege.into()),
            None => {
                let message = format!("{} is no privilege of this kind of object", quoted(&word.value));
                report.push(Kind::BadPrivilege, word.span, message, format!("write some of {}", words.join(", ")));
            }
        }
    }
    all
}

fn consumes(raw: &RawService, report: &mut Report<'_>) -> Vec<Consumed> {
    let mut once = Once::default();
    let mut all = Vec::new();
    for written in raw.consumes.iter().flatten() {
        let Some(consumed) = consumed(written, report) else { continue };
        let arguments = consumed.arguments.as_ref().map(|a| format!("({a})")).unwrap_or_default();
        let shown = format!("{}.{}{arguments}", consumed.service.as_str(), consumed.name.as_str());
        if once.check("the object", &shown, written.span, report).is_some() {
            all.push(consumed);
        }
    }
    all
}

fn consumed(written: &At<String>, report: &mut Report<'_>) -> Option<Consumed> {
    let text = written.value.as_str();
    let Some((service, object)) =
        text.split_once('.').filter(|(service, object)| !service.contains('(') && !object.is_empty())
    else {
        let message = format!("{} does not say whose object it is", quoted(text));
        report.push(Kind::BadName, written.span, message, "write `service.object`: `billing.invoice_status`");
        return None;
    };
    let service = names::simple("a service", &At { value: service.to_owned(), span: written.span }, report)?;
    let object = At { value: object.to_owned(), span: written.span };
    let at = report.position(written.span);
    if !object.value.contains('(') {
        return Some(Consumed { service, name: names::object("an object", &object, report)?, arguments: None, at });
    }
    // The types are named as in the other service's schema, which only the contracts know: kept as written.
    let (name, _) = routine("a function", &object, service.as_str(), report)?;
    let inner = object.value.split_once('(').map_or("", |(_, rest)| rest.trim_end());
    let arguments = inner.strip_suffix(')').unwrap_or(inner).to_owned();
    Some(Consumed { service, name, arguments: Some(arguments), at })
}

fn read_models(raw: &RawService, folder: &Path, disk: &Disk, report: &mut Report<'_>) -> Vec<ReadModel> {
    let mut once = Once::default();
    let mut all = Vec::new();
    for At { value: raw, span } in raw.read_models.iter().flatten() {
        if let Some(name) = raw.name.get() {
            once.check("the read model", &name.value, name.span, report);
        }
        all.extend(read_model(raw, *span, folder, disk, report));
    }
    all
}

fn read_model(
    raw: &RawReadModel,
    span: Span,
    folder: &Path,
    disk: &Disk,
    report: &mut Report<'_>,
) -> Option<ReadModel> {
    let name = raw.name.get().and_then(|name| names::object("a read model", name, report));
    let query = raw.query.get().and_then(|path| existing(path, folder, Found::File, disk, report));
    let mut once = Once::default();
    let mut key = Vec::new();
    for column in raw.key.iter().flat_map(|key| &key.value) {
        if once.check("the column", &column.value, column.span, report).is_some() {
            key.extend(names::object("a column", column, report));
        }
    }
    if let Some(empty) = raw.key.as_ref().filter(|key| key.value.is_empty()) {
        report.push(Kind::BadValue, empty.span, "the key has no columns", "name the columns that identify a row");
    }
    let refresh = raw.refresh.as_ref().map(|refresh| &refresh.value);
    Some(ReadModel {
        refresh_every_seconds: refresh.and_then(|r| r.every.as_ref()).and_then(|t| value::duration_seconds(t, report)),
        refresh_at: refresh.and_then(|r| r.at.as_ref()).and_then(|t| value::time_of_day(t, report)),
        name: name?,
        query: query?,
        key,
        at: report.position(span),
    })
}

fn outbox(raw: &RawService, report: &mut Report<'_>) -> Option<Outbox> {
    let outbox = raw.outbox.as_ref()?;
    let mut topics = BTreeMap::new();
    for (topic, consumers) in outbox.value.topics.get().iter().flat_map(|topics| &topics.value.0) {
        let consumers = services(&At { value: consumers.clone(), span: topic.span }, report);
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
        if topic.value.is_empty() || topic.value.len() > 100 || !topic.value.bytes().all(fits) {
            let message = format!("{} cannot be a topic", quoted(&topic.value));
            report.push(
                Kind::BadName,
                topic.span,
                message,
                "write lower-case letters, digits, `.`, `_` and `-`: `order.placed`",
            );
            continue;
        }
        topics.insert(topic.value.clone(), consumers);
    }
    Some(Outbox { topics, at: report.position(outbox.span) })
}
