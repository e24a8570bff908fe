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
mod signals;
mod split;
mod split_check;
mod verify;
mod why;

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

/// Runs the command, reports a failure, and returns the verdict: once a signal has asked to stop, always that.
pub(crate) async fn run(cli: Cli) -> Verdict {
    let context = Context::new(cli.global, signals::listen());
    let (ends_by_signal, only_reads) = (cli.command.ends_by_signal(), cli.command.only_reads());
    let interrupt = context.interrupt.clone();
    let stopped = async {
        interrupt.wait().await;
        // What does more than read stops by itself, at its next step.
        if !only_reads {
            std::future::pending::<()>().await;
        }
    };
    let done = tokio::select! {
        done = dispatch(&context, cli.command) => done,
        () = stopped => Err(pgcleave::migrate::Error::Interrupted.into()),
    };
    let verdict = done.unwrap_or_else(|failure| failure.report(&context));
    if interrupt.requested() && !ends_by_signal { Verdict::Interrupted } else { verdict }
}

impl Command {
    /// Tells whether a signal is how the command is ended: the verdict is then its own.
    fn ends_by_signal(&self) -> bool {
        match self {
            Self::Dev(_) => true,
            Self::Split(args) => args.watches(),
            _ => false,
        }
    }

    /// Tells whether the command writes nothing to a database, or only what goes with its session or is swept later: it
    /// may be stopped anywhere.
    fn only_reads(&self) -> bool {
        match self {
            Self::Adopt(_) | Self::Plan(_) | Self::Audit(_) | Self::Why(_) | Self::Graph(_) => true,
            Self::Credentials(args) => args.only_reads(),
            Self::Split(args) => args.only_reads(),
            Self::Init(_) | Self::Check | Self::Schema(_) | Self::Completions(_) | Self::Man(_) => true,
            Self::Apply(_) | Self::Migrate(_) | Self::Demo(_) | Self::Dev(_) => false,
            Self::Export(_) | Self::Import(_) | Self::Verify(_) => false,
        }
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
