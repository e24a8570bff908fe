//! Logical replication from one side to the other: publication, login, slot, subscription.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::applier;
use super::drop_schema;
use super::error::Error;
use super::state::{Side, Split, Step};
use crate::ident::Ident;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::pg::password;
use crate::sql;
use crate::sql::{Comma, Literal, Sql};
use crate::transfer::table::Table;

/// How long a slot may stay in use after its subscription has gone, in seconds.
const RELEASE_SECONDS: u64 = 20;

/// How often to look whether it is free, in milliseconds.
const RELEASE_POLL_MILLIS: u64 = 20;

/// What keeps a statement out of the server's log, its statistics and its activity: it holds a password.
const SILENCE: &str = "set log_statement = 'none'; set log_min_duration_statement = -1; set log_min_duration_sample = -1; \
    set log_transaction_sample_rate = 0; set log_min_error_statement = 'panic'; set track_activities = off; \
    set pg_stat_statements.track_utility = off";

/// What brings it back.
const SPEECH: &str = "reset log_statement; reset log_min_duration_statement; reset log_min_duration_sample; \
    reset log_transaction_sample_rate; reset log_min_error_statement; reset track_activities; \
    reset pg_stat_statements.track_utility";

/// Publishes the schema's tables and the fence's row; every table by its own name, partitions too.
pub(super) async fn publish(connection: &mut PgConnection, split: &Split, tables: &[Table]) -> Result<(), PgError> {
    let (name, list) = (split.publication(), published(split, tables));
    let publish = sql!("drop publication if exists ", name, "; create publication ", name, " for ", list);
    exec::batch(connection, "make the publication", &publish).await
}

/// Lets an existing publication have these tables.
pub(super) async fn set_tables(connection: &mut PgConnection, split: &Split, tables: &[Table]) -> Result<(), PgError> {
    let set = sql!("alter publication ", split.publication(), " set ", published(split, tables));
    exec::batch(connection, "change the publication", &set).await
}

/// Lets a subscription know that its publication has changed; the rows of what is new are copied if that is wanted.
pub(super) async fn refresh(connection: &mut PgConnection, name: &Ident, copy: bool) -> Result<(), PgError> {
    let mut refresh = sql!("alter subscription ", name, " refresh publication with (copy_data = ");
    refresh.push_static(if copy { "true)" } else { "false)" });
    exec::batch(connection, "refresh the subscription", &refresh).await
}

/// Lets the follower's login read tables for a while, or no longer; by a role of the server's own, so that no access list
/// changes.
pub(super) async fn read_all(connection: &mut PgConnection, name: &Ident, may: bool) -> Result<(), PgError> {
    let change = if may {
        sql!("grant pg_read_all_data to ", name, "; alter role ", name, " bypassrls")
    } else {
        sql!("revoke pg_read_all_data from ", name, "; alter role ", name, " nobypassrls")
    };
    exec::batch(connection, "let the follower read new tables", &change).await
}

/// Tells whether the follower's login may read everything: a start copies new tables, or was cut off while it did.
pub(super) async fn reads_all(connection: &mut PgConnection, name: &Ident) -> Result<bool, PgError> {
    sqlx::query_scalar(
        "select exists (select from pg_catalog.pg_roles r where r.rolname = $1 and (r.rolbypassrls or exists ( \
           select from pg_catalog.pg_auth_members m where m.member = r.oid and m.roleid = 'pg_read_all_data'::pg_catalog.regrole)))",
    )
    .bind(name.as_str())
    .fetch_one(connection)
    .await
    .map_err(|e| PgError::new("ask what the follower may read", &e))
}

/// Tells how many tables of a subscription are still being copied by it.
pub(super) async fn arriving(connection: &mut PgConnection, name: &Ident) -> Result<i64, PgError> {
    sqlx::query_scalar(
        "select pg_catalog.count(*) from pg_catalog.pg_subscription_rel r join pg_catalog.pg_subscription s on s.oid = r.srsubid \
         join pg_catalog.pg_database d on d.oid = s.subdbid \
         where s.subname = $1 and d.datname = pg_catalog.current_database() and r.srsubstate <> 'r'",
    )
    .bind(name.as_str())
    .fetch_one(connection)
    .await
    .map_err(|e| PgError::new("ask what is still arriving", &e))
}

fn published(split: &Split, tables: &[Table]) -> Sql {
    let mut list = sql!("table pgcleave.split_fence where (split = ", Literal(&split.id), ")");
    for table in tables.iter().filter(|t| !t.partitioned) {
        list.push(&sql!(", only ", table.name.sql()));
    }
    list
}

/// Gives the follower's login a new password, and makes the login if need be.
pub(super) async fn login(connection: &mut PgConnection, split: &Split, followed: Side) -> Result<SecretString, Error> {
    let name = split.link(followed);
    let password = password::generate().map_err(|e| Error::Overtaken(format!("the system gives no chance: {e}")))?;
    let verifier = password::verifier(&password);
    let there: bool = sqlx::query_scalar("select exists (select from pg_catalog.pg_roles where rolname = $1)")
        .bind(name.as_str())
        .fetch_one(&mut *connection)
        .await
        .map_err(|e| PgError::new("look for the login of replication", &e))?;
    let mut make = if there { sql!("alter role ") } else { sql!("create role ") };
    make.push(&sql!(name, " login replication password ", Literal(verifier.expose_secret())));
    let database = current_database(connection).await?;
    make.push(&sql!("; grant connect on database ", database, " to ", name));
    exec::batch(connection, "make the login of replication", &make).await?;
    Ok(password)
}

async fn current_database(connection: &mut PgConnection) -> Result<Ident, PgError> {
    let name: String = sqlx::query_scalar("select pg_catalog.current_database()::pg_catalog.text")
        .fetch_one(connection)
        .await
        .map_err(|e| PgError::new("ask for the database's name", &e))?;
    Ok(Ident::from_server(&name))
}

/// Makes a slot that needs no snapshot, unless it is there.
pub(super) async fn make_slot(connection: &mut PgConnection, name: &Ident) -> Result<(), PgError> {
    sqlx::query(
        "select pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput') \
         where not exists (select from pg_catalog.pg_replication_slots where slot_name = $1)",
    )
    .bind(name.as_str())
    .execute(connection)
    .await
    .map_err(|e| PgError::new("make a replication slot", &e))?;
    Ok(())
}

/// Lets a slot begin where the log stood; what was committed before is not sent.
///
/// A slot goes no further than the log has been flushed, and says nothing of it: what follows would be sent a second time.
pub(super) async fn advance(connection: &mut PgConnection, name: &Ident, lsn: &str) -> Result<(), Error> {
    let failed = |e: sqlx::Error| PgError::new("advance a replication slot", &e);
    sqlx::query(
        "select pg_catalog.pg_replication_slot_advance(slot_name, $2::pg_catalog.pg_lsn) from pg_catalog.pg_replication_slots \
         where slot_name = $1 and not active and confirmed_flush_lsn < $2::pg_catalog.pg_lsn",
    )
    .bind(name.as_str())
    .bind(lsn)
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    let there: Option<bool> = sqlx::query_scalar(
        "select confirmed_flush_lsn >= $2::pg_catalog.pg_lsn from pg_catalog.pg_replication_slots where slot_name = $1",
    )
    .bind(name.as_str())
    .bind(lsn)
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    if there == Some(true) {
        return Ok(());
    }
    Err(Error::Overtaken(format!("the slot {} cannot begin at {lsn}", name.as_str())))
}

/// Drops a slot once nobody uses it any more.
pub(super) async fn drop_slot(connection: &mut PgConnection, name: &Ident) -> Result<(), PgError> {
    let started = Instant::now();
    loop {
        let dropped = sqlx::query(
            "select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots where slot_name = $1",
        )
        .bind(name.as_str())
        .execute(&mut *connection)
        .await;
        let Err(error) = dropped else { return Ok(()) };
        let error = PgError::new("drop a replication slot", &error);
        // It is in use until its sender has seen that nobody listens.
        if error.sqlstate() != Some("55006") || started.elapsed() > Duration::from_secs(RELEASE_SECONDS) {
            return Err(error);
        }
        let end = "select pg_catalog.pg_terminate_backend(active_pid) from pg_catalog.pg_replication_slots where slot_name = $1";
        let _ = sqlx::query(end).bind(name.as_str()).execute(&mut *connection).await;
        tokio::time::sleep(Duration::from_millis(RELEASE_POLL_MILLIS)).await;
    }
}

/// Makes the subscription on the side that follows, or gives it the new password.
pub(super) async fn subscribe(
    connection: &mut PgConnection,
    split: &Split,
    followed: Side,
    way: &Target,
    password: &SecretString,
) -> Result<(), Error> {
    let name = split.link(followed);
    let conninfo = conninfo(way, &name, password);
    let there = subscribed(connection, &name).await?;
    let statement = if there {
        sql!("alter subscription ", name, " connection ", Literal(&conninfo))
    } else {
        sql!(
            "create subscription ",
            name,
            " connection ",
            Literal(&conninfo),
            " publication ",
            split.publication(),
            " with (create_slot = false, slot_name = ",
            Literal(name.as_str()),
            ", copy_data = false, enabled = false)"
        )
    };
    // A message is one transaction: the settings must hold before the statement comes.
    sqlx::raw_sql(SILENCE)
        .execute(&mut *connection)
        .await
        .map_err(|e| PgError::new("keep a password out of the log", &e))?;
    let made = exec::batch(connection, "make the subscription", &statement).await;
    let _ = sqlx::raw_sql(SPEECH).execute(&mut *connection).await;
    made.map_err(|error| Error::NotFollowing { follower: followed.other().as_str(), why: error.to_string() })?;
    applier::settle(connection, split, followed).await?;
    begin_after_turn(connection, split, followed).await?;
    Ok(enable(connection, &name).await?)
}

/// Lets the side that follows remember where the other one's own writes begin: what came before was its own.
///
/// The slot knows that, too, but after a crash of its server it may be back where it was at the last checkpoint.
pub(super) async fn begin_after_turn(
    connection: &mut PgConnection,
    split: &Split,
    followed: Side,
) -> Result<(), PgError> {
    let turn = split.turn.as_ref().filter(|turn| turn.to == followed && turn.step >= Step::Opened);
    let Some(lsn) = turn.and_then(|turn| turn.lsn.as_deref()) else { return Ok(()) };
    let name = split.link(followed);
    if !begins_before(connection, &name, lsn).await? {
        return Ok(());
    }
    exec::batch(connection, "stop the subscription", &sql!("alter subscription ", name, " disable")).await?;
    patiently(async || {
        let statement = "select pg_catalog.pg_replication_origin_advance('pg_' || s.oid, $2::pg_catalog.pg_lsn) \
             from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid \
             where s.subname = $1 and d.datname = pg_catalog.current_database()";
        let moved = sqlx::query(statement).bind(name.as_str()).bind(lsn).execute(&mut *connection).await;
        moved.map_err(|e| PgError::new("set where the subscription begins", &e))
    })
    .await?;
    enable(connection, &name).await
}

/// Tells whether a subscription would take in what lies before a point of the followed side's log.
async fn begins_before(connection: &mut PgConnection, name: &Ident, lsn: &str) -> Result<bool, PgError> {
    patiently(async || {
        // The progress stands in the list of columns: in a condition the server may ask it of every origin that it has,
        // other databases' too, and of one that is just being dropped it would fail.
        let behind: Option<bool> = sqlx::query_scalar(
            "select coalesce(pg_catalog.pg_replication_origin_progress(o.roname, true), '0/0') < $2::pg_catalog.pg_lsn \
             from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid \
             join pg_catalog.pg_replication_origin o on o.roname = 'pg_' || s.oid \
             where s.subname = $1 and d.datname = pg_catalog.current_database()",
        )
        .bind(name.as_str())
        .bind(lsn)
        .fetch_optional(&mut *connection)
        .await
        .map_err(|e| PgError::new("ask where the subscription begins", &e))?;
        Ok(behind.unwrap_or(false))
    })
    .await
}

/// Asks again for a while where an origin is in use, as until its worker sees that it is to stop, or was being dropped.
async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, PgError>) -> Result<T, PgError> {
    let started = Instant::now();
    loop {
        let answer = ask().await;
        let passing = |error: &PgError| matches!(error.sqlstate(), Some("55006" | "42704"));
        if !answer.as_ref().is_err_and(passing) || started.elapsed() > Duration::from_secs(RELEASE_SECONDS) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(RELEASE_POLL_MILLIS)).await;
    }
}

/// Lets a subscription go on that an error or somebody has disabled, and by no error from now on: a server that was
/// restarted, or a network that broke, is an error too.
pub(super) async fn enable(connection: &mut PgConnection, name: &Ident) -> Result<(), PgError> {
    exec::batch(connection, "enable the subscription", &enabling(name)).await
}

fn enabling(name: &Ident) -> Sql {
    sql!("alter subscription ", name, " set (disable_on_error = false); alter subscription ", name, " enable")
}

/// Tells whether the side has the subscription.
pub(super) async fn subscribed(connection: &mut PgConnection, name: &Ident) -> Result<bool, PgError> {
    sqlx::query_scalar(
        "select exists (select from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid \
         where s.subname = $1 and d.datname = pg_catalog.current_database())",
    )
    .bind(name.as_str())
    .fetch_one(connection)
    .await
    .map_err(|e| PgError::new("look for the subscription", &e))
}

/// Writes libpq's `key='value'` pairs.
fn conninfo(way: &Target, login: &Ident, password: &SecretString) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let mode = way.environment().into_iter().find(|(name, _)| *name == "PGSSLMODE");
    let mode = mode.map_or_else(|| "prefer".to_owned(), |(_, mode)| mode.expose_secret().to_owned());
    let (host, port) = (way.host(), way.port().to_string());
    [
        ("host", host.as_str()),
        ("port", &port),
        ("dbname", way.database()),
        ("user", login.as_str()),
        ("password", password.expose_secret()),
        ("sslmode", &mode),
        ("connect_timeout", "10"),
        ("keepalives_idle", "10"),
    ]
    .map(|(key, value)| format!("{key}={}", quoted(value)))
    .join(" ")
}

/// Removes the subscription without asking the other side, which may be out of reach; its slot stays.
pub(super) async fn unsubscribe(connection: &mut PgConnection, name: &Ident) -> Result<(), PgError> {
    if !subscribed(connection, name).await? {
        return Ok(());
    }
    // One by one: the last cannot run in a transaction that others share.
    for step in &unsubscribing(name) {
        exec::batch(connection, "remove the subscription", step).await?;
    }
    Ok(())
}

/// Gives the statements that remove a subscription without asking the other side.
pub(super) fn unsubscribing(name: &Ident) -> [Sql; 3] {
    [
        sql!("alter subscription ", name, " disable"),
        sql!("alter subscription ", name, " set (slot_name = none)"),
        sql!("drop subscription if exists ", name),
    ]
}

/// Removes what the followed side has: publication, slot, login.
pub(super) async fn unpublish(connection: &mut PgConnection, split: &Split, followed: Side) -> Result<(), PgError> {
    let name = split.link(followed);
    drop_slot(connection, &name).await?;
    drop_publication(connection, split).await?;
    drop_roles(connection, &[name]).await
}

/// Removes the publication, on either side.
pub(super) async fn drop_publication(connection: &mut PgConnection, split: &Split) -> Result<(), PgError> {
    exec::batch(connection, "remove the publication", &sql!("drop publication if exists ", split.publication())).await
}

/// Drops roles with all that they were given in this database; those that are not there are left out.
pub(super) async fn drop_roles(connection: &mut PgConnection, names: &[Ident]) -> Result<(), PgError> {
    let there = existing(connection, names).await?;
    if there.is_empty() {
        return Ok(());
    }
    drop_schema::drop_again(connection, &dropping(&there)).await
}

/// Gives those of these roles that are there.
pub(super) async fn existing(connection: &mut PgConnection, names: &[Ident]) -> Result<Vec<Ident>, PgError> {
    let wanted: Vec<&str> = names.iter().map(Ident::as_str).collect();
    let there: Vec<String> =
        sqlx::query_scalar("select rolname::text from pg_catalog.pg_roles where rolname = any ($1)")
            .bind(&wanted)
            .fetch_all(connection)
            .await
            .map_err(|e| PgError::new("look for roles", &e))?;
    Ok(there.iter().map(|name| Ident::from_server(name)).collect())
}

/// Gives the statements that drop roles with all that they own and were given.
pub(super) fn dropping(names: &[Ident]) -> Sql {
    let list: Sql = sql!(Comma(names.iter()));
    sql!("drop owned by ", list, " cascade; drop role ", list)
}

/// How far a follower is, as the followed side sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Lag {
    /// Whether the slot is there.
    pub(super) slot: bool,
    /// Whether somebody reads from it.
    pub(super) active: bool,
    /// What is still to be confirmed, in bytes.
    pub(super) bytes: i64,
    /// Where the follower's last confirmation was in the log, in bytes from its beginning.
    pub(super) confirmed: i64,
    /// What the slot keeps on disk, in bytes.
    pub(super) retained: i64,
    /// How old the last confirmation was by the server's measure, in seconds.
    pub(super) seconds: Option<f64>,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub(super) wal_status: Option<String>,
}

impl Lag {
    /// Gives the error that ends a split which holds back more than it may.
    pub(super) fn beyond(&self, limit: Option<u64>) -> Option<Error> {
        let retained = u64::try_from(self.retained).unwrap_or(0);
        limit.filter(|limit| retained > *limit).map(|limit| Error::Log { retained, limit })
    }

    /// Tells whether the server has thrown away what the slot was to send.
    pub(super) fn is_lost(&self) -> bool {
        self.wal_status.as_deref() == Some("lost")
    }

    /// Tells why nothing more can come from the side that is followed, and what to do then.
    pub(super) fn broken(&self, followed: Side) -> Option<String> {
        let what = match self.wal_status.as_deref() {
            _ if !self.slot => "is gone",
            Some("lost") => "has lost its log",
            _ => return None,
        };
        let next = match followed {
            Side::Source => "split abort, and start anew",
            Side::Target => "there is no way back any more, and split finish ends the split",
        };
        Some(format!("the slot on the {} {what}, and with it what was to be replicated: {next}", followed.as_str()))
    }
}

/// Asks the followed side.
pub(super) async fn lag(connection: &mut PgConnection, slot: &Ident) -> Result<Lag, PgError> {
    let row = sqlx::query(
        "select s.active, s.wal_status, \
           coalesce(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), s.confirmed_flush_lsn), 0)::pg_catalog.int8 as bytes, \
           coalesce(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), s.restart_lsn), 0)::pg_catalog.int8 as retained, \
           coalesce(pg_catalog.pg_wal_lsn_diff(s.confirmed_flush_lsn, '0/0'), 0)::pg_catalog.int8 as confirmed, \
           extract(epoch from r.replay_lag)::pg_catalog.float8 as seconds \
         from pg_catalog.pg_replication_slots s left join pg_catalog.pg_stat_replication r on r.pid = s.active_pid \
         where s.slot_name = $1",
    )
    .bind(slot.as_str())
    .fetch_optional(connection)
    .await
    .map_err(|e| PgError::new("ask how far replication is", &e))?;
    Ok(row.map_or_else(Lag::default, |row| Lag {
        slot: true,
        active: row.get("active"),
        bytes: row.get("bytes"),
        confirmed: row.get("confirmed"),
        retained: row.get("retained"),
        seconds: row.get("seconds"),
        wal_status: row.get("wal_status"),
    }))
}

/// What the side that follows says of its subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Following {
    /// Whether the subscription is there.
    pub(super) there: bool,
    /// Whether it is enabled.
    pub(super) enabled: bool,
    /// Whether its worker runs.
    pub(super) running: bool,
    /// How often it has stopped at a change that could not be applied, or because the way broke.
    pub(super) errors: i64,
}

/// Asks the side that follows.
pub(super) async fn following(connection: &mut PgConnection, name: &Ident) -> Result<Following, PgError> {
    let row = sqlx::query(
        "select s.subenabled, coalesce(t.apply_error_count, 0) as errors, \
           exists (select from pg_catalog.pg_stat_subscription w where w.subid = s.oid and w.pid is not null) as running \
         from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid \
         left join pg_catalog.pg_stat_subscription_stats t on t.subid = s.oid \
         where s.subname = $1 and d.datname = pg_catalog.current_database()",
    )
    .bind(name.as_str())
    .fetch_optional(connection)
    .await
    .map_err(|e| PgError::new("ask how the subscription is", &e))?;
    Ok(row.map_or_else(Following::default, |row| Following {
        there: true,
        enabled: row.get("subenabled"),
        running: row.get("running"),
        errors: row.get("errors"),
    }))
}
