//! `pgcleave demo`: the whole story on a PostgreSQL of its own, with the example shop.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args;
use pgcleave::credentials::sink::Sink;
use pgcleave::credentials::verify;
use pgcleave::embedded::{Options, Server};
use pgcleave::error::Verdict;
use pgcleave::manifest::Choice;
use pgcleave::manifest::service::Project;
use pgcleave::pg::connect::Target;
use pgcleave::pg::session::SessionKind;
use pgcleave::{apply, load, report};

use super::context::{Context, Format};
use super::example;
use super::failure::Failure;
use super::own_server::{interrupted, make_database};

/// Shows the whole story on a PostgreSQL of its own: provisions the example shop, migrates it, proves its separation
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Moves one service to a database of its own as well, and back, while it is written to
    #[arg(long)]
    split: bool,
}

/// Runs the command; whatever comes, the server and its files go away.
pub(crate) async fn run(context: &Context, args: &DemoArgs) -> Result<Verdict, Failure> {
    context.format(&[Format::Human])?;
    step(context, 1, "A PostgreSQL of our own, in a temporary folder");
    let server = Server::start(Options { folder: None }).await?;
    context.answer(&format!("{}\n", server.label()));
    // In the server's folder, so that it goes away with it, even when this process is killed.
    let told = story(context, &server, &server.folder().join("shop"), args.split).await;
    server.stop().await?;
    context.story("The server is stopped, its files are removed.");
    told
}

async fn story(context: &Context, server: &Server, folder: &Path, split: bool) -> Result<Verdict, Failure> {
    interrupted(context)?;
    example::write(folder)?;
    let admin = Target::parse(&server.url())?;
    make_database(&admin, "shop").await?;
    let target = admin.with_database("shop");
    let project = load::project(folder, Choice::None)?;
    let mut connection = target.connect(SessionKind::Administrator, "pgcleave demo").await?;

    step(context, 2, "What the manifests ask for: pgcleave plan");
    let (plan, _) = apply::plan(&mut connection, &project, &Default::default()).await?;
    let services = project.services.len();
    context.answer(&format!(
        "{services} services; {} changes, among them every service's migrations\n",
        plan.changes.len()
    ));

    step(context, 3, "Schemas, roles, credentials, migrations, contracts: pgcleave apply");
    let applied = provision(context, &target, &project).await?;
    context.answer(&report::apply::human(&[report::apply::Place::shared(applied.clone())]));
    if applied.failed() > 0 {
        return Ok(Verdict::Failed);
    }
    interrupted(context)?;

    step(context, 4, "Nothing is left to do: pgcleave plan");
    let (plan, _) = apply::plan(&mut connection, &project, &Default::default()).await?;
    context.answer(&format!("{} changes\n", plan.changes.len()));
    interrupted(context)?;

    step(context, 5, "Each credential logs in and tries everything: pgcleave credentials verify");
    let sink = Sink::new(&project.secrets, &project.root, &project.naming);
    let matrix = verify::verify(&mut connection, &target, &project, &sink).await?;
    context.answer(&report::credentials::matrix::human(&matrix, context.width()));
    if !matrix.is_right() || !plan.is_empty() {
        return Ok(Verdict::Failed);
    }
    if !split {
        return Ok(Verdict::Done);
    }
    interrupted(context)?;
    step(context, 6, "Orders moves to a database of its own, and back, and there again, under writes: pgcleave split");
    super::demo_split::story(context, &admin, &project).await
}

async fn provision(context: &Context, target: &Target, project: &Project) -> Result<apply::Applied, Failure> {
    let options = apply::Options {
        plan: Default::default(),
        allow: BTreeSet::new(),
        lock_wait_seconds: 60,
        jobs: pgcleave::migrate::Options::default().jobs,
        limits: project.limits.into(),
        saved: None,
        interrupt: context.interrupt.clone(),
    };
    Ok(apply::apply(target, project, &options, &|event| context.tell(&event)).await?)
}

fn step(context: &Context, number: u32, title: &str) {
    let bold = anstyle::Style::new().bold();
    context.answer(&format!("\n{bold}{number}. {title}{bold:#}\n"));
}
