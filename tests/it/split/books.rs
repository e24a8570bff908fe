//! Writers that keep their own books: what was acknowledged must be there once, what was not may be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tokio::task::JoinHandle;

use super::Move;

/// Several writers at once.
pub(super) struct Writers {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    running: Vec<JoinHandle<Book>>,
    service: String,
}

/// What one writer knows.
#[derive(Debug, Default)]
struct Book {
    writer: i32,
    acknowledged: BTreeSet<i32>,
    /// The answer to its commit never came.
    unknown: BTreeSet<i32>,
    refusals: BTreeSet<String>,
}

impl Writers {
    /// Starts them; each connects where the route says, and again after each error.
    pub(super) fn start(service: &Move, first: i32, count: i32) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let writer = |number| {
            let (route, schema) = (service.route(), service.name.clone());
            tokio::spawn(write(number, route, schema, Arc::clone(&stop), Arc::clone(&acknowledged)))
        };
        let running = (first..first + count).map(writer).collect();
        Self { stop, acknowledged, running, service: service.name.clone() }
    }

    /// Waits until so many more transactions were acknowledged.
    pub(super) async fn more(&self, transactions: u64) {
        let goal = self.acknowledged.load(Ordering::SeqCst) + transactions;
        for _ in 0..6000 {
            if self.acknowledged.load(Ordering::SeqCst) >= goal {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the writers stand still");
    }

    /// Stops them and compares their books with a database; gives the errors that they have seen.
    pub(super) async fn settle(self, url: &str) -> BTreeSet<String> {
        self.stop.store(true, Ordering::SeqCst);
        let mut connection = PgConnection::connect(url).await.expect("the superuser can connect");
        let mut refusals = BTreeSet::new();
        for book in self.running {
            let book = book.await.expect("a writer does not panic");
            let query = format!(
                "select n, count(*) as times from {}.entry where writer = {} group by n",
                self.service, book.writer
            );
            let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(&mut connection).await.expect("a query");
            let found: BTreeMap<i32, i64> = rows.iter().map(|row| (row.get("n"), row.get("times"))).collect();
            let lost: Vec<_> = book.acknowledged.iter().filter(|n| !found.contains_key(n)).collect();
            let doubled: Vec<_> = found.iter().filter(|(_, times)| **times > 1).collect();
            let made: BTreeSet<_> = book.acknowledged.union(&book.unknown).copied().collect();
            let strange: Vec<_> = found.keys().filter(|n| !made.contains(n)).collect();
            assert!(
                lost.is_empty() && doubled.is_empty() && strange.is_empty(),
                "writer {}: lost {lost:?}, doubled {doubled:?}, never written {strange:?} of {}",
                book.writer,
                made.len()
            );
            refusals.extend(book.refusals);
        }
        refusals
    }
}

/// How long a writer rests between two transactions: every row that it writes is compared at every change of sides, and without
/// rest a slow machine has more of them the slower it is.
const PAUSE: Duration = Duration::from_millis(20);

async fn write(writer: i32, route: PathBuf, schema: String, stop: Arc<AtomicBool>, count: Arc<AtomicU64>) -> Book {
    let mut book = Book { writer, ..Book::default() };
    let (mut connection, mut n) = (None, 0);
    while !stop.load(Ordering::SeqCst) {
        let mut session = match connection.take() {
            Some(session) => session,
            None => {
                let url = std::fs::read_to_string(&route).expect("the route is always there");
                match connect(&url).await {
                    Ok(session) => session,
                    Err(error) => {
                        book.refusals.insert(error.to_string());
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                }
            }
        };
        n += 1;
        match transaction(&mut session, &schema, writer, n).await {
            Ok(()) => {
                book.acknowledged.insert(n);
                count.fetch_add(1, Ordering::SeqCst);
                connection = Some(session);
                tokio::time::sleep(PAUSE).await;
            }
            Err((at_commit, error)) => {
                if at_commit {
                    book.unknown.insert(n);
                }
                if let Some(refusal) = error.as_database_error() {
                    book.refusals.insert(refusal.message().to_owned());
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    book
}

/// The tests' servers acknowledge what a crash would lose, unless they are asked not to.
async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    let mut session = PgConnection::connect(url).await?;
    sqlx::raw_sql("set synchronous_commit = on").execute(&mut session).await?;
    Ok(session)
}

/// Says whether it was the commit that failed.
async fn transaction(session: &mut PgConnection, schema: &str, writer: i32, n: i32) -> Result<(), (bool, sqlx::Error)> {
    let account = 1 + (writer * 7 + n) % 50;
    let statements = format!(
        "begin; insert into {schema}.entry (account, writer, n, note) values ({account}, {writer}, {n}, 'of writer {writer}'); \
         update {schema}.account set balance = balance + 1 where id = {account}"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *session).await.map_err(|error| (false, error))?;
    sqlx::raw_sql("commit").execute(&mut *session).await.map_err(|error| (true, error))?;
    Ok(())
}
