//! A server that ends all sessions, a table that somebody alters, a login that may do little.

use pgcleave::archive::verify::Place;
use pgcleave::interrupt::Interrupt;
use pgcleave::pg::connect::Target;
use pgcleave::transfer::pg_dump::PgDump;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{Room, assert_equal, compare, export, import, importing, needs_pg_dump, options, restore, shop, target};
use crate::support::{Dedicated, TestDb, pg_dump_folder};

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the server is there");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_or_else(|e| panic!("{e}\n{sql}"));
}

#[tokio::test]
async fn a_table_that_is_altered_meanwhile_is_as_it_was_and_the_alteration_waits() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    shop(&source).await;
    let room = Room::new();
    let mut slow = options(&source, "shop").await;
    slow.max_bytes_per_second = Some(100_000);
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
    assert_eq!((orders.rows, orders.columns.len()), (6_000, 3));
    import(&room.at("a"), &copy).await.expect("an import");
    source.run("alter table shop.orders alter id type int, drop later").await;
    assert_equal(&room.at("a"), &source, &copy, "shop").await;
}

#[tokio::test]
async fn a_server_that_ends_all_sessions_leaves_no_archive_and_no_row_twice() {
    let server = Dedicated::start().await;
    let (at, other) = (server.url("postgres"), server.url("template1"));
    let folder = pg_dump_folder(server.major()).await;
    let found = PgDump::find_in(folder.as_deref(), server.major()).await;
    found.expect("the client programs of the server's version, or Docker");
    run(
        &at,
        "create schema shop; create table shop.orders (id int primary key, note text);
         insert into shop.orders select g, md5(g::text) from generate_series(1, 6000) g; create index on shop.orders (note)",
    )
    .await;
    // All sessions end at once, as a restart ends them.
    let crash = "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
        where application_name like 'pgcleave%'";
    let from = Target::parse(&at.clone().into()).expect("a connection string");
    let to = Target::parse(&other.clone().into()).expect("a connection string");
    let room = Room::new();
    let mut slow = export::Options { programs: folder, ..plain_options() };
    slow.max_bytes_per_second = Some(100_000);
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
    let importing = import::Options { jobs: 2, max_bytes_per_second: Some(100_000), ..importing(Interrupt::default()) };
    let (to_too, place) = (to.clone(), room.at("a"));
    let first = tokio::spawn(async move { import::import(&place.into(), &to_too, &importing, &|_| {}).await });
    let begun = "select pg_catalog.to_regclass('shop.orders') is not null";
    let mut looking = PgConnection::connect(&other).await.expect("the server is there");
    while !sqlx::query_scalar::<_, bool>(begun).fetch_one(&mut looking).await.expect("a query") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    run(&at, crash).await;
    assert!(first.await.expect("no panic").is_err());
    let importing = super::importing(Interrupt::default());
    let again = import::import(&room.at("a").into(), &to, &importing, &|_| {}).await.expect("it goes on");
    assert!(again.resumed);
    let rows: i64 = sqlx::query_scalar("select count(*) from shop.orders").fetch_one(&mut looking).await.expect("rows");
    assert_eq!(rows, 6_000);
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
    needs_pg_dump(&source).await;
    shop(&source).await;
    let room = Room::new();
    export(&source, "shop", &room.at("a")).await.expect("an export");
    // The roles are the server's: on a server that does not know them the administrator makes them, and may act as them.
    let admin = copy.owning_admin().await;
    let (owner, name) = (format!("{}shop_owner", source.prefix()), format!("{}admin", copy.prefix()));
    copy.run(&format!("grant {owner} to {name} with admin option")).await;
    let to = Target::parse(&admin.into()).expect("a connection string");
    let importing = importing(Interrupt::default());
    import::import(&room.at("a").into(), &to, &importing, &|_| {}).await.expect("an import");
    assert_equal(&room.at("a"), &source, &copy, "shop").await;
}

#[tokio::test]
async fn an_administrator_that_is_no_superuser_brings_the_roles_along() {
    let source = TestDb::new().await;
    needs_pg_dump(&source).await;
    shop(&source).await;
    let (p, room) = (source.prefix(), Room::new());
    source.run(&format!("create role {p}shop_app login; grant {p}shop_owner to {p}shop_app")).await;
    export(&source, "shop", &room.at("a")).await.expect("an export");
    // A server that knows none of the roles.
    let server = Dedicated::start().await;
    run(&server.url("postgres"), "create role admin login createrole password 'x'").await;
    for database in ["imported", "restored"] {
        run(&server.url("postgres"), &format!("create database {database} owner admin")).await;
        let mut url = url::Url::parse(&server.url(database)).expect("a connection string");
        url.set_username("admin").expect("it has a host");
        url.set_password(Some("x")).expect("it has a host");
        if database == "imported" {
            let to = Target::parse(&url.to_string().into()).expect("a connection string");
            let importing = importing(Interrupt::default());
            import::import(&room.at("a").into(), &to, &importing, &|_| {}).await.expect("an import");
        } else {
            let restore = restore(&room.at("a"), url.as_str(), "restorer").await;
            assert!(restore.status.success(), "{}", String::from_utf8_lossy(&restore.stderr));
        }
        let copy = Target::parse(&server.url(database).into()).expect("a connection string");
        let verified = compare(Place::Archive(room.at("a").into()), Place::Database(copy), "shop").await;
        assert!(verified.equal, "{}", pgcleave::report::verify::human(&verified));
        let acts =
            "select count(*) from pg_catalog.pg_auth_members where member = 'admin'::regrole and grantor = member";
        let mut looking = PgConnection::connect(&server.url(database)).await.expect("the server is there");
        let left: i64 = sqlx::query_scalar(acts).fetch_one(&mut looking).await.expect("a count");
        assert_eq!(left, 0, "the administrator may still act as the owner");
        // The roles of the first are there when the second comes; it goes without them, too.
        let gone = format!(
            "drop schema shop cascade; drop owned by {p}shop_owner, {p}shop_app; drop role {p}shop_owner, {p}shop_app"
        );
        run(&server.url(database), &gone).await;
    }
}

#[tokio::test]
async fn an_import_loads_again_what_has_gone_meanwhile() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    shop(&source).await;
    // The largest, so that it comes first.
    source
        .run("create unlogged table shop.scratch (t text); insert into shop.scratch select repeat(md5(g::text), 9) from generate_series(1, 40000) g")
        .await;
    let room = Room::new();
    export(&source, "shop", &room.at("a")).await.expect("an export");
    for (gone, resumed) in [("truncate shop.scratch", true), ("drop schema shop cascade", false)] {
        let interrupt = Interrupt::default();
        let slow = import::Options { jobs: 1, max_bytes_per_second: Some(8_000_000), ..importing(interrupt.clone()) };
        let (to, from) = (target(&copy), room.at("a"));
        let first = tokio::spawn(async move { import::import(&from.into(), &to, &slow, &|_| {}).await });
        let journal = "select oid::regclass::text from pg_catalog.pg_class
            where relkind = 'r' and relnamespace = pg_catalog.to_regnamespace('pgcleave_import')";
        loop {
            if let [table] = copy.texts(journal).await.as_slice() {
                let loaded = format!("select count(*)::text from {table} where step like 'data/%scratch%'");
                if copy.texts(&loaded).await == ["1"] {
                    break;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        interrupt.request();
        first.await.expect("no panic").expect_err("it was stopped");
        // A crash of the server empties unlogged tables; a person may have dropped all of it.
        copy.run(gone).await;
        let again = import(&room.at("a"), &copy).await.expect("it goes on, or begins anew");
        assert_eq!(again.resumed, resumed);
        assert_equal(&room.at("a"), &source, &copy, "shop").await;
        copy.run("drop schema shop cascade").await;
    }
}

#[tokio::test]
async fn a_restore_that_fails_half_way_says_so_and_runs_again_once_its_schema_is_dropped() {
    let (source, restored) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    shop(&source).await;
    let room = Room::new();
    export(&source, "shop", &room.at("a")).await.expect("an export");
    let restore = async || {
        let output = restore(&room.at("a"), &restored.url(), &format!("{}restorer", restored.prefix())).await;
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // The rows are there by then, the keys are not.
    restored
        .run(
            "create function public.refuse() returns event_trigger language plpgsql as
               $$ begin raise exception 'no index today'; end $$;
             create event trigger refuse on ddl_command_start when tag in ('CREATE INDEX')
               execute function public.refuse()",
        )
        .await;
    let (code, said) = restore().await;
    assert!(code.is_some_and(|code| code != 0), "{code:?}: {said}");
    for expected in ["no index today", "NOT finished", "drop schema if exists \"shop\" cascade;"] {
        assert!(said.contains(expected), "{said}");
    }
    restored.run("drop event trigger refuse").await;
    let (code, said) = restore().await;
    assert!(code == Some(1) && said.contains("must be dropped first"), "{code:?}: {said}");
    restored.run("drop schema if exists \"shop\" cascade").await;
    let (code, said) = restore().await;
    assert_eq!(code, Some(0), "{said}");
    assert_equal(&room.at("a"), &source, &restored, "shop").await;
}
