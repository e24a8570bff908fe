//! `pgcleave plan`: shows what apply would do.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use pgcleave::error::Verdict;
use pgcleave::ident::Ident;
use pgcleave::manifest::service::Project;
use pgcleave::pg::session::SessionKind;
use pgcleave::plan::build::{Options, Plan};
use pgcleave::plan::change::Hazard;
use pgcleave::plan::databases::Plans;
use pgcleave::report;

use super::context::{Context, Format};
use super::databases::{Database, worst};
use super::failure::Failure;

/// What is planned for, as plan and apply both take it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Selection {
    /// Allows a hazard by name: revoke, change-owner, lock-many, drop-role, drop-service, replace-password,
    /// untrusted-extension, contract-runs-as-consumer, close-database
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = hazard)]
    pub(crate) allow: Vec<Hazard>,
    /// Revokes grants and memberships that no manifest knows
    #[arg(long)]
    pub(crate) prune: bool,
}

fn hazard(name: &str) -> Result<Hazard, String> {
    let names = Hazard::ALL.map(Hazard::name).join(", ");
    Hazard::from_name(name).ok_or_else(|| format!("there is no such hazard; there are {names}"))
}

impl Selection {
    /// Gives the planner's options, once the named services are known to exist.
    pub(crate) fn options(&self, project: &Project, services: &[String]) -> Result<Options, Failure> {
        let mut selected = BTreeSet::new();
        Failure::if_described(project, services.iter().map(String::as_str))?;
        for name in services {
            let service = project.services.keys().find(|s| s.as_str() == name);
            let unknown = || {
                let known: Vec<_> = project.services.keys().map(Ident::as_str).collect();
                Failure::usage(format!("there is no service {name:?}; there are {}", known.join(", ")))
            };
            selected.insert(service.ok_or_else(unknown)?.clone());
        }
        let drop_services = self.allow.contains(&Hazard::DropService);
        Ok(Options { services: selected, prune: self.prune, drop_services })
    }
}

/// Shows what separates the database from its manifests
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Only these services, and what all share
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// Saves the plan, for apply; it holds no secret
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Writes SQL that psql can run
    #[arg(long)]
    sql: bool,
    /// Ends with 3 when changes are pending
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &PlanArgs) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json, Format::Markdown])?;
    if args.sql && format != Format::Human {
        return Err(Failure::usage("--sql is a format of its own: leave --format out"));
    }
    let project = context.project()?;
    let options = args.selection.options(&project, &args.services)?;
    let (mut plans, mut sql, mut failures) = (Vec::new(), String::new(), Vec::new());
    let databases = context.databases(&project, &options.services).await?;
    let several = databases.len() > 1;
    for database in databases {
        match of(&database, &options).await {
            Ok((plan, text)) => {
                sql += &text;
                plans.push(plan);
            }
            Err(failure) if !several => return Err(failure),
            Err(failure) => failures.push(failure.at(&database.target.label())),
        }
    }
    let Some(plans) = Plans::new(plans) else { return Ok(worst(context, Verdict::Done, failures)) };
    let answer = match format {
        _ if args.sql => sql,
        Format::Json => report::plan::json(&plans),
        Format::Markdown => report::plan::markdown(&plans),
        _ => report::plan::human(&plans, context.global.verbose > 0),
    };
    context.answer(&answer);
    if let Some(file) = &args.out {
        if failures.is_empty() {
            save(context, &plans, file)?;
        } else {
            context.story(&format!("{} is not written: a database could not be planned", file.display()));
        }
    }
    let is_left = |plan: &Plan| !plan.is_empty() || !plan.blocked.is_empty() || plan.leaves_drift();
    let pending = args.detailed_exitcode && plans.iter().any(is_left);
    Ok(worst(context, if pending { Verdict::Pending } else { Verdict::Done }, failures))
}

/// Plans one database; gives the plan, and its SQL.
async fn of(database: &Database, options: &Options) -> Result<(Plan, String), Failure> {
    let mut connection = database.target.connect(SessionKind::Administrator, "pgcleave plan").await?;
    let (plan, observed) = pgcleave::apply::plan(&mut connection, &database.project, options).await?;
    let sql = report::plan::sql(&plan, &observed);
    Ok((plan, sql))
}

/// Writes the plan's file whole or not at all.
fn save(context: &Context, plans: &Plans, file: &std::path::Path) -> Result<(), Failure> {
    use std::io::Write as _;
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut whole = tempfile::NamedTempFile::new_in(folder)?;
        whole.write_all(report::plan::json(plans).as_bytes())?;
        whole.as_file().sync_all()?;
        whole.persist(file)?;
        Ok(())
    };
    write().map_err(|error| Failure::file("save the plan as", file, &error))?;
    context.story(&format!("saved as {}", file.display()));
    Ok(())
}
