//! Makes the plan of a project, and compares a saved one with it.

use std::collections::BTreeSet;

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::Error;
use crate::catalog::{self, Scope};
use crate::manifest::service::Project;
use crate::migrate::{self, Sources};
use crate::model::state::Observed;
use crate::pg::exec;
use crate::plan::build::{self, Plan};
use crate::plan::change::Change;
use crate::plan::identity;
use crate::plan::pin::Changed;

/// Looks at the database and makes the plan; writes nothing, takes no lock.
///
/// # Errors
/// The server could not be reached or read, or a migration's file is unusable.
pub async fn plan(
    connection: &mut PgConnection,
    project: &Project,
    options: &build::Options,
) -> Result<(Plan, Observed), Error> {
    plan_of(connection, project, &Sources::read(project), options).await
}

/// Makes the plan of a project that is still being found out, whatever services the database has.
///
/// # Errors
/// As of [`plan`].
pub async fn plan_of_found(
    connection: &mut PgConnection,
    project: &Project,
    options: &build::Options,
) -> Result<(Plan, Observed), Error> {
    let (sources, observed) = (Sources::read(project), observe(connection, project).await?);
    Ok((make(connection, project, &sources, options, &observed).await?, observed))
}

/// Makes the plan of files that have been read.
pub(super) async fn plan_of(
    connection: &mut PgConnection,
    project: &Project,
    sources: &Sources,
    options: &build::Options,
) -> Result<(Plan, Observed), Error> {
    let observed = observe(connection, project).await?;
    let misfits = identity::misfits(&project.without_moved(&observed.splits), &observed, options);
    if !misfits.is_empty() {
        return Err(Error::Misfit(misfits));
    }
    Ok((make(connection, project, sources, options, &observed).await?, observed))
}

async fn observe(connection: &mut PgConnection, project: &Project) -> Result<Observed, Error> {
    let asked = build::asked(project);
    let scope = Scope {
        naming: project.naming.clone(),
        roles: asked.roles,
        schemas: asked.schemas,
        views: asked.views,
        described: asked.described,
    };
    Ok(catalog::observe(connection, &scope).await?)
}

async fn make(
    connection: &mut PgConnection,
    project: &Project,
    sources: &Sources,
    options: &build::Options,
    observed: &Observed,
) -> Result<Plan, Error> {
    let project = &project.without_moved(&observed.splits);
    let pending = migrate::pending_of(connection, project, sources).await?;
    let mut plan = build::build(project, observed, &pending.migrations, options);
    plan.blocked = pending.problems.iter().map(|(service, problem)| (service.clone(), problem.to_string())).collect();
    let baselines = pending.problems.iter().filter(|(_, problem)| problem.is_baseline());
    plan.needs_baseline = baselines.map(|(service, _)| service.clone()).collect();
    if !options.services.is_empty() {
        plan.needs_baseline.retain(|service| options.services.contains(service));
        plan.blocked.retain(|service, _| options.services.contains(service));
    }
    refuse_extensions(connection, &mut plan).await?;
    let notes = plan
        .blocked
        .iter()
        .map(|(service, why)| format!("{}'s migrations cannot run: {}", service.as_str(), why.replace('\n', "; ")));
    plan.notes.extend(notes);
    Ok(plan)
}

/// Says of each extension that will be refused why, so that nobody has to apply the plan to learn it.
async fn refuse_extensions(connection: &mut PgConnection, plan: &mut Plan) -> Result<(), Error> {
    let mut refused = BTreeSet::new();
    for change in &mut plan.changes {
        let Some(query) = &change.refusal else { continue };
        let rows = exec::rows(connection, "look who may create where an extension goes", query.as_str()).await?;
        if let Some(row) = rows.first() {
            let why: String = row.get("why");
            change.reason = format!("refused: {why}");
            refused.insert(why);
        }
    }
    plan.notes.extend(refused);
    Ok(())
}

/// Checks that a saved plan is still the plan.
pub(super) fn compare(saved: &Plan, now: &Plan) -> Result<(), Error> {
    if saved.server.database != now.server.database {
        let planned = saved.server.database.as_str().to_owned();
        return Err(Error::OtherDatabase { planned, connected: now.server.database.as_str().to_owned() });
    }
    if saved.fingerprint != now.fingerprint {
        return Err(Error::Moved);
    }
    let (Some(pinned), Some(found)) = (&saved.pins, &now.pins) else { return Err(Changed::Format.into()) };
    if let Some(changed) = pinned.change(found) {
        return Err(changed.into());
    }
    let done = |plan: &Plan| -> Vec<_> {
        let what =
            |c: &Change| (c.stage, c.service.clone(), c.action, c.object.clone(), c.run_as.clone(), c.sql.clone());
        plan.changes.iter().map(what).collect()
    };
    if done(saved) != done(now) || !saved.blocked.keys().eq(now.blocked.keys()) {
        return Err(Changed::Changes.into());
    }
    Ok(())
}
