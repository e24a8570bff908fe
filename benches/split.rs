//! A service moves back and forth under writes: how long writes stand still, what is lost, what others feel.
//!
//! `cargo bench --bench split`; `PGCLEAVE_BENCH_MEGABYTES=1000` sets the schema's size, `PGCLEAVE_BENCH_TURNS=10` how
//! often the sides change each way of connecting, `PGCLEAVE_BENCH_SLOW_SECONDS=40` how long one writer is in the way,
//! `PGCLEAVE_BENCH_MAX_RATE=10M` the limit that should spare another service, `PGCLEAVE_BENCH_ONLY=copy,neighbour,pauses`
//! what is measured.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "tests use more of it")]
mod support;

#[path = "split/writers.rs"]
mod writers;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use support::{Bouncer, Dedicated};
use writers::{Book, Readers, Route, Writers, longest_gap, lost_and_doubled};

const WRITERS: i32 = 4;
const PER_SECOND: u32 = 200;

/// How often the copy is measured.
const ROUNDS: usize = 3;

/// How often to look, five times a second, whether the last commits have arrived on the side that follows.
const FOLLOW_LOOKS: usize = 50;

struct Bed {
    folder: tempfile::TempDir,
    source: String,
    target: String,
    source_from_target: String,
    target_from_source: String,
}

#[tokio::main]
async fn main() {
    if std::env::args().any(|a| a == "--list") {
        return;
    }
    let (megabytes, turns) = (number("PGCLEAVE_BENCH_MEGABYTES", 1000), number("PGCLEAVE_BENCH_TURNS", 10));
    let (one, two) = (Dedicated::start().await, Dedicated::start().await);
    run(&one.url("postgres"), "create database bench_shared").await;
    run(&two.url("postgres"), "create database bench_own").await;
    let bed = Bed {
        folder: tempfile::tempdir().expect("a folder"),
        source: one.url("bench_shared"),
        target: two.url("bench_own"),
        source_from_target: one.url_from_servers("bench_shared").await,
        target_from_source: two.url_from_servers("bench_own").await,
    };
    seed(&bed.source, megabytes).await;
    println!(
        "{:<64} {:>12} {:>12}",
        format!("{megabytes} MB, {PER_SECOND} transactions a second"),
        "measured",
        "reach"
    );

    if wanted("copy") {
        copies(&bed, &two).await;
    }
    neighbour(&bed).await;
    if !wanted("pauses") {
        return;
    }
    let bouncer = Bouncer::start(bed.folder.path(), &bed.source).await;
    match &bouncer {
        Some(bouncer) => {
            let extra = ["--pgbouncer", &bouncer.console(), "--pgbouncer-database", "bench"];
            let ini = bouncer.ini.to_string_lossy().into_owned();
            let extra: Vec<&str> = extra.into_iter().chain(["--pgbouncer-ini", &ini]).collect();
            let route = Route::Pooler(bouncer.url());
            measure(&bed, "through PgBouncer", &route, &extra, turns, 60, 1).await;
        }
        None => println!("{:<64} {:>12}", "through PgBouncer", "not here"),
    }
    drop(bouncer);
    let file = bed.folder.path().join("route");
    std::fs::write(&file, &bed.source).expect("the route");
    let publish = "printenv URL_OF_$PGCLEAVE_SIDE | tr -d '\\n' > route.new && mv route.new route";
    let extra = ["--on-cutover", publish];
    measure(&bed, "with reconnecting clients", &Route::File(file), &extra, turns, 100, 101).await;
}

fn wanted(what: &str) -> bool {
    std::env::var("PGCLEAVE_BENCH_ONLY").map_or(true, |only| only.split(',').any(|one| one == what))
}

/// Compares the copy with the engine's own figure.
async fn copies(bed: &Bed, target: &Dedicated) {
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        run(&target.url("postgres"), "create database bench_clone").await;
        let began = Instant::now();
        clone_alone(&bed.source, &target.url("bench_clone")).await;
        let alone = began.elapsed();
        // Otherwise its cleaning up would go on beside what is measured next.
        run(&target.url("postgres"), "drop database bench_clone").await;
        let began = Instant::now();
        bed.run(&["start", "--jobs", "2"]);
        ratios.push(began.elapsed().as_secs_f64() / alone.as_secs_f64());
        bed.run(&["abort"]);
    }
    ratios.sort_by(f64::total_cmp);
    let what = format!("copy to ready, against the engine's own, median of {ROUNDS}");
    line(&what, &format!("{:.2}×", ratios[ROUNDS / 2]), "1.15×");
}

/// Copies under writes, and looks at what another service feels.
async fn neighbour(bed: &Bed) {
    let file = bed.folder.path().join("route");
    std::fs::write(&file, &bed.source).expect("the route");
    let rate = std::env::var("PGCLEAVE_BENCH_MAX_RATE").unwrap_or("10M".to_owned());
    let writers = Writers::start(&Route::File(file), 1001, WRITERS, PER_SECOND);
    let before = latency(&bed.source, Duration::from_secs(20), None).await;
    let mut child = bed.command(&["start", "--jobs", "1", "--max-rate", &rate]).spawn().expect("it starts");
    let during = latency(&bed.source, Duration::from_secs(3600), Some(&mut child)).await;
    let ratio = during.as_secs_f64() / before.as_secs_f64();
    let what = format!(
        "another service's p99 during the copy, --max-rate {rate}: {} of {} µs",
        during.as_micros(),
        before.as_micros()
    );
    line(&what, &format!("{ratio:.2}×"), "1.5×");
    let books = writers.stop().await;
    let (all, lost, doubled) = lost_and_doubled(&books, &bed.source).await;
    line(&format!("of {all} commits during the copy: lost, doubled"), &format!("{lost}, {doubled}"), "0, 0");
}

/// Changes sides again and again under writes, the last two times with a slow writer in the way.
async fn measure(bed: &Bed, how: &str, route: &Route, extra: &[&str], turns: u64, reach: u64, first: i32) {
    let writers = Writers::start(route, first, WRITERS, PER_SECOND);
    let reading = match route {
        Route::Pooler(url) => Readers::start(url.clone()),
        Route::File(_) => Readers::start(bed.source.clone()),
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut windows = Vec::new();
    for turn in 0..turns {
        windows.push(bed.turn(turn, extra).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let seconds = number("PGCLEAVE_BENCH_SLOW_SECONDS", 40);
    let mut slow = PgConnection::connect(&bed.source).await.expect("a connection");
    let open = "begin; insert into bench.entry (account, writer, n) values (1, 0, 0)";
    sqlx::raw_sql(open).execute(&mut slow).await.expect("a transaction");
    let ending = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        sqlx::raw_sql("commit").execute(&mut slow).await.expect("it ends");
    });
    let in_the_way = bed.turn(0, extra).await;
    ending.await.expect("it ends");
    bed.turn(1, extra).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let books = writers.stop().await;
    report(how, &books, &windows, in_the_way, reach, seconds);
    for (side, url) in [("source", &bed.source), ("target", &bed.target)] {
        let (mut all, mut lost, mut doubled) = lost_and_doubled(&books, url).await;
        // The target follows by now, and may be a moment behind.
        for _ in 0..FOLLOW_LOOKS {
            if lost == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            (all, lost, doubled) = lost_and_doubled(&books, url).await;
        }
        let what = format!("  of {all} acknowledged commits, on the {side}: lost, doubled");
        line(&what, &format!("{lost}, {doubled}"), "0, 0");
    }
    let (all, refused) = reading.stop().await;
    line(&format!("  of {all} reads: refused"), &refused.to_string(), "0");
    let errors: usize = books.iter().map(|book| book.errors).sum();
    let allowed = if matches!(route, Route::Pooler(_)) { "0" } else { "" };
    line("  client errors", &errors.to_string(), allowed);
}

fn report(
    how: &str,
    books: &[Book],
    windows: &[(Instant, Instant)],
    slow: (Instant, Instant),
    reach: u64,
    seconds: u64,
) {
    let mut at: Vec<Instant> = books.iter().flat_map(|book| book.at.iter().copied()).collect();
    at.sort();
    let mut gaps: Vec<_> = windows.iter().map(|(from, to)| longest_gap(&at, *from, *to)).collect();
    gaps.sort();
    let median = gaps[gaps.len() / 2].as_millis();
    let worst = gaps.last().expect("there are turns").as_millis();
    line(&format!("{how}: longest gap, median of {}", gaps.len()), &format!("{median} ms"), &format!("{reach} ms"));
    line("  worst", &format!("{worst} ms"), "500 ms");
    let slow = longest_gap(&at, slow.0, slow.1).as_millis();
    line(&format!("  with a writer of {seconds} s in the way"), &format!("{slow} ms"), "500 ms");
}

fn line(what: &str, measured: &str, reach: &str) {
    println!("{what:<64} {measured:>12} {reach:>12}");
}

impl Bed {
    fn command(&self, arguments: &[&str]) -> Command {
        let binary = std::env::var_os("PGCLEAVE_TEST_BINARY").unwrap_or(env!("CARGO_BIN_EXE_pgcleave").into());
        let mut command = Command::new(binary);
        command.current_dir(self.folder.path()).env("DATABASE_URL", &self.source);
        command.env("TARGET_DATABASE_URL", &self.target).env("NO_COLOR", "1").stdin(Stdio::null());
        command.env("PGCLEAVE_SOURCE_FROM_TARGET", &self.source_from_target);
        command.env("PGCLEAVE_TARGET_FROM_SOURCE", &self.target_from_source);
        command.env("URL_OF_source", &self.source).env("URL_OF_target", &self.target);
        command.args(["-q", "split", arguments[0], "bench"]).args(&arguments[1..]).stdout(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) {
        let done = self.command(arguments).status().expect("the binary runs");
        assert!(done.success(), "split {arguments:?}: {done}");
    }

    /// A cutover at even turns, a rollback at odd ones; gives when it began and ended.
    async fn turn(&self, turn: u64, extra: &[&str]) -> (Instant, Instant) {
        let began = Instant::now();
        let mut arguments = vec![if turn.is_multiple_of(2) { "cutover" } else { "rollback" }];
        arguments.extend(extra);
        let mut command = self.command(&arguments);
        let running = tokio::task::spawn_blocking(move || command.status().expect("the binary runs"));
        let done = running.await.expect("it does not panic");
        assert!(done.success(), "split {arguments:?}: {done}");
        (began, Instant::now())
    }
}

/// Copies with the engine alone.
async fn clone_alone(source: &str, target: &str) {
    use pgcleave::interrupt::Interrupt;
    use pgcleave::pg::connect::Target;
    use pgcleave::transfer::clone::{self, Options};
    use pgcleave::transfer::control::{Control, Step};
    use pgcleave::transfer::loader::Owners;
    use pgcleave::transfer::pg_dump::PgDump;
    use pgcleave::transfer::{ddl, readers::Readers, snapshot::Snapshot};
    let parse = |url: &str| Target::parse(&url.to_owned().into()).expect("a connection string");
    let target_url = target;
    let (source, target) = (parse(source), parse(target));
    let schema = pgcleave::ident::Ident::new("bench").expect("a name");
    let control = Control::new(Interrupt::default(), None);
    let mut readers = Readers::open(&source, &schema, 2).await.expect("readers");
    let snapshot = Snapshot::take(&source, &mut readers, 10).await.expect("a snapshot");
    let dump = PgDump::find(15).await.expect("a pg_dump");
    let definitions = ddl::dump(&dump, &source, &schema, &snapshot.id, &control).await.expect("definitions");
    let mut admin = PgConnection::connect(target_url).await.expect("a connection");
    sqlx::raw_sql("create schema if not exists bench").execute(&mut admin).await.expect("a schema");
    let owner = pgcleave::ident::Ident::new(target.username()).expect("a name");
    let all = std::slice::from_ref(&owner);
    let options = Options {
        source: &source,
        target: &target,
        owners: Owners { schema: &schema, owner: Some(&owner), all, superusers: true, jobs: 2 },
        snapshot: &snapshot,
        definitions: &definitions,
        jobs: 2,
        id: "bench",
        analyze: true,
    };
    let step = Step { service: "bench", step: "copy", total_bytes: 0, listener: &|_| {} };
    let cloned = clone::clone(&options, &control, &step).await;
    drop(snapshot);
    readers.end(cloned).await.expect("a clone");
}

/// Gives the 99th percentile of another service's transactions, for a time or until a process ends.
async fn latency(url: &str, most: Duration, mut child: Option<&mut std::process::Child>) -> Duration {
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    let (began, mut seen) = (Instant::now(), Vec::new());
    while began.elapsed() < most {
        if let Some(child) = &mut child
            && let Some(done) = child.try_wait().expect("it can be asked")
        {
            assert!(done.success(), "split start: {done}");
            break;
        }
        let id = seen.len() % 1000 + 1;
        let statement = format!("update other.thing set n = n + 1 where id = {id}");
        let one = Instant::now();
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.expect("an update");
        seen.push(one.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seen.sort();
    seen[seen.len() * 99 / 100]
}

/// Makes the service's schema of about that size, and another service's.
async fn seed(url: &str, megabytes: u64) {
    let rows = megabytes * 4000;
    let sql = format!(
        "create schema bench; create schema other;
         create table bench.account (id int primary key, balance int not null default 0);
         create table bench.entry (id bigserial primary key, account int not null references bench.account,
           writer int not null, n int not null, note text);
         create table bench.detail (entry bigint references bench.entry, line int, primary key (entry, line));
         create table other.thing (id int primary key, n int not null default 0);
         insert into bench.account select g from generate_series(1, 1000) g;
         insert into other.thing select g from generate_series(1, 1000) g;
         insert into bench.entry (account, writer, n, note)
           select 1 + g % 1000, 0, 0, repeat(md5(g::text), 5) from generate_series(1, {rows}) g;
         create index on bench.entry (writer, n);
         vacuum analyze"
    );
    for statement in sql.split(';') {
        run(url, statement).await;
    }
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the superuser can connect");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_or_else(|e| panic!("{e}\n{sql}"));
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
