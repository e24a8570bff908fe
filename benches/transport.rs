//! What the relay between the driver and the server costs: COPY of many rows with the driver alone, and through the relay.
//!
//! `cargo bench --bench transport -- postgresql://…`: a superuser's connection string of a server on this machine.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::time::Instant;

use futures_util::StreamExt as _;
use pgcleave::pg::connect::Target;
use pgcleave::pg::session::SessionKind;
use sqlx::{Connection as _, PgConnection};

/// How many rows are copied; each is about 100 bytes.
const ROWS: u32 = 5_000_000;

/// How often each is measured; the best counts.
const ROUNDS: u32 = 3;

#[tokio::main]
async fn main() {
    if std::env::args().any(|word| word == "--list") {
        return;
    }
    let url =
        std::env::args().nth(1).filter(|word| word.starts_with("postgres")).expect("a connection string is given");
    let target = Target::parse(&url.clone().into()).expect("a connection string");
    let mut driver = PgConnection::connect(&url).await.expect("the server answers");
    let mut relayed = target.connect(SessionKind::Tested, "bench").await.expect("the server answers");
    let make = format!(
        "drop table if exists pgcleave_bench, pgcleave_bench_in; \
         create unlogged table pgcleave_bench as select i, repeat('x', 90) as x from generate_series(1, {ROWS}) i; \
         create unlogged table pgcleave_bench_in (i int, x text)"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut driver).await.expect("a table is made");
    for (name, connection) in [("the driver alone", &mut driver), ("through the relay", &mut relayed)] {
        let (mut out, mut back, mut trip) = (0.0_f64, 0.0_f64, f64::MAX);
        for _ in 0..ROUNDS {
            let (bytes, seconds) = copy_out(connection).await;
            out = out.max(bytes / seconds / 1e6);
            let (bytes, seconds) = copy_in(connection).await;
            back = back.max(bytes / seconds / 1e6);
            trip = trip.min(round_trip(connection).await);
        }
        println!("{name}: COPY out {out:.0} MB/s, COPY in {back:.0} MB/s, one statement {trip:.0} µs");
    }
    sqlx::raw_sql("drop table pgcleave_bench, pgcleave_bench_in").execute(&mut driver).await.expect("they are dropped");
}

async fn copy_out(connection: &mut PgConnection) -> (f64, f64) {
    let started = Instant::now();
    let mut rows = connection.copy_out_raw("copy pgcleave_bench to stdout").await.expect("it begins");
    let mut bytes = 0;
    while let Some(row) = rows.next().await {
        bytes += row.expect("a row").len();
    }
    (bytes as f64, started.elapsed().as_secs_f64())
}

async fn copy_in(connection: &mut PgConnection) -> (f64, f64) {
    sqlx::raw_sql("truncate pgcleave_bench_in").execute(&mut *connection).await.expect("it is emptied");
    let piece = format!("1\t{}\n", "x".repeat(90)).repeat(700);
    let pieces = ROWS as usize / 700;
    let started = Instant::now();
    let mut copy = connection.copy_in_raw("copy pgcleave_bench_in from stdin").await.expect("it begins");
    for _ in 0..pieces {
        copy.send(piece.as_bytes()).await.expect("it is taken");
    }
    copy.finish().await.expect("it is taken");
    ((pieces * piece.len()) as f64, started.elapsed().as_secs_f64())
}

/// Returns how long one statement takes, in microseconds.
async fn round_trip(connection: &mut PgConnection) -> f64 {
    let started = Instant::now();
    for _ in 0..2_000 {
        sqlx::raw_sql("select 1").execute(&mut *connection).await.expect("it answers");
    }
    started.elapsed().as_secs_f64() / 2_000.0 * 1e6
}
