//! `pgcleave schema`: prints the files' JSON Schema, for editors.

use pgcleave::error::Verdict;
use pgcleave::manifest::schema;

use super::context::Context;
use super::failure::Failure;

/// What the schema is of.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Prints the schema of pgcleave.yaml instead of a service's manifest
    #[arg(long)]
    config_file: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Verdict, Failure> {
    let schema = if arguments.config_file { schema::config() } else { schema::service() };
    context.answer(&format!("{schema:#}\n"));
    Ok(Verdict::Done)
}
