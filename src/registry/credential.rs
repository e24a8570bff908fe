//! The registry's rows about credentials: which login is published, and how far a rotation is.

use std::str::FromStr as _;

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use time::OffsetDateTime;

use super::trust;
use crate::ident::Ident;
use crate::model::naming::Slot;
use crate::pg::error::Error;

/// How far a rotation is. Each is written before what it announces is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Only the active login is in use. Set by `issue` and at the end of a rotation.
    Steady,
    /// The other login is about to get a new password, which may have reached the sink. Set by `rotate` before it
    /// touches anything; after a crash here either login may be the published one, and both must stay usable.
    Publishing,
    /// The active login is published, the other still open. Set by `rotate` once the sink holds the new secret;
    /// a crash here leaves both usable.
    Retiring,
}

impl std::str::FromStr for Phase {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "steady" => Ok(Self::Steady),
            "publishing" => Ok(Self::Publishing),
            "retiring" => Ok(Self::Retiring),
            _ => Err(()),
        }
    }
}

impl Phase {
    /// Gives the word that the registry stores.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Publishing => "publishing",
            Self::Retiring => "retiring",
        }
    }
}

/// One credential that has been issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRow {
    /// The service.
    pub service: Ident,
    /// The credential's short name.
    pub name: String,
    /// Which of its two logins is active; while publishing still the old one.
    pub active: Slot,
    /// How far a rotation is.
    pub phase: Phase,
    /// When it got its first password.
    pub issued_at: OffsetDateTime,
    /// When its active login last changed.
    pub rotated_at: Option<OffsetDateTime>,
    /// How long ago that was by the server's clock, in milliseconds.
    pub rotated_millis_ago: Option<i64>,
    /// From when on the retiring login may be closed even with sessions on it.
    pub retire_after: Option<OffsetDateTime>,
    /// Whether that time has come, by the server's clock.
    pub grace_is_over: bool,
}

/// Reads all rows, by service and name; none where there is no registry.
///
/// # Errors
/// The server could not be asked.
pub async fn all(connection: &mut PgConnection) -> Result<Vec<CredentialRow>, Error> {
    read(connection, None, None).await
}

/// Reads one row.
///
/// # Errors
/// The server could not be asked.
pub async fn get(connection: &mut PgConnection, service: &Ident, name: &str) -> Result<Option<CredentialRow>, Error> {
    Ok(read(connection, Some(service.as_str()), Some(name)).await?.pop())
}

async fn read(
    connection: &mut PgConnection,
    service: Option<&str>,
    name: Option<&str>,
) -> Result<Vec<CredentialRow>, Error> {
    if !trust::has(connection, "credential").await? {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "select service, name, active::text as active, phase, \
           extract(epoch from issued_at)::int8 as issued_at, extract(epoch from rotated_at)::int8 as rotated_at, \
           extract(epoch from retire_after)::int8 as retire_after, \
           (extract(epoch from pg_catalog.clock_timestamp() - rotated_at) * 1000)::int8 as rotated_millis_ago, \
           coalesce(retire_after <= pg_catalog.clock_timestamp(), false) as grace_is_over \
         from pgcleave.credential \
         where ($1::text is null or service = $1) and ($2::text is null or name = $2) \
         order by service, name",
    )
    .bind(service)
    .bind(name)
    .fetch_all(connection)
    .await
    .map_err(|e| Error::new("read the registry's credentials", &e))?;
    Ok(rows.iter().map(row).collect())
}

/// Announces that the other login is about to get a new password and to be published.
///
/// # Errors
/// The server refused.
pub async fn begin_publishing(connection: &mut PgConnection, service: &Ident, name: &str) -> Result<(), Error> {
    sqlx::query("update pgcleave.credential set phase = 'publishing' where service = $1 and name = $2")
        .bind(service.as_str())
        .bind(name)
        .execute(connection)
        .await
        .map_err(|e| Error::new("announce a rotation", &e))?;
    Ok(())
}

/// Makes the other login the active one, now that the sink holds it; the old one begins to retire.
///
/// # Errors
/// The server refused.
pub async fn switch(connection: &mut PgConnection, service: &Ident, name: &str, active: Slot) -> Result<(), Error> {
    sqlx::query(
        "update pgcleave.credential \
         set active = $3::text::\"char\", phase = 'retiring', rotated_at = pg_catalog.clock_timestamp(), retire_after = null \
         where service = $1 and name = $2",
    )
    .bind(service.as_str())
    .bind(name)
    .bind(active.letter())
    .execute(connection)
    .await
    .map_err(|e| Error::new("switch to the new login", &e))?;
    Ok(())
}

/// Sets when the retiring login may be closed although sessions are on it, in seconds from now.
///
/// # Errors
/// The server refused.
pub async fn set_grace(connection: &mut PgConnection, service: &Ident, name: &str, seconds: u64) -> Result<(), Error> {
    sqlx::query(
        "update pgcleave.credential \
         set retire_after = pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $3::float8) \
         where service = $1 and name = $2",
    )
    .bind(service.as_str())
    .bind(name)
    .bind(f64::from(u32::try_from(seconds).unwrap_or(u32::MAX)))
    .execute(connection)
    .await
    .map_err(|e| Error::new("set a retiring login's grace", &e))?;
    Ok(())
}

/// Ends a rotation, once the old login is closed.
///
/// # Errors
/// The server refused.
pub async fn settle(connection: &mut PgConnection, service: &Ident, name: &str) -> Result<(), Error> {
    sqlx::query(
        "update pgcleave.credential set phase = 'steady', retire_after = null where service = $1 and name = $2",
    )
    .bind(service.as_str())
    .bind(name)
    .execute(connection)
    .await
    .map_err(|e| Error::new("end a rotation", &e))?;
    Ok(())
}

fn row(row: &PgRow) -> CredentialRow {
    let at = |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    CredentialRow {
        service: Ident::from_server(row.get("service")),
        name: row.get("name"),
        active: if row.get::<&str, _>("active") == "b" { Slot::B } else { Slot::A },
        phase: Phase::from_str(row.get("phase")).expect("the table's own check allows these three"),
        issued_at: at(row.get("issued_at")),
        rotated_at: row.get::<Option<i64>, _>("rotated_at").map(at),
        rotated_millis_ago: row.get("rotated_millis_ago"),
        retire_after: row.get::<Option<i64>, _>("retire_after").map(at),
        grace_is_over: row.get("grace_is_over"),
    }
}
