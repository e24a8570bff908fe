//! What a file may take, whatever it sets for itself.

use std::time::Duration;

use pgcleave::error::Coded as _;
use pgcleave::migrate::Options;

use super::shop::Shop;

fn short(file_seconds: u64, lock_wait_seconds: u64, lock_retries: u32) -> Options {
    let limits = pgcleave::pg::watch::Limits { file_seconds, lock_wait_seconds, lock_retries };
    Options { limits, ..Options::default() }
}

#[tokio::test]
async fn a_file_cannot_sleep_past_its_limit() {
    let catching =
        "do $$ begin loop begin perform pg_sleep(1000); exception when query_canceled then null; end; end loop; end $$";
    for (script, managed) in [
        ("set statement_timeout = 0; select pg_sleep(1000)", false),
        ("set statement_timeout = 0; select pg_sleep(1000)", true),
        (catching, false),
        (catching, true),
    ] {
        let shop =
            if managed { Shop::managed(&["billing", "orders"]).await } else { Shop::new(&["billing", "orders"]).await };
        shop.write("orders", "V1__a.sql", "create table a (id int)");
        shop.write("orders", "V2__slow.sql", &format!("create table b (id int);\n{script}"));
        shop.write("billing", "V1__a.sql", "create table a (id int)");
        let outcomes = shop.migrate_with(&short(4, 5, 0)).await;
        let error = outcomes["orders"].error.as_ref().expect("it was stopped");
        assert_eq!(error.to_string(), "V2__slow.sql, line 2: stopped after 4 s, the limit of a file");
        assert_eq!(outcomes["orders"].applied, ["V1__a.sql"]);
        assert_eq!(outcomes["billing"].applied, ["V1__a.sql"]);
        assert_eq!(shop.history("orders").await, ["1 a"]);
        let copy = "select version::text from pgcleave.migration where schema = 'orders'";
        assert_eq!(shop.db.texts(copy).await, ["1"], "the copy knows what was committed before");
        shop.assert_no_login_left().await;
    }
}

#[tokio::test]
async fn a_file_does_not_queue_behind_a_lock_and_names_its_holder() {
    for managed in [false, true] {
        let shop = if managed { Shop::managed(&["orders"]).await } else { Shop::new(&["orders"]).await };
        shop.write("orders", "V1__a.sql", "create table a (id int)");
        shop.result("orders").await.expect("migrates");
        let mut other = shop.db.connect().await;
        sqlx::raw_sql("begin; select * from orders.a").execute(&mut other).await.expect("a lock");
        shop.write("orders", "V2__b.sql", "set lock_timeout = 0;\nalter table a add b int");
        let outcome = shop.migrate_with(&short(60, 1, 1)).await.remove("orders").expect("it has migrations");
        let error = outcome.error.expect("it was stopped");
        assert_eq!(error.code(), "migration-lock-wait");
        let error = error.to_string();
        assert!(error.starts_with("V2__b.sql, line 2: waited 1 s for a lock that postgres (pid "), "{error}");
        assert!(error.ends_with("holds; tried 2 times"), "{error}");
        shop.assert_no_login_left().await;
    }
}

#[tokio::test]
async fn a_file_that_met_a_lock_is_tried_again() {
    let shop = Shop::managed(&["orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.result("orders").await.expect("migrates");
    let mut other = shop.db.connect().await;
    sqlx::raw_sql("begin; select * from orders.a").execute(&mut other).await.expect("a lock");
    shop.write("orders", "V2__b.sql", "create table made_once (id int); alter table a add b int");
    let options = short(60, 1, 100);
    let waiting = "select count(*)::text from pg_locks where not granted and relation = 'orders.a'::regclass";
    let release = async {
        for expected in ["1", "0"] {
            while shop.db.texts(waiting).await != [expected] {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        sqlx::raw_sql("rollback").execute(&mut other).await.expect("released");
    };
    let (mut outcomes, ()) = tokio::join!(shop.migrate_with(&options), release);
    let outcome = outcomes.remove("orders").expect("it has migrations");
    assert!(outcome.error.is_none(), "{outcome:?}");
    assert_eq!(shop.history("orders").await, ["1 a", "2 b"]);
}

#[tokio::test]
async fn a_build_that_waits_for_transactions_blocks_nobody_and_may_wait() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.result("orders").await.expect("migrates");
    let mut other = shop.db.connect().await;
    sqlx::raw_sql("begin isolation level repeatable read; select * from orders.a")
        .execute(&mut other)
        .await
        .expect("a snapshot");
    shop.write("orders", "V2__i.sql", "-- pgcleave: no-transaction\ncreate index concurrently a_id on a (id)");
    let options = short(60, 1, 0);
    let waits = "select count(*)::text from pg_locks l join pg_stat_activity a on a.pid = l.pid where not l.granted \
        and l.locktype = 'virtualxid' and l.waitstart < clock_timestamp() - interval '3 s' \
        and a.query like 'create index concurrently a_id%' and a.datname = current_database()";
    let release = async {
        while shop.db.texts(waits).await != ["1"] {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        sqlx::raw_sql("rollback").execute(&mut other).await.expect("released");
    };
    let (mut outcomes, ()) = tokio::join!(shop.migrate_with(&options), release);
    let outcome = outcomes.remove("orders").expect("it has migrations");
    assert!(outcome.error.is_none(), "{outcome:?}");
}
