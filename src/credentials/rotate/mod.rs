//! Rotation without downtime: a new password for the idle login, tried, published, and the other login retired.
//!
//! ```text
//! steady ──announce──▶ publishing ──switch──▶ retiring ──retire──▶ steady
//!            (registry)   password, login test,    (once nobody is on the old login,
//!                         sink                      or the grace is over)
//! ```
//!
//! Each phase is in the registry before anything is done in it, and whatever is published logs in at every moment.

pub mod decide;
mod moving;
pub mod session;

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::Error;
use super::issue::{Declared, Issuer, make, set_passwords};
use super::secret::Secret;
use crate::event::Listener;
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::model::naming::{Access, Slot};
use crate::pg::connect::Target;
use crate::pg::session::SessionKind;
use crate::pg::trust;
use crate::pg::{self, exec, lock, standby};
use crate::registry::credential::{self, CredentialRow, Phase};
use crate::registry::{self, split};
use crate::sql;
use crate::sql::Literal;
use crate::temporary_login;
use decide::{Decision, Goal, Grace, Holds, Seen, Step, decide};
use session::Session;

/// How long to sleep between two looks at the sessions on an old login, in milliseconds.
const POLL_MILLIS: u64 = 250;

/// How to rotate.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to do.
    pub goal: Goal,
    /// How long to wait for sessions on an old login before it is closed nevertheless; nothing to leave it open.
    pub grace: Option<Duration>,
    /// Whether to end the sessions that are left when an old login is closed.
    pub terminate: bool,
    /// How long a client may take from reading a secret to logging in with it: no old login is closed earlier.
    pub settle: Duration,
    /// How long to wait for another run on the same credential, in seconds.
    pub lock_wait_seconds: u64,
    /// Ends the waiting and begins nothing new; old logins that are in use stay open.
    pub interrupt: Interrupt,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            goal: Goal::Rotate,
            grace: None,
            terminate: false,
            settle: Duration::from_secs(3),
            lock_wait_seconds: 10,
            interrupt: Interrupt::default(),
        }
    }
}

/// How the rotation of one credential ended.
#[derive(Debug)]
pub struct Outcome {
    /// The service.
    pub service: Ident,
    /// The credential's short name.
    pub credential: String,
    /// What came of it.
    pub result: Result<Rotated, Error>,
}

/// What came of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The login that is active now.
    pub active: Ident,
    /// Whether this run published a new secret.
    pub published: bool,
    /// The other login.
    pub old: Ident,
    /// Whether the other login is still open.
    pub old_is_open: bool,
    /// Who is still connected as the other login.
    pub sessions: Vec<Session>,
    /// How many sessions were ended.
    pub terminated: usize,
}

/// One credential on its way.
struct Run<'a> {
    declared: &'a Declared,
    resumed: Option<bool>,
    /// Whether this session holds the credential's lock.
    locked: bool,
    /// Whether it keeps the service's split from going on.
    holds_split: bool,
    published: bool,
    grace_set: bool,
    terminated: usize,
}

/// Rotates credentials; one that fails does not keep the others from going on.
///
/// `target` is the administrator's; `connection` is one of its sessions, outside any transaction.
pub async fn rotate(
    connection: &mut PgConnection,
    target: &Target,
    issuer: &Issuer,
    credentials: &[Declared],
    options: &Options,
    listener: Listener<'_>,
) -> Vec<Outcome> {
    let rotation = Rotation { target, issuer, options, listener };
    let mut outcomes = Vec::new();
    let mut runs: Vec<_> = credentials.iter().map(Run::new).collect();
    while !runs.is_empty() {
        let mut waiting = Vec::new();
        for mut run in runs {
            let result = match rotation.advance(connection, &mut run).await.transpose() {
                None => {
                    waiting.push(run);
                    continue;
                }
                Some(result) => result,
            };
            if run.locked {
                // a broken session has given its locks back by itself
                let _ = lock::release(connection, &lock_name(run.declared)).await;
            }
            if run.holds_split {
                let _ = lock::release(connection, &split::lock_name(run.declared.service.as_str())).await;
            }
            outcomes.push(run.outcome(result));
        }
        runs = waiting;
        if !runs.is_empty() {
            tokio::time::sleep(Duration::from_millis(POLL_MILLIS)).await;
        }
    }
    outcomes.sort_by(|a, b| (&a.service, &a.credential).cmp(&(&b.service, &b.credential)));
    outcomes
}

impl<'a> Run<'a> {
    fn new(declared: &'a Declared) -> Self {
        Self {
            declared,
            resumed: None,
            locked: false,
            holds_split: false,
            published: false,
            grace_set: false,
            terminated: 0,
        }
    }

    fn outcome(&self, result: Result<Rotated, Error>) -> Outcome {
        Outcome { service: self.declared.service.clone(), credential: self.declared.credential.clone(), result }
    }
}

struct Rotation<'a> {
    target: &'a Target,
    issuer: &'a Issuer,
    options: &'a Options,
    listener: Listener<'a>,
}

impl Rotation<'_> {
    /// Goes on until there is something to wait for (nothing) or the end (what came of it).
    async fn advance(&self, connection: &mut PgConnection, run: &mut Run<'_>) -> Result<Option<Rotated>, Error> {
        if !run.locked {
            standby::refuse(connection).await?;
            let (wait, service) = (self.options.lock_wait_seconds, &run.declared.service);
            run.holds_split = moving::hold(connection, service, wait, self.listener).await?;
            lock::take(connection, &lock_name(run.declared), wait, self.listener).await?;
            trust::event_triggers(connection).await?;
            // an older version's has nowhere to keep what tells of a changed password
            registry::ensure(connection).await?;
            temporary_login::sweep(connection, self.listener).await?;
            run.locked = true;
        }
        loop {
            let row = self.row(connection, run.declared).await?;
            run.resumed.get_or_insert(row.phase == Phase::Publishing);
            if row.phase == Phase::Retiring && !run.grace_set {
                run.grace_set = true;
                if let (Some(grace), false) = (self.options.grace, row.grace_is_over) {
                    credential::set_grace(connection, &row.service, &row.name, grace.as_secs()).await?;
                    continue;
                }
            }
            let (active, old) = (self.login(run, row.active)?, self.login(run, row.active.other())?);
            let sessions = session::on(connection, &old).await?;
            let seen = self.look(run, &row, sessions.len()).await?;
            match decide(&seen) {
                Decision::Go(step) => self.act(connection, run, &row, step).await?,
                Decision::Wait(_) => return Ok(None),
                Decision::Done | Decision::LeftOpen => {
                    let rotated = Rotated {
                        active,
                        old,
                        published: run.published,
                        old_is_open: row.phase != Phase::Steady,
                        sessions,
                        terminated: run.terminated,
                    };
                    return Ok(Some(rotated));
                }
                Decision::Refuse => return Err(self.in_use(run, &old, &sessions)),
            }
        }
    }

    async fn row(&self, connection: &mut PgConnection, declared: &Declared) -> Result<CredentialRow, Error> {
        credential::get(connection, &declared.service, &declared.credential).await?.ok_or_else(|| Error::NotIssued {
            service: declared.service.as_str().to_owned(),
            credential: declared.credential.clone(),
        })
    }

    fn login(&self, run: &Run<'_>, slot: Slot) -> Result<Ident, Error> {
        Ok(self.issuer.naming.login(run.declared.service.as_str(), &run.declared.credential, slot)?)
    }

    async fn look(&self, run: &mut Run<'_>, row: &CredentialRow, sessions_on_old: usize) -> Result<Seen, Error> {
        let sink = if row.phase == Phase::Publishing { self.sink_holds(run, row).await? } else { Holds::Other };
        let grace = match row.retire_after {
            _ if row.grace_is_over => Grace::Over,
            // a grace that an earlier run has set and this one does not wait for
            Some(_) if self.options.grace.is_some() => Grace::Running,
            _ => Grace::Unlimited,
        };
        Ok(Seen {
            phase: row.phase,
            sink,
            resumed: run.resumed.unwrap_or(false),
            sessions_on_old,
            settled: row
                .rotated_millis_ago
                .is_none_or(|ago| i128::from(ago) >= self.options.settle.as_millis().cast_signed()),
            grace,
            goal: self.options.goal,
            published: run.published,
            interrupted: self.options.interrupt.requested(),
        })
    }

    /// Asks the sink whose secret it holds, and tries that one.
    async fn sink_holds(&self, run: &mut Run<'_>, row: &CredentialRow) -> Result<Holds, Error> {
        if run.published {
            return Ok(Holds::Idle);
        }
        if !self.issuer.sink.is_readable() {
            return Ok(Holds::Unknown);
        }
        let Some(secret) = self.issuer.sink.read(row.service.as_str(), &row.name).await? else {
            return Ok(Holds::Other);
        };
        if secret.role != self.login(run, row.active.other())? {
            return Ok(Holds::Other);
        }
        match self.try_login(&secret).await {
            Ok(()) => {
                run.published = true;
                Ok(Holds::Idle)
            }
            Err(Error::Server(error)) if is_refused(&error) => Ok(Holds::Other),
            Err(error) => Err(error),
        }
    }

    async fn act(
        &self,
        connection: &mut PgConnection,
        run: &mut Run<'_>,
        row: &CredentialRow,
        step: Step,
    ) -> Result<(), Error> {
        let idle = row.active.other();
        match step {
            Step::Announce => credential::begin_publishing(connection, &row.service, &row.name).await?,
            Step::Publish => {
                let secret = make(self.issuer, run.declared, idle)?;
                set_password(connection, &secret, idle).await?;
                self.try_login(&secret).await?;
                self.issuer.sink.publish(&secret, self.listener).await?;
                run.published = true;
            }
            Step::PublishBeforeCommit => {
                let secret = make(self.issuer, run.declared, idle)?;
                self.publish_before_commit(connection, &secret, idle).await?;
                self.try_login(&secret).await?;
                run.published = true;
            }
            Step::Switch => {
                credential::switch(connection, &row.service, &row.name, idle).await?;
                run.grace_set = false;
            }
            Step::Retire => self.retire(connection, run, row).await?,
        }
        Ok(())
    }

    async fn publish_before_commit(
        &self,
        connection: &mut PgConnection,
        secret: &Secret,
        idle: Slot,
    ) -> Result<(), Error> {
        exec::batch(connection, "begin", &sql!("begin")).await?;
        let result = async {
            set_password(connection, secret, idle).await?;
            self.issuer.sink.publish(secret, self.listener).await?;
            Ok(())
        }
        .await;
        let end = if result.is_ok() { sql!("commit") } else { sql!("rollback") };
        exec::batch(connection, "end the transaction of a publication", &end).await?;
        result
    }

    /// Closes the old login and ends the rotation in one transaction; only then may sessions be ended, since none comes
    /// back.
    async fn retire(&self, connection: &mut PgConnection, run: &mut Run<'_>, row: &CredentialRow) -> Result<(), Error> {
        let old = self.login(run, row.active.other())?;
        exec::batch(connection, "begin", &sql!("begin")).await?;
        let result = async {
            session::close(connection, &old).await?;
            credential::settle(connection, &row.service, &row.name).await
        }
        .await;
        let end = if result.is_ok() { sql!("commit") } else { sql!("rollback") };
        exec::batch(connection, "end the transaction that closes a login", &end).await?;
        result?;
        if self.options.terminate {
            run.terminated += session::terminate(connection, &old).await?;
        }
        Ok(())
    }

    /// Logs in as a client would, and checks that the login can do its work.
    async fn try_login(&self, secret: &Secret) -> Result<(), Error> {
        let target = self.target.with_login(&secret.role, &secret.password);
        let role = self.issuer.naming.access(&secret.service, secret.access)?;
        let not_ready = || Error::NotReady { login: secret.role.as_str().to_owned(), role: role.as_str().to_owned() };
        let mut connection = match target.connect(SessionKind::Tested, "pgcleave credentials rotate").await {
            Ok(connection) => connection,
            // CONNECT comes through that role too
            Err(error) if error.sqlstate() == Some("42501") => return Err(not_ready()),
            Err(error) => return Err(error.into()),
        };
        let ready: bool = sqlx::query_scalar(
            "select case when $2 then current_user = r.rolname else pg_catalog.pg_has_role(session_user, r.oid, 'usage') end \
             from pg_catalog.pg_roles r where r.rolname = $1::name",
        )
        .bind(role.as_str())
        .bind(secret.access == Access::Owner)
        .fetch_optional(&mut connection)
        .await
        .map_err(|e| pg::error::Error::new("try the new login", &e))?
        .unwrap_or(false);
        // the answer is there: how the session ends is of no interest
        let _ = connection.close().await;
        if ready { Ok(()) } else { Err(not_ready()) }
    }

    fn in_use(&self, run: &Run<'_>, old: &Ident, sessions: &[Session]) -> Error {
        Error::OldInUse {
            service: run.declared.service.as_str().to_owned(),
            credential: run.declared.credential.clone(),
            login: old.as_str().to_owned(),
            sessions: sessions.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        }
    }
}

/// Gives the idle login its password, and the registry what it keeps of that, in one transaction.
async fn set_password(connection: &mut PgConnection, secret: &Secret, idle: Slot) -> Result<(), Error> {
    for set in set_passwords(std::slice::from_ref(secret)).await {
        let column = Ident::from_server(&format!("verifier_{}", idle.letter()));
        let known = sql!(
            set.statement,
            "; update pgcleave.credential set ",
            column,
            " = ",
            Literal(&set.fingerprint),
            " where service = ",
            Literal(&secret.service),
            " and name = ",
            Literal(&secret.credential)
        );
        exec::batch(connection, "set the idle login's password", &known).await?;
    }
    Ok(())
}

/// Tells whether the server turned a login away for its password or its NOLOGIN.
fn is_refused(error: &pg::error::Error) -> bool {
    matches!(error.sqlstate(), Some("28P01" | "28000"))
}

fn lock_name(declared: &Declared) -> String {
    format!("credential {}/{}", declared.service.as_str(), declared.credential)
}
