//! Compares what a service's SQL refers to with what its contracts allow.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::provided::{self, Provided, ProvidedKind};
use super::reference::{Certainty, Reference, Use};
use super::{find, script};
use crate::ident::Ident;
use crate::manifest::problem::{Kind, Problem};
use crate::manifest::service::{ContractKind, Position, Project, Service};
use crate::model::naming::Slot;
use crate::model::privilege::{Privilege, Privileges};

/// Schemas that belong to no service, and that everybody may use.
const OF_THE_SERVER: [&str; 4] = ["pg_catalog", "information_schema", "pg_temp", "pg_toast"];

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A migration.
    Migration {
        /// Whether its folder's layout says that no transaction is around it.
        alone: bool,
    },
    /// A read model's query.
    Query,
}

/// What was found in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// What must not stay.
    pub problems: Vec<Problem>,
    /// What to look at.
    pub warnings: Vec<Problem>,
}

/// Who owns which schema.
#[derive(Debug)]
pub struct Owners<'a> {
    project: &'a Project,
    by_schema: BTreeMap<&'a str, &'a Service>,
    by_role: BTreeMap<String, &'a Service>,
}

impl<'a> Owners<'a> {
    /// Reads the manifests once, for any number of files.
    #[must_use]
    pub fn new(project: &'a Project) -> Self {
        let services = project.here();
        let naming = &project.naming;
        let mut by_role = BTreeMap::new();
        for service in &services {
            let service: &Service = service;
            let name = service.name.as_str();
            let roles = [naming.owner(name), naming.writer(name), naming.reader(name)];
            by_role.extend(roles.into_iter().flatten().map(|role| (role.as_str().to_owned(), service)));
            let logins =
                service.credentials.keys().flat_map(|key| Slot::BOTH.map(|slot| naming.login(name, key, slot)));
            by_role.extend(logins.flatten().map(|role| (role.as_str().to_owned(), service)));
            by_role.extend(["owner", "writer", "reader"].map(|role| (format!("{name}_{role}"), service)));
        }
        Self {
            project,
            by_schema: services.into_iter().map(|service| (service.schema.as_str(), service)).collect(),
            by_role,
        }
    }

    /// Gives the objects of other services that a file names: whose, and the object's name.
    #[must_use]
    pub fn uses(&self, service: &Service, sql: &str) -> BTreeSet<(Ident, String)> {
        let of_another = |reference: Reference| {
            let owner = self.by_schema.get(reference.schema.as_deref()?).filter(|owner| owner.name != service.name)?;
            Some((owner.name.clone(), reference.name?))
        };
        find::references(&script::without_data(sql), &[]).into_iter().filter_map(of_another).collect()
    }

    /// Judges one file of a service.
    #[must_use]
    pub fn judge(&self, service: &Service, source: Source, file: &Path, sql: &str) -> Judged {
        let mut judged = Judged::default();
        let at = |line, column| Position { file: file.to_owned(), line, column };
        let problem = |kind, at, length, message, help: &str| Problem {
            at,
            length,
            kind,
            message,
            help: help.to_owned(),
            also: None,
        };
        if let Source::Migration { alone } = source {
            for obstacle in script::read_marked(sql, alone).obstacles {
                let length = obstacle.words.chars().count();
                let help = obstacle.kind.advice();
                let place = at(obstacle.line, obstacle.column);
                judged.problems.push(problem(Kind::MigrationObstacle, place, length, obstacle.message(), help));
            }
            for found in provided::provided(sql) {
                let Some((message, help)) = self.made_by_manifest(service, &found) else { continue };
                let (place, length) = (at(found.line, found.column), found.kind.words().len());
                judged.warnings.push(problem(Kind::MadeByManifest, place, length, message, &help));
            }
        }
        let sql = &*script::without_data(sql);
        for error in find::syntax_errors(sql) {
            let help = "correct the statement; where the server takes it as it stands, write it more plainly";
            let message = format!("this is not understood as SQL: {}", error.message);
            judged.problems.push(problem(Kind::SqlSyntax, at(error.line, error.column), 1, message, help));
        }
        for reference in find::references(sql, &[]) {
            let Some(Verdict { kind, is_problem, message, help }) = self.verdict(service, &reference) else { continue };
            let place = at(reference.line, reference.column);
            let list = if is_problem { &mut judged.problems } else { &mut judged.warnings };
            list.push(problem(kind, place, reference.length, message, &help));
        }
        judged.problems.sort();
        judged.warnings.sort();
        judged.warnings.dedup_by(|a, b| a.at.line == b.at.line && a.message == b.message);
        judged
    }

    /// Says of a statement that the service's owner may not run what the manifest is to say instead.
    fn made_by_manifest(&self, service: &Service, found: &Provided) -> Option<(String, String)> {
        let (name, words) = (service.name.as_str(), found.kind.words());
        let made = found.name.as_deref().unwrap_or_default();
        let is_listed = service.extensions.iter().any(|extension| extension.as_str() == made);
        let (message, help) = match found.kind {
            ProvidedKind::Schema if self.by_schema.get(made).is_some_and(|owner| owner.name != service.name) => {
                return None;
            }
            ProvidedKind::Schema if made == service.schema.as_str() || found.name.is_none() => (
                format!("{words} is not for the owner of {name}"),
                format!("remove it: `schema:` in {name}.yaml names the schema"),
            ),
            ProvidedKind::Schema => (
                format!("{words} is not for the owner of {name}"),
                format!(
                    "one service owns one schema: write a manifest with `schema: {made}`, or `schema:` in {name}.yaml"
                ),
            ),
            ProvidedKind::Extension if is_listed && found.is_careful => return None,
            ProvidedKind::Extension if is_listed => {
                let message =
                    format!("{name}.yaml lists the extension {made}, so that it is there before this statement");
                (message, "remove it, or write CREATE EXTENSION IF NOT EXISTS".to_owned())
            }
            ProvidedKind::Extension => (
                format!("{words} is not for the owner of {name}"),
                format!("list it in {name}.yaml: `extensions: [{made}]`"),
            ),
        };
        Some((message, help))
    }

    fn verdict(&self, service: &Service, reference: &Reference) -> Option<Verdict> {
        let name = service.name.as_str();
        if reference.certainty == Certainty::Unprovable {
            let message = format!("{name} runs something here that nobody can know before it runs");
            let help = "write the names out, or let format('%I') quote each under a schema that is written out";
            return Some(Verdict::warning(Kind::DynamicSql, message, help));
        }
        if reference.used.is_role() {
            return self.role(service, reference.name.as_deref().unwrap_or_default(), reference.used);
        }
        let schema = reference.schema.as_deref()?;
        if schema == service.schema.as_str() || OF_THE_SERVER.contains(&schema) || schema == "$user" {
            return None;
        }
        let Some(owner) = self.by_schema.get(schema) else {
            let is_extension = |other: &Service| other.extensions.iter().any(|extension| extension.as_str() == schema);
            if schema == "extensions" || self.project.here().into_iter().any(is_extension) {
                return None;
            }
            let message =
                format!("{name} {} {}, and no service owns that schema", reference.used.verb(), shown(reference));
            let help = "what nobody owns stays behind when the service moves; keep it in a schema of its own service";
            return Some(Verdict::warning(Kind::UnknownSchema, message, help));
        };
        uncovered(service, owner, reference)
    }

    /// Judges a grant, which belongs into the manifests, or the name of a role.
    fn role(&self, service: &Service, role: &str, used: Use) -> Option<Verdict> {
        let name = service.name.as_str();
        if role == "public" && used == Use::Role {
            let message = format!("{name} grants something to everybody");
            let help = "grant nothing by hand: `exposes` says who may use what";
            return Some(Verdict::warning(Kind::GrantByHand, message, help));
        }
        let owner = self.by_role.get(role).filter(|owner| owner.name != service.name)?;
        let other = owner.name.as_str();
        let (message, help) = if used == Use::Role {
            let help = format!("remove it, and expose the object: `exposes: - {{ view: …, to: [{other}] }}`");
            (format!("{name} gives something to {role}, a role of {other}"), help)
        } else {
            let help = format!("remove it: only {other}'s migrations name its roles");
            (format!("{name} names {role}, a role of {other}"), help)
        };
        Some(Verdict { kind: Kind::GrantByHand, is_problem: true, message, help })
    }
}

/// What is said about a reference.
struct Verdict {
    kind: Kind,
    is_problem: bool,
    message: String,
    help: String,
}

impl Verdict {
    fn warning(kind: Kind, message: String, help: &str) -> Self {
        Self { kind, is_problem: false, message, help: help.to_owned() }
    }
}

fn shown(reference: &Reference) -> String {
    let schema = reference.schema.as_deref().unwrap_or_default();
    match &reference.name {
        Some(name) => format!("{schema}.{name}"),
        None if matches!(reference.used, Use::Schema | Use::SearchPath) => schema.to_owned(),
        None => format!("something in {schema}"),
    }
}

/// Judges a reference to another service's schema; nothing if a contract covers it.
fn uncovered(service: &Service, owner: &Service, reference: &Reference) -> Option<Verdict> {
    let (name, other, object) = (service.name.as_str(), owner.name.as_str(), shown(reference));
    let does = format!("{name} {} {object}", reference.used.verb());
    let kind = match reference.used {
        Use::ForeignKey => Kind::ForeignKeyAcross,
        _ => Kind::ForeignReference,
    };
    let problem = |message: String, help: String| Some(Verdict { kind, is_problem: true, message, help });
    let of_another = format!("{does}, which belongs to {other}");
    match reference.used {
        Use::ForeignKey => {
            let help = format!("keep the id without a foreign key: the key would tie {name} to {other}'s database");
            return problem(of_another, help);
        }
        Use::Inherit => return problem(of_another, format!("give {name} a table of its own")),
        Use::Define => {
            return problem(
                of_another,
                format!("move it to the migrations of {other}: a service changes only its own schema"),
            );
        }
        Use::Schema | Use::SearchPath => {
            let help = format!("remove it, and write {other}'s exposed objects with their schema");
            return problem(of_another, help);
        }
        Use::Operator | Use::Collation => return problem(of_another, format!("define one in the schema of {name}")),
        _ => {}
    }
    let Some(object_name) = &reference.name else {
        return problem(of_another, format!("write out the names that {other} exposes to {name}"));
    };
    let exposed = owner.exposes.iter().filter(|exposed| {
        exposed.name.as_str() == object_name && exposed.to.contains(&service.name) && fits(exposed.kind, reference.used)
    });
    // A relation's row type comes with it, and has no privileges of its own.
    let with_row_type = |privileges: Privileges| match reference.used {
        Use::Type => privileges.union(Privilege::Usage.into()),
        _ => privileges,
    };
    let allowed: Option<Privileges> =
        exposed.map(|exposed| with_row_type(exposed.privileges)).reduce(Privileges::union);
    let is_consumed =
        service.consumes.iter().any(|consumed| consumed.service == owner.name && consumed.name.as_str() == object_name);
    match allowed {
        Some(allowed) if reference.needs.without(allowed).is_empty() => {
            if is_consumed {
                return None;
            }
            let help = format!("consume it in {name}.yaml: `consumes: [{other}.{object_name}]`");
            problem(format!("{does}, which {name} does not consume"), help)
        }
        Some(allowed) => {
            let missing = reference.needs.without(allowed);
            let message = format!("{does}, which {other} exposes to it for {allowed} only");
            let list = words(allowed.union(missing));
            problem(message, format!("add the privileges in {other}.yaml: `privileges: [{list}]`"))
        }
        None => {
            let entry = entry(reference, object_name, name);
            let help = format!(
                "expose it in {other}.yaml: `exposes: - {entry}`, and consume it in {name}.yaml: `consumes: [{other}.{object_name}]`"
            );
            problem(format!("{does}, which {other} does not expose to it"), help)
        }
    }
}

/// Tells whether an exposed object of a kind can be used so.
fn fits(kind: ContractKind, used: Use) -> bool {
    use ContractKind::{Function, Sequence, Table, Type, View};
    match used {
        Use::Call => kind == Function,
        Use::Sequence => kind == Sequence,
        Use::Type | Use::RowType => matches!(kind, Type | Table | View),
        Use::Object => true,
        Use::Read => matches!(kind, Table | View | Sequence),
        _ => matches!(kind, Table | View),
    }
}

/// Gives the entry of `exposes` that would cover a reference.
fn entry(reference: &Reference, object: &str, to: &str) -> String {
    match reference.used {
        Use::Call => format!("{{ function: \"{object}(…)\", to: [{to}] }}"),
        Use::Sequence => format!("{{ sequence: {object}, to: [{to}] }}"),
        Use::Type => format!("{{ type: {object}, to: [{to}] }}"),
        _ if reference.needs.without(Privilege::Select.into()).is_empty() => {
            format!("{{ view: {object}, to: [{to}] }}")
        }
        _ => format!("{{ table: {object}, to: [{to}], privileges: [{}] }}", words(reference.needs)),
    }
}

fn words(privileges: Privileges) -> String {
    privileges.iter().map(Privilege::keyword).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
