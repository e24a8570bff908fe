//! The sessions that read a schema's rows: one login for each distinct owner, and never a superuser.
//!
//! ```text
//! owners of tables and sequences ─▶ decide ─▶ a temporary login each ─▶ LOCK TABLE, OIDs compared ─▶ workers
//! ```
//!
//! Reading a table plans a query, and planning runs what the owner has declared immutable: index expressions, statistics,
//! operators. It runs as the login that reads, so that login is the owner, or a role that can do nothing else.

mod decide;
mod worker;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

use super::error::Error;
use super::table::Table;
use crate::ident::Ident;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::pg::session::SessionKind;
use crate::sql;
use crate::sql::{Comma, Sql};
use crate::temporary_login::{self, Readable, Server, TemporaryLogin, Wanted};
use decide::{Me, Relation, Who, decide};
pub use worker::Worker;
pub(super) use worker::{Joining, Shared};

/// Sessions that a login needs besides those of the workers: its locks, a pg_dump for each half of the definitions.
const OTHER_SESSIONS: usize = 4;

/// What `pg_stat_activity` shows of the sessions that hold locks.
const APPLICATION: &str = "pgcleave readers";

/// The readers of one schema. [`Readers::end`] drops the logins that were made.
pub struct Readers {
    target: Target,
    schema: Ident,
    /// The connecting login's session; it holds the locks that say that the logins are in use.
    admin: PgConnection,
    server: Server,
    me: Me,
    /// How many workers read at once.
    workers: usize,
    readers: Vec<Reader>,
    /// Which reader reads which relation, by OID.
    of: HashMap<u32, usize>,
    sequences: Vec<(u32, Ident)>,
    /// Whether populated materialized views are read too.
    reads_views: bool,
    /// Those that are, and those that no login may read; by OID.
    views: Vec<(u32, Ident)>,
    /// What the login for relations of superusers may read, by OID.
    granted: BTreeSet<u32>,
    /// The login that runs pg_dump, where neither the connecting one nor a reader can.
    dumper: Option<TemporaryLogin>,
}

/// One of them.
struct Reader {
    who: Who,
    target: Target,
    login: Option<TemporaryLogin>,
    /// Holds the locks of its tables.
    session: PgConnection,
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Readers({:?})", self.readers.iter().map(|reader| &reader.who).collect::<Vec<_>>())
    }
}

/// Returns the kind of a reader's sessions.
fn kind(who: &Who) -> SessionKind<'_> {
    let owner = match who {
        Who::Member(owner) | Who::Owner(owner) => Some(owner),
        Who::Itself | Who::Bypassing(_) | Who::Granted => None,
    };
    SessionKind::Loading { owner, search_path: &[] }
}

impl Readers {
    /// Connects; the logins are made when tables are locked.
    ///
    /// # Errors
    /// There is no such schema, or the server refused.
    pub async fn open(target: &Target, schema: &Ident, workers: usize) -> Result<Self, Error> {
        let mut admin = target.connect(SessionKind::Administrator, "pgcleave readers").await?;
        let server = Server::read(&mut admin).await?;
        let me = me(&mut admin, schema).await?.ok_or_else(|| Error::NoSchema {
            schema: schema.as_str().to_owned(),
            database: target.database().to_owned(),
        })?;
        if !me.standby && (me.superuser || me.createrole) {
            temporary_login::sweep(&mut admin, &|_| ()).await?;
        }
        Ok(Self {
            target: target.clone(),
            schema: schema.clone(),
            admin,
            server,
            me,
            workers,
            readers: Vec::new(),
            of: HashMap::new(),
            sequences: Vec::new(),
            reads_views: false,
            views: Vec::new(),
            granted: BTreeSet::new(),
            dumper: None,
        })
    }

    /// Reads populated materialized views as well, as far as somebody may.
    #[must_use]
    pub fn with_materialized_views(self) -> Self {
        Self { reads_views: true, ..self }
    }

    /// Drops the logins, and takes back what they were granted; returns what the work came to, or why they stay.
    ///
    /// # Errors
    /// The work's own error, or the server refused.
    pub async fn end<T, E: From<Error>>(mut self, result: Result<T, E>) -> Result<T, E> {
        let dropped = self.drop_logins().await;
        let value = result?;
        dropped?;
        Ok(value)
    }

    async fn drop_logins(&mut self) -> Result<(), Error> {
        let mut logins: Vec<TemporaryLogin> = self.dumper.take().into_iter().collect();
        for reader in self.readers.drain(..) {
            logins.extend(reader.login);
            // Its transaction must have ended before the grants are taken back.
            let _ = reader.session.close().await;
        }
        let mut dropped = Ok(());
        for login in logins {
            dropped = dropped.and(temporary_login::remove(&mut self.admin, &self.server, &login.name).await);
        }
        Ok(dropped?)
    }

    /// Finds the readers of all relations as they are now, and makes the logins that are not there yet.
    pub(super) async fn cover(&mut self) -> Result<(), Error> {
        let relations = relations(&mut self.admin, &self.schema, self.reads_views).await?;
        let mut wanted: BTreeMap<Who, Vec<&Relation>> = BTreeMap::new();
        for relation in &relations {
            match decide(&self.me, relation, &self.schema) {
                Ok(who) => wanted.entry(who).or_default().push(relation),
                Err(_) if relation.view => {}
                Err(error) => return Err(error),
            }
        }
        let granted: BTreeSet<u32> = wanted.get(&Who::Granted).into_iter().flatten().map(|r| r.oid).collect();
        if !granted.is_subset(&self.granted) {
            self.drop_logins().await?;
            self.granted = granted;
        }
        self.sequences = relations.iter().filter(|r| r.sequence).map(|r| (r.oid, r.name.clone())).collect();
        self.views = relations.iter().filter(|r| r.view).map(|r| (r.oid, r.name.clone())).collect();
        self.of.clear();
        for (who, relations) in wanted {
            let at = match self.readers.iter().position(|reader| reader.who == who) {
                Some(at) => at,
                None => {
                    let reader = self.make(who, &relations).await?;
                    self.readers.push(reader);
                    self.readers.len() - 1
                }
            };
            self.of.extend(relations.iter().map(|relation| (relation.oid, at)));
        }
        Ok(())
    }

    async fn make(&mut self, who: Who, relations: &[&Relation]) -> Result<Reader, Error> {
        let named = |sequence: bool| {
            relations.iter().filter(|r| r.sequence == sequence).map(|r| r.name.clone()).collect::<Vec<_>>()
        };
        let (tables, sequences) = (named(false), named(true));
        let mut wanted = Wanted { connection_limit: limit(self.workers + OTHER_SESSIONS), ..Wanted::default() };
        match &who {
            Who::Itself | Who::Member(_) => {
                let session = self.target.connect(kind(&who), APPLICATION).await?;
                return Ok(Reader { who, target: self.target.clone(), login: None, session });
            }
            Who::Owner(owner) => wanted.member_of = std::slice::from_ref(owner),
            Who::Bypassing(owner) => {
                wanted.member_of = std::slice::from_ref(owner);
                wanted.bypasses_row_security = true;
            }
            Who::Granted => {
                wanted.reads = Some((&self.schema, Readable { tables: &tables, sequences: &sequences }));
                wanted.bypasses_row_security = relations.iter().any(|relation| relation.secured);
            }
        }
        let (admin, server) = (&mut self.admin, &self.server);
        let made = temporary_login::create(admin, server, &wanted, &self.target, kind(&who), APPLICATION).await;
        let (login, session) = made?;
        Ok(Reader { who, target: login.target(&self.target), login: Some(login), session })
    }

    /// Returns the tables with their readers; nothing if one of them came after the readers were found.
    pub(super) fn assigned(&self, mut tables: Vec<Table>) -> Option<Vec<Table>> {
        for table in &mut tables {
            table.reader = *self.of.get(&table.oid)?;
        }
        Some(tables)
    }

    /// Locks tables against DDL, each in its reader's session and until [`Readers::release`]; false if a table has gone, or
    /// if another one has its name by now.
    pub(super) async fn lock(&mut self, tables: &[Table], lock_seconds: u64) -> Result<bool, Error> {
        for (at, reader) in self.readers.iter_mut().enumerate() {
            let mine: Vec<&Table> = tables.iter().filter(|table| table.reader == at).collect();
            if mine.is_empty() {
                continue;
            }
            let begin = sql!("begin transaction isolation level read committed, read only; set local lock_timeout = ");
            let lock = sql!(begin, milliseconds(lock_seconds), "; ", locking(mine.iter().copied()));
            if let Err(error) = exec::batch(&mut reader.session, "lock the schema's tables against DDL", &lock).await {
                return match error.sqlstate() {
                    Some("42P01") => Ok(false),
                    Some("55P03") => Err(self.locked(lock_seconds)),
                    _ => Err(error.into()),
                };
            }
            if !holds(&mut reader.session, mine.iter().map(|table| table.oid)).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Says that a table stayed locked.
    pub(super) fn locked(&self, seconds: u64) -> Error {
        Error::TableLocked { schema: self.schema.as_str().to_owned(), seconds }
    }

    /// Gives the tables' locks back.
    ///
    /// # Errors
    /// A connection broke.
    pub async fn release(&mut self) -> Result<(), Error> {
        for reader in &mut self.readers {
            exec::fixed(&mut reader.session, "let the tables go", "rollback").await?;
        }
        Ok(())
    }

    /// Returns what a worker needs to see a snapshot of these tables.
    pub(super) fn joining(&self, id: &str, tables: &[Table]) -> Joining {
        let shared = self.readers.iter().enumerate().map(|(at, reader)| {
            let mine: Vec<&Table> = tables.iter().filter(|table| table.reader == at).collect();
            let (target, who) = (reader.target.clone(), reader.who.clone());
            let lock = (!mine.is_empty()).then(|| locking(mine.iter().copied()));
            Shared { target, who, lock, oids: mine.iter().map(|table| table.oid).collect() }
        });
        Joining { id: id.to_owned(), schema: self.schema.as_str().to_owned(), readers: shared.collect() }
    }

    /// Returns the sequences of each reader, with its session.
    pub(super) fn sequences(&mut self) -> impl Iterator<Item = (&mut PgConnection, Vec<(u32, Ident)>)> {
        let (of, sequences) = (&self.of, &self.sequences);
        self.readers.iter_mut().enumerate().map(move |(at, reader)| {
            let mine = sequences.iter().filter(|(oid, _)| of.get(oid) == Some(&at));
            (&mut reader.session, mine.cloned().collect())
        })
    }

    /// Returns the populated materialized views with their readers; none where no login may read one.
    pub(super) fn views(&self) -> impl Iterator<Item = (u32, &Ident, Option<usize>)> {
        self.views.iter().map(|(oid, name)| (*oid, name, self.of.get(oid).copied()))
    }

    /// Returns the schema.
    pub(super) fn schema(&self) -> &Ident {
        &self.schema
    }

    /// Returns who runs pg_dump, which asks the catalog alone but locks every table: the connecting login if it is a
    /// superuser or reads as itself, else a login that is a member of all owners.
    ///
    /// # Errors
    /// The server refused that login.
    pub async fn dumper(&mut self) -> Result<Target, Error> {
        let made: Vec<&Reader> = self.readers.iter().filter(|reader| reader.login.is_some()).collect();
        if self.me.superuser || made.is_empty() {
            return Ok(self.target.clone());
        }
        if let ([reader], 1) = (made.as_slice(), self.readers.len()) {
            return Ok(reader.target.clone());
        }
        let owner = |reader: &&Reader| match &reader.who {
            Who::Owner(owner) | Who::Bypassing(owner) => Some(owner.clone()),
            _ => None,
        };
        let owners: BTreeSet<Ident> = made.iter().filter_map(owner).collect();
        let owners: Vec<Ident> = owners.into_iter().collect();
        let wanted = Wanted { member_of: &owners, connection_limit: limit(OTHER_SESSIONS), ..Wanted::default() };
        let (admin, server) = (&mut self.admin, &self.server);
        let made = temporary_login::create(admin, server, &wanted, &self.target, kind(&Who::Itself), APPLICATION).await;
        let (login, session) = made?;
        let _ = session.close().await;
        let target = login.target(&self.target);
        self.dumper = Some(login);
        Ok(target)
    }
}

/// Returns why relations of a schema cannot be read, one reason for each; makes no login.
///
/// # Errors
/// The server refused a query.
pub async fn refusals(connection: &mut PgConnection, schema: &Ident) -> Result<Vec<Error>, Error> {
    let Some(me) = me(connection, schema).await? else { return Ok(Vec::new()) };
    let relations = relations(connection, schema, false).await?;
    Ok(relations.iter().filter_map(|relation| decide(&me, relation, schema).err()).collect())
}

/// Tells whether a session holds a lock on each of these relations: a name may mean another one by now.
pub(super) async fn holds(session: &mut PgConnection, oids: impl Iterator<Item = u32>) -> Result<bool, PgError> {
    let query = "select l.relation::pg_catalog.int8 from pg_catalog.pg_locks l \
        where l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation' and l.mode = 'AccessShareLock' and l.granted";
    let held: Vec<i64> = sqlx::query_scalar(query)
        .fetch_all(session)
        .await
        .map_err(|e| PgError::new("ask which tables are locked", &e))?;
    let held: BTreeSet<i64> = held.into_iter().collect();
    Ok(oids.into_iter().all(|oid| held.contains(&i64::from(oid))))
}

fn limit(sessions: usize) -> i64 {
    i64::try_from(sessions).unwrap_or(i64::MAX)
}

/// Returns the statement that locks tables against DDL.
fn locking<'t>(tables: impl Iterator<Item = &'t Table>) -> Sql {
    let names: Vec<Sql> = tables.map(|table| sql!("only ", table.name.sql())).collect();
    sql!("lock table ", Comma(&names), " in access share mode")
}

/// Returns a time as `lock_timeout` takes it.
pub(super) fn milliseconds(seconds: u64) -> i64 {
    let most = i64::from(i32::MAX);
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(most).min(most)
}

/// Asks who connects; nothing if there is no such schema.
async fn me(connection: &mut PgConnection, schema: &Ident) -> Result<Option<Me>, PgError> {
    let row = sqlx::query(
        "select r.rolname::pg_catalog.text as name, r.rolsuper, r.rolcreaterole, r.rolbypassrls, \
           pg_catalog.pg_is_in_recovery() as standby, \
           pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as version \
         from pg_catalog.pg_roles r where r.rolname = current_user \
           and exists (select from pg_catalog.pg_namespace n where n.nspname = $1)",
    )
    .bind(schema.as_str())
    .fetch_optional(connection)
    .await
    .map_err(|e| PgError::new("look for the schema", &e))?;
    Ok(row.map(|row| Me {
        name: Ident::from_server(row.get("name")),
        superuser: row.get("rolsuper"),
        createrole: row.get("rolcreaterole"),
        bypassrls: row.get("rolbypassrls"),
        standby: row.get("standby"),
        gives_bypassrls: row.get::<i32, _>("version") >= 160_000,
    }))
}

async fn relations(connection: &mut PgConnection, schema: &Ident, views: bool) -> Result<Vec<Relation>, PgError> {
    let rows = sqlx::query(include_str!("sql/readers.sql"))
        .bind(schema.as_str())
        .bind(views)
        .fetch_all(connection)
        .await
        .map_err(|e| PgError::new("look for the owners of tables and sequences", &e))?;
    let relation = |row: &sqlx::postgres::PgRow| Relation {
        oid: u32::try_from(row.get::<i64, _>("oid")).expect("an OID has 32 bits"),
        name: Ident::from_server(row.get("name")),
        sequence: row.get("sequence"),
        view: row.get("view"),
        owner: Ident::from_server(row.get("owner")),
        owner_superuser: row.get("owner_superuser"),
        grantable: row.get("grantable"),
        settable: row.get("settable"),
        secured: row.get("secured"),
        forced: row.get("forced"),
        owner_uses: row.get("owner_uses"),
        owner_reads: row.get("owner_reads"),
        self_reads: row.get("self_reads"),
        self_grants: row.get("self_grants"),
    };
    Ok(rows.iter().map(relation).collect())
}
