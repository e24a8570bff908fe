//! The command line: arguments, one file per command, and everything that a person sees.

mod apply;
pub(crate) mod context;
mod export;
pub(crate) mod failure;
mod hint;
mod import;
mod plan;
mod progress;
mod verify;

use clap::{Parser, Subcommand};
use pgcleave::error::Verdict;
use pgcleave::interrupt::{self, Interrupt};

use context::{Context, Global};
use failure::Failure;

/// Gives each service on a shared PostgreSQL its own schema and credentials, proves the line, and cuts along it.
#[derive(Debug, Parser)]
#[command(name = "pgcleave", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    Export(export::ExportArgs),
    Import(import::ImportArgs),
    Verify(verify::VerifyArgs),
}

/// Runs the command, tells of a failure, and gives the verdict.
pub(crate) async fn run(cli: Cli) -> Verdict {
    let context = Context::new(cli.global, listen_for_ctrl_c());
    match dispatch(&context, cli.command).await {
        Ok(verdict) => verdict,
        Err(failure) => failure.report(&context),
    }
}

async fn dispatch(context: &Context, command: Command) -> Result<Verdict, Failure> {
    match command {
        Command::Plan(args) => plan::run(context, &args).await,
        Command::Apply(args) => apply::run(context, &args).await,
        Command::Export(args) => export::run(context, &args).await,
        Command::Import(args) => import::run(context, &args).await,
        Command::Verify(args) => verify::run(context, &args).await,
    }
}

/// Lets the first Ctrl-C ask the work to stop at its next step, and the second end the process.
fn listen_for_ctrl_c() -> Interrupt {
    let (trigger, interrupt) = interrupt::channel();
    let watched = interrupt.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if watched.is_set() {
                std::process::exit(Verdict::Interrupted as i32);
            }
            trigger.pull();
        }
    });
    interrupt
}
