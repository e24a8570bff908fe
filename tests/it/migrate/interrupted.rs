//! What an interrupted file without a transaction leaves is seen, and removed by the next run.

use std::sync::Mutex;

use pgcleave::error::Coded as _;
use pgcleave::event::Event;
use pgcleave::migrate::Options;
use sqlx::AssertSqlSafe;

use super::shop::Shop;

const INDEXES: &str = "select c.relname || case when i.indisvalid then '' else ' invalid' end \
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid \
    left join pg_class m on m.reltoastrelid = t.oid \
    where coalesce(m.relnamespace, t.relnamespace) = 'orders'::regnamespace and t.relname <> 'refinery_schema_history' \
      and (m.oid is null or not i.indisvalid) order by 1";

async fn shop_with_table(managed: bool) -> Shop {
    let shop = if managed { Shop::managed(&["orders"]).await } else { Shop::new(&["orders"]).await };
    shop.write("orders", "V1__t.sql", "create table t (v int, w text); insert into t values (1), (1)");
    shop.result("orders").await.expect("migrates");
    shop
}

async fn invalidate(shop: &Shop, index: &str) {
    shop.db.run(&format!("update pg_index set indisvalid = false where indexrelid = 'orders.{index}'::regclass")).await;
}

/// Runs the files with a limit of one second while another transaction keeps CONCURRENTLY waiting.
async fn interrupt(shop: &Shop) -> String {
    let mut other = shop.db.connect().await;
    sqlx::raw_sql("begin isolation level repeatable read; select count(*) from orders.t")
        .execute(&mut other)
        .await
        .expect("a snapshot");
    let mut options = Options::default();
    options.limits.file_seconds = 1;
    let outcome = shop.migrate_with(&options).await.remove("orders").expect("it has migrations");
    let error = outcome.error.expect("it was stopped");
    assert_eq!(error.code(), "migration-too-long", "{error}");
    error.to_string()
}

#[tokio::test]
async fn an_index_that_a_failed_file_left_invalid_is_dropped_and_made_anew() {
    for managed in [false, true] {
        let shop = shop_with_table(managed).await;
        shop.write(
            "orders",
            "V2__i.sql",
            "-- pgcleave: no-transaction\ncreate unique index concurrently if not exists t_v on t (v);",
        );
        let error = shop.result("orders").await.expect_err("the rows are equal");
        assert!(error.starts_with("V2__i.sql, line 2: could not create unique index \"t_v\""), "{error}");
        assert_eq!(shop.db.texts(INDEXES).await, ["t_v invalid"]);
        shop.db.run("delete from orders.t where ctid = '(0,2)'").await;
        let notes = Mutex::new(Vec::new());
        let outcome = shop.migrate_telling(&|event| notes.lock().expect("no panic").push(event)).await.remove("orders");
        let outcome = outcome.expect("it has migrations");
        assert!(outcome.error.is_none(), "{outcome:?}");
        assert_eq!(shop.db.texts(INDEXES).await, ["t_v"]);
        assert_eq!(shop.history("orders").await, ["1 t", "2 i"]);
        let said = notes.into_inner().expect("no panic");
        let note = "dropped the invalid index orders.t_v that an interrupted V2__i.sql has left";
        assert!(said.iter().any(|e| matches!(e, Event::Note { message } if message == note)), "{said:?}");
        assert_eq!(shop.db.texts("select count(*)::text from pgcleave.interrupted_migration").await, ["0"]);
        shop.assert_no_login_left().await;
    }
}

#[tokio::test]
async fn an_invalid_index_from_before_is_not_taken_for_the_one_that_is_wanted() {
    for (header, managed) in
        [("-- pgcleave: no-transaction\n", false), ("-- pgcleave: no-transaction\n", true), ("", true)]
    {
        let shop = shop_with_table(managed).await;
        shop.db.run("create index t_v4 on orders.t (v); create index other on orders.t (v)").await;
        invalidate(&shop, "t_v4").await;
        invalidate(&shop, "other").await;
        let concurrently = if header.is_empty() { "" } else { "concurrently" };
        shop.write("orders", "V4__i.sql", &format!("{header}create index {concurrently} if not exists t_v4 on t (v);"));
        for _ in 0..2 {
            let error = shop.result("orders").await.expect_err("the index is invalid");
            assert_eq!(error, "V4__i.sql: the index orders.t_v4 is invalid; the file is not recorded");
            assert_eq!(shop.history("orders").await, ["1 t"]);
            assert_eq!(shop.db.texts(INDEXES).await, ["other invalid", "t_v4 invalid"], "nobody's index is dropped");
        }
        shop.db.run("drop index orders.t_v4").await;
        shop.result("orders").await.expect("the other invalid index is nobody's affair");
        assert_eq!(shop.db.texts(INDEXES).await, ["other invalid", "t_v4"]);
    }
}

#[tokio::test]
async fn dynamic_sql_cannot_take_an_invalid_index_either() {
    let shop = shop_with_table(false).await;
    shop.db.run("create index t_v on orders.t (v)").await;
    invalidate(&shop, "t_v").await;
    shop.write("orders", "V2__i.sql", "do $$ begin execute 'create index if not exists T_V on t (v)'; end $$");
    let error = shop.result("orders").await.expect_err("the index is invalid");
    assert!(error.starts_with("V2__i.sql: the index orders.t_v is invalid"), "{error}");
    assert_eq!(shop.history("orders").await, ["1 t"]);
}

#[tokio::test]
async fn the_index_of_a_partitioned_table_may_wait_for_its_partitions() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__p.sql", "create table p (v int) partition by list (v); create table p1 partition of p for values in (1); create index p_v on only p (v)");
    shop.write(
        "orders",
        "V2__i.sql",
        "-- pgcleave: no-transaction\ncreate index concurrently p1_v on p1 (v);\nalter index p_v attach partition p1_v",
    );
    shop.result("orders").await.expect("migrates");
    assert_eq!(shop.db.texts(INDEXES).await, ["p1_v", "p_v"]);
}

#[tokio::test]
async fn a_build_that_the_limit_stopped_is_started_anew() {
    for managed in [false, true] {
        let shop = shop_with_table(managed).await;
        shop.write(
            "orders",
            "V2__i.sql",
            "-- pgcleave: no-transaction\ncreate index concurrently if not exists t_v on t (v);",
        );
        let error = interrupt(&shop).await;
        assert_eq!(error, "V2__i.sql, line 2: stopped after 1 s, the limit of a file");
        assert_eq!(shop.db.texts(INDEXES).await, ["t_v invalid"]);
        shop.assert_no_login_left().await;
        shop.result("orders").await.expect("migrates");
        assert_eq!(shop.db.texts(INDEXES).await, ["t_v"]);
    }
}

#[tokio::test]
async fn what_an_interrupted_reindex_leaves_is_removed() {
    for managed in [false, true] {
        let shop = shop_with_table(managed).await;
        shop.db.run("create index t_v on orders.t (v)").await;
        shop.write("orders", "V2__r.sql", "-- pgcleave: no-transaction\nreindex index concurrently t_v;");
        interrupt(&shop).await;
        assert_eq!(shop.db.texts(INDEXES).await, ["t_v", "t_v_ccnew invalid"]);
        shop.result("orders").await.expect("migrates");
        assert_eq!(shop.db.texts(INDEXES).await, ["t_v"]);
    }
}

#[tokio::test]
async fn a_pending_detach_is_finished_by_the_next_run() {
    for managed in [false, true] {
        let shop = Shop::new(&["orders"]).await;
        let _ = managed;
        shop.write(
            "orders",
            "V1__p.sql",
            "create table t (v int) partition by list (v); create table t1 partition of t for values in (1); create table t2 partition of t for values in (2)",
        );
        shop.result("orders").await.expect("migrates");
        shop.write("orders", "V2__d.sql", "-- pgcleave: no-transaction\nalter table t detach partition t1 concurrently;\ncreate table if not exists after_it (id int);");
        interrupt(&shop).await;
        let pending = "select inhrelid::regclass::text from pg_inherits where inhdetachpending";
        assert_eq!(shop.db.texts(pending).await, ["orders.t1"]);
        shop.result("orders").await.expect("migrates");
        let partitions = "select inhrelid::regclass::text from pg_inherits where inhparent = 'orders.t'::regclass";
        assert_eq!(shop.db.texts(partitions).await, ["orders.t2"]);
        assert_eq!(shop.history("orders").await, ["1 p", "2 d"]);
    }
}

#[tokio::test]
async fn an_index_that_somebody_else_is_building_is_neither_taken_nor_dropped() {
    let shop = shop_with_table(false).await;
    shop.write(
        "orders",
        "V2__i.sql",
        "-- pgcleave: no-transaction\ncreate index concurrently if not exists t_v on t (v);",
    );
    interrupt(&shop).await;
    let mut other = shop.db.connect().await;
    sqlx::raw_sql("begin; lock table orders.t in share update exclusive mode")
        .execute(&mut other)
        .await
        .expect("a lock");
    let error = shop.result("orders").await.expect_err("it may be in the making");
    assert!(
        error.contains("the index orders.t_v is invalid (pid ") && error.contains("wait until it is done"),
        "{error}"
    );
    sqlx::raw_sql(AssertSqlSafe("rollback")).execute(&mut other).await.expect("released");
    shop.result("orders").await.expect("migrates");
    assert_eq!(shop.db.texts(INDEXES).await, ["t_v"]);
}
