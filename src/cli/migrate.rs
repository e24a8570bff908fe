//! `pgcleave migrate`: runs the pending migrations.

use std::collections::BTreeSet;

use clap::Args;
use pgcleave::error::{Coded as _, Verdict};
use pgcleave::ident::Ident;
use pgcleave::migrate::{self, Mark, Options, Outcome};
use serde::Serialize;

use super::context::{Context, Format};
use super::databases::{Database, worst};
use super::failure::Failure;

/// Runs pending migrations, each service as its own owner
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Only these services
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// How many services at once; by default twice the processors, at most 4
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// How long to wait for another migrate on the same schema to end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    lock_wait: u64,
    /// Runs files too whose version is lower than that of the newest applied one, as merged branches leave them
    #[arg(long, requires = "services")]
    out_of_order: bool,
    /// Records the files up to this version, or `all`, as applied without running them
    #[arg(long, value_name = "VERSION|all", requires = "services", value_parser = mark)]
    mark_applied: Option<Mark>,
}

fn mark(text: &str) -> Result<Mark, String> {
    match text {
        "all" => Ok(Mark::All),
        // diesel writes dates with dashes
        _ => text
            .replace('-', "")
            .parse()
            .map(Mark::Until)
            .map_err(|_| "write the version of a file, such as 12, or `all`".to_owned()),
    }
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &MigrateArgs) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let project = context.project()?;
    let defaults = Options::default();
    let named = args.services.iter().map(|name| Ident::new(name));
    let services: BTreeSet<Ident> = named.collect::<Result<_, _>>().map_err(|e| Failure::usage(e.to_string()))?;
    Failure::if_described(&project, services.iter().map(Ident::as_str))?;
    if let Some(unknown) = services.iter().find(|name| !project.services.contains_key(*name)) {
        return Err(migrate::Error::UnknownService(unknown.as_str().to_owned()).into());
    }
    let options = Options {
        jobs: args.jobs.map_or(defaults.jobs, usize::from),
        lock_wait_seconds: args.lock_wait,
        limits: project.limits.into(),
        out_of_order: args.out_of_order,
        mark: args.mark_applied,
        interrupt: context.interrupt.clone(),
    };
    let databases = context.databases(&project, &services).await?;
    let (mut outcomes, mut failures, several) = (Vec::new(), Vec::new(), databases.len() > 1);
    for Database { project, target, .. } in databases {
        let chosen = services.iter().filter(|name| project.services.contains_key(*name)).cloned().collect();
        match migrate::run(&target, &project, &chosen, &options, &|event| context.tell(&event)).await {
            Ok(ran) => outcomes.extend(ran),
            Err(error) if several => failures.push(Failure::from(error).at(&target.label())),
            Err(error) => return Err(error.into()),
        }
    }
    outcomes.sort_by(|a, b| a.service.cmp(&b.service));
    context.answer(&match format {
        Format::Json => json(&outcomes),
        _ => human(&outcomes),
    });
    Ok(worst(context, verdict(&outcomes), failures))
}

/// Gives the gravest verdict of all services that failed: an interrupt, then what failed, then what was refused.
fn verdict(outcomes: &[Outcome]) -> Verdict {
    let verdicts: Vec<Verdict> = outcomes.iter().filter_map(|o| o.error.as_ref()).map(|e| e.verdict()).collect();
    let order = [Verdict::Interrupted, Verdict::Failed, Verdict::Invalid, Verdict::Refused];
    order.into_iter().find(|v| verdicts.contains(v)).unwrap_or(Verdict::Done)
}

fn human(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    for outcome in outcomes {
        let name = outcome.service.as_str();
        for file in &outcome.applied {
            out.push_str(&format!("{name}: applied {file}\n"));
        }
        for file in &outcome.marked {
            out.push_str(&format!("{name}: recorded {file} as applied, without running it\n"));
        }
        for difference in &outcome.differences {
            out.push_str(&format!("{name}: warning: {difference}\n"));
        }
        if let Some(error) = &outcome.error {
            let code = error.code();
            out.push_str(&format!("{name}: error[{code}]: {}\n", error.to_string().replace('\n', "\n  ")));
            if let Some(hint) = super::hint::of(code) {
                out.push_str(&format!("  help: {hint}\n"));
            }
        }
    }
    if out.is_empty() {
        out.push_str("No migration is pending.\n");
    }
    out
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    format: &'static str,
    services: Vec<ServiceReport<'a>>,
}

#[derive(Debug, Serialize)]
struct ServiceReport<'a> {
    service: &'a Ident,
    applied: &'a [String],
    marked: &'a [String],
    differences: &'a [String],
    error: Option<ErrorReport>,
}

#[derive(Debug, Serialize)]
struct ErrorReport {
    code: &'static str,
    message: String,
}

fn json(outcomes: &[Outcome]) -> String {
    let service = |outcome: &'_ Outcome| -> Option<ErrorReport> {
        outcome.error.as_ref().map(|e| ErrorReport { code: e.code(), message: e.to_string() })
    };
    let services = outcomes
        .iter()
        .map(|o| ServiceReport {
            service: &o.service,
            applied: &o.applied,
            marked: &o.marked,
            differences: &o.differences,
            error: service(o),
        })
        .collect();
    let report = Report { format: "pgcleave.migrate/1", services };
    serde_json::to_string_pretty(&report).expect("a report has only texts for keys") + "\n"
}
