//! An audit of many services, as a ratio against its own catalog queries in psql, and its peak memory.
//!
//! `cargo bench --bench audit` takes 100 services of 100 tables; `PGCLEAVE_BENCH_AUDIT=1000x100` names others.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its figures, and ends at the first trouble"
)]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "tests use more of it")]
mod support;

#[path = "figures/mod.rs"]
mod figures;

use std::fmt::Write as _;
use std::path::Path;

use figures::{line, peak_mebibytes, psql, timed};
use support::{Project, TestDb};

const RUNS: usize = 3;

#[tokio::main]
async fn main() {
    if std::env::args().any(|a| a == "--list") {
        return;
    }
    let size = std::env::var("PGCLEAVE_BENCH_AUDIT").unwrap_or_else(|_| "100x100".to_owned());
    let (services, tables) = size.split_once('x').expect("services x tables");
    let (services, tables): (usize, usize) = (services.parse().unwrap(), tables.parse().unwrap());

    let db = TestDb::new().await;
    let project = Project::new(&db);
    for i in 0..services {
        let needs = if i == 0 { String::new() } else { format!("consumes: [s{}.seen]\n", i - 1) };
        let exposes = if i + 1 == services { "" } else { "exposes: [ { view: seen, to: [CONSUMER] } ]\n" };
        let exposes = exposes.replace("CONSUMER", &format!("s{}", i + 1));
        project.manifest(&format!("s{i}"), &format!("credentials: {{ app: {{ access: write }} }}\n{exposes}{needs}"));
    }
    project.run(&["check"]).exits(0);
    populate(&db, services, tables).await;
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    leaks(&db, services).await;

    let queries = project.write("catalog.sql", &catalog_queries());
    let audit = || project.command(&["audit", "--fail-on", "never"]);
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(timed(audit()));
        floor.push(psql(&db.url(), &["-At", "-o", "/dev/null", "-f", queries.to_str().unwrap()]));
    }
    println!("{:<44} {:>10} {:>10} {:>7}", "median of 3, seconds", "pgcleave", "psql", "ratio");
    line(&format!("audit, {size}"), &mut ours, &mut floor);
    println!("peak memory of an audit, {size}: {} MiB", peak_mebibytes(audit()));
}

/// Schemas with tables, a view and two functions each.
async fn populate(db: &TestDb, services: usize, tables: usize) {
    let prefix = db.prefix();
    for chunk in (0..services).collect::<Vec<_>>().chunks(20) {
        let mut sql = String::new();
        for i in chunk {
            let owner = format!("{prefix}s{i}_owner");
            write!(sql, "create role {owner}; create schema s{i} authorization {owner}; set role {owner}; ").unwrap();
            for t in 0..tables {
                write!(sql, "create table s{i}.t{t} (id bigint generated always as identity primary key, body text); ")
                    .unwrap();
            }
            write!(
                sql,
                "create view s{i}.seen as select id from s{i}.t0; \
                 create function s{i}.own() returns bigint language sql security definer as 'select count(*) from s{i}.t1'; \
                 create function s{i}.plain() returns bigint language plpgsql as 'begin return (select max(id) from s{i}.t2); end'; \
                 reset role; "
            )
            .unwrap();
        }
        db.run(&format!("begin; {sql} commit")).await;
    }
}

/// Every tenth service leaks to the next but one, each in another way.
async fn leaks(db: &TestDb, services: usize) {
    let prefix = db.prefix();
    for i in (0..services.saturating_sub(2)).step_by(10) {
        let other = format!("{prefix}s{}_reader", i + 2);
        let leak = match i / 10 % 6 {
            0 => format!("grant select on s{i}.t3 to {other}; grant usage on schema s{i} to {other}"),
            1 => format!("grant select (body) on s{i}.t4 to {other}; grant usage on schema s{i} to {other}"),
            2 => format!("grant usage on schema s{i} to public; grant insert on s{i}.t5 to public"),
            3 => format!("grant {prefix}s{i}_reader to {prefix}s{}_writer", i + 2),
            4 => format!("grant usage on schema s{i} to {other}; grant execute on function s{i}.own() to {other}"),
            _ => format!(
                "grant usage on schema s{i} to {other}; alter default privileges for role {prefix}s{i}_owner in schema s{i} grant select on tables to {other}"
            ),
        };
        db.run(&leak).await;
    }
}

/// What an audit reads, in one snapshot.
fn catalog_queries() -> String {
    let mut all =
        "begin transaction isolation level repeatable read, read only;\nset local search_path = '';\n".to_owned();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/facts/sql");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    for file in files {
        all += std::fs::read_to_string(file).unwrap().trim_end().trim_end_matches(';');
        all += ";\n";
    }
    all + "commit;\n"
}
