//! Writers at a fixed pace that note when each commit was acknowledged, and what was written by it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tokio::task::JoinHandle;

/// Where writers connect: always to the pooler, or to whatever the route's file says.
#[derive(Clone)]
pub(crate) enum Route {
    Pooler(String),
    File(PathBuf),
}

/// What one writer has seen.
#[derive(Default)]
pub(crate) struct Book {
    writer: i32,
    acknowledged: BTreeSet<i32>,
    unknown: BTreeSet<i32>,
    pub(crate) at: Vec<Instant>,
    pub(crate) errors: usize,
}

/// Several of them.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    running: Vec<JoinHandle<Book>>,
}

impl Writers {
    /// Starts `count` writers that together write `per_second` transactions.
    pub(crate) fn start(route: &Route, first: i32, count: i32, per_second: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let pace = Duration::from_secs(1) * count.unsigned_abs() / per_second;
        let running = (first..first + count)
            .map(|writer| tokio::spawn(write(writer, route.clone(), pace, Arc::clone(&stop))))
            .collect();
        Self { stop, running }
    }

    pub(crate) async fn stop(self) -> Vec<Book> {
        self.stop.store(true, Ordering::SeqCst);
        let mut books = Vec::new();
        for writer in self.running {
            books.push(writer.await.expect("a writer does not panic"));
        }
        books
    }
}

/// One client that reads all the time.
pub(crate) struct Readers {
    stop: Arc<AtomicBool>,
    running: JoinHandle<(usize, usize)>,
}

impl Readers {
    pub(crate) fn start(url: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        Self { stop: Arc::clone(&stop), running: tokio::spawn(read(url, stop)) }
    }

    /// Gives how many reads there were, and how many of them were refused.
    pub(crate) async fn stop(self) -> (usize, usize) {
        self.stop.store(true, Ordering::SeqCst);
        self.running.await.expect("a reader does not panic")
    }
}

async fn read(url: String, stop: Arc<AtomicBool>) -> (usize, usize) {
    let (mut all, mut refused, mut connection) = (0, 0, None);
    while !stop.load(Ordering::SeqCst) {
        all += 1;
        let session = match connection.take() {
            Some(session) => Ok(session),
            None => PgConnection::connect(&url).await,
        };
        let query = "select balance from bench.account where id = 7";
        let answered = match session {
            Ok(mut session) => sqlx::raw_sql(query).execute(&mut session).await.map(|_| session),
            Err(error) => Err(error),
        };
        match answered {
            Ok(session) => connection = Some(session),
            Err(_) => refused += 1,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (all, refused)
}

/// Counts acknowledged transactions that are not there, and those that are there more than once.
pub(crate) async fn lost_and_doubled(books: &[Book], url: &str) -> (usize, usize, usize) {
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    let (mut lost, mut doubled, mut all) = (0, 0, 0);
    for book in books {
        let query = format!("select n, count(*) as times from bench.entry where writer = {} group by n", book.writer);
        let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(&mut connection).await.expect("a query");
        let found: BTreeMap<i32, i64> = rows.iter().map(|row| (row.get("n"), row.get("times"))).collect();
        all += book.acknowledged.len();
        lost += book.acknowledged.iter().filter(|n| !found.contains_key(n)).count();
        doubled += found.values().filter(|times| **times > 1).count();
        doubled += found.keys().filter(|n| !book.acknowledged.contains(n) && !book.unknown.contains(n)).count();
    }
    (all, lost, doubled)
}

/// Gives the longest time between two acknowledged commits that touches a window.
pub(crate) fn longest_gap(at: &[Instant], from: Instant, to: Instant) -> Duration {
    let gaps = at.windows(2).filter(|pair| pair[1] >= from && pair[0] <= to).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or_default()
}

async fn write(writer: i32, route: Route, pace: Duration, stop: Arc<AtomicBool>) -> Book {
    let mut book = Book { writer, ..Book::default() };
    let mut ticks = tokio::time::interval(pace);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut connection, mut n) = (None, 0);
    while !stop.load(Ordering::SeqCst) {
        let mut session: PgConnection = match connection.take() {
            Some(session) => session,
            None => {
                let url = match &route {
                    Route::Pooler(url) => url.clone(),
                    Route::File(file) => std::fs::read_to_string(file).expect("the route is always there"),
                };
                match PgConnection::connect(&url).await {
                    Ok(session) => session,
                    Err(_) => {
                        book.errors += 1;
                        tokio::time::sleep(Duration::from_millis(2)).await;
                        continue;
                    }
                }
            }
        };
        ticks.tick().await;
        n += 1;
        match transaction(&mut session, writer, n).await {
            Ok(()) => {
                book.at.push(Instant::now());
                book.acknowledged.insert(n);
                connection = Some(session);
            }
            Err(at_commit) => {
                book.errors += 1;
                if at_commit {
                    book.unknown.insert(n);
                }
            }
        }
    }
    book
}

/// Says, when it failed, whether that was at the commit.
async fn transaction(session: &mut PgConnection, writer: i32, n: i32) -> Result<(), bool> {
    let account = 1 + (writer * 131 + n * 7) % 1000;
    let statements = format!(
        "begin; insert into bench.entry (account, writer, n, note) values ({account}, {writer}, {n}, repeat('x', 50)); \
         insert into bench.detail (entry, line) select max(id), 1 from bench.entry where writer = {writer} and n = {n}; \
         update bench.account set balance = balance + 1 where id = {account}"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *session).await.map_err(|_| false)?;
    sqlx::raw_sql("commit").execute(&mut *session).await.map_err(|_| true)?;
    Ok(())
}
