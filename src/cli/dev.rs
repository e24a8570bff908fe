//! `pgcleave dev`: a PostgreSQL kept in `.pgcleave/`, with the project's manifests applied.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use pgcleave::credentials::sink::Sink;
use pgcleave::embedded::{Options, Server};
use pgcleave::error::Verdict;
use pgcleave::manifest::service::{Project, SecretSink};
use pgcleave::pg::connect::Target;
use pgcleave::{apply, report};
use secrecy::ExposeSecret as _;

use super::context::{Context, Format};
use super::failure::Failure;
use super::own_server::{interrupted, make_database};

/// The folder, beside pgcleave.yaml, that holds the server and its secrets.
const FOLDER: &str = ".pgcleave";

/// The database's name.
const DATABASE: &str = "dev";

/// Runs a PostgreSQL kept in .pgcleave/ with the manifests applied, and prints connection strings, until Ctrl-C
#[derive(Debug, Args)]
pub(crate) struct DevArgs {}

/// Runs the command until Ctrl-C.
pub(crate) async fn run(context: &Context, _args: &DevArgs) -> Result<Verdict, Failure> {
    context.format(&[Format::Human])?;
    let mut project = context.project_anywhere()?;
    let home = project.root.join(FOLDER);
    // Here all live together, whoever has a database of its own elsewhere.
    project.services.values_mut().chain(project.described.values_mut()).for_each(|s| s.database_url_env = None);
    // Never into the sink that the manifests name: that is for the servers that others use.
    project.secrets = SecretSink::Directory(PathBuf::from(FOLDER).join("secrets"));
    let server = Server::start(Options { folder: Some(home.join("postgres")) }).await?;
    let ran = serve(context, &server, &project).await;
    server.stop().await?;
    context.story("The server is stopped; the next `pgcleave dev` goes on with its data.");
    ran
}

async fn serve(context: &Context, server: &Server, project: &Project) -> Result<Verdict, Failure> {
    interrupted(context)?;
    let admin = Target::parse(&server.url())?;
    make_database(&admin, DATABASE).await?;
    let target = admin.with_database(DATABASE);
    let options = apply::Options {
        plan: Default::default(),
        allow: BTreeSet::new(),
        lock_wait_seconds: 60,
        jobs: pgcleave::migrate::Options::default().jobs,
        limits: project.limits.into(),
        saved: None,
        interrupt: context.interrupt.clone(),
    };
    let applied = apply::apply(&target, project, &options, &|event| context.tell(&event)).await?;
    context.answer(&report::apply::human(&[report::apply::Place::shared(applied.clone())]));
    context.answer(&connection_strings(server, project).await?);
    context.story(&format!("{} runs until Ctrl-C.", server.label()));
    context.interrupt.wait().await;
    Ok(if applied.failed() > 0 { Verdict::Failed } else { Verdict::Done })
}

/// Lists what to connect with. They hold passwords, which are worth something on this machine only.
async fn connection_strings(server: &Server, project: &Project) -> Result<String, Failure> {
    let sink = Sink::new(&project.secrets, &project.root, &project.naming);
    let mut out = String::new();
    for service in project.services.values() {
        for credential in service.credentials.keys() {
            let name = service.name.as_str();
            if let Some(mut secret) = sink.read(name, credential).await.map_err(pgcleave::credentials::Error::Sink)? {
                // The port may have changed since the secret was written.
                secret.place.port = server.port();
                let _ = writeln!(out, "{name}/{credential}  {}", secret.url().expose_secret());
            }
        }
    }
    Ok(out)
}
