//! A worker's session: that of whoever reads the table under way, inside the shared snapshot.

use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::super::error::Error;
use super::super::table::Table;
use super::decide::Who;
use super::{holds, kind, milliseconds};
use crate::pg::connect::Target;
use crate::pg::exec;
use crate::sql;
use crate::sql::{Literal, Sql};

/// How long a session that joins may wait for a table, in seconds.
const JOIN_LOCK_SECONDS: u64 = 10;

/// What all workers need to see the same.
#[derive(Debug)]
pub(in super::super) struct Joining {
    /// What `SET TRANSACTION SNAPSHOT` takes.
    pub(super) id: String,
    pub(super) schema: String,
    pub(super) readers: Vec<Shared>,
}

/// A reader, as a worker needs to know it.
#[derive(Debug)]
pub(in super::super) struct Shared {
    pub(super) target: Target,
    pub(super) who: Who,
    /// Locks its tables once more, for each session that joins.
    pub(super) lock: Option<Sql>,
    pub(super) oids: Vec<u32>,
}

/// One worker. It has one session at a time, and another one where the next table has another reader.
#[derive(Debug)]
pub struct Worker {
    joining: Arc<Joining>,
    application: &'static str,
    current: Option<(usize, PgConnection)>,
}

impl Worker {
    pub(in super::super) fn new(joining: Arc<Joining>, application: &'static str) -> Self {
        Self { joining, application, current: None }
    }

    /// Returns the session that reads a table.
    ///
    /// # Errors
    /// The server could not be reached, the snapshot is gone, or somebody waits to alter a table already.
    ///
    /// # Panics
    /// Never: every table of a snapshot has a reader.
    pub async fn session(&mut self, table: &Table) -> Result<&mut PgConnection, Error> {
        if self.current.as_ref().is_none_or(|(reader, _)| *reader != table.reader) {
            if let Some((_, old)) = self.current.take() {
                let _ = old.close().await;
            }
            let session = self.joining.join(table.reader, self.application).await?;
            self.current = Some((table.reader, session));
        }
        Ok(&mut self.current.as_mut().expect("it was just set").1)
    }
}

impl Joining {
    /// Opens a session that sees the snapshot, with locks of its own.
    ///
    /// Without them it would come to a table behind an ALTER TABLE that waits for this snapshot's end: for ever.
    async fn join(&self, reader: usize, application: &str) -> Result<PgConnection, Error> {
        let reader = &self.readers[reader];
        let mut session = reader.target.connect(kind(&reader.who), application).await?;
        let mut begin = sql!(
            "begin transaction isolation level repeatable read, read only; set transaction snapshot ",
            Literal(&self.id),
            "; set local lock_timeout = ",
            milliseconds(JOIN_LOCK_SECONDS)
        );
        if let Some(lock) = &reader.lock {
            begin.push(&sql!("; ", lock));
        }
        let joined = exec::batch(&mut session, "join the snapshot and lock the tables against DDL", &begin).await;
        joined.map_err(|error| match error.sqlstate() {
            Some("55P03") => Error::TableLocked { schema: self.schema.clone(), seconds: JOIN_LOCK_SECONDS },
            _ => error.into(),
        })?;
        if !holds(&mut session, reader.oids.iter().copied()).await? {
            return Err(Error::TablesChanging { schema: self.schema.clone() });
        }
        Ok(session)
    }
}
