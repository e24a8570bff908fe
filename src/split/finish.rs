//! Ends a split whose target has the writes: nothing follows any more, and the old schema is put aside.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::Between;
use super::bridge::Bridge;
use super::bridge::contract::Direction;
use super::ends::Ends;
use super::error::Error;
use super::failpoint::{self, Failpoint};
use super::state::{Kept, Phase, Side, Split};
use super::{applier, carry, link, members, turn, write_block};
use crate::event::Listener;
use crate::ident::Ident;
use crate::manifest::service::Project;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::registry;
use crate::sql;
use crate::transfer::table;

/// How to finish.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// How long the old schema is kept, in days.
    pub keep_days: u32,
    /// Whether to end it although nobody knows that all rows were the same.
    pub uncompared: bool,
    /// What stands in for the service's contracts.
    pub bridge: StandIn<'a>,
    /// The manifests whose sink has the service's secrets.
    pub project: Option<&'a Project>,
}

/// What stands in for contracts in the shared database.
#[derive(Debug, Clone, Copy)]
pub enum StandIn<'a> {
    /// Nothing.
    Nothing,
    /// Foreign tables, for the contracts of these manifests.
    Foreign(&'a Project),
    /// The old tables, which go on following, for the contracts of these manifests.
    Copies(&'a Project),
}

impl<'a> StandIn<'a> {
    fn project(self) -> Option<&'a Project> {
        match self {
            Self::Nothing => None,
            Self::Foreign(project) | Self::Copies(project) => Some(project),
        }
    }
}

/// Ends replication and puts the old schema aside under another name; its tables stay closed to writers.
///
/// # Errors
/// The target does not have the writes, or a server refused something: run again, it goes on.
pub async fn finish(between: &Between, options: &Options<'_>, listener: Listener<'_>) -> Result<Split, Error> {
    let mut ends = Ends::open(between).await?;
    let mut split = ends.drive(between, listener).await?;
    if !matches!(split.phase, Phase::Reversed | Phase::Finished) {
        let why = "only a split that was cut over can be finished".to_owned();
        return Err(Error::WrongPhase { service: split.service, phase: split.phase.as_str(), why });
    }
    let equal = split.turn.as_ref().is_some_and(|turn| turn.equal == Some(true));
    if split.phase == Phase::Reversed && !equal && !options.uncompared {
        return Err(Error::Uncompared { service: split.service });
    }
    if split.phase == Phase::Reversed {
        write_block::restore(&mut ends, &mut split, listener).await?;
        if split.doubt().is_some() && !options.uncompared {
            settle_doubt(&mut ends, between, &mut split, listener).await?;
        }
    }
    let bridge = exposed(between, options.bridge.project()).await?;
    let copies = bridge.as_ref().filter(|_| matches!(options.bridge, StandIn::Copies(_)));
    let bridge = bridge.as_ref().filter(|_| copies.is_none());
    // Before anything depends on it.
    if let Some(copies) = copies {
        let refusals = copies.copy_refusals();
        if !refusals.is_empty() {
            return Err(Error::Bridge(refusals.join("; ")));
        }
    }
    if let Some(bridge) = bridge {
        if bridge.has_copies(&mut ends.source).await? {
            let why = "contracts are kept as replicated copies already: drop those first";
            return Err(Error::Bridge(why.to_owned()));
        }
        let caller = Some(bridge.caller().clone());
        if split.caller != caller {
            split.caller = caller;
            ends.write(&mut split).await?;
        }
        bridge.connect().await?;
    }
    if split.phase == Phase::Reversed {
        carry::logins(&mut ends, between, &mut split).await?;
        members::settle(&mut ends, between, options.project).await?;
        carry::registry(&mut ends, &split).await?;
    }
    if split.kept.is_none() {
        let now = OffsetDateTime::now_utc();
        let until = now + Duration::days(i64::from(options.keep_days));
        let until = until.format(&Rfc3339).expect("a time in this millennium can be written");
        split.kept = Some(Kept { schema: aside(&split), until });
    }
    failpoint::reach(Failpoint::FinishPrepared);
    split.phase = Phase::Finished;
    ends.write(&mut split).await?;
    failpoint::reach(Failpoint::FinishRecorded);
    // Not before: a finish that was cut off until here can still be rolled back, and clients find the source by the sink.
    if let Some(project) = options.project {
        carry::secrets(&mut ends, between, project, listener).await?;
    }

    let tables = table::read(&mut ends.target, &split.schema).await?;
    if let Some(copies) = copies {
        let kept = copies.copies();
        let kept: Vec<_> = tables.iter().filter(|table| kept.contains(&table.name)).cloned().collect();
        link::set_tables(&mut ends.target, &split, &kept).await?;
    } else {
        applier::unsubscribe(&mut ends.source, &split, Side::Target).await?;
        link::unpublish(&mut ends.target, &split, Side::Target).await?;
    }
    link::unpublish(&mut ends.source, &split, Side::Source).await?;
    failpoint::reach(Failpoint::FinishUnfollowed);
    write_block::remove(&mut ends.target, &split, &tables).await?;
    put_aside(&mut ends, &split, bridge, copies).await?;
    if copies.is_some() {
        applier::settle(&mut ends.source, &split, Side::Target).await?;
        link::refresh(&mut ends.source, &split.link(Side::Target), false).await?;
        carry::administrator(&mut ends, listener).await?;
        return Ok(split);
    }
    if let Some(bridge) = bridge {
        bridge.settle().await?;
    }
    for side in [Side::Source, Side::Target] {
        registry::split::remove_fence(ends.side(side), &split.id).await?;
    }
    carry::administrator(&mut ends, listener).await?;
    Ok(split)
}

/// Compares all rows, where somebody may have written to the source meanwhile.
async fn settle_doubt(
    ends: &mut Ends,
    between: &Between,
    split: &mut Split,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let at_cutover = split.turn.as_ref().and_then(|turn| turn.equal);
    let differ = turn::compare_now(ends, between, split, listener).await?;
    if differ.is_empty() {
        return Ok(());
    }
    if let Some(turn) = &mut split.turn {
        // What was found at the cutover is true still.
        turn.equal = at_cutover;
    }
    ends.write(split).await?;
    Err(Error::DiffersFinish { service: split.service.clone(), tables: differ })
}

/// Gives the old schema's new name, which says what it was.
fn aside(split: &Split) -> Ident {
    let mut name = split.schema.as_str().to_owned();
    let suffix = format!("_before_split_{}", split.id);
    while name.len() + suffix.len() > crate::ident::MAX_BYTES {
        name.pop();
    }
    Ident::from_server(&(name + &suffix))
}

/// Gives the bridge to the contracts that the service exposes, if there are any.
pub(super) async fn exposed(between: &Between, project: Option<&Project>) -> Result<Option<Bridge>, Error> {
    let Some(project) = project else { return Ok(None) };
    let Some(service) = project.services.get(between.service.as_str()) else { return Ok(None) };
    Ok(Some(Bridge::read(between, project, service, Direction::Exposed).await?).filter(|bridge| !bridge.is_empty()))
}

/// Renames the old schema and puts the bridge in its place, in one transaction.
async fn put_aside(
    ends: &mut Ends,
    split: &Split,
    bridge: Option<&Bridge>,
    copies: Option<&Bridge>,
) -> Result<(), Error> {
    let Some(kept) = &split.kept else { return Ok(()) };
    let source = &mut ends.source;
    let there: bool = sqlx::query_scalar("select exists (select from pg_catalog.pg_namespace where nspname = $1)")
        .bind(kept.schema.as_str())
        .fetch_one(&mut *source)
        .await
        .map_err(|e| PgError::new("look for the old schema", &e))?;
    let begin = sql!("begin; set local lock_timeout = '5s'; set local search_path = pg_catalog");
    exec::batch(source, "put the old schema aside", &begin).await?;
    let done = async {
        if !there {
            let rename = sql!("alter schema ", split.schema, " rename to ", kept.schema);
            exec::batch(source, "put the old schema aside", &rename).await?;
        }
        match (bridge, copies) {
            (Some(bridge), _) => bridge.keep(source).await,
            (None, Some(copies)) => copies.keep_copies(source, &kept.schema).await,
            (None, None) => Ok(()),
        }
    }
    .await;
    let end = if done.is_ok() { sql!("commit") } else { sql!("rollback") };
    exec::batch(source, "put the old schema aside", &end).await?;
    done
}
