//! A server that ends all sessions, a table that somebody alters, a login that may do little.

use pgcleave::interrupt::Interrupt;
use pgcleave::pg::connect::Target;
use pgcleave::transfer::pg_dump::PgDump;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{Room, assert_equal, can_export, export, import, options, shop, target};
use crate::support::{Dedicated, TestDb, pg_dump_folder};

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the server is there");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_or_else(|e| panic!("{e}\n{sql}"));
}

#[tokio::test]
async fn a_table_that_is_altered_meanwhile_is_as_it_was_and_the_alteration_waits() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    if !can_export(&source).await {
        return;
    }
    shop(&source).await;
    let room = Room::new();
    let mut slow = options(&source, "shop").await;
    slow.max_bytes_per_second = Some(500_000);
    let (from, to) = (target(&source), room.at("a"));
    let exporting = tokio::spawn(async move { export::export(&from, &to.into(), &slow, &|_| {}).await });
    // Once pg_dump has come and gone, nobody has a lock to take any more.
    let dumping = "select count(*)::text from pg_catalog.pg_stat_activity
        where datname = pg_catalog.current_database() and application_name = 'pgcleave pg_dump'";
    for there in [true, false] {
        while (source.texts(dumping).await != ["0"]) != there {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    // Waits for the export's end, and rewrites every row.
    source.run("alter table shop.orders alter id type bigint, add later text default 'x'").await;
    let exported = exporting.await.expect("no panic").expect("an export");
    let orders = exported.archive.tables.iter().find(|t| t.name.name.as_str() == "orders").expect("the table");
    assert_eq!((orders.rows, orders.columns.len()), (60_000, 3));
    import(&room.at("a"), &copy).await.expect("an import");
    source.run("alter table shop.orders alter id type int, drop later").await;
    assert_equal(&room.at("a"), &source, &copy, "shop").await;
}

#[tokio::test]
async fn a_server_that_ends_all_sessions_leaves_no_archive_and_no_row_twice() {
    let server = Dedicated::start().await;
    let (at, other) = (server.url("postgres"), server.url("template1"));
    let folder = pg_dump_folder(server.major()).await;
    if PgDump::find_in(folder.as_deref(), server.major()).await.is_err() {
        return;
    }
    run(
        &at,
        "create schema shop; create table shop.orders (id int primary key, note text);
         insert into shop.orders select g, md5(g::text) from generate_series(1, 60000) g; create index on shop.orders (note)",
    )
    .await;
    // All sessions end at once, as a restart ends them.
    let crash = "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
        where application_name like 'pgcleave%'";
    let from = Target::parse(&at.clone().into()).expect("a connection string");
    let to = Target::parse(&other.clone().into()).expect("a connection string");
    let room = Room::new();
    let mut slow = export::Options { programs: folder, ..plain_options() };
    slow.max_bytes_per_second = Some(500_000);
    let (from_too, place, options) = (from.clone(), room.at("a"), slow.clone());
    let exporting = tokio::spawn(async move { export::export(&from_too, &place.into(), &options, &|_| {}).await });
    while !room.names().contains(&"a.partial".to_owned()) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    run(&at, crash).await;
    assert!(exporting.await.expect("no panic").is_err());
    assert!(room.names().is_empty(), "{:?}", room.names());

    slow.max_bytes_per_second = None;
    export::export(&from, &room.at("a").into(), &slow, &|_| {}).await.expect("an export");
    let importing = import::Options { jobs: 2, max_bytes_per_second: Some(500_000), interrupt: Interrupt::default() };
    let (to_too, place) = (to.clone(), room.at("a"));
    let first = tokio::spawn(async move { import::import(&place.into(), &to_too, &importing, &|_| {}).await });
    let begun = "select pg_catalog.to_regclass('shop.orders') is not null";
    let mut looking = PgConnection::connect(&other).await.expect("the server is there");
    while !sqlx::query_scalar::<_, bool>(begun).fetch_one(&mut looking).await.expect("a query") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    run(&at, crash).await;
    assert!(first.await.expect("no panic").is_err());
    let importing = import::Options { jobs: 2, max_bytes_per_second: None, interrupt: Interrupt::default() };
    let again = import::import(&room.at("a").into(), &to, &importing, &|_| {}).await.expect("it goes on");
    assert!(again.resumed);
    let rows: i64 = sqlx::query_scalar("select count(*) from shop.orders").fetch_one(&mut looking).await.expect("rows");
    assert_eq!(rows, 60_000);
}

fn plain_options() -> export::Options {
    export::Options {
        service: "shop".to_owned(),
        schema: super::ident("shop"),
        jobs: 2,
        max_bytes_per_second: None,
        lock_seconds: 10,
        allow: Vec::new(),
        verifiers: false,
        manifest: None,
        programs: None,
        interrupt: Interrupt::default(),
    }
}

#[tokio::test]
async fn an_administrator_that_is_no_superuser_can_import() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    if !can_export(&source).await {
        return;
    }
    shop(&source).await;
    let room = Room::new();
    export(&source, "shop", &room.at("a")).await.expect("an export");
    // The roles are the server's: on a server that does not know them the administrator makes them, and may act as them.
    let admin = copy.owning_admin().await;
    let (owner, name) = (format!("{}shop_owner", source.prefix()), format!("{}admin", copy.prefix()));
    copy.run(&format!("grant {owner} to {name}")).await;
    let to = Target::parse(&admin.into()).expect("a connection string");
    let importing = import::Options { jobs: 2, max_bytes_per_second: None, interrupt: Interrupt::default() };
    import::import(&room.at("a").into(), &to, &importing, &|_| {}).await.expect("an import");
    assert_equal(&room.at("a"), &source, &copy, "shop").await;
}
