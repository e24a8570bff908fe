//! The slot whose snapshot the copy reads. Only the replication protocol exports one, and only psql speaks it here.

use std::process::Stdio;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin};

use super::error::Error;
use super::link;
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::session::SessionKind;
use crate::transfer::error::Error as TransferError;
use crate::transfer::pg_dump::PgDump;

/// How often to look for an interrupt, in milliseconds.
const POLL_MILLIS: u64 = 100;

/// A new slot, and the session that keeps its snapshot alive: it goes with the value, the slot stays.
#[derive(Debug)]
pub(super) struct Exported {
    _psql: Child,
    _stdin: ChildStdin,
    /// What `SET TRANSACTION SNAPSHOT` takes.
    pub(super) snapshot: String,
    /// Where the slot begins.
    pub(super) lsn: String,
}

/// Makes the slot; that waits until all transactions that run now have ended, `seconds` at most.
pub(super) async fn export(
    source: &Target,
    watcher: &mut PgConnection,
    dump: &PgDump,
    name: &Ident,
    seconds: u64,
    interrupt: &Interrupt,
) -> Result<Exported, Error> {
    let beside = dump.path.with_file_name("psql");
    let program = if beside.is_file() { beside } else { "psql".into() };
    let version = watcher.server_version_num().unwrap_or(0);
    let mut psql = source
        .program(&program, SessionKind::Administrator, version, "pgcleave slot")
        .args(["-X", "-q", "-A", "-t", "-F", " ", "-d", "replication=database"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| TransferError::file("start", &program, e))?;
    let mut stdin = psql.stdin.take().expect("it was piped");
    let command = format!("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput (SNAPSHOT 'export');\n", name.quoted());
    stdin.write_all(command.as_bytes()).await.map_err(|e| TransferError::file("write to", &program, e))?;
    stdin.flush().await.map_err(|e| TransferError::file("write to", &program, e))?;

    let mut lines = BufReader::new(psql.stdout.take().expect("it was piped")).lines();
    let started = Instant::now();
    let line = loop {
        match tokio::time::timeout(Duration::from_millis(POLL_MILLIS), lines.next_line()).await {
            Ok(read) => break read.ok().flatten(),
            Err(_) if interrupt.requested() => return give_up(psql, watcher, name, Error::Interrupted).await,
            Err(_) if started.elapsed() < Duration::from_secs(seconds) => {}
            Err(_) => {
                let why = running(watcher).await?;
                return give_up(psql, watcher, name, Error::Slot { seconds, why }).await;
            }
        }
    };
    // slot_name, consistent_point, snapshot_name, output_plugin
    let parts: Vec<&str> = line.as_deref().unwrap_or_default().split(' ').collect();
    let [_, lsn, snapshot, _] = parts.as_slice() else {
        let mut said = String::new();
        drop(stdin);
        if let Some(mut stderr) = psql.stderr.take() {
            let _ = stderr.read_to_string(&mut said).await;
        }
        return Err(Error::Slot { seconds, why: said.trim().to_owned() });
    };
    let (snapshot, lsn) = ((*snapshot).to_owned(), (*lsn).to_owned());
    Ok(Exported { _psql: psql, _stdin: stdin, snapshot, lsn })
}

/// Ends the session, and takes back a slot that was half made.
async fn give_up(mut psql: Child, watcher: &mut PgConnection, name: &Ident, error: Error) -> Result<Exported, Error> {
    let _ = psql.kill().await;
    link::drop_slot(watcher, name).await?;
    Err(error)
}

/// Names the transactions that a new slot waits for.
async fn running(watcher: &mut PgConnection) -> Result<String, PgError> {
    let found: Option<String> = sqlx::query_scalar(
        "select pg_catalog.string_agg(pg_catalog.format('pid %s of %s on %s, running for %s s (%s)', a.pid, a.usename, a.datname, \
             extract(epoch from pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.int8, \
             coalesce(nullif(a.application_name, ''), a.state)), ', ' order by a.xact_start) \
         from (select * from pg_catalog.pg_stat_activity where backend_xid is not null and pid <> pg_catalog.pg_backend_pid() \
           order by xact_start limit 5) a",
    )
    .fetch_one(watcher)
    .await
    .map_err(|e| PgError::new("ask who is in the way", &e))?;
    Ok(found.unwrap_or_else(|| "no transaction is in the way any more".to_owned()))
}
