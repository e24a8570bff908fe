//! `pgcleave check`: tells whether the manifests are valid and the services' SQL keeps to them, without a database.

mod sql;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use pgcleave::audit::waiver;
use pgcleave::error::Verdict;
use pgcleave::ident::Ident;
use pgcleave::load;
use pgcleave::manifest::Invalid;
use pgcleave::manifest::problem::Source;
use pgcleave::manifest::service::{Circle, Project, Service};
use serde::Serialize;

use super::context::{Context, Format};
use super::failure::Failure;
use sql::Found;

pub(crate) fn run(context: &Context) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let loaded = load::project(&context.global.config, context.anywhere());
    let mut unused = Vec::new();
    let (loaded, warnings) = match loaded {
        Ok(project) => {
            let Found { mut problems, warnings, unused: found } = sql::judge(&project);
            unused = found;
            let waived = waived(&project);
            problems.problems.extend(waived.problems);
            problems.sources.extend(waived.sources);
            (if problems.problems.is_empty() { Ok(project) } else { Err(problems) }, warnings)
        }
        Err(invalid) => (Err(invalid), Invalid::default()),
    };
    if format == Format::Json {
        let mut answer = Answer::of(&loaded, &warnings);
        answer.notes.extend(unused.into_iter().map(|(_, text)| text));
        let text = serde_json::to_string_pretty(&answer).expect("texts and numbers become JSON");
        context.answer(&format!("{text}\n"));
        return Ok(if loaded.is_ok() { Verdict::Done } else { Verdict::Invalid });
    }
    if !context.global.quiet {
        super::invalid::warn(&warnings);
    }
    let project = loaded?;
    context.answer(&summary(&project));
    for circle in project.circles() {
        let place = format!("{}:{}", circle.at.file.display(), circle.at.line);
        context.story(&format!("note: {place}: {}", mutual(&circle)));
    }
    for (at, text) in unused {
        context.story(&format!("note: {}:{}: {text}", at.file.display(), at.line));
    }
    for (service, key, at) in project.not_yet_applied() {
        let place = format!("{}:{}", at.file.display(), at.line);
        context.story(&format!("note: {place}: `{key}` of {} is checked, and not yet applied", service.as_str()));
    }
    Ok(Verdict::Done)
}

/// Finds the waivers that name no rule.
fn waived(project: &Project) -> Invalid {
    let problems = waiver::of_no_rule(&project.audit.waivers);
    let mut sources = BTreeMap::new();
    for file in problems.iter().map(|problem| &problem.at.file) {
        if let Ok(text) = std::fs::read_to_string(file) {
            sources.insert(file.clone(), Arc::new(Source::new(&text)));
        }
    }
    Invalid { problems, sources }
}

/// Says what it means that services consume each other.
fn mutual(circle: &Circle) -> String {
    let names: Vec<_> = circle.services.iter().map(Ident::as_str).collect();
    format!("services consume each other: {}; a split of one bridges contracts both ways", names.join(" → "))
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn summary(project: &Project) -> String {
    let services = project.here();
    let credentials: usize = services.iter().map(|s| s.credentials.len()).sum();
    let contracts: usize = services.iter().map(|s| s.consumes.len()).sum();
    let mut out = String::new();
    let width = services.iter().map(|s| s.name.as_str().len()).max().unwrap_or_default();
    for service in &services {
        let schema = match service.schema == service.name {
            true => String::new(),
            false => format!("schema {}, ", service.schema.as_str()),
        };
        let logins: Vec<_> = service.credentials.keys().map(String::as_str).collect();
        let logins = if logins.is_empty() { "no credentials".into() } else { logins.join(", ") };
        let consumes: Vec<_> =
            service.consumes.iter().map(|c| format!("{}.{}", c.service.as_str(), c.name.as_str())).collect();
        let consumes = if consumes.is_empty() { String::new() } else { format!("; consumes {}", consumes.join(", ")) };
        let described = if service.managed { "" } else { "described, not managed, " };
        let _ = writeln!(out, "{:width$}  {described}{schema}{logins}{consumes}", service.name.as_str());
    }
    let _ = writeln!(
        out,
        "the manifests are valid: {}, {}, {}",
        counted(services.len(), "service", "services"),
        counted(credentials, "credential", "credentials"),
        counted(contracts, "contract", "contracts"),
    );
    out
}

/// `pgcleave.check/1`.
#[derive(Serialize)]
struct Answer<'a> {
    format: &'static str,
    valid: bool,
    problems: Vec<ProblemAnswer<'a>>,
    warnings: Vec<ProblemAnswer<'a>>,
    services: Vec<ServiceAnswer<'a>>,
    not_yet_applied: Vec<String>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct ProblemAnswer<'a> {
    code: &'static str,
    file: String,
    line: usize,
    column: usize,
    message: &'a str,
    help: &'a str,
    also: Option<AlsoAnswer<'a>>,
}

#[derive(Serialize)]
struct AlsoAnswer<'a> {
    file: String,
    line: usize,
    column: usize,
    message: &'a str,
}

#[derive(Serialize)]
struct ServiceAnswer<'a> {
    service: &'a str,
    schema: &'a str,
    team: Option<&'a str>,
    managed: bool,
    credentials: Vec<&'a str>,
    exposes: usize,
    consumes: usize,
}

impl<'a> Answer<'a> {
    fn of(loaded: &'a Result<Project, Invalid>, warnings: &'a Invalid) -> Self {
        let mut answer = Self {
            format: "pgcleave.check/1",
            valid: loaded.is_ok(),
            problems: vec![],
            warnings: warnings.problems.iter().map(ProblemAnswer::of).collect(),
            services: vec![],
            not_yet_applied: vec![],
            notes: vec![],
        };
        match loaded {
            Ok(project) => {
                answer.notes = project.circles().iter().map(mutual).collect();
                answer.services = project.here().into_iter().map(ServiceAnswer::of).collect();
                let unapplied = project.not_yet_applied().into_iter();
                answer.not_yet_applied =
                    unapplied.map(|(service, key, _)| format!("{}.{key}", service.as_str())).collect();
            }
            Err(invalid) => answer.problems = invalid.problems.iter().map(ProblemAnswer::of).collect(),
        }
        answer
    }
}

impl<'a> ProblemAnswer<'a> {
    fn of(problem: &'a pgcleave::manifest::problem::Problem) -> Self {
        let also = problem.also.as_ref().map(|(at, message)| AlsoAnswer {
            file: at.file.display().to_string(),
            line: at.line,
            column: at.column,
            message,
        });
        Self {
            code: problem.kind.code(),
            file: problem.at.file.display().to_string(),
            line: problem.at.line,
            column: problem.at.column,
            message: &problem.message,
            help: &problem.help,
            also,
        }
    }
}

impl<'a> ServiceAnswer<'a> {
    fn of(service: &'a Service) -> Self {
        Self {
            service: service.name.as_str(),
            schema: service.schema.as_str(),
            team: service.team.as_deref(),
            managed: service.managed,
            credentials: service.credentials.keys().map(String::as_str).collect(),
            exposes: service.exposes.len(),
            consumes: service.consumes.len(),
        }
    }
}
