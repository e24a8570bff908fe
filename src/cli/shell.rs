//! `pgcleave completions` and `pgcleave man`: what packagers and shells want.

use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;
use pgcleave::error::Verdict;

use super::Cli;
use super::context::Context;
use super::failure::Failure;

/// Which shell.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArguments {
    /// The shell that is to complete
    shell: Shell,
}

/// Where the pages go.
#[derive(Debug, clap::Args)]
pub(crate) struct ManArguments {
    /// Writes one page for each command into this folder, instead of the main page to stdout
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn completions(context: &Context, arguments: &CompletionsArguments) -> Result<Verdict, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "pgcleave", &mut script);
    context.answer(&String::from_utf8_lossy(&script));
    Ok(Verdict::Done)
}

pub(crate) fn man(context: &Context, arguments: &ManArguments) -> Result<Verdict, Failure> {
    let Some(folder) = &arguments.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page).expect("a vector takes all");
        context.answer(&String::from_utf8_lossy(&page));
        return Ok(Verdict::Done);
    };
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map_err(|error| Failure::file("write to", folder, &error))?;
    context.story(&format!("wrote the pages to {}", folder.display()));
    Ok(Verdict::Done)
}
