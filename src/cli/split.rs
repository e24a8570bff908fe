//! `pgcleave split`: moves a service to a database of its own while it works.

use clap::{Args, Subcommand, ValueEnum};
use pgcleave::error::Verdict;
use pgcleave::ident::Ident;
use pgcleave::pg::connect::Target;
use pgcleave::split::Between;
use secrecy::SecretString;

use super::context::{Context, Format};
use super::export::CopyArgs;
use super::failure::Failure;

/// Moves a service to a database of its own while it works, with a way back
#[derive(Debug, Args)]
pub(crate) struct SplitArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(CheckArgs),
    Start(StartArgs),
    Status(StatusArgs),
    Cutover(TurnArgs),
    Rollback(TurnArgs),
    Finish(FinishArgs),
    Abort(AbortArgs),
}

/// What all of them take.
#[derive(Debug, Args)]
pub(crate) struct BetweenArgs {
    /// The service; without manifests, a schema
    service: String,
    /// The dedicated database; better given in the environment
    #[arg(long = "to", value_name = "URL", env = "TARGET_DATABASE_URL", hide_env_values = true)]
    to: SecretString,
    /// The shared database as the dedicated one's server reaches it, where that is another way than ours
    #[arg(long, value_name = "URL", env = "PGCLEAVE_SOURCE_FROM_TARGET", hide_env_values = true)]
    source_from_target: Option<SecretString>,
    /// The dedicated database as the shared one's server reaches it, where that is another way than ours
    #[arg(long, value_name = "URL", env = "PGCLEAVE_TARGET_FROM_SOURCE", hide_env_values = true)]
    target_from_source: Option<SecretString>,
}

/// Tells what stands in the way, and what to do about it
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    between: BetweenArgs,
}

/// Copies the service to the dedicated database and lets it follow; run again, it goes on
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    between: BetweenArgs,
    #[command(flatten)]
    copy: CopyArgs,
    /// How long to wait for a table that somebody else holds locked, and for transactions that keep the slot from being
    /// made, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    lock_wait: u64,
    /// The most write-ahead log that the slot may hold back on the shared server: 20G
    #[arg(long, value_name = "BYTES", value_parser = super::export::rate)]
    max_wal: Option<u64>,
}

/// Tells how far it is, what it waits for, and what it holds back
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    between: BetweenArgs,
    /// Goes on telling, once a second, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// Sends the writes to the other side, within a short pause
#[derive(Debug, Args)]
pub(crate) struct TurnArgs {
    #[command(flatten)]
    between: BetweenArgs,
    /// How long writes may stand still before everything is put back, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 2000)]
    max_pause: u64,
    /// How long to go on trying while other transactions are in the way, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    wait: u64,
    /// PgBouncer's admin console; several separated by commas
    #[arg(long, value_name = "URL", value_delimiter = ',', env = "PGCLEAVE_PGBOUNCER", hide_env_values = true)]
    pgbouncer: Vec<SecretString>,
    /// The name under which PgBouncer serves the service; the service's own by default
    #[arg(long, value_name = "NAME")]
    pgbouncer_database: Option<String>,
    /// PgBouncer's configuration, to be rewritten; without it --on-cutover does that
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    pgbouncer_ini: Vec<std::path::PathBuf>,
    /// A command to run when the other side is open, with PGCLEAVE_HOST, PGCLEAVE_PORT and PGCLEAVE_DATABASE set
    #[arg(long, value_name = "COMMAND")]
    on_cutover: Option<String>,
}

/// Ends it: nothing follows any more, and the old schema is put aside
#[derive(Debug, Args)]
pub(crate) struct FinishArgs {
    #[command(flatten)]
    between: BetweenArgs,
    /// What stands in for the service's contracts in the shared database
    #[arg(long, value_enum, default_value_t = BridgeKind::Foreign, value_name = "KIND")]
    bridge: BridgeKind,
    /// How long the old schema is kept under another name, in days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    keep: u32,
    /// Drops the old schema, by the name under which it is kept
    #[arg(long, value_name = "SCHEMA")]
    drop: Option<String>,
}

/// What stands in for contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BridgeKind {
    /// Foreign tables
    Foreign,
    /// Replicated copies
    Copy,
    /// Nothing
    None,
}

/// Takes everything back, from any phase before the switch
#[derive(Debug, Args)]
pub(crate) struct AbortArgs {
    #[command(flatten)]
    between: BetweenArgs,
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &SplitArgs) -> Result<Verdict, Failure> {
    context.format(&[Format::Human, Format::Json])?;
    if let Command::Check(args) = &args.command {
        let (between, project) = (args.between.read(context)?, context.project_if_any()?);
        return super::split_check::run(context, project.as_ref(), &between).await;
    }
    let between = match &args.command {
        Command::Check(CheckArgs { between })
        | Command::Start(StartArgs { between, .. })
        | Command::Status(StatusArgs { between, .. })
        | Command::Cutover(TurnArgs { between, .. })
        | Command::Rollback(TurnArgs { between, .. })
        | Command::Finish(FinishArgs { between, .. })
        | Command::Abort(AbortArgs { between }) => between.read(context)?,
    };
    Err(pgcleave::split::Error::None(between.service).into())
}

impl BetweenArgs {
    /// Reads the manifests, if there are any, and the connection strings.
    fn read(&self, context: &Context) -> Result<Between, Failure> {
        let project = context.project_if_any()?;
        let service = project.as_ref().and_then(|p| p.services.get(self.service.as_str()));
        let schema = match service {
            Some(service) => service.schema.clone(),
            None => Ident::new(&self.service).map_err(|e| Failure::usage(e.to_string()))?,
        };
        let other = |url: &Option<SecretString>| url.as_ref().map(Target::parse).transpose();
        Ok(Between {
            service: self.service.clone(),
            schema,
            source: context.target(project.as_ref().and_then(|p| p.database_url_env.as_deref()))?,
            target: Target::parse(&self.to)?,
            source_from_target: other(&self.source_from_target)?,
            target_from_source: other(&self.target_from_source)?,
        })
    }
}
