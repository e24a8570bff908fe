//! The command line: arguments, one file per command, and everything that a person sees.

mod adopt;
mod apply;
mod audit;
mod check;
pub(crate) mod context;
mod credentials;
mod databases;
mod demo;
mod demo_split;
mod dev;
mod example;
mod export;
pub(crate) mod failure;
mod graph;
mod hint;
mod import;
mod init;
mod invalid;
mod migrate;
mod own_server;
mod plan;
mod probe;
mod progress;
mod schema;
mod shell;
mod split;
mod split_check;
mod verify;
mod why;

use clap::{Parser, Subcommand};
use pgcleave::error::Verdict;
use pgcleave::interrupt::Interrupt;

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
    /// Writes pgcleave.yaml and a commented manifest
    Init(init::Arguments),
    Adopt(adopt::AdoptArgs),
    /// Validates the manifests, without a database
    Check,
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    Audit(audit::AuditArgs),
    Why(why::WhyArgs),
    Graph(graph::GraphArgs),
    Credentials(credentials::CredentialsArgs),
    Migrate(migrate::MigrateArgs),
    Demo(demo::DemoArgs),
    Dev(dev::DevArgs),
    /// Prints the JSON Schema of a manifest
    Schema(schema::Arguments),
    /// Prints a shell's completions
    Completions(shell::CompletionsArguments),
    /// Prints the manual page
    Man(shell::ManArguments),
    Export(export::ExportArgs),
    Import(import::ImportArgs),
    Verify(verify::VerifyArgs),
    Split(split::SplitArgs),
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
        Command::Init(arguments) => init::run(context, &arguments),
        Command::Adopt(args) => adopt::run(context, &args).await,
        Command::Check => check::run(context),
        Command::Plan(args) => plan::run(context, &args).await,
        Command::Apply(args) => apply::run(context, &args).await,
        Command::Audit(args) => audit::run(context, &args).await,
        Command::Why(args) => why::run(context, &args).await,
        Command::Graph(args) => graph::run(context, &args).await,
        Command::Credentials(args) => credentials::run(context, &args).await,
        Command::Migrate(args) => migrate::run(context, &args).await,
        Command::Demo(args) => demo::run(context, &args).await,
        Command::Dev(args) => dev::run(context, &args).await,
        Command::Schema(arguments) => schema::run(context, &arguments),
        Command::Completions(arguments) => shell::completions(context, &arguments),
        Command::Man(arguments) => shell::man(context, &arguments),
        Command::Export(args) => export::run(context, &args).await,
        Command::Import(args) => import::run(context, &args).await,
        Command::Verify(args) => verify::run(context, &args).await,
        Command::Split(args) => split::run(context, &args).await,
    }
}

/// Lets the first Ctrl-C ask the work to stop at its next step, and the second end the process.
fn listen_for_ctrl_c() -> Interrupt {
    let interrupt = Interrupt::default();
    let told = interrupt.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if told.requested() {
                std::process::exit(Verdict::Interrupted as i32);
            }
            told.request();
        }
    });
    interrupt
}
