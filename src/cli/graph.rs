//! `pgcleave graph`: the services and what runs between them.

use clap::Args;
use pgcleave::error::Verdict;
use pgcleave::report::graph::{self, Graph};

use super::audit::{AuditArgs, judge};
use super::context::{Context, Format};
use super::failure::Failure;

/// Draws services and contracts as mermaid (the default), dot or svg
#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// Draws the leaks of the database too
    #[arg(long)]
    live: bool,
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &GraphArgs) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Mermaid, Format::Dot, Format::Svg])?;
    let drawn = if args.live {
        let project = context.project_if_any()?;
        let (report, _) = judge(context, project.as_ref(), &AuditArgs::default()).await?;
        Graph::new(project.as_ref(), Some(&report))
    } else {
        Graph::new(Some(&context.project_anywhere()?), None)
    };
    context.answer(&match format {
        Format::Svg => graph::svg::file(&drawn),
        Format::Dot => graph::dot(&drawn),
        _ => graph::mermaid(&drawn),
    });
    Ok(Verdict::Done)
}
