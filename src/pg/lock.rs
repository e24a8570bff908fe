//! The locks of pgcleave, which say who holds them.
//!
//! Every login can take an advisory lock, so a hostile service could hold up everybody. A lock is therefore LOCK TABLE …
//! IN EXCLUSIVE MODE on an empty table of the registry, which only its administrators can lock, in an idle transaction of
//! a session of its own. That transaction has no transaction ID and no snapshot: it holds back neither VACUUM nor CREATE
//! INDEX CONCURRENTLY. An advisory lock is taken only while
//! there is no registry yet.

use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use sqlx::Row;
use sqlx::postgres::PgConnection;

pub(crate) use super::advisory::CLASS;
use super::advisory::holder;
pub use super::advisory::{release, take, try_take};
use super::connect::Target;
use super::error::Error;
use super::exec;
use super::pooler::Backend;
use super::session::SessionKind;
use super::trust;
use crate::error::{Coded, Verdict, one_line};
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::sql;
use crate::sql::{Literal, Qualified};

/// The registry's schema, in which the lock tables are.
const SCHEMA: &str = "pgcleave";

/// How long to sleep between two tries, in milliseconds; polling, since a session that waits inside a lock statement
/// deadlocks with CREATE INDEX CONCURRENTLY.
pub(super) const POLL_MILLIS: u64 = 100;

/// Says why a lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it, and went on holding it for as long as we waited.
    #[error("{what} is locked by {holder}")]
    Held {
        /// What the lock protects.
        what: String,
        /// Who holds it and since when.
        holder: String,
    },
    /// The session that held it has ended, so that another may hold it now.
    #[error("the lock on {what} is lost: {message}")]
    Lost {
        /// What the lock protects.
        what: String,
        /// What was found.
        message: String,
    },
    /// The server could not be asked.
    #[error(transparent)]
    Server(#[from] Error),
}

impl Coded for LockError {
    fn code(&self) -> &'static str {
        match self {
            Self::Held { .. } => "lock-held",
            Self::Lost { .. } => "lock-lost",
            Self::Server(error) => error.code(),
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Held { .. } => Verdict::Refused,
            Self::Lost { .. } => Verdict::Failed,
            Self::Server(error) => error.verdict(),
        }
    }
}

/// How often a lock is tried again at once, because its table was just made.
const MOST_AGAIN: u32 = 20;

/// A lock, held by a session of its own until it is dropped.
#[derive(Debug)]
pub struct Guard {
    connection: PgConnection,
    what: String,
}

impl Guard {
    /// Sees that the lock is still held: a server that was restarted, or a pooler, may have ended its session.
    ///
    /// # Errors
    /// It is not.
    pub async fn check(&mut self) -> Result<(), LockError> {
        let lost = |message: String| LockError::Lost { what: self.what.clone(), message };
        let held = sqlx::query_scalar::<_, bool>(include_str!("sql/lock_held.sql")).bind(&self.what);
        match held.fetch_one(&mut self.connection).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(lost("its session holds no lock any more".to_owned())),
            Err(error) => Err(lost(Error::new("ask for the lock", &error).to_string())),
        }
    }

    /// Gives the lock back, and waits until the server has it.
    pub async fn release(self) {
        let _ = sqlx::Connection::close(self.connection).await;
    }
}

/// Takes the lock on `what`, waiting at most `wait_seconds`; tells the listener whom it waits for.
///
/// The lock is this database's. `application` is what others see of its session.
///
/// # Errors
/// Somebody still holds it at the end of the wait, or the server could not be asked.
pub async fn hold(
    (target, application): (&Target, &str),
    what: &str,
    wait_seconds: u64,
    listener: Listener<'_>,
) -> Result<Guard, LockError> {
    let mut connection = target.connect(SessionKind::Administrator, application).await?;
    // a lock, too, lasts as long as its session
    Backend::lasting(target, &mut connection).await?;
    let mut session = Session { connection, what };
    let started = Instant::now();
    let (mut told, mut again) = (None, 0);
    loop {
        let holder = match session.attempt().await? {
            Attempt::Taken => return Ok(Guard { connection: session.connection, what: what.to_owned() }),
            Attempt::Again if again < MOST_AGAIN => {
                again += 1;
                continue;
            }
            Attempt::Again => None,
            Attempt::Held(holder) => holder,
        };
        if let Some(holder) = &holder
            && wait_seconds > 0
            && told != Some(holder.pid)
        {
            told = Some(holder.pid);
            listener(Event::Waiting {
                what: what.to_owned(),
                holder: holder.who.clone(),
                held_seconds: holder.seconds,
            });
        }
        if started.elapsed() >= Duration::from_secs(wait_seconds) {
            let holder = holder.map_or_else(|| "another session".to_owned(), |h| h.to_string());
            return Err(LockError::Held { what: what.to_owned(), holder });
        }
        tokio::time::sleep(Duration::from_millis(POLL_MILLIS)).await;
    }
}

/// What came of one try.
enum Attempt {
    Taken,
    /// Something changed meanwhile: try once more.
    Again,
    Held(Option<Holder>),
}

/// A session that is to hold a lock.
struct Session<'a> {
    connection: PgConnection,
    what: &'a str,
}

impl Session<'_> {
    async fn attempt(&mut self) -> Result<Attempt, Error> {
        let Some(owner) = self.registry_owner().await? else { return self.without_registry().await };
        if let Some(holder) = self.holder().await? {
            return Ok(Attempt::Held(Some(holder)));
        }
        let lock = sql!(
            "begin isolation level read committed; lock table ",
            Qualified(&Ident::from_server(SCHEMA), &self.table()),
            " in exclusive mode nowait"
        );
        match exec::batch(&mut self.connection, "lock the registry's table", &lock).await {
            Ok(()) => {}
            Err(error) => {
                let state = error.sqlstate().map(str::to_owned);
                exec::batch(&mut self.connection, "roll back", &sql!("rollback")).await?;
                return match state.as_deref() {
                    Some("55P03") => Ok(Attempt::Held(self.holder().await?)),
                    Some("42P01") => self.make(&owner).await.map(|()| Attempt::Again),
                    _ => Err(error),
                };
            }
        }
        // an apply that made the registry holds the advisory lock, and so does an older pgcleave
        if let Some(holder) = self.holder().await? {
            exec::batch(&mut self.connection, "roll back", &sql!("rollback")).await?;
            return Ok(Attempt::Held(Some(holder)));
        }
        Ok(Attempt::Taken)
    }

    /// Gives the registry's owner, if there is a registry.
    async fn registry_owner(&mut self) -> Result<Option<Ident>, Error> {
        let owner: Option<String> = sqlx::query_scalar(
            "select r.rolname::text from pg_catalog.pg_class c \
             join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
             join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) n.nspowner \
             where n.nspname::text operator(pg_catalog.=) 'pgcleave' \
               and c.relname::text operator(pg_catalog.=) 'refinery_schema_history'",
        )
        .fetch_optional(&mut self.connection)
        .await
        .map_err(|e| Error::new("look for the registry", &e))?;
        Ok(owner.map(|owner| Ident::from_server(&owner)))
    }

    async fn without_registry(&mut self) -> Result<Attempt, Error> {
        if !try_take(&mut self.connection, self.what).await? {
            return Ok(Attempt::Held(holder(&mut self.connection, self.what, None).await?));
        }
        if self.registry_owner().await?.is_none() {
            return Ok(Attempt::Taken);
        }
        // made meanwhile: from now on its tables count
        release(&mut self.connection, self.what).await?;
        Ok(Attempt::Again)
    }

    /// Names the lock's table.
    fn table(&self) -> Ident {
        let hash = Sha256::digest(self.what.as_bytes());
        let digits: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ident::from_server(&format!("lock_{digits}"))
    }

    /// Makes the lock's table, which belongs to the registry's owner.
    async fn make(&mut self, owner: &Ident) -> Result<(), Error> {
        // this may be the command's first DDL
        trust::event_triggers(&mut self.connection).await?;
        let table = sql!(Qualified(&Ident::from_server(SCHEMA), &self.table()));
        let mut make = sql!("create table if not exists ", table, " ()");
        if self.username().await? != *owner {
            make.push(&sql!("; alter table ", table, " owner to ", owner));
        }
        make.push(&sql!("; comment on table ", table, " is ", Literal(&format!("locked during: {}", self.what))));
        match exec::batch(&mut self.connection, "make the lock's table", &make).await {
            // somebody else makes it at the same time
            Err(error) if matches!(error.sqlstate(), Some("23505" | "42P07" | "XX000")) => Ok(()),
            Ok(()) => trust::close(&mut self.connection, &Ident::from_server(SCHEMA)).await,
            made => made,
        }
    }

    async fn username(&mut self) -> Result<Ident, Error> {
        let name: String = sqlx::query_scalar("select current_user::text")
            .fetch_one(&mut self.connection)
            .await
            .map_err(|e| Error::new("ask who is logged in", &e))?;
        Ok(Ident::from_server(&name))
    }

    /// Finds who holds the table's lock, or, as an administrator, the advisory one.
    async fn holder(&mut self) -> Result<Option<Holder>, Error> {
        let table = self.table();
        holder(&mut self.connection, self.what, Some(&table)).await
    }
}

/// Who holds a lock.
pub(super) struct Holder {
    pub(super) pid: i32,
    pub(super) who: String,
    pub(super) seconds: u64,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} for {} s", self.who, self.seconds)
    }
}

impl From<&sqlx::postgres::PgRow> for Holder {
    fn from(row: &sqlx::postgres::PgRow) -> Self {
        Self {
            pid: row.get("pid"),
            who: one_line(&row.get::<String, _>("who")),
            seconds: u64::try_from(row.get::<i64, _>("seconds")).unwrap_or(0),
        }
    }
}
