//! A clone through the library, in a process of its own so that its memory can be measured.

use std::process::Command;

use pgcleave::ident::Ident;
use pgcleave::interrupt::Interrupt;
use pgcleave::pg::connect::Target;
use pgcleave::transfer::clone::{Options, clone};
use pgcleave::transfer::control::{Control, Step};
use pgcleave::transfer::ddl;
use pgcleave::transfer::error::Error;
use pgcleave::transfer::loader::Owners;
use pgcleave::transfer::pg_dump::PgDump;
use pgcleave::transfer::readers::Readers;
use pgcleave::transfer::sequences;
use pgcleave::transfer::snapshot::Snapshot;
use pgcleave::transfer::surroundings;
use pgcleave::transfer::table::Table;

const VARIABLE: &str = "PGCLEAVE_BENCH_CLONE";

/// Tells whether this process is to clone.
pub(crate) fn is_child() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Starts this program once more, to clone everything (`whole`) or the larger tables' rows (`rows`).
pub(crate) fn command(what: &str, from: &str, to: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(VARIABLE, what).env("FROM", from).env("TO", to);
    command
}

/// Gives the tables of at least a megabyte.
pub(crate) fn large(tables: &[Table]) -> Vec<Table> {
    tables.iter().filter(|t| t.bytes >= 1 << 20).cloned().collect()
}

pub(crate) async fn child() {
    let target = |name: &str| Target::parse(&std::env::var(name).unwrap().into()).unwrap();
    let (source, target) = (target("FROM"), target("TO"));
    let schema = Ident::new(super::SCHEMA).unwrap();
    let mut readers = Readers::open(&source, &schema, 2).await.unwrap();
    let mut snapshot = Snapshot::take(&source, &mut readers, 10).await.unwrap();
    let control = Control::new(Interrupt::default(), None);
    let program = PgDump::find(15).await.unwrap();
    let mut definitions = ddl::dump(&program, &source, &schema, &snapshot.id, &control).await.unwrap();
    let whole = std::env::var(VARIABLE).unwrap() == "whole";
    if !whole {
        snapshot.tables = large(&snapshot.tables);
        definitions.post_data.clear();
    }
    let around = surroundings::read(&mut snapshot.holder, &schema, super::SCHEMA, &[], false).await.unwrap();
    let mut connection = target.connect(pgcleave::pg::session::SessionKind::Tested, "bench").await.unwrap();
    let make = around.roles + &around.extensions;
    sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut connection).await.unwrap();
    let owner = around.owner.as_ref();
    let options = Options {
        source: &source,
        target: &target,
        owners: Owners { schema: &schema, owner, all: &around.owners, superusers: true, jobs: 2 },
        snapshot: &snapshot,
        definitions: &definitions,
        jobs: 2,
        analyze: whole,
        id: "bench",
    };
    let step = Step { service: super::SCHEMA, step: "clone", total_bytes: 0, listener: &|_| {} };
    clone(&options, &control, &step).await.unwrap();
    if whole {
        let script = sequences::positions(&mut readers).await.unwrap().sql.as_str().to_owned() + &around.refreshes;
        sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut connection).await.unwrap();
    }
    drop(snapshot);
    readers.end(Ok::<_, Error>(())).await.unwrap();
}
