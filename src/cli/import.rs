//! `pgcleave import`: restores an archive.

use clap::Args;
use pgcleave::archive::import::{self, Allow, Options};
use pgcleave::error::Verdict;
use pgcleave::report;

use super::context::{Context, Format};
use super::export::{CopyArgs, location};
use super::failure::Failure;
use super::progress::Progress;

/// Restores an archive into a database that does not hold its schema yet; goes on where a killed import stopped
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The archive's folder, or where it is in object storage: s3://bucket/prefix
    archive: String,
    #[command(flatten)]
    copy: CopyArgs,
    /// Accept what an archive may do only if you say so: superuser-objects, existing-roles; repeatable
    #[arg(long, value_name = "KIND", value_parser = allow)]
    allow: Vec<Allow>,
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &ImportArgs) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let archive = location(&args.archive)?;
    let target = context.target(None)?;
    let options = Options {
        jobs: usize::from(args.copy.jobs),
        max_bytes_per_second: args.copy.max_rate,
        allow: args.allow.clone(),
        interrupt: context.interrupt.clone(),
    };
    let progress = Progress::new(context);
    let listener = |event| progress.tell(context, &event);
    let imported = import::import(&archive, &target, &options, &listener).await;
    progress.end();
    context.answer(&report::archive::imported(&imported?, format == Format::Json));
    Ok(Verdict::Done)
}

fn allow(text: &str) -> Result<Allow, String> {
    let found = Allow::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, allow)| allow);
    found.ok_or_else(|| format!("it is one of {}", Allow::ALL.map(|(name, _)| name).join(", ")))
}
