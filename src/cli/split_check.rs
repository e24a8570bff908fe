//! `pgcleave split check`: tells what stands in the way of a service's move.

use pgcleave::audit::{self, Options, services::Services};
use pgcleave::error::Verdict;
use pgcleave::manifest::service::Project;
use pgcleave::pg::session::SessionKind;
use pgcleave::split::Between;
use pgcleave::split::check::{
    self,
    readiness::{Allowed, Item},
};
use pgcleave::{catalog, report};

use super::context::{Context, Format};
use super::failure::Failure;

/// The audit's rules about what only a function's text says; what the catalog tracks is found without them.
const RULES: [&str; 2] = ["CPL06", "CPL11"];

/// Runs the command.
pub(crate) async fn run(
    context: &Context,
    project: Option<&Project>,
    between: &Between,
    allow: &[String],
) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let readiness = check::check(between, project, &known(project, between, allow).await?).await?;
    context.answer(&match format {
        Format::Json => report::readiness::json(&readiness),
        _ => report::readiness::human(&readiness),
    });
    Ok(if readiness.is_ready() { Verdict::Done } else { Verdict::Pending })
}

/// Gives what check and start know alike beside what they read themselves.
pub(super) async fn known(
    project: Option<&Project>,
    between: &Between,
    allow: &[String],
) -> Result<check::Known, Failure> {
    let allowed = Allowed::new(allow.iter().map(String::as_str));
    Ok(check::Known { allowed, texts: in_texts(project, between).await? })
}

/// Audits the source for references that only texts hold, from and to the service.
async fn in_texts(project: Option<&Project>, between: &Between) -> Result<Vec<(bool, Item)>, Failure> {
    let mut connection = between.source.connect(SessionKind::Administrator, "pgcleave split check").await?;
    let facts = catalog::facts::read(&mut connection).await?;
    let services = project.map_or_else(Services::inferred, Services::from_project);
    let found = audit::run(&facts, &services, &Options { rules: RULES.map(str::to_owned).to_vec() });
    let schema = format!("{}.", between.schema.as_str());
    let mut findings = found.findings;
    // A login of no service comes along, or is named as one that stays.
    findings.retain(|finding| finding.rule != "CPL11" || finding.principal_service.is_some());
    let ours = findings.into_iter().filter(|finding| {
        finding.service.as_deref() == Some(between.service.as_str())
            || finding.principal_service.as_deref() == Some(between.service.as_str())
            || finding.object.starts_with(&schema)
    });
    let item = |finding: audit::finding::Finding| {
        let blocks = !finding.declared && finding.severity != audit::finding::Severity::Info;
        let fix =
            finding.fix.lines().map(|line| line.strip_prefix("-- ").unwrap_or(line)).collect::<Vec<_>>().join("\n");
        (blocks, Item::new(&finding.rule.to_lowercase(), &finding.object, finding.message, fix, None))
    };
    Ok(ours.map(item).collect())
}
