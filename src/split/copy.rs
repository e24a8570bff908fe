//! The copy: everything around the schema, then its definitions and rows as the slot's snapshot sees them.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::Between;
use super::ends::{self, Ends};
use super::error::Error;
use super::start::Options;
use super::state::{Side, Split};
use super::{applier, drop_schema, link, slot};
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::pg::session::{self, SessionKind};
use crate::registry;
use crate::sql;
use crate::transfer::clone::{self, Options as CloneOptions};
use crate::transfer::control::{Control, Step};
use crate::transfer::coupling::{self, Coupling};
use crate::transfer::ddl;
use crate::transfer::journal::Journal;
use crate::transfer::load;
use crate::transfer::loader::{self, Loader, Owners};
use crate::transfer::logins;
use crate::transfer::pg_dump::PgDump;
use crate::transfer::readers::Readers;
use crate::transfer::sequences;
use crate::transfer::snapshot::Locks;
use crate::transfer::statement;
use crate::transfer::surroundings::{self, Surroundings};

/// How often to look at what the slot holds back, in milliseconds.
const WATCH_MILLIS: u64 = 1000;

/// Names the roles and the extensions that the target does not have yet; nothing of them stays. What somebody else creates there
/// at the same time is not among them.
pub(super) async fn missing(
    ends: &mut Ends,
    between: &Between,
    couplings: &[Coupling],
) -> Result<(Vec<Ident>, Vec<Ident>), Error> {
    let around = read(&mut ends.source, between, couplings).await?;
    let target = &mut ends.target;
    let before = names(target).await?;
    exec::batch(target, "begin to try", &sql!("begin")).await?;
    let tried = async {
        run(target, &around.roles).await?;
        run(target, &around.extensions).await?;
        names(target).await
    }
    .await;
    exec::batch(target, "undo the trying", &sql!("rollback")).await?;
    let after = tried?;
    let new = |before: &[String], after: &[String], ours: &[Ident]| {
        let made = |name: &&Ident| {
            let is_it = |other: &String| other == name.as_str();
            after.iter().any(is_it) && !before.iter().any(is_it)
        };
        ours.iter().filter(made).cloned().collect()
    };
    Ok((new(&before.0, &after.0, &around.role_names), new(&before.1, &after.1, &around.extension_names)))
}

async fn names(connection: &mut PgConnection) -> Result<(Vec<String>, Vec<String>), PgError> {
    let failed = |e: sqlx::Error| PgError::new("look for roles and extensions", &e);
    let roles = sqlx::query_scalar("select rolname::pg_catalog.text from pg_catalog.pg_roles order by 1")
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let extensions = sqlx::query_scalar("select extname::pg_catalog.text from pg_catalog.pg_extension order by 1")
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    Ok((roles, extensions))
}

pub(super) async fn read(
    source: &mut PgConnection,
    between: &Between,
    couplings: &[Coupling],
) -> Result<Surroundings, PgError> {
    let verifiers = logins::readable(source).await?;
    surroundings::read(source, &between.schema, &between.service, couplings, verifiers).await
}

pub(super) async fn run(connection: &mut PgConnection, script: &str) -> Result<(), PgError> {
    exec::script(connection, "prepare the target", script).await.map_err(|e| e.error)
}

/// Copies everything; what an earlier copy has left is thrown away first.
pub(super) async fn copy(
    ends: &mut Ends,
    between: &Between,
    split: &mut Split,
    options: &Options,
    listener: Listener<'_>,
) -> Result<(), Error> {
    discard(ends, split).await?;
    let couplings = coupling::find(&mut ends.source, &split.schema).await?;
    let around = read(&mut ends.source, between, &couplings).await?;
    let schema = split.schema.clone();
    let owners = Owners {
        schema: &schema,
        owner: around.owner.as_ref(),
        all: &around.owners,
        superusers: options.known.allowed.contains("superuser-objects"),
        jobs: options.jobs,
    };
    loader::permitted(&mut ends.target, &owners).await?;
    run(&mut ends.target, &around.roles).await?;
    run(&mut ends.target, &around.extensions).await?;

    let major = ends::identity(&mut ends.source).await?.major;
    let dump = PgDump::find(major).await?;
    let control = Control::new(options.interrupt.clone(), options.max_bytes_per_second);
    let mut readers = Readers::open(&between.source, &split.schema, options.jobs).await?;
    let copied = through(ends, between, split, (&mut readers, owners, &dump, &control), options, listener).await;
    readers.end(copied).await?;
    let after = read(&mut ends.source, between, &couplings).await?;
    run(&mut ends.target, &after.grants).await?;
    fill_views(&mut ends.target, &between.target, &owners, &after.refreshes, listener).await?;
    Ok(session::pin(&mut ends.target, SessionKind::Loading { owner: None, search_path: &[] }).await?)
}

/// Copies definitions, rows and sequences as the slot's snapshot sees them, through the logins that read the rows.
async fn through(
    ends: &mut Ends,
    between: &Between,
    split: &mut Split,
    (readers, owners, dump, control): (&mut Readers, Owners<'_>, &PgDump, &Arc<Control>),
    options: &Options,
    listener: Listener<'_>,
) -> Result<(), Error> {
    // The other way round, a table that is rewritten in between would come out empty.
    let locks = Locks::take(&between.source, readers, options.lock_seconds).await?;
    registry::split::make_fence(&mut ends.source, &split.id).await?;
    registry::split::make_fence(&mut ends.target, &split.id).await?;
    link::publish(&mut ends.source, split, locks.tables()).await?;
    let name = split.link(Side::Source);
    let interrupt = &options.interrupt;
    let slot = slot::export(&between.source, &mut ends.source, dump, &name, options.lock_seconds, interrupt).await?;
    let snapshot = locks.adopt(&between.source, readers, &slot.snapshot, &slot.lsn).await?;
    let dumper = readers.dumper().await?;
    let definitions = ddl::dump(dump, &dumper, &split.schema, &snapshot.id, control).await?;
    let clone = CloneOptions {
        source: &between.source,
        target: &between.target,
        owners,
        snapshot: &snapshot,
        definitions: &definitions,
        jobs: options.jobs,
        id: &split.id,
        analyze: true,
    };
    let step = Step { service: &split.service, step: "copy", total_bytes: 0, listener };
    let too_much = rows(&clone, control, &step, split).await?;
    // The snapshot may go: what comes later comes by replication.
    drop(snapshot);
    drop(slot);
    readers.release().await?;
    if let Some(too_much) = too_much {
        link::drop_slot(&mut ends.source, &name).await?;
        return Err(too_much);
    }
    let positions = sequences::positions(readers).await?;
    as_owners(&mut ends.target, between, &owners, positions.sql.as_str()).await
}

/// Runs a script in the target as the login that loads definitions and rows: what it runs of the service's code has the
/// owners' rights and no others.
async fn as_owners(
    admin: &mut PgConnection,
    between: &Between,
    owners: &Owners<'_>,
    script: &str,
) -> Result<(), Error> {
    if script.is_empty() {
        return Ok(());
    }
    let loader = Loader::start(admin, &between.target, owners).await?;
    let done: Result<(), Error> = async {
        let mut session = loader.connect("pgcleave split").await?;
        run(&mut session, script).await?;
        // Its end is awaited: the login is dropped next.
        let _ = session.close().await;
        Ok(())
    }
    .await;
    let finished = loader.finish(admin).await;
    done?;
    Ok(finished?)
}

/// Fills the materialized views as their owners; one whose query fails here stays empty, and is named.
pub(super) async fn fill_views(
    admin: &mut PgConnection,
    target: &Target,
    owners: &Owners<'_>,
    refreshes: &str,
    listener: Listener<'_>,
) -> Result<(), Error> {
    if refreshes.is_empty() {
        return Ok(());
    }
    let loader = Loader::start(admin, target, owners).await?;
    let done: Result<(), Error> = async {
        let mut session = loader.connect("pgcleave split").await?;
        // A policy that hides rows from the owner hides them from its view, too.
        run(&mut session, "set row_security = on").await?;
        for refresh in statement::split(refreshes) {
            match run(&mut session, refresh).await {
                Err(error) if load::is_its_own(&error) => {
                    listener(Event::Warning { message: format!("{}: {error}", sequences::not_filled(refresh)) });
                }
                filled => filled?,
            }
        }
        let _ = session.close().await;
        Ok(())
    }
    .await;
    let finished = loader.finish(admin).await;
    done?;
    Ok(finished?)
}

/// Copies all rows, unless the slot holds back too much of the log meanwhile; gives what is to be said then.
async fn rows(
    clone: &CloneOptions<'_>,
    control: &Arc<Control>,
    step: &Step<'_>,
    split: &Split,
) -> Result<Option<Error>, Error> {
    let mut watcher = clone.source.connect(SessionKind::Administrator, "pgcleave split").await?;
    let name = split.link(Side::Source);
    let watching = beyond(&mut watcher, &name, split.max_wal_bytes);
    let cloning = clone::clone(clone, control, step);
    tokio::pin!(cloning);
    tokio::select! {
        cloned = &mut cloning => {
            cloned?;
            Ok(None)
        }
        found = watching => {
            control.fail();
            let _ = cloning.await;
            Ok(Some(found?))
        }
    }
}

/// Watches what the slot holds back; ends when that is too much, or more than the server itself allows.
async fn beyond(watcher: &mut PgConnection, name: &Ident, limit: Option<u64>) -> Result<Error, PgError> {
    loop {
        tokio::time::sleep(Duration::from_millis(WATCH_MILLIS)).await;
        let lag = link::lag(watcher, name).await?;
        if let Some(too_much) = lag.beyond(limit) {
            return Ok(too_much);
        }
        if lag.is_lost() {
            return Ok(Error::LogLost);
        }
    }
}

/// Throws away what a copy has made on either side, but for roles and extensions.
pub(super) async fn discard(ends: &mut Ends, split: &Split) -> Result<(), Error> {
    let name = split.link(Side::Source);
    applier::unsubscribe(&mut ends.target, split, Side::Source).await?;
    link::drop_slot(&mut ends.source, &name).await?;
    drop_schema::drop_schema(&mut ends.target, split, &split.schema).await?;
    Ok(Journal::look(&mut ends.target, &split.id).await?.close(&mut ends.target).await?)
}
