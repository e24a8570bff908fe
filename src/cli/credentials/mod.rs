//! `pgcleave credentials`: lists, rotates and proves logins.

mod rotate;

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use pgcleave::catalog;
use pgcleave::credentials::sink::Sink;
use pgcleave::credentials::verify::matrix::Matrix;
use pgcleave::credentials::{list, verify};
use pgcleave::error::Verdict;
use pgcleave::manifest::service::Project;
use pgcleave::pg::session::SessionKind;
use pgcleave::report;
use sqlx::postgres::PgConnection;

use super::context::{Context, Format};
use super::databases::Database;
use super::failure::Failure;

/// Lists, rotates and proves credentials
#[derive(Debug, Args)]
pub(crate) struct CredentialsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the credentials: which login is active, since when, and who is on it
    List,
    Rotate(rotate::RotateArgs),
    /// Logs in as each credential and proves what it reaches, and that it reaches nothing else
    Verify,
}

impl CredentialsArgs {
    /// Tells whether the command changes nothing.
    pub(crate) fn only_reads(&self) -> bool {
        !matches!(self.command, Command::Rotate(_))
    }
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &CredentialsArgs) -> Result<Verdict, Failure> {
    match &args.command {
        Command::List => run_list(context).await,
        Command::Rotate(args) => rotate::run(context, args).await,
        Command::Verify => run_verify(context).await,
    }
}

async fn run_list(context: &Context) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let project = context.project()?;
    let mut listed = Vec::new();
    for Database { project, target, .. } in context.databases(&project, &BTreeSet::new()).await? {
        let mut connection = target.connect(SessionKind::Administrator, "pgcleave credentials list").await?;
        pgcleave::registry::readable(&mut connection).await?;
        let project = settled(context, &mut connection, &project).await?;
        listed.extend(list::list(&mut connection, &project).await?);
    }
    listed.sort_by(|a, b| (&a.service, &a.credential).cmp(&(&b.service, &b.credential)));
    context.answer(&match format {
        Format::Json => report::credentials::list::json(&listed),
        _ => report::credentials::list::human(&listed, context.width()),
    });
    Ok(Verdict::Done)
}

/// Gives the project as the database knows it, and says which services' logins are in use elsewhere.
async fn settled(context: &Context, connection: &mut PgConnection, project: &Project) -> Result<Project, Failure> {
    let splits = catalog::splits(connection).await?;
    for split in splits.iter().filter(|split| project.services.contains_key(&split.service)) {
        split.refusal().iter().for_each(|why| context.story(why));
    }
    Ok(project.without_moved(&splits))
}

async fn run_verify(context: &Context) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let project = context.project()?;
    let sink = Sink::new(&project.secrets, &project.root, &project.naming);
    let mut matrix = Matrix::default();
    for Database { project, target, .. } in context.databases(&project, &BTreeSet::new()).await? {
        let mut connection = target.connect(SessionKind::Administrator, "pgcleave credentials verify").await?;
        pgcleave::registry::readable(&mut connection).await?;
        let project = settled(context, &mut connection, &project).await?;
        matrix.add(verify::verify(&mut connection, &target, &project, &sink).await?);
    }
    context.answer(&match format {
        Format::Json => report::credentials::matrix::json(&matrix),
        _ => report::credentials::matrix::human(&matrix, context.width()),
    });
    Ok(match (matrix.is_right(), matrix.has_findings()) {
        (true, _) => Verdict::Done,
        (false, true) => Verdict::Findings,
        // nothing tried proves nothing
        (false, false) if matrix.tried() == 0 => Verdict::Findings,
        (false, false) => Verdict::Failed,
    })
}
