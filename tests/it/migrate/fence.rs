//! What a script may not do, and what happens when it does.

use pgcleave::migrate::Error;
use sqlx::{Connection as _, PgConnection};

use super::shop::Shop;

#[tokio::test]
async fn an_administrator_without_superuser_migrates_and_reads_nothing() {
    let shop = Shop::managed(&["orders"]).await;
    shop.write("orders", "V1__tables.sql", "create table line (id int)");
    assert_eq!(shop.result("orders").await, Ok(vec!["V1__tables.sql".to_owned()]));
    shop.write("orders", "V2__more.sql", "create table more (id int)");
    assert_eq!(shop.result("orders").await, Ok(vec!["V2__more.sql".to_owned()]));
    shop.assert_no_login_left().await;
    let mut admin = PgConnection::connect(&shop.admin).await.expect("a login");
    let read = sqlx::query("select * from orders.line").execute(&mut admin).await;
    let code = read.expect_err("not readable").as_database_error().and_then(|e| e.code()).map(String::from);
    assert_eq!(code.as_deref(), Some("42501"));
}

#[tokio::test]
async fn a_script_that_touches_another_schema_is_stopped_and_the_others_go_on() {
    let shop = Shop::new(&["billing", "orders"]).await;
    shop.write("billing", "V1__tables.sql", "create table invoice (id int)");
    shop.write("orders", "V1__tables.sql", "create table line (id int)");
    shop.migrate().await;
    shop.write("billing", "V2__more.sql", "create table more (id int)");
    shop.write("orders", "V2__steal.sql", "create table half (id int);\n\ninsert into billing.invoice values (1)");
    shop.write("orders", "V3__later.sql", "create table later (id int)");
    let outcomes = shop.migrate().await;
    assert!(outcomes["billing"].error.is_none(), "{:?}", outcomes["billing"]);
    assert_eq!(outcomes["billing"].applied, ["V2__more.sql"]);
    let error = outcomes["orders"].error.as_ref().expect("stopped");
    assert_eq!(error.to_string(), "V2__steal.sql, line 3: permission denied for schema billing (42501)");
    assert_eq!(shop.history("orders").await, ["1 tables"]);
    assert_eq!(shop.db.texts("select to_regclass('orders.half')::text").await, ["null"], "the file is rolled back");
    shop.assert_no_login_left().await;
}

#[tokio::test]
async fn leaving_the_role_or_the_transaction_is_refused_before_anything_runs() {
    for (bad, line) in [
        ("reset role", 2),
        ("set session authorization postgres", 2),
        ("commit", 2),
        ("do $$ begin\ncommit; end $$", 3),
        ("select set_config('role', 'none', false)", 2),
        ("create index concurrently on line (id)", 2),
        ("\\i other.sql", 2),
    ] {
        let shop = Shop::new(&["orders"]).await;
        shop.write("orders", "V1__ok.sql", "create table line (id int)");
        shop.write("orders", "V2__bad.sql", &format!("create table x (id int);\n{bad};"));
        let outcome = shop.migrate().await.remove("orders").expect("it has migrations");
        assert!(outcome.applied.is_empty(), "{bad}: not even the first file ran");
        let error = outcome.error.expect("refused");
        assert!(matches!(error, Error::Refused(_)), "{bad}: {error}");
        assert!(error.to_string().starts_with(&format!("V2__bad.sql, line {line}: ")), "{error}");
        assert_eq!(shop.db.texts("select to_regclass('orders.line')::text").await, ["null"]);
        shop.assert_no_login_left().await;
    }
}

#[tokio::test]
async fn what_slips_through_the_reading_is_harmless() {
    let shop = Shop::new(&["billing", "orders"]).await;
    shop.write("billing", "V1__tables.sql", "create table invoice (id int)");
    shop.write("orders", "V1__ok.sql", "create table line (id int)");
    shop.migrate().await;
    let owner = shop.owner("orders");
    for (i, (sneaky, expected)) in [
        // Back to the owner, whom the login became when it connected.
        ("do $$ begin execute 'reset role'; end $$; create table x2 (id int)", None),
        (
            "do $$ begin execute 'res' || 'et role'; insert into billing.invoice values (1); end $$",
            Some("permission denied for schema billing"),
        ),
        ("do $$ begin execute 'set ro' || 'le none'; end $$; create table orders.x4 (id int)", Some("left the role")),
        ("do $$ begin execute 'set session auth' || 'orization default'; end $$; select 1", None),
        ("do $$ begin execute 'com' || 'mit'; end $$", Some("EXECUTE of transaction commands is not implemented")),
        (
            "create procedure p() language plpgsql as $$ begin commit; end $$; call p()",
            Some("invalid transaction termination"),
        ),
        (
            "do $$ begin execute 'set session auth' || 'orization postgres'; end $$",
            Some("permission denied to set session authorization"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let file = format!("V{}__sneaky.sql", i + 2);
        shop.write("orders", &file, sneaky);
        let outcome = shop.migrate().await.remove("orders").expect("it has migrations");
        match (expected, &outcome.error) {
            (None, None) => {}
            (Some(expected), Some(error)) => {
                assert!(error.to_string().contains(expected), "{sneaky}: {error}");
                shop.remove("orders", &file);
            }
            (_, error) => panic!("{sneaky}: {error:?}"),
        }
        shop.assert_no_login_left().await;
    }
    let owners = "select distinct tableowner::text from pg_tables where schemaname = 'orders'";
    assert_eq!(shop.db.texts(owners).await, [owner]);
    assert_eq!(shop.db.texts("select count(*)::text from billing.invoice").await, ["0"]);
}

#[tokio::test]
async fn a_script_cannot_change_how_the_next_one_runs() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__path.sql", "set search_path = pg_catalog; set lock_timeout = '1ms'");
    shop.write("orders", "V2__table.sql", "create table line as select current_setting('lock_timeout') as t");
    shop.result("orders").await.expect("migrates");
    assert_eq!(shop.db.texts("select t from orders.line").await, ["0"]);
}

#[tokio::test]
async fn what_a_script_without_a_transaction_made_as_the_login_goes_to_the_owner() {
    for shop in [Shop::new(&["orders"]).await, Shop::managed(&["orders"]).await] {
        shop.write(
            "orders",
            "V1__sneaky.sql",
            "-- pgcleave: no-transaction\ndo $$ begin execute 'set ro' || 'le none'; execute 'create table orders.x (id int)'; end $$;",
        );
        let error = shop.result("orders").await.expect_err("it left the role");
        assert!(error.contains("left the role"), "{error}");
        shop.assert_no_login_left().await;
        let owners = "select distinct tableowner::text from pg_tables where schemaname = 'orders'";
        assert_eq!(shop.db.texts(owners).await, [shop.owner("orders")]);
    }
}

#[tokio::test]
async fn the_writer_cannot_change_the_history() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.result("orders").await.expect("migrates");
    let may = |table: &str, privilege: &str| {
        format!(
            "select has_table_privilege('{}orders_writer', 'orders.{table}', '{privilege}')::text",
            shop.db.prefix()
        )
    };
    for privilege in ["insert", "update", "delete", "truncate"] {
        assert_eq!(shop.db.texts(&may("refinery_schema_history", privilege)).await, ["false"], "{privilege}");
    }
    assert_eq!(shop.db.texts(&may("a", "insert")).await, ["true"]);
}

#[tokio::test]
async fn no_password_reaches_the_server() {
    let shop = Shop::new(&["orders"]).await;
    shop.db.log_statements().await;
    shop.write("orders", "V1__a.sql", "create table a as select session_user::text as n");
    shop.result("orders").await.expect("migrates");
    let name = shop.db.texts("select n from orders.a").await.remove(0);
    let log = shop.db.log().await;
    let creation = log.lines().find(|line| line.contains(&format!("create role \"{name}\""))).expect("it is logged");
    assert!(creation.contains("password 'SCRAM-SHA-256$4096:"), "{creation}");
}
