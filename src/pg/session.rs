//! Session settings: what each kind of session pins, so that settings of a database or role change nothing.
//!
//! `ALTER DATABASE … SET` and `ALTER ROLE … SET` belong to the database's owner. Two settings act before the first
//! statement and travel as startup options; all others are set by one message, which also reads them back.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::error::Error;
use super::exec;
use crate::ident::Ident;
use crate::sql;
use crate::sql::{Comma, Literal, Sql};

/// What a session is for, and therefore what it trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind<'a> {
    /// The connecting login, as itself. Everything is pinned, and views of users are refused where the server can.
    Administrator,
    /// A login that runs a service's migrations as its owner. Pinned but for the service's search path.
    Migration {
        /// The role that the login becomes at startup.
        owner: &'a Ident,
        /// The service's schema and those of its extensions.
        search_path: &'a [Ident],
    },
    /// A login that reads or writes an owner's definitions and rows. Pinned but for the search path.
    Loading {
        /// The role that the login becomes at startup; without one it stays itself.
        owner: Option<&'a Ident>,
        /// An empty one means `pg_catalog, pg_temp`.
        search_path: &'a [Ident],
    },
    /// A credential or a bridge under test: nothing is pinned that its applications would not have.
    Tested,
}

/// What every pinned session has, on every server that knows the parameter. The order is that of setting.
///
/// `lc_monetary` decides the text of `money`; `row_security = off` makes hidden rows an error, never a short file.
const PINNED: &[(&str, &str)] = &[
    ("standard_conforming_strings", "on"),
    ("quote_all_identifiers", "off"),
    ("transform_null_equals", "off"),
    ("array_nulls", "on"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
    ("synchronous_commit", "on"),
    ("exit_on_error", "off"),
    ("createrole_self_grant", ""),
    ("default_tablespace", ""),
    ("default_table_access_method", "heap"),
    ("check_function_bodies", "on"),
    ("client_min_messages", "warning"),
    ("client_encoding", "UTF8"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "3"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("lc_monetary", "C"),
    ("xmloption", "content"),
    ("jit", "off"),
];

/// What only sessions have that run no script of a service's.
const OURS: &[(&str, &str)] =
    &[("DateStyle", "ISO, YMD"), ("row_security", "off"), ("max_parallel_workers_per_gather", "0")];

/// What a migration keeps as applications have it: the driver's date order, and the server's default for policies.
const AS_APPLICATIONS: &[(&str, &str)] = &[("DateStyle", "ISO, MDY"), ("row_security", "on")];

/// The view and foreign-table switch: minors of 2024-08 and later have it.
const NO_VIEWS: (&str, &str) = ("restrict_nonsystem_relation_kind", "view,foreign-table");

/// How the server notices within half a minute that this client has gone. What it shows depends on the socket, so it is
/// not read back.
const KEEPALIVE: &[(&str, &str)] = &[
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "25000"),
];

/// How a server that can watch its clients ends within a second what a killed one has left running.
const WATCH: (&str, &str) = ("client_connection_check_interval", "1s");

/// What not every server knows, and from which version (`server_version_num`) on all minors do.
const NOT_EVERYWHERE: &[(&str, u32)] =
    &[("createrole_self_grant", 160_000), ("transaction_timeout", 170_000), (NO_VIEWS.0, 180_000)];

/// The search path of a session that needs no schema of its own.
const CATALOG_ONLY: &str = "pg_catalog, pg_temp";

/// For psql in restore.sh, through `PGOPTIONS`: what it needs to read every value back.
pub const RESTORE_PGOPTIONS: &str = "-c datestyle=ISO,YMD -c intervalstyle=postgres -c timezone=UTC -c lc_monetary=C \
    -c xmloption=content -c search_path= -c pgcleave.administrator= -c row_security=off -c default_transaction_read_only=off \
    -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c synchronous_commit=off";

impl SessionKind<'_> {
    /// Adds the startup options: only what a later SET is too late for.
    pub(super) fn startup(&self, options: PgConnectOptions) -> PgConnectOptions {
        match self {
            Self::Tested => options,
            _ => options.options([("role", self.role()), ("local_preload_libraries", "")]),
        }
    }

    /// Gives the value of the parameter `role`.
    fn role(&self) -> &str {
        match self {
            Self::Migration { owner, .. } | Self::Loading { owner: Some(owner), .. } => owner.as_str(),
            _ => "none",
        }
    }

    fn search_path(&self) -> String {
        match self {
            Self::Migration { search_path, .. } | Self::Loading { search_path, .. } if !search_path.is_empty() => {
                // a value, not SQL: `U&"…"` means nothing in it
                search_path.iter().map(Ident::quoted).collect::<Vec<_>>().join(", ")
            }
            _ => CATALOG_ONLY.to_owned(),
        }
    }

    /// Lists what is set and read back, by name and value; empty where nothing is pinned.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let own: &[(&str, &str)] = match self {
            Self::Administrator | Self::Loading { .. } => OURS,
            Self::Migration { .. } => AS_APPLICATIONS,
            Self::Tested => return Vec::new(),
        };
        let views = matches!(self, Self::Administrator).then_some(&NO_VIEWS);
        let constant = PINNED.iter().chain(own).chain(views).map(|(name, value)| (*name, (*value).to_owned()));
        [("role", self.role().to_owned()), ("search_path", self.search_path())].into_iter().chain(constant).collect()
    }

    /// Gives the message that sets and reads back; `watch` adds what a server may lack the means for.
    fn message(&self, watch: bool) -> Sql {
        let settings = self.settings();
        let read_back = settings.iter().map(|(name, value)| pair(name, value));
        let mut set: Vec<Sql> = read_back.clone().collect();
        if !matches!(self, Self::Migration { .. }) {
            let kept_alive = KEEPALIVE.iter().chain(watch.then_some(&WATCH));
            set.extend(kept_alive.map(|(name, value)| pair(name, value)));
        }
        sql!(
            // no time-out before these; the search path before any operator is looked up
            "set statement_timeout = 0; set search_path = pg_catalog, pg_temp; \
             select pg_catalog.count(pg_catalog.set_config(v.name, v.value, false)) from (values ",
            Comma(set),
            ") v (name, value) where pg_catalog.current_setting(v.name, true) is not null; \
             select v.name, pg_catalog.current_setting(v.name, true) as found from (values ",
            Comma(read_back),
            ") v (name, value)"
        )
    }

    /// Gives the same list as `PGOPTIONS` for PostgreSQL's own programs against a server of this version.
    ///
    /// Parameters that the server may not know would end the login, so they are left out. `before` is what the
    /// connection string asks for; ours win.
    #[must_use]
    pub fn pgoptions(&self, version: u32, before: &[(String, String)]) -> String {
        let mut all = String::new();
        let mut settings = self.settings();
        settings.retain(|(name, _)| NOT_EVERYWHERE.iter().all(|(optional, from)| optional != name || *from <= version));
        settings.push(("local_preload_libraries", String::new()));
        let before = before.iter().map(|(name, value)| (name.as_str(), value.clone()));
        for (name, value) in before.chain(settings) {
            let separator = if all.is_empty() { "" } else { " " };
            all += &format!("{separator}-c {name}=");
            for c in value.chars() {
                if c == '\\' || c.is_ascii_whitespace() {
                    all.push('\\');
                }
                all.push(c);
            }
        }
        all
    }
}

fn pair(name: &str, value: &str) -> Sql {
    sql!("(", Literal(name), ", ", Literal(value), ")")
}

/// Pins the settings of a new session, before anything is prepared in it.
pub(super) async fn begin(
    connection: &mut PgConnection,
    kind: SessionKind<'_>,
    administrator: Option<&Ident>,
) -> Result<(), Error> {
    if kind == SessionKind::Tested {
        return Ok(());
    }
    // A transaction of the database's default kind could wait for others before its first row.
    let begin = sql!(
        "begin isolation level read committed, not deferrable; set statement_timeout = 0; \
         set pgcleave.administrator = ",
        Literal(administrator.map_or("", Ident::as_str)),
        "; "
    );
    let whole = |watch| sql!(begin, kind.message(watch), "; commit");
    match run(connection, kind, &whole(true)).await {
        // the platform cannot watch a socket
        Err(error) if error.sqlstate() == Some("22023") => {
            exec::batch(connection, "begin again", &sql!("rollback")).await?;
            run(connection, kind, &whole(false)).await
        }
        result => result,
    }
}

/// Pins the settings again, after a script that may have set others; outside of transactions.
///
/// # Errors
/// The connection broke, or a setting does not stay pinned.
pub async fn pin(connection: &mut PgConnection, kind: SessionKind<'_>) -> Result<(), Error> {
    if kind == SessionKind::Tested { Ok(()) } else { run(connection, kind, &kind.message(false)).await }
}

async fn run(connection: &mut PgConnection, kind: SessionKind<'_>, message: &Sql) -> Result<(), Error> {
    let rows = exec::rows(connection, "pin the session's settings", message.as_str()).await?;
    // the first row counts what was set
    let found: BTreeMap<&str, Option<&str>> =
        rows.iter().skip(1).map(|row| (row.get("name"), row.get("found"))).collect();
    for (name, wanted) in kind.settings() {
        let found = match found.get(name) {
            Some(Some(found)) if *found == wanted => continue,
            Some(None) if NOT_EVERYWHERE.iter().any(|(optional, _)| *optional == name) => continue,
            Some(found) => found.unwrap_or_default().to_owned(),
            None => String::new(),
        };
        return Err(Error::NotPinned { setting: name.to_owned(), wanted, found });
    }
    Ok(())
}
