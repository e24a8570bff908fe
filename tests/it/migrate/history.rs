//! The history is the service's own table: it is read back, and read within limits.

use pgcleave::error::Coded as _;

use super::shop::Shop;

#[tokio::test]
async fn a_row_that_a_trigger_swallows_stops_the_file() {
    for (trigger, when) in [
        ("before insert on refinery_schema_history for each row", "return null"),
        (
            "after insert on refinery_schema_history deferrable initially deferred for each row",
            "delete from orders.refinery_schema_history where version = new.version; return null",
        ),
    ] {
        let shop = Shop::managed(&["orders"]).await;
        shop.write("orders", "V1__a.sql", "create table a (id int)");
        shop.result("orders").await.expect("migrates");
        let constraint = if trigger.contains("deferr") { "constraint" } else { "" };
        shop.write(
            "orders",
            "V2__trap.sql",
            &format!(
                "create table b (id int); create function f() returns trigger language plpgsql as $$ begin {when}; end $$; create {constraint} trigger t {trigger} execute function f()"
            ),
        );
        let outcome = shop.migrate().await.remove("orders").expect("it has migrations");
        assert_eq!(outcome.error.expect("no row").code(), "migration-not-recorded");
        assert_eq!(shop.db.texts("select to_regclass('orders.b')::text").await, ["null"], "the file is rolled back");
        assert_eq!(shop.history("orders").await, ["1 a"]);
    }
}

#[tokio::test]
async fn a_trigger_that_waits_until_the_commit_is_found_after_it() {
    let shop = Shop::managed(&["orders"]).await;
    shop.write(
        "orders",
        "V1__trap.sql",
        "create table late (v int8);
         create function f() returns trigger language plpgsql as $$ begin
           set constraints all deferred; insert into orders.late values (new.version); return null; end $$;
         create function g() returns trigger language plpgsql as $$ begin
           delete from orders.refinery_schema_history where version = new.v; return null; end $$;
         create constraint trigger t after insert on refinery_schema_history deferrable initially deferred
           for each row execute function f();
         create constraint trigger u after insert on late deferrable initially deferred
           for each row execute function g()",
    );
    let outcome = shop.migrate().await.remove("orders").expect("it has migrations");
    assert_eq!(outcome.error.expect("the row is gone").code(), "migration-not-recorded");
}

#[tokio::test]
async fn a_flood_of_rows_is_counted_and_not_read() {
    let shop = Shop::managed(&["orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.result("orders").await.expect("migrates");
    shop.db
        .run(
            "insert into orders.refinery_schema_history select n, case when n < 100 then E'x\\n::error::y\\x1b[31m' else repeat('x', 200) end,
             '2026-01-01T00:00:00Z', '1' from generate_series(2, 300000) n",
        )
        .await;
    shop.write("orders", "V300001__b.sql", "create table b (id int)");
    let outcome = shop.migrate().await.remove("orders").expect("it has migrations");
    let error = outcome.error.expect("there are no such files");
    assert_eq!(error.code(), "migration-mismatch");
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 11, "{text}");
    assert!(lines[0].starts_with("V2__x\\n::error::y\\u{1b}[31m.sql was applied on 2026-01-01"), "{text}");
    assert_eq!(lines[10], "and 299,989 more");
    let copy = "select count(*)::text from pgcleave.migration where schema = 'orders'";
    assert_eq!(shop.db.texts(copy).await, ["1"], "the registry is not flooded");
    shop.assert_no_login_left().await;
}

#[tokio::test]
async fn a_view_or_a_row_without_a_version_is_no_history() {
    for (change, message) in [
        (
            "drop table refinery_schema_history; create view refinery_schema_history as select 1::int8 as version, 'x'::text as name, ''::text as applied_on, ''::text as checksum from generate_series(1, 1000000000)",
            "is no table",
        ),
        (
            "alter table refinery_schema_history drop constraint refinery_schema_history_pkey; alter table refinery_schema_history alter version drop not null; insert into refinery_schema_history values (null)",
            "without a version",
        ),
    ] {
        let shop = Shop::managed(&["orders"]).await;
        shop.write("orders", "V1__a.sql", "create table a (id int)");
        shop.result("orders").await.expect("migrates");
        shop.db.run(&format!("set search_path = orders; set role {}; {change}", shop.owner("orders"))).await;
        shop.write("orders", "V2__b.sql", "create table b (id int)");
        let outcome = shop.migrate().await.remove("orders").expect("it has migrations");
        let error = outcome.error.expect("unusable");
        assert_eq!(error.code(), "migration-history", "{error}");
        assert!(error.to_string().contains(message), "{error}");
        shop.assert_no_login_left().await;
    }
}

#[tokio::test]
async fn what_a_script_raises_stays_on_one_line() {
    let shop = Shop::managed(&["orders"]).await;
    for case in ["V2__raise.sql", "V3__raise.sql"] {
        let raise = match case {
            "V2__raise.sql" => {
                "do $$ begin raise exception E'first\\n::add-mask::e\\n\\x1b[31mred \\u202ertl' using detail = E'd\\n::error::b', hint = E'h\\n::warning::w'; end $$"
            }
            _ => {
                "do $$ begin raise exception '%', repeat('x' || chr(27) || chr(13) || chr(155) || chr(8238), 3000); end $$"
            }
        };
        shop.write("orders", case, raise);
        let error = shop.result("orders").await.expect_err("it raises");
        assert!(!error.chars().any(|c| c.is_control() || c == '\u{202e}'), "{error:?}");
        assert!(error.chars().count() < 2_100, "{} characters", error.chars().count());
        shop.remove("orders", case);
    }
}
