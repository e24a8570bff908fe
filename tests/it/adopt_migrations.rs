//! From an adopted database to one whose migrations pgcleave runs: what ran before runs no second time.

use crate::support::{Project, TestDb};

/// Two services that somebody set up; orders was migrated with sqlx.
const LIVE: &str = "
create role @orders_owner; create role @billing_owner;
create schema orders authorization @orders_owner; create schema billing authorization @billing_owner;
set role @orders_owner;
create table orders.line (id int, price int);
insert into orders.line values (1, 100), (2, 200);
create view orders.total as select sum(price) from orders.line;
create table orders._sqlx_migrations (version bigint primary key, description text, success bool);
insert into orders._sqlx_migrations values (1, 'line', true), (2, 'raise', true);
reset role;
";

const ROWS: &str = "select id || ' ' || price from orders.line order by id";

fn manage(project: &Project, service: &str) {
    let path = format!("manifests/{service}.yaml");
    let text = std::fs::read_to_string(project.path().join(&path)).expect("a manifest");
    let text = text.replace("\nmanaged: false\n", "\n").replace("\n# migrations:", "\nmigrations:");
    assert!(text.contains(&format!("\nmigrations: ../migrations/{service}\n")), "{text}");
    project.write(&path, &text);
}

/// Adopts, and names the folders of migrations.
async fn adopted() -> (TestDb, Project) {
    let db = TestDb::new().await;
    db.run(&LIVE.replace('@', db.prefix())).await;
    let project = Project::new(&db);
    let told = project.run(&["adopt"]).exits(0).stdout;
    let command = "pgcleave --env test migrate orders --mark-applied VERSION   compared with orders._sqlx_migrations";
    assert!(told.contains(command), "{told}");
    assert!(!told.contains("migrate billing"), "its schema is empty\n{told}");
    project.write("migrations/orders/V1__line.sql", "create table if not exists line (id int, price int)");
    project.write("migrations/orders/V2__raise.sql", "update line set price = price * 2");
    project.write("migrations/billing/V1__invoice.sql", "create table invoice (id int)");
    manage(&project, "orders");
    manage(&project, "billing");
    (db, project)
}

#[tokio::test]
async fn an_apply_after_adopting_changes_no_row() {
    let (db, project) = adopted().await;
    let before = db.texts(ROWS).await;
    project.run(&["check"]).exits(0);
    let plan = project.run(&["plan", "--format", "json"]).exits(0).json();
    assert_eq!(plan["needs_baseline"], serde_json::json!(["orders"]), "{plan:#}");
    let applied =
        project.run(&["apply", "--allow", "revoke,close-database,change-owner", "--format", "json"]).exits(3).json();
    let services = applied["services"].as_array().expect("services");
    let of = |name: &str| services.iter().find(|s| s["service"] == name).expect("it had something to do");
    assert_eq!(of("orders")["pending"]["code"], "needs-baseline", "{applied:#}");
    assert_eq!(of("orders")["error"], serde_json::Value::Null);
    assert!(of("orders")["changes"].as_u64().is_some_and(|n| n > 0), "its grants are there: {applied:#}");
    assert_eq!(of("billing")["migrations"], serde_json::json!(["V1__invoice.sql"]));
    assert_eq!(db.texts(ROWS).await, before);

    // nothing but the answer is missing now
    let plan = project.run(&["plan", "--detailed-exitcode"]).exits(3).stdout;
    assert!(plan.contains("but migrations wait for a baseline"), "{plan}");
    project.run(&["apply"]).exits(3);
    let asked = project.run(&["migrate", "orders"]).exits(5).stdout;
    assert!(asked.contains("Run `pgcleave migrate orders --mark-applied 2`"), "{asked}");
    let marked = project.run(&["migrate", "orders", "--mark-applied", "2"]).exits(0).stdout;
    assert!(!marked.contains("warning"), "{marked}");
    project.expect_no_changes();
    project.run(&["apply"]).exits(0);
    assert_eq!(db.texts(ROWS).await, before);

    project.write("migrations/orders/V3__raise.sql", "update line set price = price + 1");
    project.run(&["apply"]).exits(0);
    assert_eq!(db.texts(ROWS).await, ["1 101", "2 201"]);
}

#[tokio::test]
async fn a_first_apply_that_ended_before_its_first_migration_goes_on() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    project.manifest("orders", "migrations: ../migrations/orders\nextensions: [pgcrypto]\n");
    project.write("migrations/orders/V1__line.sql", "select 1/0");
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(1);
    // as a kill leaves it: schema, roles and extension are there, and nothing was recorded of the migrations
    db.run("delete from pgcleave.migrated; drop table orders.refinery_schema_history").await;
    project.write("migrations/orders/V1__line.sql", "create table line (id int)");
    project.run(&["apply", "--allow", "close-database"]).exits(0);
    assert_eq!(db.texts("select count(*)::text from orders.line").await, ["0"]);
    project.expect_no_changes();
}
