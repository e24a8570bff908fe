//! What may still be done with a split that has ended: dropping what was put aside, and forgetting it.
//!
//! Both act in the shared database alone; the dedicated one is told where it can be reached.

use sqlx::postgres::PgConnection;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::ends::{self, identity};
use super::error::Error;
use super::state::{Phase, Side, Split};
use super::{drop_schema, link};
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::manifest::service::Project;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::session::SessionKind;
use crate::registry;

/// The service, and where its split has left something.
#[derive(Debug, Clone)]
pub struct Left {
    /// The service's name.
    pub service: String,
    /// The shared database.
    pub source: Target,
    /// The dedicated one, if it is there still.
    pub target: Option<Target>,
}

/// Drops the old schema, which is named by whoever wants that, once its time has come.
///
/// # Errors
/// It is not the kept schema's name, its time has not come, or the server refused.
pub async fn drop_kept(left: &Left, name: &Ident, listener: Listener<'_>) -> Result<Split, Error> {
    let (mut source, mut split) = ended(left, listener).await?;
    let Some(kept) = split.kept.clone() else {
        return refuse(split, "no schema of it is kept".to_owned());
    };
    if kept.schema != *name {
        return refuse(split, format!("the schema that is kept is {}", kept.schema.as_str()));
    }
    if !has_schema(&mut source, name).await? && has_block(&mut source, &split).await? {
        return refuse(split, "split finish was cut off before it had put the schema aside; run it again".to_owned());
    }
    let until = OffsetDateTime::parse(&kept.until, &Rfc3339);
    if until.map_or(true, |until| OffsetDateTime::now_utc() < until) {
        return refuse(split, format!("schema {} is kept until {}", name.as_str(), kept.until));
    }
    drop_schema::drop_schema(&mut source, &split, name).await?;
    split.kept = None;
    split.revision += 1;
    ends::put(&mut source, &split, Side::Source).await?;
    if let Some(mut target) = dedicated(left, &split, listener).await {
        ends::put(&mut target, &split, Side::Target).await?;
    }
    Ok(split)
}

/// Forgets a split whose service lives in the shared database again, so that plan and apply look after it there.
///
/// # Errors
/// The service is not there, something of the split is, or the server refused.
pub async fn forget(
    left: &Left,
    schema: &Ident,
    project: Option<&Project>,
    listener: Listener<'_>,
) -> Result<Split, Error> {
    let (mut source, split) = ended(left, listener).await?;
    if let Some(kept) = &split.kept
        && has_schema(&mut source, &kept.schema).await?
    {
        let name = kept.schema.as_str();
        return refuse(
            split.clone(),
            format!("its old schema is kept as {name}: split finish --drop {name} comes first"),
        );
    }
    let follower = split.link(Side::Target);
    if link::subscribed(&mut source, &follower).await? {
        let name = follower.as_str();
        return refuse(split, format!("copies of its contracts still follow the target, by subscription {name}"));
    }
    let place = ends::label(&left.source);
    match owner(&mut source, schema).await? {
        None => {
            let schema = schema.as_str();
            return refuse(split, format!("{place} has no schema {schema}; bring it back first, as with import"));
        }
        Some(owner) if bridge(project, &split) == owner => {
            let schema = schema.as_str();
            return refuse(split, format!("schema {schema} of {place} is only the bridge to it, of {owner}"));
        }
        Some(_) => {}
    }
    if let Some(mut target) = dedicated(left, &split, listener).await {
        registry::split::forget(&mut target, &split.service).await?;
    }
    registry::split::forget(&mut source, &split.service).await?;
    Ok(split)
}

/// Opens the shared database for a split that has ended, which nobody else may drive meanwhile.
async fn ended(left: &Left, listener: Listener<'_>) -> Result<(PgConnection, Split), Error> {
    let mut source = left.source.connect(SessionKind::Administrator, "pgcleave split").await?;
    ends::durable(&mut source).await?;
    ends::lock(&mut source, &left.service, listener).await?;
    let split = ends::record(&mut source, &left.service, Side::Source).await?;
    let split = split.ok_or_else(|| Error::None(left.service.clone()))?;
    let found = identity(&mut source).await?;
    if found.system != split.source.system || found.database != split.source.database {
        let label = split.source.label;
        return Err(Error::WrongTarget(format!("the split's source is {label}, and that is another database")));
    }
    if split.phase != Phase::Finished {
        return refuse(split, "only one that is finished leaves something to drop, or to forget".to_owned());
    }
    Ok((source, split))
}

fn refuse<T>(split: Split, why: String) -> Result<T, Error> {
    Err(Error::WrongPhase { service: split.service, phase: split.phase.as_str(), why })
}

/// Reaches the dedicated database, where it is named and still is what the split knows.
async fn dedicated(left: &Left, split: &Split, listener: Listener<'_>) -> Option<PgConnection> {
    let reached = async {
        let mut target = left.target.as_ref()?.connect(SessionKind::Administrator, "pgcleave split").await.ok()?;
        let found = identity(&mut target).await.ok()?;
        let is_it = found.system == split.target.system && found.database == split.target.database;
        let record = ends::record(&mut target, &split.service, Side::Target).await.ok()??;
        (is_it && record.id == split.id).then_some(target)
    }
    .await;
    if reached.is_none() {
        let label = &split.target.label;
        let message =
            format!("done in the shared database; the record in {label} was not reached, and is of no matter");
        listener(Event::Note { message });
    }
    reached
}

async fn has_schema(connection: &mut PgConnection, name: &Ident) -> Result<bool, PgError> {
    Ok(owner(connection, name).await?.is_some())
}

async fn owner(connection: &mut PgConnection, schema: &Ident) -> Result<Option<String>, PgError> {
    sqlx::query_scalar(
        "select pg_catalog.pg_get_userbyid(nspowner)::pg_catalog.text from pg_catalog.pg_namespace where nspname = $1",
    )
    .bind(schema.as_str())
    .fetch_optional(connection)
    .await
    .map_err(|e| PgError::new("look for the schema", &e))
}

/// Tells whether the old schema has its triggers, and its old name, still.
async fn has_block(connection: &mut PgConnection, split: &Split) -> Result<bool, PgError> {
    sqlx::query_scalar(
        "select exists (select from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and t.tgname = $2)",
    )
    .bind(split.schema.as_str())
    .bind(super::write_block::trigger(split).as_str())
    .fetch_one(connection)
    .await
    .map_err(|e| PgError::new("look for the block", &e))
}

/// Gives the name of the role that owns the bridge.
fn bridge(project: Option<&Project>, split: &Split) -> String {
    let named = project.and_then(|project| project.naming.bridge(&split.service).ok());
    named.map_or_else(|| format!("{}_bridge", split.service), |name| name.as_str().to_owned())
}
