//! What the check knows of the two sides, as the servers tell it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::ident::Ident;
use crate::transfer::coupling::Coupling;
use crate::transfer::logins::User;

/// One side's server and database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate fact")]
pub struct Server {
    /// `server_version_num`, as in 150004.
    pub version: u32,
    /// The database.
    pub database: String,
    /// The login that looked.
    pub login: String,
    /// Whether it is a superuser.
    pub superuser: bool,
    /// Whether it may create roles.
    pub createrole: bool,
    /// Whether it may make slots.
    pub replication: bool,
    /// Whether it may create schemas.
    pub creates: bool,
    /// Whether it may create subscriptions (16 and newer).
    pub subscribes: bool,
    /// Whether it sees what other logins do.
    pub sees_all: bool,
    /// Whether the server is a standby.
    pub recovery: bool,
    /// The server's own number.
    pub system: Option<String>,
    /// The database's encoding.
    pub encoding: String,
    /// `LC_COLLATE`.
    pub collation: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// `c` for libc, `i` for ICU, `b` for builtin.
    pub provider: String,
    /// The locale of a provider other than libc.
    pub locale: Option<String>,
    /// The database's size.
    pub bytes: Option<u64>,
    /// Settings by name.
    pub settings: BTreeMap<String, String>,
    /// The replication slots, in words.
    pub slots: Vec<String>,
    /// How many WAL senders work.
    pub senders: i64,
    /// The names of all subscriptions.
    pub subscriptions: Vec<String>,
    /// How many of their workers work.
    pub workers: i64,
    /// How many sessions there are.
    pub connections: Option<i64>,
    /// Transactions that have been open for a minute.
    pub long_transactions: Vec<Transaction>,
    /// Prepared transactions that have been waiting for a minute.
    pub prepared: Vec<String>,
    /// The write-ahead log per second, on average since the statistics were reset.
    pub wal_bytes_per_second: Option<u64>,
    /// The database's transactions per second, on average likewise.
    pub transactions_per_second: Option<u64>,
    /// The extensions that are installed, with their versions.
    pub extensions: BTreeMap<String, String>,
    /// The versions that could be, of those that matter.
    pub available: Vec<Available>,
    /// Those of the collations asked for that are there.
    pub collations: Vec<String>,
    /// Whether the schema is there.
    pub schema_exists: bool,
    /// How many relations and routines are in it.
    pub schema_objects: i64,
    /// Event triggers that may refuse the DDL of a split.
    pub refusing_triggers: Vec<String>,
    /// Whether every login may connect to the database.
    pub connects_public: bool,
    /// The methods of the lines of pg_hba.conf; nothing where this login may not read it.
    pub hba_methods: Option<Vec<String>>,
}

/// A transaction that has been open for long.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Transaction {
    /// The process.
    pub pid: i64,
    /// The login.
    pub login: Option<String>,
    /// What it does.
    pub state: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// For how long, in seconds.
    pub seconds: i64,
}

/// A version of an extension that could be created.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Available {
    /// The extension.
    pub name: String,
    /// The version.
    pub version: String,
    /// Whether only a superuser may create it.
    pub superuser: bool,
}

/// What of the schema matters to replication.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Schema {
    /// Its permanent tables.
    pub tables: Vec<Table>,
    /// Its materialized views.
    pub materialized_views: Vec<String>,
    /// How many sequences it has.
    pub sequences: u64,
    /// Triggers that fire for replicated rows too.
    pub firing_triggers: Vec<String>,
    /// Collations that it uses besides the database's own.
    pub collations: Vec<String>,
    /// Extensions that it uses.
    pub extensions: Vec<String>,
    /// How many relations it has, with indexes, sequences and what belongs to its tables.
    pub relations: u64,
    /// How many of them are tables, which a copy holds locked.
    pub locked: u64,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Whether it has partitions instead of rows.
    pub partitioned: bool,
    /// What identifies its rows.
    pub identity: Identity,
    /// A unique index that could.
    pub candidate: Option<String>,
    /// Whether its primary key is deferrable, so that it does not count.
    pub deferrable_key: bool,
    /// Where whole rows identify it: columns whose type has no equality, so that the target cannot find a row.
    pub incomparable: Vec<String>,
    /// Generated columns of the index that identifies it: they are not replicated.
    pub generated_key: Vec<String>,
    /// About how many rows it has.
    pub rows: u64,
    /// Its size without indexes.
    pub bytes: u64,
    /// Its indexes' size.
    pub index_bytes: u64,
    /// How many rows were updated or deleted since the statistics were reset.
    pub changes: Option<u64>,
}

/// What identifies a table's rows to replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// The primary key.
    Key,
    /// Another unique index.
    Index,
    /// The whole row.
    Full,
    /// Nothing: once published, UPDATE and DELETE fail.
    Nothing,
}

/// A table or a sequence that no login of `start` could read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The code of the error with which `start` would refuse.
    pub code: &'static str,
    /// The relation, with its schema.
    pub relation: String,
    /// The error's message.
    pub message: String,
    /// What to do about it.
    pub fix: String,
}

/// All that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The shared side.
    pub source: Server,
    /// The dedicated side.
    pub target: Server,
    /// The service's schema, on the source.
    pub schema: Schema,
    /// What ties it to its database.
    pub couplings: Vec<Coupling>,
    /// The logins that can use the schema, on the source.
    pub logins: Vec<User>,
    /// Roles of other services of the manifests, and who logs in as them.
    pub others: Vec<Ident>,
    /// Logins of the service that the target has already, with passwords that are not known to be the same.
    pub taken_logins: Vec<Ident>,
    /// Why relations of the schema cannot be read: code, relation, message, and what to do.
    pub unreadable: Vec<Unreadable>,
    /// Owners of something in the schema that are superusers in the target.
    pub superuser_owners: Vec<String>,
    /// How far a split is that has begun already.
    pub phase: Option<String>,
    /// Whether contracts are to be bridged into the source and into the target.
    pub bridged: [bool; 2],
}

impl Server {
    /// Gives the major version.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.version / 10_000
    }

    /// Gives for how many locks the server has room, by its settings.
    ///
    /// <https://www.postgresql.org/docs/current/runtime-config-locks.html>
    #[must_use]
    pub fn lock_table(&self) -> Option<i64> {
        let number = |name| self.number(name).unwrap_or(0);
        let vacuum = number("autovacuum_worker_slots").max(number("autovacuum_max_workers"));
        let sessions =
            self.number("max_connections")? + vacuum + number("max_worker_processes") + number("max_wal_senders");
        Some(self.number("max_locks_per_transaction")? * (sessions + 1 + number("max_prepared_transactions")))
    }

    /// Gives a setting that is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.settings.get(name)?.parse().ok()
    }
}
