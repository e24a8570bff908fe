//! `pgcleave apply`: carries a plan out.

use std::path::{Path, PathBuf};

use clap::Args;
use pgcleave::apply::Options;
use pgcleave::error::Verdict;
use pgcleave::plan::build::{self, Plan};
use pgcleave::report;

use super::context::{Context, Format};
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

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &ApplyArgs) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let saved = args.plan.as_deref().map(read).transpose()?;
    let project = context.project()?;
    let plan = match &saved {
        Some(saved) => saved.options.clone(),
        None => args.selection.options(&project, &args.services)?,
    };
    let target = context.target(project.database_url_env.as_deref())?;
    let options = Options {
        plan,
        allow: args.selection.allow.iter().copied().collect(),
        lock_wait_seconds: args.lock_wait,
        jobs: usize::from(args.jobs),
        saved,
        interrupt: context.interrupt.clone(),
    };
    let applied = pgcleave::apply::apply(&target, &project, &options, &|event| context.tell(&event)).await?;
    context.answer(&match format {
        Format::Json => report::apply::json(&applied),
        _ => report::apply::human(&applied),
    });
    Ok(if applied.failed() > 0 { Verdict::Failed } else { Verdict::Done })
}

fn read(file: &Path) -> Result<Plan, Failure> {
    let length = std::fs::metadata(file).map_err(|error| Failure::file("read the plan", file, &error))?;
    if !length.is_file() || length.len() > LARGEST_PLAN_BYTES {
        return Err(Failure::usage(format!("{} is not a plan", file.display())));
    }
    let text = std::fs::read_to_string(file).map_err(|error| Failure::file("read the plan", file, &error))?;
    let plan: Plan = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{} is not a plan: {error}", file.display())))?;
    if plan.format != build::FORMAT {
        let (is, reads) = (&plan.format, build::FORMAT);
        return Err(Failure::usage(format!("{} is {is:?}; this pgcleave reads {reads}", file.display())));
    }
    Ok(plan)
}
