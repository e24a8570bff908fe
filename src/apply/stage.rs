//! Runs transactions, as many in one message as fit, and finds out which of them failed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sqlx::postgres::PgConnection;

use super::Error;
use crate::credentials::issue::{Issuer, Prepared, publish};
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::interrupt::Interrupt;
use crate::pg::exec;
use crate::pg::pooler::Backend;
use crate::plan::script::Transaction;
use crate::sql;
use crate::sql::Sql;

/// How much SQL one message holds before another is begun, in bytes.
const MESSAGE_BYTES: usize = 256 * 1024;

/// How often a transaction is tried that met a lock, a deadlock or a concurrently updated tuple.
const TRIES: u32 = 8;

/// The pause after the first such try, in milliseconds; it doubles each time.
const FIRST_PAUSE_MILLIS: u64 = 50;

/// A transaction with what belongs to it.
pub(super) struct Job {
    pub(super) transaction: Transaction,
    /// New passwords, to be published before the commit.
    pub(super) prepared: Option<Prepared>,
    tries: u32,
}

impl Job {
    pub(super) fn new(transaction: Transaction, prepared: Option<Prepared>) -> Self {
        Self { transaction, prepared, tries: 0 }
    }

    fn statements(&self) -> impl Iterator<Item = &Sql> {
        let issuing = self.prepared.iter().flat_map(|p| &p.statements);
        self.transaction.statements.iter().chain(issuing)
    }
}

/// What became of the transactions of one stage.
#[derive(Default)]
pub(super) struct Results {
    /// Those that were committed.
    pub(super) done: Vec<Job>,
    /// Those that failed for good, with the reason.
    pub(super) failed: BTreeMap<Option<Ident>, String>,
}

/// What the stage works with.
pub(super) struct Means<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) listener: Listener<'a>,
    pub(super) interrupt: &'a Interrupt,
    /// The session that holds the lock: every transaction has to run in it.
    pub(super) backend: Backend,
}

/// Runs all; a transaction that fails for good is rolled back and named, and the others go on.
pub(super) async fn run(connection: &mut PgConnection, jobs: Vec<Job>, means: &Means<'_>) -> Result<Results, Error> {
    let mut queue: VecDeque<Job> = jobs.into();
    let mut results = Results::default();
    // whose secrets are published, and whose COMMIT goes with the next message
    let mut open: Option<Job> = None;
    while open.is_some() || !queue.is_empty() {
        if means.interrupt.requested() && open.is_none() {
            return Err(Error::Interrupted);
        }
        let mut message = Message::default();
        if let Some(job) = open.take() {
            message.push(sql!("commit"));
            message.close(job);
        }
        message.fill(&mut queue, means);
        if let Err(failed) = exec::script(connection, "apply", message.sql.as_str()).await {
            if failed.error.sqlstate().is_none() {
                return Err(failed.error.into());
            }
            exec::batch(connection, "roll back", &sql!("rollback")).await?;
            message.settle(failed.finished, &failed.error, &mut queue, &mut results).await;
            continue;
        }
        results.done.extend(message.closed.into_iter().map(|(job, _)| job));
        if let Some(job) = message.open {
            let prepared = job.prepared.as_ref().expect("only a job with secrets is left open");
            match publish(means.issuer, prepared, means.listener).await {
                Ok(()) => open = Some(job),
                Err(error) => {
                    exec::batch(connection, "roll back", &sql!("rollback")).await?;
                    results.failed.insert(job.transaction.service.clone(), error.to_string());
                }
            }
        }
    }
    Ok(results)
}

/// One message on its way: whole transactions, and at most one whose COMMIT waits for its secrets.
#[derive(Default)]
struct Message {
    sql: Sql,
    statements: usize,
    /// Each whole transaction, with the number of statements up to and with its COMMIT.
    closed: Vec<(Job, usize)>,
    open: Option<Job>,
}

impl Message {
    fn push(&mut self, statement: Sql) {
        self.sql.push(&statement);
        self.sql.push_static(";\n");
        self.statements += 1;
    }

    fn close(&mut self, job: Job) {
        self.closed.push((job, self.statements));
    }

    fn fill(&mut self, queue: &mut VecDeque<Job>, means: &Means<'_>) {
        while !means.interrupt.requested() && self.open.is_none() && self.sql.as_str().len() < MESSAGE_BYTES {
            let Some(job) = queue.pop_front() else { return };
            self.push(sql!("begin"));
            self.push(means.backend.guard());
            for statement in job.statements() {
                self.sql.push(statement);
                self.sql.push_static(";\n");
                self.statements += 1;
            }
            if job.prepared.is_some() {
                self.open = Some(job);
            } else {
                self.push(sql!("commit"));
                self.close(job);
            }
        }
    }

    /// Sorts out a message of which only so many statements were done: committed, failed, not begun.
    async fn settle(
        self,
        finished: usize,
        error: &crate::pg::error::Error,
        queue: &mut VecDeque<Job>,
        results: &mut Results,
    ) {
        let mut rest = VecDeque::new();
        for (job, until) in self.closed {
            if until <= finished {
                results.done.push(job);
            } else {
                rest.push_back(job);
            }
        }
        rest.extend(self.open);
        if let Some(mut job) = rest.pop_front() {
            job.tries += 1;
            let transient = error.is_transient() || error.sqlstate() == Some("55P03");
            if transient && job.tries < TRIES {
                if let Some((at, lock)) = job.transaction.lock.take() {
                    job.transaction.statements.insert(at, lock);
                }
                tokio::time::sleep(Duration::from_millis(FIRST_PAUSE_MILLIS << (job.tries - 1))).await;
                rest.push_front(job);
            } else {
                results.failed.insert(job.transaction.service.clone(), failure(&job, error));
            }
        }
        rest.append(queue);
        *queue = rest;
    }
}

fn failure(job: &Job, error: &crate::pg::error::Error) -> String {
    let crate::pg::error::Error::Statement(said) = error else { return error.to_string() };
    let mut text = said.to_string();
    for more in [&said.detail, &said.hint].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(more);
    }
    if job.tries > 1 {
        text.push_str(&format!("; tried {} times", job.tries));
    }
    text
}

/// Tells of what failed and what was done.
pub(super) fn tell(results: &Results, step: &str, listener: Listener<'_>) {
    for (service, message) in &results.failed {
        let service = service.as_ref().map(|s| s.as_str().to_owned());
        listener(Event::Failed { service, step: step.to_owned(), message: message.clone() });
    }
}
