//! Which files run, which are refused, and what is told of them.

use std::sync::Mutex;

use pgcleave::migrate::{self, Error};
use sqlx::{Connection as _, PgConnection};

use super::shop::Shop;

#[tokio::test]
async fn runs_as_the_owner_and_leaves_no_login() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__tables.sql", "create table line (id int);\ninsert into line values (1)");
    shop.write("orders", "V2__who.sql", "create table who as select current_user::text as c, session_user::text as s");
    assert_eq!(shop.result("orders").await, Ok(vec!["V1__tables.sql".to_owned(), "V2__who.sql".to_owned()]));
    let owner = shop.owner("orders");
    let owners = "select distinct tableowner::text from pg_tables where schemaname = 'orders'";
    assert_eq!(shop.db.texts(owners).await, [owner.as_str()]);
    assert_eq!(shop.db.texts("select c from orders.who").await, [owner]);
    assert_eq!(shop.history("orders").await, ["1 tables", "2 who"]);
    shop.assert_no_login_left().await;
}

#[tokio::test]
async fn nothing_pending_means_nothing_written() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__tables.sql", "create table line (id int)");
    shop.result("orders").await.expect("migrates");
    let rows =
        "select xmin::text from pgcleave.migration union all select xmin::text from pgcleave.migrated order by 1";
    let before = shop.db.texts(rows).await;
    let said = Mutex::new(Vec::new());
    let outcomes = shop.migrate_telling(&|event| said.lock().expect("no panic").push(event)).await;
    assert!(outcomes["orders"].applied.is_empty() && outcomes["orders"].error.is_none());
    assert!(said.lock().expect("no panic").is_empty(), "no login was made, so nothing was started");
    assert_eq!(shop.db.texts(rows).await, before, "the copy was not written again");
}

#[tokio::test]
async fn an_error_without_a_position_is_found_by_the_statements_before_it() {
    let shop = Shop::new(&["orders"]).await;
    shop.write(
        "orders",
        "V1__twice.sql",
        "create table line (id int primary key);\n\ninsert into line values (1);\nselect 1; -- ;\ninsert into line\nvalues (1);\nselect 2",
    );
    let error = shop.result("orders").await.expect_err("a duplicate key");
    assert!(error.starts_with("V1__twice.sql, line 5: duplicate key value"), "{error}");
}

#[tokio::test]
async fn a_constraint_that_fails_at_commit_leaves_no_history_row() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__ok.sql", "create table a (id int primary key)");
    shop.write(
        "orders",
        "V2__late.sql",
        "create table b (a int references a deferrable initially deferred);\ninsert into b values (7)",
    );
    let error = shop.result("orders").await.expect_err("a missing key");
    assert!(error.starts_with("V2__late.sql: insert or update on table \"b\""), "{error}");
    assert_eq!(shop.history("orders").await, ["1 ok"]);
}

#[tokio::test]
async fn divergent_missing_and_out_of_order_files_are_named_before_anything_runs() {
    let shop = Shop::new(&["billing", "orders"]).await;
    for (version, name) in [(1, "a"), (2, "b"), (4, "d")] {
        shop.write("orders", &format!("V{version}__{name}.sql"), &format!("create table {name} (id int)"));
    }
    shop.write("billing", "V1__a.sql", "create table a (id int)");
    shop.result("orders").await.expect("migrates");
    shop.write("orders", "V1__a.sql", "create table a (id bigint)");
    shop.remove("orders", "V2__b.sql");
    shop.write("orders", "V3__late.sql", "create table late (id int)");
    shop.write("orders", "V5__new.sql", "create table new (id int)");
    shop.write("billing", "V2__b.sql", "create table b (id int)");
    let outcomes = shop.migrate().await;
    let error = outcomes["orders"].error.as_ref().expect("stopped").to_string();
    let lines: Vec<&str> = error.lines().map(|line| line.split(" on 2").next().expect("a first part")).collect();
    assert_eq!(
        lines,
        [
            "V1__a.sql has changed since it was applied as V1__a.sql",
            "V2__b.sql was applied",
            "V3__late.sql has not been applied, but the newer V4__d.sql has; `pgcleave migrate SERVICE --out-of-order` runs it"
        ]
    );
    assert_eq!(shop.history("orders").await, ["1 a", "2 b", "4 d"]);
    assert_eq!(outcomes["billing"].applied, ["V2__b.sql"]);
    shop.assert_no_login_left().await;
}

#[tokio::test]
async fn bad_files_stop_one_service_only() {
    let shop = Shop::new(&["billing", "orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.write("orders", "V01__b.sql", "create table b (id int)");
    shop.write("orders", "2_c.sql", "create table c (id int)");
    shop.write("billing", "V1__a.sql", "create table a (id int)");
    let outcomes = shop.migrate().await;
    let error = outcomes["orders"].error.as_ref().expect("stopped").to_string();
    assert!(error.contains("2_c.sql") && error.contains("V1__a.sql: has the same version as V01__b.sql"), "{error}");
    assert_eq!(outcomes["billing"].applied, ["V1__a.sql"]);
}

#[tokio::test]
async fn no_transaction_runs_one_statement_at_a_time() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__table.sql", "create table line (id int, n int)");
    shop.write(
        "orders",
        "V2__indexes.sql",
        "-- pgcleave: no-transaction\ncreate index concurrently if not exists line_id on line (id);\nvacuum line;\ncreate unique index concurrently if not exists line_n on missing (n);",
    );
    let error = shop.result("orders").await.expect_err("there is no such table");
    assert_eq!(
        error,
        "V2__indexes.sql, line 4: relation \"missing\" does not exist (42P01); the 2 statements before it stay done, and the next run starts the file again"
    );
    assert_eq!(shop.history("orders").await, ["1 table"]);
    shop.write(
        "orders",
        "V2__indexes.sql",
        "-- pgcleave: no-transaction\ncreate index concurrently if not exists line_id on line (id);\ncreate unique index concurrently if not exists line_n on line (n)",
    );
    assert_eq!(shop.result("orders").await, Ok(vec!["V2__indexes.sql".to_owned()]));
    let indexes = "select indexrelid::regclass::text from pg_index where indrelid = 'orders.line'::regclass and indisvalid order by 1";
    assert_eq!(shop.db.texts(indexes).await, ["orders.line_id", "orders.line_n"]);
    assert_eq!(shop.history("orders").await, ["1 table", "2 indexes"]);
}

#[tokio::test]
async fn pending_is_told_without_reading_the_services_tables() {
    let shop = Shop::managed(&["billing", "orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.write("billing", "V1__a.sql", "create table a (id int)");
    let mut admin = PgConnection::connect(&shop.admin).await.expect("a login");
    let names = |pending: migrate::Pending| -> Vec<String> {
        assert!(pending.problems.is_empty(), "{pending:?}");
        pending.migrations.iter().map(|p| format!("{}/{}", p.service.as_str(), p.file)).collect()
    };
    let pending = migrate::pending(&mut admin, &shop.project).await.expect("works without a registry");
    assert_eq!(names(pending), ["billing/V1__a.sql", "orders/V1__a.sql"]);
    shop.migrate().await;
    shop.write("orders", "V2__b.sql", "create table b (id int)");
    assert_eq!(names(migrate::pending(&mut admin, &shop.project).await.expect("works")), ["orders/V2__b.sql"]);
    // A copy that lags behind, as a kill leaves it, heals with the next run.
    shop.db.run("delete from pgcleave.migration").await;
    assert_eq!(names(migrate::pending(&mut admin, &shop.project).await.expect("works")).len(), 3);
    assert_eq!(shop.result("orders").await, Ok(vec!["V2__b.sql".to_owned()]));
    assert!(names(migrate::pending(&mut admin, &shop.project).await.expect("works")).is_empty());
    // A schema that was dropped and made anew is migrated anew.
    shop.db.run("drop table orders.refinery_schema_history, orders.a, orders.b").await;
    assert_eq!(names(migrate::pending(&mut admin, &shop.project).await.expect("works")).len(), 2);
    assert_eq!(shop.result("orders").await.map(|files| files.len()), Ok(2));
}

#[tokio::test]
async fn pending_tells_what_cannot_run() {
    let shop = Shop::new(&["billing", "orders"]).await;
    shop.write("orders", "V1__a.sql", "commit");
    shop.write("billing", "V1__a.sql", "create table a (id int)");
    let pending = migrate::pending(&mut shop.db.connect().await, &shop.project).await.expect("works");
    assert_eq!(pending.migrations.len(), 1);
    assert!(matches!(pending.problems.as_slice(), [(service, Error::Refused(_))] if service.as_str() == "orders"));
}

#[tokio::test]
async fn a_service_that_is_not_provisioned_is_told_so() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.db.run("drop schema orders").await;
    assert_eq!(
        shop.result("orders").await,
        Err(format!("the schema orders of {} is not there yet", shop.owner("orders")))
    );
    shop.assert_no_login_left().await;
}
