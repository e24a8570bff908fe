//! Limits on a file that runs: held from outside, since a script can set its own time-outs back.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use tokio::sync::Notify;

use super::error::Error;
use super::exec;
use crate::error::one_line;
use crate::interrupt::Interrupt;
use crate::sql::Sql;

/// How often the watch looks at the session, in milliseconds.
const LOOK_MILLIS: u64 = 250;

/// How long a cancelled statement may take to end before its session is terminated, in seconds.
const GRACE_SECONDS: u64 = 5;

/// The pause after the first lock wait that was cancelled, in milliseconds; it doubles each time.
const FIRST_PAUSE_MILLIS: u64 = 200;

/// The longest such pause, in milliseconds.
const LONGEST_PAUSE_MILLIS: u64 = 10_000;

/// What a file may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a file may run, its further tries included, in seconds.
    pub file_seconds: u64,
    /// How long a statement may wait for a lock, in seconds.
    pub lock_wait_seconds: u64,
    /// How often a file that waited too long is tried again.
    pub lock_retries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_seconds: 3600, lock_wait_seconds: 5, lock_retries: 10 }
    }
}

/// Why the watch stopped a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It ran for too long.
    FileLimit,
    /// It waited too long for a lock; the words name the session that holds it.
    LockWait {
        /// Who holds the lock.
        blocker: String,
    },
    /// A person asked to stop.
    Interrupted,
}

/// What a file's session and its watch tell each other.
#[derive(Debug, Default)]
pub struct Watch {
    state: Mutex<State>,
    over: Notify,
}

#[derive(Debug, Default)]
struct State {
    file_started: Option<Instant>,
    stop: Option<(Stop, Instant)>,
    pausing: bool,
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the time of a file.
    fn start(&self) {
        *self.state() = State { file_started: Some(Instant::now()), ..State::default() };
    }

    /// Ends the watch of a file: nothing is cancelled from now on.
    fn end(&self) {
        *self.state() = State::default();
        self.over.notify_one();
    }

    /// Gives the reason why the file was stopped.
    #[must_use]
    pub fn stopped(&self) -> Option<Stop> {
        self.state().stop.as_ref().map(|(stop, _)| stop.clone())
    }

    /// Forgets a lock wait and pauses before another try; `tries` were made.
    ///
    /// The session is idle meanwhile and holds no lock.
    pub async fn pause(&self, tries: u32) {
        {
            let mut state = self.state();
            state.stop = None;
            state.pausing = true;
        }
        let doubled = FIRST_PAUSE_MILLIS.saturating_mul(1_u64.checked_shl(tries.min(20)).unwrap_or(u64::MAX) / 2);
        tokio::time::sleep(Duration::from_millis(doubled.min(LONGEST_PAUSE_MILLIS))).await;
        self.state().pausing = false;
    }

    fn elapsed(&self) -> Option<Duration> {
        self.state().file_started.map(|at| at.elapsed())
    }

    /// Sets the reason, unless the file has ended or is being stopped already.
    fn stop(&self, stop: Stop) -> bool {
        let mut state = self.state();
        if state.file_started.is_none() || state.stop.is_some() {
            return false;
        }
        state.stop = Some((stop, Instant::now()));
        true
    }

    fn stopped_for(&self) -> Option<Duration> {
        self.state().stop.as_ref().map(|(_, at)| at.elapsed())
    }

    fn is_pausing(&self) -> bool {
        self.state().pausing
    }
}

/// A session that is watched, and how the administrator comes by the right to signal it.
#[derive(Debug)]
pub struct Watched<'a> {
    /// The session's backend.
    pub pid: i32,
    /// What grants the administrator the login's privileges, for one transaction that is rolled back; empty for a
    /// superuser.
    pub borrow: Sql,
    /// What the file may take.
    pub limits: Limits,
    /// How a person's Ctrl-C gets here.
    pub interrupt: &'a Interrupt,
}

impl Watched<'_> {
    /// Runs the work on the watched session to its end, and stops it where it takes too long.
    ///
    /// The second result tells whether the limits could be held: the administrator's connection may have broken.
    pub async fn run<T>(
        &self,
        admin: &mut PgConnection,
        watch: &Watch,
        work: impl Future<Output = T>,
    ) -> (T, Result<(), Error>) {
        watch.start();
        let work = async {
            let result = work.await;
            watch.end();
            result
        };
        tokio::join!(work, self.keep(admin, watch))
    }

    /// Looks at the session until the watch is over; cancels what takes too long, then terminates the session.
    async fn keep(&self, admin: &mut PgConnection, watch: &Watch) -> Result<(), Error> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)) => {}
                () = watch.over.notified() => return Ok(()),
                () = self.interrupt.wait(), if watch.stopped().is_none() => {
                    if watch.stop(Stop::Interrupted) {
                        self.signal(admin, "pg_cancel_backend").await?;
                    }
                }
            }
            let Some(elapsed) = watch.elapsed() else { continue };
            if let Some(stopped) = watch.stopped_for() {
                if stopped >= Duration::from_secs(GRACE_SECONDS) {
                    self.signal(admin, "pg_terminate_backend").await?;
                }
            } else if elapsed >= Duration::from_secs(self.limits.file_seconds) {
                if watch.stop(Stop::FileLimit) {
                    self.signal(admin, "pg_cancel_backend").await?;
                }
            } else if !watch.is_pausing()
                && let Some(blocker) = self.waits_too_long(admin).await?
                && watch.stop(Stop::LockWait { blocker })
            {
                self.signal(admin, "pg_cancel_backend").await?;
            }
        }
    }

    /// Names who holds what the session has waited for, if it has waited too long.
    ///
    /// A wait for other transactions' ends, as CREATE INDEX CONCURRENTLY makes it, blocks nobody and is not counted.
    async fn waits_too_long(&self, admin: &mut PgConnection) -> Result<Option<String>, Error> {
        let row = sqlx::query(include_str!("sql/lock_wait.sql"))
            .bind(self.pid)
            .bind(i64::try_from(self.limits.lock_wait_seconds).unwrap_or(i64::MAX))
            .fetch_optional(admin)
            .await
            .map_err(|e| Error::new("look for lock waits of the migration", &e))?;
        Ok(row.map(|row| one_line(&row.get::<String, _>("blocker"))))
    }

    async fn signal(&self, admin: &mut PgConnection, function: &'static str) -> Result<(), Error> {
        let mut sql = Sql::new();
        sql.push_static("begin; set local lock_timeout = 1000; ");
        sql.push(&self.borrow);
        sql.push_static("select pg_catalog.");
        sql.push_static(function);
        sql.push_static("(");
        sql.push(&i64::from(self.pid));
        sql.push_static("::int4); rollback");
        let signalled = exec::batch(admin, "stop the migration", &sql).await;
        match signalled {
            Ok(()) => Ok(()),
            // a lock in the way, or a session that has just ended: the next look tries again
            Err(error) if error.sqlstate().is_some() => exec::batch(admin, "roll back", &crate::sql!("rollback")).await,
            Err(error) => Err(error),
        }
    }
}
