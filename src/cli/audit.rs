//! `pgcleave audit`: judges who can reach what.

use std::path::{Path, PathBuf};

use clap::Args;
use pgcleave::audit::baseline::Baseline;
use pgcleave::audit::finding::Severity;
use pgcleave::audit::services::Services;
use pgcleave::audit::{self, Options, rules, waiver};
use pgcleave::error::Verdict;
use pgcleave::manifest::service::{AuditPolicy, Project};
use pgcleave::{catalog, report};

use super::context::{Context, Format};
use super::failure::Failure;

/// Finds every way over the lines between services, declared or not
#[derive(Debug, Args)]
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
    /// Tries each finding as its principal, undone at once, and tells where the server answers otherwise
    #[arg(long)]
    probe: bool,
    /// Counts only what a former audit did not tell: a file that --format json wrote
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Explains a rule
    #[arg(long, value_name = "ID", value_parser = rule, exclusive = true)]
    explain: Option<&'static rules::Rule>,
    /// Lists all rules
    #[arg(long, exclusive = true)]
    list_rules: bool,
}

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

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &AuditArgs) -> Result<Verdict, Failure> {
    if args.list_rules {
        context.answer(&report::audit::list_rules());
        return Ok(Verdict::Done);
    }
    if let Some(rule) = args.explain {
        context.answer(&report::audit::explain(rule));
        return Ok(Verdict::Done);
    }
    let format = context.format(&[Format::Human, Format::Json])?;
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?;
    let project = context.project_if_any()?;
    let services = services(context, project.as_ref(), args.infer);
    let target = context.target(project.as_ref().and_then(|p| p.database_url_env.as_deref()))?;
    let mut connection = target.connect("pgcleave audit").await?;
    let facts = catalog::facts::read(&mut connection).await?;
    let options = Options { rules: args.rules.iter().map(|rule| rule.id.to_owned()).collect() };
    let mut found = audit::run(&facts, &services, &options);
    let proof = if args.probe {
        let logins = super::probe::logins(project.as_ref(), &target).await;
        Some(super::probe::run(&mut connection, &facts, &services, &logins, &mut found).await?)
    } else {
        None
    };
    let policy = project.map(|p| p.audit).unwrap_or_default();
    if args.rules.is_empty() {
        waiver::apply(&mut found, &policy.waivers, time::OffsetDateTime::now_utc().date());
    }
    if let Some(baseline) = baseline {
        baseline.apply(&mut found);
    }
    let mut answer = match format {
        Format::Json => report::audit::json(&found),
        _ => report::audit::human(&found),
    };
    if let Some(proof) = &proof {
        answer = match format {
            Format::Json => report::probe::json(&answer, &found, proof),
            _ => answer + &report::probe::human(&found, proof),
        };
    }
    context.answer(&answer);
    let Threshold(fail_on) = args.fail_on.unwrap_or_else(|| of_policy(&policy));
    let fails = fail_on.zip(found.worst()).is_some_and(|(threshold, worst)| worst <= threshold);
    Ok(if fails { Verdict::Findings } else { Verdict::Done })
}

fn read_baseline(file: &Path) -> Result<Baseline, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| Failure::file("read", file, &e))?;
    Ok(Baseline::parse(&text, report::audit::FORMAT)?)
}

/// Takes the manifests, else every schema with its owner for a service.
fn services(context: &Context, project: Option<&Project>, infer: bool) -> Services {
    match project {
        Some(project) => Services { infer, ..Services::from_project(project) },
        None => {
            context.story("no manifests here: schemas with their owners are taken for services");
            Services::inferred()
        }
    }
}

fn of_policy(policy: &AuditPolicy) -> Threshold {
    Threshold(Some(policy.fail_on.as_deref().and_then(Severity::from_word).unwrap_or(Severity::Error)))
}
