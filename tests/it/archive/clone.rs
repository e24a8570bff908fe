//! A schema straight into another database.

use pgcleave::archive::verify::Place;
use pgcleave::error::Coded as _;
use pgcleave::interrupt::Interrupt;
use pgcleave::pg::connect::Target;
use pgcleave::pg::session::SessionKind;
use pgcleave::transfer::clone::{self, Cloned, Options};
use pgcleave::transfer::control::{Control, Step};
use pgcleave::transfer::coupling;
use pgcleave::transfer::ddl;
use pgcleave::transfer::error::Error;
use pgcleave::transfer::loader::Owners;
use pgcleave::transfer::readers::Readers;
use pgcleave::transfer::sequences;
use pgcleave::transfer::snapshot::{Locks, Snapshot};
use pgcleave::transfer::surroundings::{self, Surroundings};
use sqlx::{Connection as _, PgConnection, Row as _};

use super::round_trip::{in_the_museum, museum};
use super::{compare, database, ident, needs_pg_dump, pg_dump, shop, target};
use crate::support::{Dedicated, TestDb};

/// Clones what a snapshot sees, with all that stands around it.
async fn clone(
    source: &TestDb,
    to: &Target,
    (readers, snapshot): (&mut Readers, &mut Snapshot),
    schema: &str,
) -> Result<Cloned, Error> {
    let from = target(source);
    let control = Control::new(Interrupt::default(), None);
    let program = pg_dump(source).await?;
    let definitions = ddl::dump(&program, &from, &ident(schema), &snapshot.id, &control).await?;
    let couplings = coupling::find(&mut snapshot.holder, &ident(schema)).await?;
    let around = surroundings::read(&mut snapshot.holder, &ident(schema), schema, &couplings, false).await?;
    let Surroundings { roles, extensions, grants, refreshes, owner, owners, .. } = around;
    run(to, &(roles + &extensions)).await;
    let options = Options {
        source: &from,
        target: to,
        owners: Owners { schema: &ident(schema), owner: owner.as_ref(), all: &owners, superusers: true, jobs: 2 },
        snapshot,
        definitions: &definitions,
        jobs: 2,
        analyze: true,
        id: "a clone of a test",
    };
    let step = Step { service: schema, step: "clone", total_bytes: 0, listener: &|_| {} };
    let cloned = clone::clone(&options, &control, &step).await?;
    let positions = sequences::positions(readers).await?;
    run(to, &(positions.sql.as_str().to_owned() + &grants + &refreshes)).await;
    Ok(cloned)
}

/// Opens the readers of a schema. Their logins go with the next sweep, since the database is gone then.
async fn readers(source: &TestDb, schema: &str) -> Readers {
    Readers::open(&target(source), &ident(schema), 2).await.expect("readers")
}

async fn run(to: &Target, sql: &str) {
    let mut connection = to.connect(SessionKind::Tested, "test").await.expect("the target is there");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_or_else(|e| panic!("{e}\n{sql}"));
    let _ = connection.close().await;
}

/// A table of nearly every type that there is, whose rows can go in binary.
async fn plain_types(db: &TestDb) {
    db.run(
        "create table museum.plain as select small, whole, big, num, money_, r, d, t, v, c, name_, ch, raw, ok, day, clock, clocktz, at,
           attz, span, u, j, jb, x, ip, net, mac, bits, vbits, tsv, tsq, pt, poly, m, p, k, moods, nested, texts
         from museum.everything",
    )
    .await;
}

#[tokio::test]
async fn one_of_everything_is_cloned_within_a_server() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    museum(&source).await;
    plain_types(&source).await;
    let mut readers = readers(&source, "museum").await;
    let mut snapshot = Snapshot::take(&target(&source), &mut readers, 10).await.expect("a snapshot");
    let binary = |name: &str| snapshot.tables.iter().any(|t| t.binary && t.name.name.as_str() == name);
    assert!(binary("plain") && !binary("everything"), "what goes in binary");
    let cloned = clone(&source, &target(&copy), (&mut readers, &mut snapshot), "museum").await.expect("a clone");
    let (tables, rows) = in_the_museum(&source);
    assert_eq!(cloned, Cloned { tables: tables + 1, rows: rows + 12 });
    let verified = compare(database(&source), database(&copy), "museum").await;
    assert!(verified.equal, "{}", pgcleave::report::verify::human(&verified));
    let left = "select nspname::text from pg_catalog.pg_namespace where nspname like 'pgcleave%'";
    assert!(copy.texts(left).await.is_empty(), "the journal is gone");
}

#[tokio::test]
async fn a_table_that_goes_in_binary_goes_as_text_where_a_row_is_too_wide_for_it() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    source
        .run(
            r"create schema odd; create table odd.wide (id int primary key, body text, doc jsonb);
              insert into odd.wide (id, body) select g, E'a\\b\n' || g from generate_series(1, 2000) g;
              insert into odd.wide values (3000, repeat(E'\\ü\t', 2000000), '{}'), (3001, null, jsonb_build_object('k', repeat('x', 5000000)));
              insert into odd.wide (id, body) select g, 'after' from generate_series(4001, 6000) g",
        )
        .await;
    let mut readers = readers(&source, "odd").await;
    let mut snapshot = Snapshot::take(&target(&source), &mut readers, 10).await.expect("a snapshot");
    assert!(snapshot.tables[0].binary, "its types are all PostgreSQL's own");
    let cloned = clone(&source, &target(&copy), (&mut readers, &mut snapshot), "odd").await.expect("a clone");
    assert_eq!(cloned, Cloned { tables: 1, rows: 4002 });
    let verified = compare(database(&source), database(&copy), "odd").await;
    assert!(verified.equal, "{}", pgcleave::report::verify::human(&verified));
}

#[tokio::test]
async fn one_of_everything_is_cloned_to_a_newer_server() {
    let source = TestDb::new().await;
    needs_pg_dump(&source).await;
    museum(&source).await;
    plain_types(&source).await;
    let newest = Dedicated::newest().await;
    let copy = Target::parse(&newest.url("postgres").into()).expect("a connection string");
    let mut readers = readers(&source, "museum").await;
    let mut snapshot = Snapshot::take(&target(&source), &mut readers, 10).await.expect("a snapshot");
    clone(&source, &copy, (&mut readers, &mut snapshot), "museum").await.expect("a clone");
    let verified = compare(database(&source), Place::Database(copy), "museum").await;
    let different: Vec<_> = verified.tables.iter().filter(|t| !t.equal).map(|t| t.table.as_str()).collect();
    assert!(verified.equal, "{different:?} {:#?}", verified.definitions);
}

#[tokio::test]
async fn a_snapshot_that_somebody_else_has_exported_is_adopted() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    shop(&source).await;
    let mut readers = readers(&source, "shop").await;
    let locks = Locks::take(&target(&source), &mut readers, 10).await.expect("the locks");
    let mut other = source.connect().await;
    let id = exported(&mut other).await;
    source.run("insert into shop.customer (name) values ('too late')").await;
    let mut alter = source.connect().await;
    let refused = sqlx::raw_sql("set lock_timeout = '50ms'; alter table shop.orders add later int");
    assert!(refused.execute(&mut alter).await.is_err(), "the tables are locked against DDL");
    let mut snapshot = locks.adopt(&target(&source), &readers, &id, "0/1").await.expect("a snapshot");
    assert_eq!(snapshot.lsn, "0/1");
    let cloned = clone(&source, &target(&copy), (&mut readers, &mut snapshot), "shop").await.expect("a clone");
    assert_eq!(cloned, Cloned { tables: 2, rows: 7_000 });
    source.run("delete from shop.customer where name = 'too late'").await;
    let verified = compare(database(&source), database(&copy), "shop").await;
    assert!(verified.tables.iter().all(|t| t.equal), "{}", pgcleave::report::verify::human(&verified));
}

#[tokio::test]
async fn a_snapshot_with_a_table_that_was_not_locked_is_not_adopted() {
    let source = TestDb::new().await;
    shop(&source).await;
    let mut readers = readers(&source, "shop").await;
    let locks = Locks::take(&target(&source), &mut readers, 10).await.expect("the locks");
    source.run("create table shop.new ()").await;
    let mut other = source.connect().await;
    let id = exported(&mut other).await;
    let error = locks.adopt(&target(&source), &readers, &id, "0/1").await.expect_err("a table is not locked");
    assert_eq!(error.code(), "tables-changing");
}

#[tokio::test]
async fn a_clone_never_adds_to_a_table_that_is_there() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    shop(&source).await;
    copy.run("create schema shop; create table shop.orders (id int)").await;
    let mut readers = readers(&source, "shop").await;
    let mut snapshot = Snapshot::take(&target(&source), &mut readers, 10).await.expect("a snapshot");
    let error = clone(&source, &target(&copy), (&mut readers, &mut snapshot), "shop").await.expect_err("it is there");
    assert_eq!(error.code(), "statement");
    assert_eq!(copy.texts("select count(*)::text from shop.orders").await, ["0"]);
}

/// Exports a snapshot that lasts as long as the connection.
async fn exported(connection: &mut PgConnection) -> String {
    let begin = "begin transaction isolation level repeatable read";
    sqlx::raw_sql(begin).execute(&mut *connection).await.expect("a transaction");
    let row = sqlx::raw_sql("select pg_catalog.pg_export_snapshot()").fetch_one(connection).await;
    row.expect("a snapshot").get(0)
}
