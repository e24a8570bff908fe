//! `pgcleave apply`: carries a plan out.

use std::path::{Path, PathBuf};

use clap::Args;
use pgcleave::apply::{Applied, Options};
use pgcleave::error::Verdict;
use pgcleave::manifest::home::Home;
use pgcleave::manifest::service::Project;
use pgcleave::plan::build::{self, Plan};
use pgcleave::plan::databases::Plans;
use pgcleave::plan::pin::Changed;
use pgcleave::report;
use pgcleave::report::apply::{Place, PlaceError};
use serde::Deserialize;

use super::context::{Context, Format};
use super::databases::{Database, worst};
use super::failure::Failure;
use super::plan::Selection;

/// The largest plan that is read, in bytes: some hundred times one for a thousand services.
const LARGEST_PLAN_BYTES: u64 = 1 << 30;

/// Makes the database as the manifests want it
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// A plan that `plan --out` saved; without one, the plan is made now
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Only these services, and what all share
    #[arg(long = "service", value_name = "SERVICE", conflicts_with = "plan")]
    services: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// How long to wait for another apply to end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    lock_wait: u64,
    /// How many services' migrations run at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

/// How the formats of all versions begin.
const PLAN_FORMATS: &str = "pgcleave.plan/";

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &ApplyArgs) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let saved = args.plan.as_deref().map(read).transpose()?;
    let project = context.project()?;
    let plan = match &saved {
        Some(saved) => saved.first.options.clone(),
        None => args.selection.options(&project, &args.services)?,
    };
    let databases = match &saved {
        Some(saved) => of_plan(context, &project, saved).await?,
        None => context.databases(&project, &plan.services).await?,
    };
    let options = Options {
        plan,
        allow: args.selection.allow.iter().copied().collect(),
        lock_wait_seconds: args.lock_wait,
        jobs: usize::from(args.jobs),
        limits: project.limits.into(),
        saved: None,
        interrupt: context.interrupt.clone(),
    };
    let (mut all, mut failures, several) = (Vec::new(), Vec::new(), databases.len() > 1);
    for Database { home, project, target } in databases {
        let saved = saved.as_ref().and_then(|saved| saved.of(home.variable())).cloned();
        let options = Options { saved, ..options.clone() };
        let applied = pgcleave::apply::apply(&target, &project, &options, &|event| context.tell(&event)).await;
        let mut place = Place { url_env: home.variable().map(str::to_owned), ..Place::default() };
        match applied.map_err(Failure::from) {
            Ok(applied) => place.applied = Some(applied),
            Err(failure) if !several => return Err(failure),
            Err(failure) => {
                let failure = failure.at(&target.label());
                let (code, message) = failure.told();
                place.error = Some(PlaceError { code, message: message.to_owned() });
                failures.push(failure);
            }
        }
        all.push(place);
    }
    context.answer(&match format {
        Format::Json => report::apply::json(&all),
        _ => report::apply::human(&all),
    });
    let applied = || all.iter().filter_map(|place| place.applied.as_ref());
    let verdict = if applied().any(|applied| applied.failed() > 0) {
        Verdict::Failed
    } else if applied().any(Applied::refused) {
        Verdict::Refused
    } else if applied().any(|applied| applied.waiting() > 0) {
        Verdict::Pending
    } else {
        Verdict::Done
    };
    Ok(worst(context, verdict, failures))
}

/// Gives the databases that a saved plan is for, which must still be those of the manifests.
async fn of_plan(context: &Context, project: &Project, saved: &Plans) -> Result<Vec<Database>, Failure> {
    let home = |plan: &Plan| plan.url_env.clone().map_or(Home::Shared, Home::Own);
    let databases = context.databases(project, &saved.first.options.services).await?;
    if !saved.iter().map(home).eq(databases.iter().map(|database| database.home.clone())) {
        return Err(pgcleave::apply::Error::from(Changed::Databases).into());
    }
    Ok(databases)
}

/// What tells the format of a file before the rest of it is read.
#[derive(Deserialize)]
struct Head {
    format: String,
}

fn read(file: &Path) -> Result<Plans, Failure> {
    let length = std::fs::metadata(file).map_err(|error| Failure::file("read the plan", file, &error))?;
    if !length.is_file() || length.len() > LARGEST_PLAN_BYTES {
        return Err(Failure::usage(format!("{} is not a plan", file.display())));
    }
    let text = std::fs::read_to_string(file).map_err(|error| Failure::file("read the plan", file, &error))?;
    let no_plan = |error: serde_json::Error| Failure::usage(format!("{} is not a plan: {error}", file.display()));
    let Head { format } = serde_json::from_str(&text).map_err(no_plan)?;
    let outdated = || Err(pgcleave::apply::Error::from(Changed::Format).into());
    if format != build::FORMAT {
        let is_older = format.starts_with(PLAN_FORMATS);
        let other =
            || Failure::usage(format!("{} is {format:?}; this pgcleave reads {}", file.display(), build::FORMAT));
        return if is_older { outdated() } else { Err(other()) };
    }
    let plans: Plans = serde_json::from_str(&text).map_err(no_plan)?;
    if plans.iter().any(|plan| plan.format != build::FORMAT || plan.pins.is_none()) {
        return outdated();
    }
    Ok(plans)
}
