//! Folders of other tools, run as they are: only what goes up, each with its own versions and markers.

use pgcleave::migrate::{Mark, Options};
use pgcleave::model::layout::Layout;

use super::shop::Shop;

/// Writes the files, runs them, and gives the names that ran.
async fn run(layout: Option<Layout>, files: &[(&str, &str)]) -> (Shop, Vec<String>) {
    let mut shop = Shop::new(&["orders"]).await;
    shop.project.services.values_mut().for_each(|service| service.layout = layout);
    for (name, text) in files {
        shop.write("orders", name, text);
    }
    let ran = shop.result("orders").await.expect("they run");
    assert_eq!(shop.result("orders").await, Ok(vec![]), "nothing is left to run");
    (shop, ran)
}

async fn tables(shop: &Shop) -> Vec<String> {
    let query =
        "select relname::text from pg_class where relnamespace = 'orders'::regnamespace and relkind in ('r', 'i')
        and relname not like 'refinery%' order by 1";
    shop.db.texts(query).await
}

#[tokio::test]
async fn sqlx() {
    let files = [
        ("20240101000000_a.sql", "create table a (id int)"),
        ("20240102000000_b.sql", "-- no-transaction\ncreate index concurrently b on a (id)"),
        ("20240103000000_c.up.sql", "create table c (id int)"),
        ("20240103000000_c.down.sql", "drop table a"),
    ];
    let (shop, ran) = run(None, &files).await;
    assert_eq!(ran, ["20240101000000_a.sql", "20240102000000_b.sql", "20240103000000_c.up.sql"]);
    assert_eq!(tables(&shop).await, ["a", "b", "c"]);
    assert_eq!(shop.history("orders").await, ["20240101000000 a", "20240102000000 b", "20240103000000 c"]);
}

#[tokio::test]
async fn golang_migrate() {
    let files = [
        ("1_a.up.sql", "create table a (id int);\ncreate table c (id int);"),
        ("1_a.down.sql", "drop table a"),
        ("2_b.up.sql", "create index concurrently b on a (id);"),
    ];
    let shop = Shop::new(&["orders"]).await;
    for (name, text) in files {
        shop.write("orders", name, text);
    }
    let error = shop.result("orders").await.expect_err("sqlx has such names too");
    assert!(error.contains("`layout: sqlx`, `layout: golang-migrate`"), "{error}");
    let (shop, ran) = run(Some(Layout::GolangMigrate), &files).await;
    assert_eq!(ran, ["1_a.up.sql", "2_b.up.sql"]);
    assert_eq!(tables(&shop).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn goose() {
    let files = [
        (
            "00001_a.sql",
            "-- +goose Up\n-- +goose StatementBegin\ndo $$ begin\n  create table a (id int);\nend $$;\n-- +goose StatementEnd\n\
             -- +goose Down\ndrop table a;",
        ),
        (
            "00002_b.sql",
            "-- +goose NO TRANSACTION\n-- +goose Up\ncreate index concurrently b on a (id);\n-- +goose Down\nx",
        ),
        ("00003_nothing.sql", "-- +goose Up\n-- +goose Down\ndrop table a;"),
    ];
    let (shop, ran) = run(None, &files).await;
    assert_eq!(ran, ["00001_a.sql", "00002_b.sql", "00003_nothing.sql"]);
    assert_eq!(tables(&shop).await, ["a", "b"]);
    // the part that goes down is no part of what ran
    shop.write("orders", "00003_nothing.sql", "-- +goose Up\n-- +goose Down\ndrop table b;");
    assert_eq!(shop.result("orders").await, Ok(vec![]));
    shop.write(
        "orders",
        "00004_wrong.sql",
        "-- a\n-- +goose Up\n\nselect 1;\nselect * from missing;\n-- +goose Down\n",
    );
    let error = shop.result("orders").await.expect_err("there is no such table");
    assert!(error.starts_with("00004_wrong.sql, line 5: relation \"missing\" does not exist"), "{error}");
    shop.write("orders", "00004_wrong.sql", "-- a\n-- +goose Up\n\ncommit;\n-- +goose Down\n");
    let error = shop.result("orders").await.expect_err("it is refused");
    assert!(error.starts_with("00004_wrong.sql, line 4: COMMIT would break"), "{error}");
}

#[tokio::test]
async fn dbmate() {
    let files = [
        ("20240101000000_a.sql", "-- migrate:up\ncreate table a (id int);\n\n-- migrate:down\ndrop table a;\n"),
        (
            "20240102000000_b.sql",
            "-- migrate:up transaction:false\ncreate index concurrently b on a (id);\n-- migrate:down\ndrop index b;\n",
        ),
    ];
    let (shop, ran) = run(None, &files).await;
    assert_eq!(ran, ["20240101000000_a.sql", "20240102000000_b.sql"]);
    assert_eq!(tables(&shop).await, ["a", "b"]);
}

#[tokio::test]
async fn diesel() {
    let files = [
        ("00000000000000_diesel_initial_setup/up.sql", "create table a (id int)"),
        ("00000000000000_diesel_initial_setup/down.sql", "drop table a"),
        ("2024-01-31-120000-0000_c/up.sql", "create index concurrently c on b (id)"),
        ("2024-01-31-120000-0000_c/metadata.toml", "run_in_transaction = false\n"),
        ("2024-01-31-120000_b/up.sql", "create table b (id int)"),
    ];
    let (shop, ran) = run(None, &files).await;
    let names = ["00000000000000_diesel_initial_setup", "2024-01-31-120000_b", "2024-01-31-120000-0000_c"];
    assert_eq!(ran, names.map(|name| format!("{name}/up.sql")));
    assert_eq!(tables(&shop).await, ["a", "b", "c"]);
    assert_eq!(
        shop.history("orders").await,
        ["0 diesel_initial_setup", "2024013112000000000 b", "2024013112000000001 c"]
    );
}

#[tokio::test]
async fn diesels_own_versions_are_those_to_record() {
    let shop = Shop::new(&["orders"]).await;
    let owner = shop.owner("orders");
    shop.db
        .run(&format!(
            "set role {owner}; create table orders.a (id int);
             create table orders.__diesel_schema_migrations (version varchar(50) primary key, run_on timestamp default now());
             insert into orders.__diesel_schema_migrations values ('00000000000000'), ('20240131120000')"
        ))
        .await;
    for name in ["00000000000000_setup", "2024-01-31-120000_a", "2024-02-01-000000_b"] {
        shop.write("orders", &format!("{name}/up.sql"), "create table b (id int)");
    }
    let error = shop.result("orders").await.expect_err("it needs a baseline");
    assert!(error.contains("files that it does not have: 2024-02-01-000000_b/up.sql"), "{error}");
    assert!(error.contains("Run `pgcleave migrate orders --mark-applied 20240131120000`"), "{error}");
    let marking = Options { mark: Some(Mark::Until(20_240_131_120_000)), ..Options::default() };
    let outcome = shop.migrate_with(&marking).await.remove("orders").expect("it has migrations");
    assert_eq!(outcome.marked, ["00000000000000_setup/up.sql", "2024-01-31-120000_a/up.sql"], "{outcome:?}");
    assert!(outcome.differences.is_empty(), "{outcome:?}");
    assert_eq!(shop.result("orders").await, Ok(vec!["2024-02-01-000000_b/up.sql".to_owned()]));
}

#[tokio::test]
async fn flyway() {
    let files = [
        ("V1__add tables.sql", "create table a (id int)"),
        ("V2__b.sql", "create index concurrently b on a (id)"),
        ("V2__b.sql.conf", "executeInTransaction=false\n"),
        ("U2__b.sql", "drop index b"),
    ];
    let (shop, ran) = run(None, &files).await;
    assert_eq!(ran, ["V1__add tables.sql", "V2__b.sql"]);
    assert_eq!(tables(&shop).await, ["a", "b"]);
}

#[tokio::test]
async fn a_file_that_comes_late_runs_where_that_is_asked_for() {
    let (shop, _) = run(None, &[("1_a.sql", "create table a (id int)"), ("3_c.sql", "create table c (id int)")]).await;
    shop.write("orders", "2_b.sql", "create table b (id int)");
    shop.write("orders", "4_d.sql", "create table d (id int)");
    let error = shop.result("orders").await.expect_err("it comes late");
    let told =
        "2_b.sql has not been applied, but the newer 3_c.sql has; `pgcleave migrate SERVICE --out-of-order` runs it";
    assert_eq!(error, told);
    let late = Options { out_of_order: true, ..Options::default() };
    let outcome = shop.migrate_with(&late).await.remove("orders").expect("it has migrations");
    assert!(outcome.error.is_none(), "{outcome:?}");
    assert_eq!(outcome.applied, ["2_b.sql", "4_d.sql"]);
    assert_eq!(tables(&shop).await, ["a", "b", "c", "d"]);
    assert_eq!(shop.history("orders").await, ["1 a", "2 b", "3 c", "4 d"]);
    assert_eq!(shop.result("orders").await, Ok(vec![]));
}
