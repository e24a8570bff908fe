//! `pgcleave audit`: judges who can reach what.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use pgcleave::audit::baseline::Baseline;
use pgcleave::audit::facts::Facts;
use pgcleave::audit::finding::{Report, Severity};
use pgcleave::audit::proof::Proof;
use pgcleave::audit::services::Services;
use pgcleave::audit::{self, Options, rules, waiver};
use pgcleave::error::Verdict;
use pgcleave::manifest::service::{AuditPolicy, Project, Waiver};
use pgcleave::pg::connect::Target;
use pgcleave::pg::session::SessionKind;
use pgcleave::report::audit::places::Places;
use pgcleave::report::graph::Graph;
use pgcleave::{catalog, report};

use super::context::{Context, Format};
use super::databases::Database;
use super::failure::Failure;

/// Finds every way over the lines between services, declared or not
#[derive(Debug, Default, Args)]
pub(crate) struct AuditArgs {
    /// Takes schemas that no manifest names for services, by their owners' and roles' names
    #[arg(long)]
    infer: bool,
    /// Applies only these rules
    #[arg(long = "rule", value_name = "ID", value_delimiter = ',', value_parser = rule)]
    rules: Vec<&'static rules::Rule>,
    /// Ends with 4 when a finding is at least this bad: error, warning, info, or never
    #[arg(long, value_name = "SEVERITY", value_parser = threshold)]
    fail_on: Option<Threshold>,
    /// Ends with 1 and not with 0 when there are no findings, but not all catalogs could be read
    #[arg(long)]
    strict: bool,
    /// Does nothing: catalogs that cannot be read are a failure only with --strict
    #[arg(long, hide = true, conflicts_with = "strict")]
    accept_unreadable: bool,
    /// Tries each finding as its principal, undone at once, and tells where the server answers otherwise
    #[arg(long)]
    probe: bool,
    /// Counts only what a former audit did not tell: a file that --format json wrote
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Explains a rule
    #[arg(long, value_name = "ID", value_parser = rule, exclusive = true)]
    explain: Option<&'static rules::Rule>,
    /// Lists all rules; with --format markdown, with their documentation
    #[arg(long, conflicts_with = "explain")]
    list_rules: bool,
}

/// What the findings can be written as.
const FORMATS: [Format; 6] =
    [Format::Human, Format::Json, Format::Markdown, Format::Sarif, Format::Junit, Format::Html];

/// From which severity on a finding is a failure; nothing for never.
#[derive(Debug, Clone, Copy)]
struct Threshold(Option<Severity>);

fn rule(id: &str) -> Result<&'static rules::Rule, String> {
    rules::find(id).ok_or_else(|| "there is no such rule; --list-rules shows all".to_owned())
}

fn threshold(word: &str) -> Result<Threshold, String> {
    match Severity::from_word(word) {
        Some(severity) => Ok(Threshold(Some(severity))),
        None if word == "never" => Ok(Threshold(None)),
        None => Err("say error, warning, info, or never".to_owned()),
    }
}

impl AuditArgs {
    /// Gives the ids of the only rules to apply; none for all.
    fn chosen(&self) -> Vec<String> {
        self.rules.iter().map(|rule| rule.id.to_owned()).collect()
    }
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &AuditArgs) -> Result<Verdict, Failure> {
    if args.list_rules {
        context.answer(&match context.format(&[Format::Human, Format::Markdown])? {
            Format::Markdown => report::audit::rules_markdown(),
            _ => report::audit::list_rules(),
        });
        return Ok(Verdict::Done);
    }
    if let Some(rule) = args.explain {
        context.answer(&report::audit::explain(rule));
        return Ok(Verdict::Done);
    }
    let format = context.format(&FORMATS)?;
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?;
    let project = context.project_if_any()?;
    let (mut found, proof) = judge(context, project.as_ref(), args).await?;
    if let Some(baseline) = baseline {
        baseline.apply(&mut found);
    }
    let policy = project.as_ref().map(|p| p.audit.clone()).unwrap_or_default();
    let Threshold(fail_on) = args.fail_on.unwrap_or_else(|| of_policy(&policy));
    let places = || project.as_ref().map(Places::of).unwrap_or_default();
    context.answer(&match (format, &proof) {
        (Format::Json, Some(proof)) => report::probe::json(&report::audit::json(&found), &found, proof),
        (Format::Json, None) => report::audit::json(&found),
        (Format::Sarif, _) => report::audit::sarif(&found, &places()),
        (Format::Junit, _) => report::audit::junit(&found, &places(), &args.chosen(), fail_on),
        (Format::Markdown, _) => report::audit::markdown(&found),
        (Format::Html, _) => report::audit::html(&found, &Graph::new(project.as_ref(), Some(&found))),
        (_, Some(proof)) => report::audit::human(&found) + &report::probe::human(&found, proof),
        (_, None) => report::audit::human(&found),
    });
    Ok(verdict(context, &found, fail_on, args.strict && !args.accept_unreadable))
}

/// Ends with 4 for findings, else with 1 where not all could be read and that is asked to be a failure.
fn verdict(context: &Context, found: &Report, fail_on: Option<Severity>, strict: bool) -> Verdict {
    if fail_on.zip(found.worst()).is_some_and(|(threshold, worst)| worst <= threshold) {
        return Verdict::Findings;
    }
    if found.not_readable.is_empty() || !strict {
        return Verdict::Done;
    }
    context.story("not all catalogs could be read, and --strict asks for all");
    Verdict::Failed
}

fn read_baseline(file: &Path) -> Result<Baseline, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| Failure::file("read", file, &e))?;
    Ok(Baseline::parse(&text, report::audit::FORMAT)?)
}

/// Reads the database and judges it, the waivers of the rules asked for applied; proves it if asked to.
pub(super) async fn judge(
    context: &Context,
    project: Option<&Project>,
    args: &AuditArgs,
) -> Result<(Report, Option<Proof>), Failure> {
    let mut all: Option<(Report, Option<Proof>)> = None;
    for (target, project, variable) in places(context, project).await? {
        let (found, proof) = one(context, &target, project.as_ref(), variable.as_deref(), args).await?;
        all = Some(match all {
            None => (found, proof),
            Some((mut report, mut proofs)) => {
                report.add(found);
                if let (Some(proofs), Some(proof)) = (&mut proofs, proof) {
                    proofs.add(proof);
                }
                (report, proofs)
            }
        });
    }
    let (mut found, proof) = all.expect("there is at least one database");
    // a rule that was not applied makes no waiver of it stale
    let applied = |waiver: &&Waiver| {
        args.rules.is_empty() || args.rules.iter().any(|rule| waiver.rule.eq_ignore_ascii_case(rule.id))
    };
    let waivers = project.map(|p| p.audit.waivers.as_slice()).unwrap_or_default();
    let waivers: Vec<Waiver> = waivers.iter().filter(applied).cloned().collect();
    waiver::apply(&mut found, &waivers, time::OffsetDateTime::now_utc().date());
    Ok((found, proof))
}

/// A database, the project as it sees it, and the variable of one that is not the shared one.
type Place = (Target, Option<Project>, Option<String>);

/// Gives every database.
async fn places(context: &Context, project: Option<&Project>) -> Result<Vec<Place>, Failure> {
    let Some(project) = project else { return Ok(vec![(context.target(None)?, None, None)]) };
    let databases = context.databases(project, &BTreeSet::new()).await?.into_iter();
    let place = |database: Database| {
        let variable = database.home.variable().map(str::to_owned);
        (database.target, Some(database.project), variable)
    };
    Ok(databases.map(place).collect())
}

/// Judges one database.
async fn one(
    context: &Context,
    target: &Target,
    project: Option<&Project>,
    variable: Option<&str>,
    args: &AuditArgs,
) -> Result<(Report, Option<Proof>), Failure> {
    let mut connection = target.connect(SessionKind::Administrator, "pgcleave audit").await?;
    let facts = catalog::facts::read(&mut connection).await?;
    let project = project.map(|project| audit::moving::seen(project, &facts));
    let project = project.as_ref();
    let services = services(context, project, &facts, args.infer);
    let mut found = audit::run(&facts, &services, &Options { rules: args.chosen() });
    let place = |found: &mut Report| variable.into_iter().for_each(|variable| found.place(variable));
    place(&mut found);
    if !args.probe {
        return Ok((found, None));
    }
    let proof = super::probe::run(&mut connection, target, &facts, &services, &mut found).await?;
    place(&mut found);
    Ok((found, Some(proof)))
}

/// Takes the manifests, else every schema with its owner for a service.
fn services(context: &Context, project: Option<&Project>, facts: &Facts, infer: bool) -> Services {
    match project {
        Some(project) => Services { infer, ..Services::from_project(project).with_splits(project, &facts.splits) },
        None if !facts.managed.is_empty() => {
            context.story(
                "no manifests here: services are those of the registry, their contracts are not known; every other schema \
                 counts as a service of its owner",
            );
            Services::from_registry(facts)
        }
        None => {
            context.story("no manifests here: every schema counts as a service of its owner");
            Services::inferred()
        }
    }
}

fn of_policy(policy: &AuditPolicy) -> Threshold {
    Threshold(Some(policy.fail_on.as_deref().and_then(Severity::from_word).unwrap_or(Severity::Error)))
}
