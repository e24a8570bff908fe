//! The command line: arguments, one file per command, and everything that a person sees.

pub(crate) mod context;
pub(crate) mod failure;
mod hint;

use clap::{Parser, Subcommand};
use pgcleave::error::Verdict;

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
enum Command {}

/// Runs the command, tells of a failure, and gives the verdict.
pub(crate) async fn run(cli: Cli) -> Verdict {
    let context = Context::new(cli.global);
    match dispatch(&context, cli.command).await {
        Ok(verdict) => verdict,
        Err(failure) => failure.report(&context),
    }
}

async fn dispatch(_context: &Context, command: Command) -> Result<Verdict, Failure> {
    match command {}
}
