//! A schema with a past that was never recorded here: none of its files runs until somebody says where it is.

use pgcleave::error::Coded as _;
use pgcleave::migrate::{self, Mark, Options};
use sqlx::{Connection as _, PgConnection};

use super::shop::Shop;

const LIVE: &str = "create table orders.line (id int); insert into orders.line values (1)";

async fn live(managed: bool) -> Shop {
    let shop = if managed { Shop::managed(&["orders"]).await } else { Shop::new(&["orders"]).await };
    shop.db.run(&format!("set role {}; {LIVE}", shop.owner("orders"))).await;
    shop.write("orders", "V1__line.sql", "create table if not exists line (id int)");
    shop.write("orders", "V2__fill.sql", "update line set id = id + 1");
    shop
}

fn marking(mark: Mark) -> Options {
    Options { mark: Some(mark), ..Options::default() }
}

#[tokio::test]
async fn a_past_that_was_never_recorded_is_not_run_again() {
    for managed in [false, true] {
        let shop = live(managed).await;
        for _ in 0..2 {
            let outcome = shop.migrate().await.remove("orders").expect("it has migrations");
            let error = outcome.error.expect("blocked");
            assert_eq!(error.code(), "needs-baseline");
            assert!(error.to_string().contains("`pgcleave migrate orders --mark-applied VERSION`"), "{error}");
            assert_eq!(shop.db.texts("select id::text from orders.line").await, ["1"]);
            assert_eq!(shop.db.texts("select to_regclass('orders.refinery_schema_history')::text").await, ["null"]);
        }
        let outcome = shop.migrate_with(&marking(Mark::Until(1))).await.remove("orders").expect("it has migrations");
        assert!(outcome.error.is_none() && outcome.applied.is_empty(), "{outcome:?}");
        assert_eq!(outcome.marked, ["V1__line.sql"]);
        assert_eq!(shop.db.texts("select id::text from orders.line").await, ["1"]);
        assert_eq!(shop.history("orders").await, ["1 line"]);
        assert_eq!(shop.result("orders").await, Ok(vec!["V2__fill.sql".to_owned()]));
        assert_eq!(shop.db.texts("select id::text from orders.line").await, ["2"]);
        shop.assert_no_login_left().await;
    }
}

#[tokio::test]
async fn all_files_are_recorded_without_running_them() {
    let shop = live(true).await;
    let unknown = shop.migrate_with(&marking(Mark::Until(7))).await.remove("orders").expect("it has migrations");
    assert_eq!(unknown.error.expect("there is no such file").code(), "no-such-version");
    let outcome = shop.migrate_with(&marking(Mark::All)).await.remove("orders").expect("it has migrations");
    assert_eq!(outcome.marked, ["V1__line.sql", "V2__fill.sql"]);
    assert_eq!(shop.result("orders").await, Ok(vec![]));
    assert_eq!(shop.db.texts("select id::text from orders.line").await, ["1"]);
    let again = shop.migrate_with(&marking(Mark::All)).await.remove("orders").expect("it has migrations");
    assert!(again.marked.is_empty() && again.error.is_none(), "{again:?}");
}

#[tokio::test]
async fn an_empty_history_that_nobody_recorded_is_no_permission() {
    let shop = live(true).await;
    shop.db
        .run(&format!(
            "set role {}; create table orders.refinery_schema_history (version int8 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255))",
            shop.owner("orders")
        ))
        .await;
    let outcome = shop.migrate().await.remove("orders").expect("it has migrations");
    assert_eq!(outcome.error.expect("blocked").code(), "needs-baseline");
    assert_eq!(shop.db.texts("select id::text from orders.line").await, ["1"]);
}

/// Makes another tool's history in the schema: what stands behind `create table orders.`, and its rows.
async fn with_history(table: &str, rows: &str) -> Shop {
    let shop = live(true).await;
    let name = table.split(' ').next().expect("a name");
    let owner = shop.owner("orders");
    shop.db
        .run(&format!("set role {owner}; create table orders.{table}; insert into orders.{name} values {rows}"))
        .await;
    shop
}

#[tokio::test]
async fn other_tools_histories_are_compared_with_the_files() {
    let sure = "Run `pgcleave migrate orders --mark-applied 2`, which records them";
    let unsure = "with the version of the last file that has run, or `all`";
    let missing = "files that it does not have: V1__line.sql, V2__fill.sql";
    for (table, rows, said, advice) in [
        (
            "_sqlx_migrations (version bigint primary key, description text, success bool)",
            "(1, 'a', true), (2, 'b', true)",
            "orders._sqlx_migrations has 2 rows, the newest is 2.".to_owned(),
            sure,
        ),
        (
            "_sqlx_migrations (version bigint primary key, description text, success bool)",
            "(1, 'a', true), (2, 'b', false)",
            "2 rows, the newest is 2; failed there: 2; files that it does not have: V2__fill.sql.".to_owned(),
            unsure,
        ),
        (
            "__diesel_schema_migrations (version varchar(50) primary key)",
            "('20240101000000')",
            format!("1 rows, the newest is 20240101000000; versions without a file: 20240101000000; {missing}."),
            unsure,
        ),
        ("schema_migrations (version bigint, dirty bool)", "(2, false)", "the newest is 2.".to_owned(), sure),
        (
            "schema_migrations (version varchar)",
            "('1')",
            "the newest is 1; files that it does not have: V2__fill.sql.".to_owned(),
            "--mark-applied 1`",
        ),
        (
            "goose_db_version (id int, version_id bigint, is_applied bool)",
            "(1, 0, true), (2, 1, true), (3, 2, true)",
            "orders.goose_db_version has 3 rows, the newest is 2.".to_owned(),
            sure,
        ),
        (
            "flyway_schema_history (installed_rank int, version text, type text, success bool)",
            "(1, '2', 'BASELINE', true), (2, null, 'SQL', true)",
            "orders.flyway_schema_history has 2 rows, the newest is 2.".to_owned(),
            sure,
        ),
        (
            "schema_migrations (version text)",
            "(E'x\\n::error::y')",
            "the newest is x\\n::error::y; versions without a file: x\\n::error::y".to_owned(),
            unsure,
        ),
        ("schema_migrations (other text)", "('x')", format!("has 1 rows, none with a version; {missing}."), unsure),
    ] {
        let shop = with_history(table, rows).await;
        let outcome = shop.migrate().await.remove("orders").expect("it has migrations");
        let error = outcome.error.expect("blocked").to_string();
        assert!(error.contains(&said), "{said}\n{error}");
        assert!(error.contains(advice), "{advice}\n{error}");
        shop.assert_no_login_left().await;
    }
}

#[tokio::test]
async fn a_history_that_the_owner_cannot_read_is_named() {
    let shop = live(true).await;
    shop.db.run("create table public._sqlx_migrations (version int)").await;
    let outcome = shop.migrate().await.remove("orders").expect("it has migrations");
    let error = outcome.error.expect("blocked").to_string();
    assert!(
        error.contains("public._sqlx_migrations cannot be read: read another tool's history: permission denied"),
        "{error}"
    );
    let mut admin = PgConnection::connect(&shop.admin).await.expect("a login");
    let pending = migrate::pending(&mut admin, &shop.project).await.expect("works");
    let [(_, error)] = pending.problems.as_slice() else { panic!("{pending:?}") };
    let told = "another tool's history is in public._sqlx_migrations, which `pgcleave migrate orders` compares";
    assert!(error.to_string().contains(told), "{error}");
}

/// A policy of a table, and a cast of a type in it, run as whoever reads the table.
#[tokio::test]
async fn a_table_of_somebody_else_is_not_read_as_the_owner() {
    let shop = live(true).await;
    let (prefix, trap) = (shop.db.prefix().to_owned(), "create function public.trap() returns bool language plpgsql");
    shop.db
        .run(&format!(
            "create role {prefix}evil; grant create on schema public to {prefix}evil; set role {prefix}evil;
             {trap} as $$ begin raise log 'TRAP {prefix} as %', current_user; return true; end $$;
             create table public._sqlx_migrations (version int); insert into public._sqlx_migrations values (1);
             alter table public._sqlx_migrations enable row level security;
             create policy p on public._sqlx_migrations using (public.trap());
             grant select on public._sqlx_migrations to public; reset role;
             grant usage on schema public to {prefix}orders_owner"
        ))
        .await;
    let error = shop.migrate().await.remove("orders").expect("it has migrations").error.expect("blocked").to_string();
    assert!(!error.contains("public._sqlx_migrations"), "{error}");
    assert!(!shop.db.log().await.contains(&format!("TRAP {prefix}")), "the policy ran as the owner");
    shop.db.run(&format!("set role {prefix}orders_owner; select from public._sqlx_migrations")).await;
    assert!(shop.db.log().await.contains(&format!("TRAP {prefix}")), "the trap works");
}

#[tokio::test]
async fn what_is_recorded_against_another_tools_history_is_shown() {
    let rows = "(1, 'a', true)";
    let shop =
        with_history("_sqlx_migrations (version bigint primary key, description text, success bool)", rows).await;
    let outcome = shop.migrate_with(&marking(Mark::All)).await.remove("orders").expect("it has migrations");
    assert_eq!(outcome.marked, ["V1__line.sql", "V2__fill.sql"]);
    let told = "recorded as applied, but not in orders._sqlx_migrations: V2__fill.sql";
    assert_eq!(outcome.differences, [told]);
}

#[tokio::test]
async fn a_file_that_could_not_run_here_can_be_recorded() {
    let shop = live(true).await;
    shop.write("orders", "V1__line.sql", "begin; create table line (id int); commit;");
    let outcome = shop.migrate_with(&marking(Mark::Until(1))).await.remove("orders").expect("it has migrations");
    assert!(outcome.error.is_none(), "{outcome:?}");
    assert_eq!(outcome.marked, ["V1__line.sql"]);
    assert_eq!(shop.result("orders").await, Ok(vec!["V2__fill.sql".to_owned()]));
}

#[tokio::test]
async fn a_first_run_that_was_killed_goes_on() {
    let shop = Shop::managed(&["orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.result("orders").await.expect("migrates");
    // as if it had been killed before the copy was written
    shop.db.run("delete from pgcleave.migrated").await;
    shop.write("orders", "V2__b.sql", "create table b (id int)");
    assert_eq!(shop.result("orders").await, Ok(vec!["V2__b.sql".to_owned()]));
    // a file without a transaction that was stopped in the midst of the first run
    let shop = Shop::managed(&["orders"]).await;
    shop.write(
        "orders",
        "V1__a.sql",
        "-- pgcleave: no-transaction\ncreate table if not exists a (id int);\nselect 1/0;",
    );
    shop.result("orders").await.expect_err("a division by zero");
    shop.write("orders", "V1__a.sql", "-- pgcleave: no-transaction\ncreate table if not exists a (id int);\nselect 1;");
    assert_eq!(shop.result("orders").await, Ok(vec!["V1__a.sql".to_owned()]));
}

#[tokio::test]
async fn what_an_extension_made_is_no_past() {
    let shop = Shop::new(&["orders"]).await;
    shop.db.run("create extension pgcrypto schema orders").await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    assert_eq!(shop.result("orders").await, Ok(vec!["V1__a.sql".to_owned()]));
}
