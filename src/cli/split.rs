//! `pgcleave split`: moves a service to a database of its own while it works.

use clap::{Args, Subcommand, ValueEnum};
use pgcleave::error::Verdict;
use pgcleave::event::Event;
use pgcleave::ident::Ident;
use pgcleave::manifest::service::Project;
use pgcleave::report;
use pgcleave::split::afterwards::Left;
use pgcleave::split::check::readiness::ALLOWABLE;
use pgcleave::split::finish::StandIn;
use pgcleave::split::pooler::Pooler;
use pgcleave::split::state::Side;
use pgcleave::split::status::{self, Status};
use pgcleave::split::{Between, abort, afterwards, alone, finish, start, turn};
use secrecy::SecretString;

use super::context::{Context, Format};
use super::export::CopyArgs;
use super::failure::Failure;
use super::progress::Progress;

/// How often a watched status is told, in seconds.
const WATCH_SECONDS: u64 = 1;

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
    Forget(ForgetArgs),
}

impl SplitArgs {
    /// Tells whether the command goes on until a signal ends it.
    pub(crate) fn watches(&self) -> bool {
        matches!(&self.command, Command::Status(args) if args.watch)
    }

    /// Tells whether the command changes nothing.
    pub(crate) fn only_reads(&self) -> bool {
        matches!(self.command, Command::Check(_) | Command::Status(_)) && !self.watches()
    }
}

/// What all of them take.
#[derive(Debug, Args)]
pub(crate) struct BetweenArgs {
    /// The service; without manifests, a schema
    service: String,
    /// The dedicated database; better given in the environment
    #[arg(long = "to", value_name = "URL", env = "TARGET_DATABASE_URL", hide_env_values = true)]
    to: Option<SecretString>,
    /// The shared database as the dedicated one's server reaches it, where that is another way than ours
    #[arg(long, value_name = "URL", env = "PGCLEAVE_SOURCE_FROM_TARGET", hide_env_values = true)]
    source_from_target: Option<SecretString>,
    /// The dedicated database as the shared one's server reaches it, where that is another way than ours
    #[arg(long, value_name = "URL", env = "PGCLEAVE_TARGET_FROM_SOURCE", hide_env_values = true)]
    target_from_source: Option<SecretString>,
    /// A contract that gets no bridge, as "orders.cancel_order(uuid, text)"; can be repeated
    #[arg(long, value_name = "CONTRACT")]
    leave_out: Vec<String>,
}

/// Tells what stands in the way, and what to do about it
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    between: BetweenArgs,
    /// Judge as start does with the same option
    #[arg(long, value_name = "KIND", value_parser = ALLOWABLE)]
    allow: Vec<String>,
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
    /// Go on although split check names blockers of this kind, which you have looked at; repeatable.
    /// With superuser-objects the administrator makes objects of superusers, and what needs one, in the target
    #[arg(long, value_name = "KIND", value_parser = ALLOWABLE)]
    allow: Vec<String>,
}

/// Tells how far it is, what it waits for, and what it holds back
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    between: BetweenArgs,
    /// Goes on telling, once a second, until Ctrl-C; a server that goes away meanwhile is waited for
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
    /// How long that may take before it is killed with all that it has started, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    on_cutover_timeout: u64,
    /// Refreshes the materialized views that are filled, as their owners, once the other side has the writes
    #[arg(long)]
    refresh: bool,
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
    /// Ends it although the cutover was cut off before all rows were compared
    #[arg(long, conflicts_with = "drop")]
    uncompared: bool,
    /// The shared database is gone for good: removes what the dedicated one has of the split, and opens that
    #[arg(long, conflicts_with = "drop")]
    source_is_gone: bool,
}

/// Forgets a finished split whose service lives in the shared database again, so that plan and apply look after it there
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    #[command(flatten)]
    between: BetweenArgs,
}

/// What stands in for contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BridgeKind {
    /// Foreign tables
    Foreign,
    /// Replicated copies; for contracts that are tables
    Copy,
    /// Nothing
    None,
}

/// Takes everything back, from any phase before the switch
#[derive(Debug, Args)]
pub(crate) struct AbortArgs {
    #[command(flatten)]
    between: BetweenArgs,
    /// The dedicated database is gone for good: takes back what the shared one has of the split, and opens that
    #[arg(long)]
    target_is_gone: bool,
    /// Drops the target's rows although the source does not have them all: a rollback has found that, or was not compared
    #[arg(long, conflicts_with = "target_is_gone")]
    discard_differing: bool,
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &SplitArgs) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let mut project = context.project_if_any()?;
    let between = match &args.command {
        Command::Check(CheckArgs { between, .. })
        | Command::Start(StartArgs { between, .. })
        | Command::Status(StatusArgs { between, .. })
        | Command::Cutover(TurnArgs { between, .. })
        | Command::Rollback(TurnArgs { between, .. })
        | Command::Finish(FinishArgs { between, .. })
        | Command::Abort(AbortArgs { between, .. })
        | Command::Forget(ForgetArgs { between }) => between,
    };
    if let Some(project) = &mut project {
        between.leave_out(project)?;
    }
    let project = project.as_ref();
    if let (Command::Start(_), Some(project)) = (&args.command, project) {
        Failure::if_described(project, std::iter::once(between.service.as_str()))?;
    }
    let listener = |event| context.tell(&event);
    let read = || between.read(context, project);
    let status = match &args.command {
        Command::Check(args) => {
            return super::split_check::run(context, project, &read()?, &args.allow).await;
        }
        Command::Start(args) => begin(context, &read()?, project, args).await?,
        Command::Status(args) if args.watch => return watch(context, &read()?, format).await,
        Command::Status(_) => status::status(&read()?).await?,
        Command::Cutover(args) => {
            let between = read()?;
            status::of(&turn::cutover(&between, &args.options(context, &between)?, &listener).await?)
        }
        Command::Rollback(args) => {
            let between = read()?;
            status::of(&turn::rollback(&between, &args.options(context, &between)?, &listener).await?)
        }
        Command::Finish(FinishArgs { drop: Some(name), .. }) => {
            let name = Ident::new(name).map_err(|e| Failure::usage(e.to_string()))?;
            status::of(&afterwards::drop_kept(&between.left(context, project)?, &name, &listener).await?)
        }
        Command::Finish(FinishArgs { source_is_gone: true, .. }) => {
            status::of(&alone::alone(&read()?, Side::Target, project, &listener).await?)
        }
        Command::Finish(args) => end(context, &read()?, project, args).await?,
        Command::Abort(AbortArgs { target_is_gone: true, .. }) => {
            status::of(&alone::alone(&read()?, Side::Source, project, &listener).await?)
        }
        Command::Abort(args) => {
            let between = read()?;
            let discard_differing = args.discard_differing;
            let options = abort::Options { project, discard_differing, interrupt: Some(&context.interrupt) };
            let aborted = abort::abort(&between, options, &listener).await?;
            let service = project.and_then(|project| project.services.get(between.service.as_str()));
            if let Some(variable) = service.and_then(|service| service.database_url_env.as_ref()) {
                let name = between.service.as_str();
                context.story(&format!(
                    "next: take database: out of {name}.yaml, where it names {variable}; {name} stays in the shared database"
                ));
            }
            status::of(&aborted)
        }
        Command::Forget(_) => {
            let (left, schema) = (between.left(context, project)?, between.schema(project)?);
            status::of(&afterwards::forget(&left, &schema, project, &listener).await?)
        }
    };
    tell(context, format, &status);
    Ok(Verdict::Done)
}

async fn end(
    context: &Context,
    between: &Between,
    project: Option<&Project>,
    args: &FinishArgs,
) -> Result<Status, Failure> {
    let bridge = match (args.bridge, project) {
        (BridgeKind::None, _) => StandIn::Nothing,
        (BridgeKind::Foreign, Some(project)) => StandIn::Foreign(project),
        (BridgeKind::Copy, Some(project)) => StandIn::Copies(project),
        (_, None) => {
            return Err(Failure::usage("without manifests no contract is known: say --bridge none"));
        }
    };
    let options = finish::Options { keep_days: args.keep, uncompared: args.uncompared, bridge, project };
    let finished = finish::finish(between, &options, &|event| context.tell(&event)).await?;
    let service = project.and_then(|project| project.services.get(between.service.as_str()));
    if service.is_some_and(|service| service.database_url_env.is_none()) {
        let name = between.service.as_str();
        context.story(&format!("next: say in {name}.yaml where it lives now, database: {{ url_env: … }}"));
    }
    Ok(status::of(&finished))
}

fn tell(context: &Context, format: Format, status: &Status) {
    context.answer(&match format {
        Format::Json => report::split::json(status),
        _ => report::split::human(status),
    });
}

async fn begin(
    context: &Context,
    between: &Between,
    project: Option<&Project>,
    args: &StartArgs,
) -> Result<Status, Failure> {
    let options = start::Options {
        jobs: usize::from(args.copy.jobs),
        max_bytes_per_second: args.copy.max_rate,
        lock_seconds: args.lock_wait,
        max_wal_bytes: args.max_wal,
        known: super::split_check::known(project, between, &args.allow).await?,
        interrupt: context.interrupt.clone(),
    };
    let progress = Progress::new(context);
    let started = start::start(between, project, &options, &|event| progress.tell(context, &event)).await;
    progress.end();
    Ok(status::of(&started?))
}

/// Tells the status again and again until Ctrl-C; as JSON one line each.
///
/// A server that goes away once it has answered is waited for: a watch that ends with it would miss how it comes back.
async fn watch(context: &Context, between: &Between, format: Format) -> Result<Verdict, Failure> {
    let (mut answered, mut warned) = (false, false);
    loop {
        // What only reads may be cut off anywhere: its connections go with it.
        let looked = tokio::select! {
            looked = status::status(between) => looked,
            () = context.interrupt.wait() => return Ok(Verdict::Done),
        };
        match looked {
            Ok(status) => {
                (answered, warned) = (true, false);
                match format {
                    Format::Json => context.answer(&report::split::json_line(&status)),
                    _ => tell(context, format, &status),
                }
            }
            Err(error) if answered && error.is_servers() => {
                if !std::mem::replace(&mut warned, true) {
                    context.tell(&Event::Warning { message: format!("{error}; still looking, Ctrl-C ends it") });
                }
            }
            Err(error) => return Err(error.into()),
        }
        let pause = tokio::time::sleep(std::time::Duration::from_secs(WATCH_SECONDS));
        tokio::select! {
            () = pause => {}
            () = context.interrupt.wait() => return Ok(Verdict::Done),
        }
    }
}

impl TurnArgs {
    fn options(&self, context: &Context, between: &Between) -> Result<turn::Options, Failure> {
        let name = self.pgbouncer_database.as_deref().unwrap_or(&between.service);
        let database = Ident::new(name).map_err(|e| Failure::usage(e.to_string()))?;
        if !self.pgbouncer_ini.is_empty() && self.pgbouncer_ini.len() != self.pgbouncer.len() {
            return Err(Failure::usage("give as many --pgbouncer-ini as --pgbouncer, in the same order"));
        }
        let mut poolers = Vec::new();
        for (i, console) in self.pgbouncer.iter().enumerate() {
            let console = context.read_target(console)?;
            poolers.push(Pooler { console, database: database.clone(), ini: self.pgbouncer_ini.get(i).cloned() });
        }
        Ok(turn::Options {
            max_pause_millis: self.max_pause,
            wait_seconds: self.wait,
            poolers,
            command: self.on_cutover.clone(),
            command_seconds: self.on_cutover_timeout,
            jobs: 2,
            refresh: self.refresh,
            interrupt: context.interrupt.clone(),
        })
    }
}

impl BetweenArgs {
    /// Takes the contracts out of the manifests that get no bridge.
    fn leave_out(&self, project: &mut Project) -> Result<(), Failure> {
        for named in &self.leave_out {
            let mut found = false;
            for service in [&mut project.services, &mut project.described, &mut project.elsewhere]
                .into_iter()
                .flat_map(|those| those.values_mut())
            {
                let schema = service.schema.clone();
                service.exposes.retain(|exposed| {
                    let is_it = exposed.label(&schema) == *named;
                    found |= is_it;
                    !is_it
                });
            }
            if !found {
                return Err(Failure::usage(format!("no manifest exposes {named}; split check names the contracts")));
            }
        }
        Ok(())
    }

    /// Gives the service's schema; without manifests that know it, its name is the schema's.
    fn schema(&self, project: Option<&Project>) -> Result<Ident, Failure> {
        match project.and_then(|p| p.services.get(self.service.as_str())) {
            Some(service) => Ok(service.schema.clone()),
            None => Ident::new(&self.service).map_err(|e| Failure::usage(e.to_string())),
        }
    }

    /// Reads the connection strings for what is left of an ended split: the dedicated database need not be named.
    fn left(&self, context: &Context, project: Option<&Project>) -> Result<Left, Failure> {
        Ok(Left {
            service: self.service.clone(),
            source: context.target(project.and_then(|p| p.database_url_env.as_deref()))?,
            target: self.to.as_ref().map(|url| context.read_target(url)).transpose()?,
        })
    }

    /// Reads the connection strings.
    fn read(&self, context: &Context, project: Option<&Project>) -> Result<Between, Failure> {
        let other = |url: &Option<SecretString>| url.as_ref().map(|url| context.read_target(url)).transpose();
        let Left { service, source, target } = self.left(context, project)?;
        let unnamed = || {
            let message = "the dedicated database is not named: give --to or set TARGET_DATABASE_URL".to_owned();
            Failure::no_url(message)
                .with_hint("for example: export TARGET_DATABASE_URL=postgresql://admin@own:5432/orders")
        };
        Ok(Between {
            service,
            schema: self.schema(project)?,
            source,
            target: target.ok_or_else(unnamed)?,
            source_from_target: other(&self.source_from_target)?,
            target_from_source: other(&self.target_from_source)?,
        })
    }
}
