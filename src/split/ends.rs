//! Both databases at once, and what they say of the split.

use sqlx::postgres::PgConnection;

use super::Between;
use super::error::Error;
use super::link;
use super::settle;
use super::state::{Side, Split};
use crate::event::Listener;
use crate::ident::Ident;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::pooler::Backend;
use crate::pg::session::SessionKind;
use crate::pg::trust;
use crate::pg::{exec, lock, standby};
use crate::registry;
use crate::registry::split::SplitRow;
use crate::sql;
use crate::temporary_login;

/// How long to wait for another pgcleave that drives the same split, in seconds: one that was killed may have left a
/// statement on the server.
const LOCK_SECONDS: u64 = 10;

/// A connection to each side.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) source: PgConnection,
    pub(super) target: PgConnection,
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) system: String,
    pub(super) database: String,
    pub(super) major: u32,
}

impl Ends {
    /// Connects to both; they must be two databases.
    pub(super) async fn open(between: &Between) -> Result<Self, Error> {
        let mut source = between.source.connect(SessionKind::Administrator, "pgcleave split").await?;
        let mut target =
            between.target.connect(SessionKind::Loading { owner: None, search_path: &[] }, "pgcleave split").await?;
        Backend::lasting(&between.source, &mut source).await?;
        Backend::lasting(&between.target, &mut target).await?;
        durable(&mut source).await?;
        durable(&mut target).await?;
        let (one, two) = (identity(&mut source).await?, identity(&mut target).await?);
        if one.system == two.system && one.database == two.database {
            return Err(Error::WrongTarget("the dedicated database is the shared one itself".to_owned()));
        }
        Ok(Self { source, target })
    }

    /// Gives one side's connection.
    pub(super) fn side(&mut self, side: Side) -> &mut PgConnection {
        match side {
            Side::Source => &mut self.source,
            Side::Target => &mut self.target,
        }
    }

    /// Keeps every other pgcleave from driving this split for as long as the connections live.
    pub(super) async fn lock(&mut self, service: &str, listener: Listener<'_>) -> Result<(), Error> {
        for side in [Side::Source, Side::Target] {
            lock(self.side(side), service, listener).await?;
        }
        Ok(())
    }

    /// Reads both records, the source's first.
    pub(super) async fn records(&mut self, service: &str) -> Result<[Option<Split>; 2], Error> {
        let source = record(&mut self.source, service, Side::Source).await?;
        let target = record(&mut self.target, service, Side::Target).await?;
        Ok([source, target])
    }

    /// Reads the split, of which there must be one.
    pub(super) async fn split(&mut self, between: &Between) -> Result<Split, Error> {
        let [source, target] = self.records(&between.service).await?;
        let split = settle::newest(source, target).map_err(Error::Overtaken)?;
        let split = split.ok_or_else(|| Error::None(between.service.clone()))?;
        for side in [Side::Source, Side::Target] {
            let (known, found) = (split.place(side).clone(), identity(self.side(side)).await?);
            if known.system != found.system || known.database != found.database {
                let (side, label) = (side.as_str(), known.label);
                return Err(Error::WrongTarget(format!("the split's {side} is {label}, and that is another database")));
            }
        }
        Ok(split)
    }

    /// Locks and reads the split that a command is to change, and takes back what a start that was cut off has lent.
    pub(super) async fn drive(&mut self, between: &Between, listener: Listener<'_>) -> Result<Split, Error> {
        self.lock(&between.service, listener).await?;
        let split = self.split(between).await?;
        self.take_back(&split).await?;
        Ok(split)
    }

    /// Takes the right to read everything from the follower's login, if it has that still.
    pub(super) async fn take_back(&mut self, split: &Split) -> Result<(), Error> {
        let login = split.link(Side::Source);
        if link::reads_all(&mut self.source, &login).await? {
            link::read_all(&mut self.source, &login, false).await?;
        }
        Ok(())
    }

    /// Puts the OIDs of the roles that the split has made on both sides into the record, for the next writing.
    pub(super) async fn read_roles(&mut self, split: &mut Split) -> Result<(), Error> {
        // Roles belong to the server: where both databases are on one, each sees those of both.
        let together = split.source.system == split.target.system;
        for side in [Side::Source, Side::Target] {
            let made = |side| [split.link(side), split.applier(side)];
            let mut names = made(side).to_vec();
            names.extend(made(side.other()).into_iter().filter(|_| together));
            *split.roles.of(side) = Some(oids(self.side(side), &names).await?);
        }
        Ok(())
    }

    /// The same, and writes the record where they are others than before.
    pub(super) async fn note_roles(&mut self, split: &mut Split) -> Result<(), Error> {
        let known = split.roles.clone();
        self.read_roles(split).await?;
        if split.roles == known { Ok(()) } else { self.write(split).await }
    }

    /// Writes the split on both sides.
    pub(super) async fn write(&mut self, split: &mut Split) -> Result<(), Error> {
        split.revision += 1;
        for side in [Side::Source, Side::Target] {
            put(self.side(side), split, side).await?;
        }
        Ok(())
    }
}

/// Keeps every other pgcleave from driving this split on one side.
pub(super) async fn lock(connection: &mut PgConnection, service: &str, listener: Listener<'_>) -> Result<(), Error> {
    standby::refuse(connection).await?;
    registry::verified(connection).await?;
    lock::take(connection, &registry::split::lock_name(service), LOCK_SECONDS, listener).await?;
    trust::event_triggers(connection).await?;
    temporary_login::sweep(connection, listener).await?;
    Ok(())
}

/// Writes the split on one side, in the transaction under way if there is one.
pub(super) async fn put(connection: &mut PgConnection, split: &Split, side: Side) -> Result<(), Error> {
    let row = SplitRow {
        service: split.service.clone(),
        id: split.id.clone(),
        side: side.as_str().to_owned(),
        revision: split.revision,
        record: serde_json::to_string(split).expect("it has only texts for keys"),
    };
    if registry::split::put(connection, &row).await? {
        return Ok(());
    }
    Err(Error::Overtaken(format!("another pgcleave has gone on with the split of service {}", split.service)))
}

pub(super) async fn record(connection: &mut PgConnection, service: &str, side: Side) -> Result<Option<Split>, Error> {
    // A database may be one service's source and another's target, but one service's it is only one of them.
    let Some(row) = registry::split::get(connection, service).await?.filter(|row| row.side == side.as_str()) else {
        return Ok(None);
    };
    let read = serde_json::from_str(&row.record);
    read.map(Some).map_err(|e| Error::Overtaken(format!("the {}'s record was written otherwise: {e}", side.as_str())))
}

/// Lets every commit of a session outlive a crash: what is written on one side is acted upon on the other.
pub(super) async fn durable(connection: &mut PgConnection) -> Result<(), PgError> {
    exec::batch(connection, "make commits durable", &sql!("set synchronous_commit = on")).await
}

/// Asks a server who it is.
pub(super) async fn identity(connection: &mut PgConnection) -> Result<Identity, PgError> {
    let (system, database, number): (String, String, i32) = sqlx::query_as(
        "select s.system_identifier::pg_catalog.text, pg_catalog.current_database()::pg_catalog.text, \
           pg_catalog.current_setting('server_version_num')::pg_catalog.int4 from pg_catalog.pg_control_system() s",
    )
    .fetch_one(connection)
    .await
    .map_err(|e| PgError::new("ask which server this is", &e))?;
    Ok(Identity { system, database, major: u32::try_from(number).unwrap_or(0) / 10_000 })
}

/// Gives `host:port/database`, for people.
pub(super) fn label(target: &Target) -> String {
    format!("{}:{}/{}", target.host(), target.port(), target.database())
}

/// Gives the OIDs of those of these roles that are there.
async fn oids(connection: &mut PgConnection, names: &[Ident]) -> Result<Vec<u32>, PgError> {
    let wanted: Vec<&str> = names.iter().map(Ident::as_str).collect();
    let there: Vec<i64> = sqlx::query_scalar(
        "select r.oid::pg_catalog.int8 from pg_catalog.pg_roles r where r.rolname = any ($1) order by r.oid",
    )
    .bind(&wanted)
    .fetch_all(connection)
    .await
    .map_err(|e| PgError::new("look for the roles of replication", &e))?;
    Ok(there.into_iter().filter_map(|oid| u32::try_from(oid).ok()).collect())
}
