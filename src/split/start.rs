//! From nothing to a target that follows: prepared, copied, catching up, ready. Run again, it goes on.

use std::time::{Duration, Instant};

use super::bridge::Bridge;
use super::bridge::contract::Direction;
use super::definitions;
use super::ends::{self, Ends};
use super::error::Error;
use super::failpoint::{self, Failpoint};
use super::settle::{self, Settled};
use super::state::{Blocks, Phase, Place, Roles, Side, Split};
use super::{Between, abort, applier, check, copy, fence, link, members, write_block};
use crate::event::{Event, Listener};
use crate::interrupt::Interrupt;
use crate::manifest::service::Project;
use crate::registry;
use crate::transfer::coupling;
use crate::transfer::readers;
use crate::transfer::table;

/// How closely the target must follow to be ready: how long a row may take to arrive, in milliseconds.
const READY_MILLIS: u64 = 1000;

/// How often progress is told while the target catches up, in milliseconds.
const TELL_MILLIS: u64 = 1000;

/// How often to look whether the rows of new tables have arrived, in milliseconds.
const ARRIVAL_MILLIS: u64 = 100;

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many connections copy at once, on each side.
    pub jobs: usize,
    /// A limit for all of them together, in bytes a second.
    pub max_bytes_per_second: Option<u64>,
    /// How long to wait for locked tables, and for transactions that keep the slot from being made, in seconds.
    pub lock_seconds: u64,
    /// The most write-ahead log that the slot may hold back.
    pub max_wal_bytes: Option<u64>,
    /// What is allowed, and what texts say of other schemas. With `superuser-objects` the administrator makes objects of
    /// superusers, and what needs one, in the target.
    pub known: check::Known,
    /// A request to stop; the next start goes on.
    pub interrupt: Interrupt,
}

/// Begins a split, or goes on with one, until the target follows closely.
///
/// # Errors
/// Something is in the way, a server refused something, or somebody asked to stop. What is there by then is known on
/// both sides: `start` goes on with it, `abort` takes it back.
pub async fn start(
    between: &Between,
    project: Option<&Project>,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Split, Error> {
    let mut ends = Ends::open(between).await?;
    ends.lock(&between.service, listener).await?;
    let [source, target] = ends.records(&between.service).await?;
    let known = settle::newest(source, target).map_err(Error::Overtaken)?;
    let over = |split: &Split| matches!(split.phase, Phase::Aborted | Phase::Finished);
    let mut split = match known {
        Some(split) if split.phase == Phase::Aborted => {
            let why = "it was being aborted; run split abort again".to_owned();
            return Err(Error::WrongPhase { service: split.service, phase: Phase::Aborted.as_str(), why });
        }
        Some(split) if !over(&split) => ends.split(between).await?,
        _ => begin(&mut ends, between, project, options).await?,
    };
    if settle::settle(&split) != Settled::Steady {
        let why = "a change of sides was cut off; run the same split cutover or split rollback again".to_owned();
        return Err(Error::WrongPhase { service: split.service, phase: split.phase.as_str(), why });
    }
    ends.take_back(&split).await?;
    if options.max_wal_bytes.is_some() && options.max_wal_bytes != split.max_wal_bytes {
        split.max_wal_bytes = options.max_wal_bytes;
        ends.write(&mut split).await?;
    }
    loop {
        if options.interrupt.requested() {
            return Err(Error::Interrupted);
        }
        match split.phase {
            Phase::Prepared => {
                split.phase = Phase::Copying;
                ends.write(&mut split).await?;
            }
            Phase::Copying => {
                abort::may_discard(&split)?;
                copy::copy(&mut ends, between, &mut split, options, listener).await?;
                failpoint::reach(Failpoint::StartCopied);
                members::settle(&mut ends, between, project).await?;
                if let Some(bridge) = consumed(between, project).await? {
                    split.calls_as = Some(bridge.caller().clone());
                    ends.write(&mut split).await?;
                    bridge.build().await?;
                }
                split.phase = Phase::CatchingUp;
                definitions::remember(&mut ends, &mut split).await?;
                ends.write(&mut split).await?;
            }
            Phase::CatchingUp => {
                follow(&mut ends, between, &mut split).await?;
                failpoint::reach(Failpoint::StartFollowed);
                catch_up(&mut ends, &mut split, options, listener).await?;
                split.phase = Phase::Ready;
                ends.write(&mut split).await?;
                return Ok(split);
            }
            Phase::Ready => {
                write_block::restore(&mut ends, &mut split, listener).await?;
                refresh(&mut ends, &mut split, options, listener).await?;
                follow(&mut ends, between, &mut split).await?;
                catch_up(&mut ends, &mut split, options, listener).await?;
                return Ok(split);
            }
            phase => {
                let why = "there is nothing to start".to_owned();
                return Err(Error::WrongPhase { service: split.service, phase: phase.as_str(), why });
            }
        }
    }
}

/// Gives the bridge to the contracts that the service consumes, where manifests know of any.
pub(super) async fn consumed(between: &Between, project: Option<&Project>) -> Result<Option<Bridge>, Error> {
    let Some(project) = project else { return Ok(None) };
    let Some(service) = project.services.get(between.service.as_str()) else { return Ok(None) };
    Ok(Some(Bridge::read(between, project, service, Direction::Consumed).await?).filter(|bridge| !bridge.is_empty()))
}

/// Chooses names and writes them down, once nothing is in the way.
async fn begin(
    ends: &mut Ends,
    between: &Between,
    project: Option<&Project>,
    options: &Options,
) -> Result<Split, Error> {
    // Its own error, which says who may not read what.
    if let Some(refusal) = readers::refusals(&mut ends.source, &between.schema).await?.into_iter().next() {
        return Err(refusal.into());
    }
    let couplings = coupling::find(&mut ends.source, &between.schema).await?;
    let readiness = check::check(between, project, &options.known).await?;
    if !readiness.is_ready() {
        let told = |item: &check::readiness::Item| {
            let or = if item.allowable { format!(", or --allow {}", item.kind) } else { String::new() };
            format!("{}: {}{or}", item.message, item.fix)
        };
        let blockers = readiness.blockers.iter().map(told).collect();
        return Err(Error::Blocked { service: between.service.clone(), blockers });
    }
    registry::ensure(&mut ends.source).await?;
    registry::ensure(&mut ends.target).await?;
    let (source, target) = (ends::identity(&mut ends.source).await?, ends::identity(&mut ends.target).await?);
    let place = |identity: ends::Identity, target| Place {
        system: identity.system,
        database: identity.database,
        label: ends::label(target),
    };
    let mut split = Split {
        id: random_id()?,
        service: between.service.clone(),
        schema: between.schema.clone(),
        revision: 0,
        phase: Phase::Prepared,
        writable: Side::Source,
        source: place(source, &between.source),
        target: place(target, &between.target),
        made_roles: Vec::new(),
        made_extensions: Vec::new(),
        source_definitions: None,
        target_definitions: None,
        max_wal_bytes: options.max_wal_bytes,
        turn: None,
        blocks: Blocks::default(),
        roles: Roles::default(),
        unequal: None,
        caller: None,
        calls_as: None,
        kept: None,
    };
    (split.made_roles, split.made_extensions) = copy::missing(ends, between, &couplings).await?;
    ends.write(&mut split).await?;
    failpoint::reach(Failpoint::StartRecorded);
    Ok(split)
}

fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|e| Error::Overtaken(format!("the system gives no random bytes: {e}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Closes the target, makes the block for the source, and subscribes.
async fn follow(ends: &mut Ends, between: &Between, split: &mut Split) -> Result<(), Error> {
    // First: a worker that tries in vain runs for moments.
    let lag = link::lag(&mut ends.source, &split.link(Side::Source)).await?;
    if let Some(why) = lag.broken(Side::Source) {
        return Err(Error::NotFollowing { follower: "target", why });
    }
    applier::settle(&mut ends.target, split, Side::Source).await?;
    ends.note_roles(split).await?;
    link::begin_after_turn(&mut ends.target, split, Side::Source).await?;
    let seen = link::following(&mut ends.target, &split.link(Side::Source)).await?;
    if seen.running && seen.enabled {
        return Ok(());
    }
    block(ends, split).await?;
    let password = link::login(&mut ends.source, split, Side::Source).await?;
    failpoint::reach(Failpoint::StartBlocked);
    link::subscribe(&mut ends.target, split, Side::Source, between.seen(Side::Source), &password).await?;
    ends.note_roles(split).await
}

/// Closes the target, and makes ready what closes the source at the cutover.
async fn block(ends: &mut Ends, split: &mut Split) -> Result<(), Error> {
    write_block::ensure(&mut ends.target, split, Side::Target, true).await?;
    write_block::ensure(&mut ends.source, split, Side::Source, false).await?;
    ends.write(split).await
}

/// Lets the same DDL on both sides be: publishes what is new, has its rows copied, and remembers the definitions as they are now.
async fn refresh(ends: &mut Ends, split: &mut Split, options: &Options, listener: Listener<'_>) -> Result<(), Error> {
    let changed = definitions::changed(ends, split).await?;
    if !changed.source && !changed.target {
        return Ok(());
    }
    if !changed.source || !changed.target || !changed.differences.is_empty() {
        return changed.refuse(split);
    }
    let (link, tables) = (split.link(Side::Source), table::read(&mut ends.source, &split.schema).await?);
    block(ends, split).await?;
    applier::settle(&mut ends.target, split, Side::Source).await?;
    link::read_all(&mut ends.source, &link, true).await?;
    let taken = take_along(ends, split, &tables, options).await;
    // Whatever came: the login reads everything in the shared database meanwhile.
    link::read_all(&mut ends.source, &link, false).await?;
    taken?;
    definitions::remember(ends, split).await?;
    ends.write(split).await?;
    listener(Event::Note {
        message: "the definitions have changed alike on both sides; going on with them".to_owned(),
    });
    Ok(())
}

/// Publishes these tables, and waits until the rows of those that are new are there.
async fn take_along(ends: &mut Ends, split: &Split, tables: &[table::Table], options: &Options) -> Result<(), Error> {
    let link = split.link(Side::Source);
    link::set_tables(&mut ends.source, split, tables).await?;
    link::refresh(&mut ends.target, &link, true).await?;
    let (started, stops) = (Instant::now(), link::following(&mut ends.target, &link).await?.errors);
    while link::arriving(&mut ends.target, &link).await? > 0 {
        if options.interrupt.requested() {
            return Err(Error::Interrupted);
        }
        following(ends, split, started, stops).await?;
        tokio::time::sleep(Duration::from_millis(ARRIVAL_MILLIS)).await;
    }
    Ok(())
}

/// Waits until rows arrive at once.
async fn catch_up(ends: &mut Ends, split: &mut Split, options: &Options, listener: Listener<'_>) -> Result<(), Error> {
    let link = split.link(Side::Source);
    let (started, stops) = (Instant::now(), link::following(&mut ends.target, &link).await?.errors);
    let mut first = None;
    loop {
        let n = fence::write(&mut ends.source, &split.id).await?;
        let bound = Duration::from_millis(READY_MILLIS);
        if fence::arrival(&mut ends.target, &split.id, n, bound).await?.is_some() {
            return Ok(());
        }
        if options.interrupt.requested() {
            return Err(Error::Interrupted);
        }
        following(ends, split, started, stops).await?;
        let lag = link::lag(&mut ends.source, &link).await?;
        let total = *first.get_or_insert(lag.bytes);
        let done = u64::try_from(total - lag.bytes).unwrap_or(0);
        listener(Event::Progress {
            service: Some(split.service.clone()),
            step: "catch up".to_owned(),
            bytes: done,
            total_bytes: u64::try_from(total).unwrap_or(0),
            rows: 0,
        });
        if let Some(too_much) = lag.beyond(split.max_wal_bytes) {
            // The shared server comes first: the copy begins anew.
            split.phase = Phase::Copying;
            ends.write(split).await?;
            applier::unsubscribe(&mut ends.target, split, Side::Source).await?;
            link::drop_slot(&mut ends.source, &link).await?;
            return Err(too_much);
        }
        tokio::time::sleep(Duration::from_millis(TELL_MILLIS)).await;
    }
}

/// Fails once the subscription has failed, or stops again and again.
async fn following(ends: &mut Ends, split: &Split, started: Instant, stops: i64) -> Result<(), Error> {
    /// How long the subscription's worker may take to come, in seconds.
    const WORKER_SECONDS: u64 = 60;
    /// How often the subscription may stop meanwhile; the server lets some seconds pass before it goes on.
    const MAX_STOPS: i64 = 10;
    let seen = link::following(&mut ends.target, &split.link(Side::Source)).await?;
    let not = |why: &str| Err(Error::NotFollowing { follower: "target", why: why.to_owned() });
    if let Some(why) = link::lag(&mut ends.source, &split.link(Side::Source)).await?.broken(Side::Source) {
        return not(&why);
    }
    if !seen.enabled || seen.errors - stops > MAX_STOPS {
        return not(
            "a change cannot be applied, or the way breaks again and again; the target's server log says which",
        );
    }
    if !seen.running && started.elapsed() > Duration::from_secs(WORKER_SECONDS) {
        return not("its worker does not run; the target's server log says why");
    }
    Ok(())
}
