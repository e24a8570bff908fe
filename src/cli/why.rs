//! `pgcleave why`: the path from a role to an object.

use clap::Args;
use pgcleave::audit::why::{question, why};
use pgcleave::error::Verdict;
use pgcleave::manifest::service::Project;
use pgcleave::model::privilege::Privilege;
use pgcleave::pg::session::SessionKind;
use pgcleave::{catalog, report};

use super::context::{Context, Format};
use super::failure::Failure;

/// Shows by which way a role reaches an object, or that there is none
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The role
    role: String,
    /// The object as findings name it: billing.invoices, billing.total(bigint), "schema billing"
    object: String,
    /// The privilege; by default SELECT, EXECUTE or USAGE, whichever the object has
    #[arg(value_parser = privilege)]
    privilege: Option<Privilege>,
    /// Shows every way, not only the shortest
    #[arg(long)]
    all: bool,
}

fn privilege(word: &str) -> Result<Privilege, String> {
    Privilege::from_keyword(&word.replace('_', " ")).ok_or_else(|| "there is no such privilege".to_owned())
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &WhyArgs) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let project = context.project_if_any()?;
    let schema = args.object.strip_prefix("schema ").unwrap_or(&args.object).split('.').next().unwrap_or_default();
    let mut services = project.iter().flat_map(Project::here);
    let target =
        context.target_of(project.as_ref(), services.find(|service| service.schema.as_str() == schema)).await?;
    let mut connection = target.connect(SessionKind::Administrator, "pgcleave why").await?;
    let facts = catalog::facts::read(&mut connection).await?;
    let question = question(&facts, &args.role, &args.object, args.privilege, args.all)?;
    let answer = why(&facts, &question);
    let object = facts.label(question.object);
    context.answer(&match format {
        Format::Json => report::why::json(&args.role, &object, question.privilege, &answer),
        _ => report::why::human(&args.role, &object, question.privilege, &answer),
    });
    Ok(Verdict::Done)
}
