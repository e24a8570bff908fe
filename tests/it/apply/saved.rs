//! Plans as files, and as SQL.

use sqlx::{Connection as _, PgConnection};

use super::{ORDERS, Shop};

#[tokio::test]
async fn a_saved_plan_is_applied_as_it_is_and_holds_no_secret() {
    let shop = Shop::new().await;
    shop.project.run(&["plan", "--out", "plan.json"]).exits(0);
    let text = std::fs::read_to_string(shop.project.path().join("plan.json")).expect("the plan");
    assert!(!text.to_lowercase().contains("password '") && !text.contains("SCRAM-SHA-256$"), "{text}");
    shop.apply(&["plan.json"]).exits(0);
    shop.converged();
}

#[tokio::test]
async fn a_saved_plan_is_refused_once_the_database_has_moved() {
    let shop = Shop::new().await;
    shop.project.run(&["plan", "--out", "plan.json"]).exits(0);
    shop.sql("create schema orders").await;
    let refused = shop.apply(&["plan.json"]).exits(5);
    assert!(refused.stderr.contains("database-moved"), "{}", refused.stderr);
    assert!(shop.holds("not exists (select from pg_roles where rolname = '@orders_owner')").await);
}

#[tokio::test]
async fn a_saved_plan_is_refused_once_the_manifests_have_changed() {
    let shop = Shop::new().await;
    shop.project.run(&["plan", "--out", "plan.json"]).exits(0);
    shop.project.manifest("orders", &ORDERS.replace("connection_limit: 7", "connection_limit: 8"));
    let refused = shop.apply(&["plan.json"]).exits(5);
    assert!(refused.stderr.contains("plan-outdated"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_file_that_is_no_plan_is_refused() {
    let shop = Shop::new().await;
    shop.project.write("plan.json", "{}");
    shop.apply(&["plan.json"]).exits(2);
    shop.apply(&["missing.json"]).exits(1);
    shop.apply(&["."]).exits(2);
}

#[tokio::test]
async fn the_same_input_gives_the_same_bytes() {
    let shop = Shop::new().await;
    // whether anybody else can log in is part of the input, and other tests' logins come and go
    shop.sql("create role \"@somebody\" login").await;
    for format in
        [&["plan", "-v"][..], &["plan", "--format", "json"], &["plan", "--format", "markdown"], &["plan", "--sql"]]
    {
        let (first, second) = (shop.project.run(format).exits(0), shop.project.run(format).exits(0));
        assert!(!first.stdout.is_empty());
        assert_eq!(first.stdout, second.stdout);
    }
}

/// Leaves out what only psql understands.
fn pasted(sql: &str) -> String {
    sql.lines().filter(|line| !line.starts_with('\\')).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn after_the_sql_of_a_plan_without_secrets_the_next_plan_is_empty() {
    let mut shop = Shop::new().await;
    let url = shop.db.owning_admin().await;
    shop.project.connect_as(url.clone());
    shop.apply(&[]).exits(0);
    shop.sql(
        "revoke select on orders.lines from \"@orders_reader\"; grant insert on billing.invoices to \"@orders_reader\"; \
         set role \"@orders_owner\"; create table orders.\"it's \"\"odd\" (id int); grant select on orders.lines to public; \
         reset role; alter role \"@orders_app_a\" connection limit 3; \
         revoke select on billing.invoice_status from \"@orders_reader\"",
    )
    .await;
    shop.project.manifest("shipping", "exposes: []\n");
    let sql = shop.project.run(&["plan", "--sql"]).exits(0).stdout;
    assert!(!sql.contains("left to"), "{sql}");
    let mut admin = PgConnection::connect(&url).await.expect("the administrator connects");
    sqlx::raw_sql(sqlx::AssertSqlSafe(pasted(&sql))).execute(&mut admin).await.expect("it runs as it stands");
    shop.converged();
}

#[tokio::test]
async fn the_sql_of_a_plan_does_what_apply_would_do() {
    let shop = Shop::new().await;
    let sql = shop.project.run(&["plan", "--sql"]).exits(0).stdout;
    shop.db.run(&pasted(&sql)).await;
    let left = shop.project.run(&["plan", "--format", "json"]).exits(0).json();
    let kinds: std::collections::BTreeSet<_> = left["changes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|c| c["kind"].as_str().expect("a kind").to_owned())
        .collect();
    let rest = ["contract", "credential", "migration", "privilege", "service"].map(str::to_owned);
    assert!(kinds.is_subset(&rest.into()), "{left:#}");
}

#[tokio::test]
async fn one_service_alone_is_applied_before_those_that_consume_it() {
    let shop = Shop::new().await;
    shop.apply(&["--service", "billing"]).exits(0);
    assert!(shop.holds("to_regclass('billing.invoices') is not null and to_regnamespace('orders') is null").await);
    shop.project.run(&["plan", "billing", "--detailed-exitcode"]).exits(0);
    shop.apply(&[]).exits(0);
    shop.converged();
    shop.apply(&["--service", "nobody"]).exits(2);
}
