//! A service with a database of its own: planned, applied, migrated, proven and audited together with the others.

use std::net::TcpListener;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::{Answer, Dedicated, Project, TestDb, answer};

const BILLING: &str = "
migrations: ../migrations/billing
credentials:
  app: { access: write }
exposes:
  - { view: invoice_status, to: [orders] }
";

const SHIPPING: &str = "
credentials:
  app: { access: read }
consumes: [orders.order_summary]
";

const ORDERS: &str = "
migrations: ../migrations/orders
credentials:
  app: { access: write }
exposes:
  - { view: order_summary, to: [shipping] }
consumes: [billing.invoice_status]
";

const OWN: &str = "database: { url_env: ORDERS_URL }\n";

/// Three services, of which orders has a server of its own.
struct Two {
    db: TestDb,
    own: Dedicated,
    project: Project,
}

impl Two {
    async fn new() -> Self {
        let two = Self::together().await;
        two.split();
        two
    }

    /// The same before orders has moved.
    async fn together() -> Self {
        let (db, own) = (TestDb::new().await, Dedicated::start().await);
        let mut admin = PgConnection::connect(&own.url("postgres")).await.expect("the superuser connects");
        sqlx::raw_sql("create database orders").execute(&mut admin).await.expect("a database");
        let project = Project::new(&db);
        project.manifest("orders", ORDERS);
        project.manifest("billing", BILLING);
        project.manifest("shipping", SHIPPING);
        project.write(
            "migrations/orders/V1__orders.sql",
            "create table orders (id bigint primary key, total numeric); \
             create view order_summary as select id, total from orders;",
        );
        project.write(
            "migrations/billing/V1__invoices.sql",
            "create table invoices (id bigint primary key, order_id bigint, paid boolean); \
             create view invoice_status as select order_id, paid from invoices;",
        );
        Self { db, own, project }
    }

    fn split(&self) {
        self.project.manifest("orders", &format!("{ORDERS}{OWN}"));
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with(arguments, &self.own.url("orders"))
    }

    fn run_with(&self, arguments: &[&str], orders_url: &str) -> Answer {
        let mut command = self.project.command(arguments);
        answer(command.env("ORDERS_URL", orders_url).output().expect("the binary runs"))
    }

    fn apply(&self) -> Answer {
        self.run(&["apply", "--allow", "revoke,close-database"])
    }

    /// Judges the findings about our own roles only: other tests' roles are on the same server.
    fn expect_no_error_of_ours(&self, audit: &serde_json::Value) {
        let ours = |f: &&serde_json::Value| f["principal"].as_str().is_some_and(|p| p.starts_with(self.db.prefix()));
        let findings = audit["findings"].as_array().expect("a list").iter().filter(ours);
        let errors: Vec<_> = findings.filter(|f| f["severity"] == "error").collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }

    async fn holds_there(&self, sql: &str) -> bool {
        let mut connection = PgConnection::connect(&self.own.url("orders")).await.expect("the superuser connects");
        let sql = format!("select ({})", sql.replace('@', self.db.prefix()));
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.expect("a yes or a no")
    }

    async fn holds_here(&self, sql: &str) -> bool {
        self.db.texts(&format!("select ({})::text", sql.replace('@', self.db.prefix()))).await == ["true"]
    }
}

fn kinds(plan: &serde_json::Value) -> Vec<(&str, &str)> {
    let changes = plan["changes"].as_array().expect("a list");
    changes.iter().map(|c| (c["service"].as_str().unwrap_or("-"), c["kind"].as_str().expect("a kind"))).collect()
}

#[tokio::test]
async fn one_plan_covers_every_database() {
    let two = Two::new().await;
    let plan = two.run(&["plan", "--format", "json"]).exits(0).json();
    assert_eq!(plan["format"], "pgcleave.plan/1");
    let own = &plan["databases"][0];
    assert_eq!((&own["format"], &own["url_env"]), (&plan["format"], &"ORDERS_URL".into()));
    assert!(plan["url_env"].is_null());
    let of = |plan, service| kinds(plan).iter().any(|(s, _)| *s == service);
    assert!(of(&plan, "billing") && !of(&plan, "orders"), "{plan:#}");
    assert!(of(own, "orders") && !of(own, "billing"), "{own:#}");
    let only = two.run(&["plan", "orders", "--format", "json"]).exits(0).json();
    assert_eq!(only["url_env"], "ORDERS_URL");
    assert!(only["databases"].is_null());

    two.apply().exits(0);
    two.run(&["plan", "--detailed-exitcode", "-v"]).exits(0);
    two.run(&["plan", "--detailed-exitcode", "--prune"]).exits(0);
    assert!(two.holds_there("to_regclass('orders.order_summary') is not null").await);
    assert!(two.holds_there("to_regnamespace('billing') is null").await);
    assert!(two.holds_here("to_regnamespace('orders') is null").await);
    let migrated = two.run(&["migrate"]).exits(0);
    assert_eq!(migrated.stdout, "No migration is pending.\n");
}

#[tokio::test]
async fn contracts_that_cross_to_another_database_are_told() {
    let two = Two::new().await;
    two.apply().exits(0);
    let plan = two.run(&["plan"]).exits(0).stdout;
    for told in [
        "orders.order_summary, which orders exposes to shipping, lives in another database",
        "billing.invoice_status, which billing exposes to orders, lives in another database",
        "`pgcleave split finish orders` bridges it",
    ] {
        assert!(plan.contains(told), "{told}\n{plan}");
    }
    let why = ["why", &format!("{}orders_app_a", two.db.prefix()), "orders.orders", "--format", "json"];
    assert_eq!(two.run(&why).exits(0).json()["reachable"], true, "where the object is");
    let markdown = two.run(&["plan", "--format", "markdown"]).exits(0).stdout;
    assert_eq!(markdown.matches("### pgcleave plan for").count(), 2, "{markdown}");
    let sql = two.run(&["plan", "--sql"]).exits(0).stdout;
    assert!(sql.contains("\\getenv pgcleave_url ORDERS_URL\n\\connect :pgcleave_url"), "{sql}");
}

#[tokio::test]
async fn credentials_are_published_with_their_own_host_and_proven_there() {
    let two = Two::new().await;
    two.apply().exits(0);
    let own = two.own.url("orders");
    let port = own.rsplit_once('/').and_then(|(rest, _)| rest.rsplit_once(':')).expect("a port").1;
    let file = format!(".secrets/{}orders_app.env", two.db.prefix());
    let secret = std::fs::read_to_string(two.project.path().join(file)).expect("a secret");
    assert!(secret.contains(port) && secret.contains("orders"), "the port {port} is in it");
    let proven = two.run(&["credentials", "verify", "--format", "json"]).exits(0).json();
    assert_eq!(
        (&proven["ok"], &proven["services"]),
        (&true.into(), &serde_json::json!(["billing", "orders", "shipping"]))
    );
    two.run(&["credentials", "rotate", "--all"]).exits(0);
    two.run(&["credentials", "verify"]).exits(0);
    let listed = two.run(&["credentials", "list", "--format", "json"]).exits(0).json();
    assert_eq!(listed["credentials"].as_array().expect("a list").len(), 3);
}

#[tokio::test]
async fn the_audit_looks_at_every_database() {
    let two = Two::new().await;
    two.apply().exits(0);
    let clean = two.run(&["audit", "--format", "json"]).json();
    assert_eq!(clean["others_looked_at"][0]["database"], "orders");
    two.expect_no_error_of_ours(&clean);
    let mut there = PgConnection::connect(&two.own.url("orders")).await.expect("the superuser connects");
    sqlx::raw_sql("grant usage on schema orders to public; grant select on orders.orders to public")
        .execute(&mut there)
        .await
        .expect("a grant");
    let found = two.run(&["audit", "--format", "json", "--fail-on", "info"]).exits(4).json();
    let findings = found["findings"].as_array().expect("a list");
    let leak = findings.iter().find(|f| f["object"] == "orders.orders" && f["principal"] == "PUBLIC");
    let leak = leak.unwrap_or_else(|| panic!("{found:#}"));
    assert_eq!(leak["database"], "ORDERS_URL");
}

#[tokio::test]
async fn a_saved_plan_is_for_all_databases_and_none_may_have_moved() {
    let two = Two::new().await;
    two.run(&["plan", "--out", "plan.json"]).exits(0);
    two.run(&["apply", "plan.json", "--allow", "revoke,close-database"]).exits(0);
    two.run(&["plan", "--detailed-exitcode"]).exits(0);
    two.run(&["plan", "--out", "plan.json"]).exits(0);
    let mut there = PgConnection::connect(&two.own.url("orders")).await.expect("the superuser connects");
    sqlx::raw_sql("grant select on orders.orders to public").execute(&mut there).await.expect("a grant");
    let refused = two.run(&["apply", "plan.json", "--allow", "revoke,close-database"]).exits(5);
    assert!(refused.stderr.contains("database-moved"), "{}", refused.stderr);
    two.project.manifest("orders", ORDERS);
    let refused = two.run(&["apply", "plan.json", "--allow", "revoke,close-database"]).exits(5);
    assert!(refused.stderr.contains("plan-outdated"), "{}", refused.stderr);
}

#[tokio::test]
async fn what_fails_in_one_database_leaves_the_others_result() {
    let two = Two::new().await;
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let nowhere = format!("postgresql://postgres@127.0.0.1:{port}/orders");
    let applied = two.run_with(&["apply", "--allow", "revoke,close-database", "--format", "json"], &nowhere).exits(1);
    assert!(applied.stderr.contains("error[connect]"), "{}", applied.stderr);
    let told = applied.json();
    assert_eq!(told["databases"][1]["error"]["code"], "connect", "{told:#}");
    assert!(told["services"].as_array().expect("a list").iter().any(|s| s["service"] == "billing"), "{told:#}");
    assert!(two.holds_here("to_regclass('billing.invoice_status') is not null").await);
    let planned = two.run_with(&["plan", "--format", "json", "--out", "p.json"], &nowhere).exits(1);
    let label = format!("127.0.0.1:{port}/orders: ");
    assert!(planned.stderr.contains(&label), "the database is named: {}", planned.stderr);
    assert!(planned.json()["changes"].is_array(), "the other's plan is there: {}", planned.stdout);
    assert!(planned.stderr.contains("p.json is not written"), "{}", planned.stderr);
    let unset = two.run_with(&["plan"], "").exits(2);
    assert!(unset.stderr.contains("no-database-url") && unset.stderr.contains("ORDERS_URL"), "{}", unset.stderr);
}

#[tokio::test]
async fn what_a_service_has_left_behind_stays_as_it_is() {
    let two = Two::together().await;
    two.apply().exits(0);
    two.split();
    let plan = two.run(&["plan", "--prune", "--format", "json"]).exits(0).json();
    assert_eq!(plan["changes"], serde_json::json!([]), "{plan:#}");
    assert_eq!(plan["unmanaged"], serde_json::json!([]), "{plan:#}");
    assert!(plan["notes"].to_string().contains("orders lives in a database of its own (ORDERS_URL)"), "{plan:#}");
    two.expect_no_error_of_ours(&two.run(&["audit", "--format", "json"]).json());
    // a contract that both manifests still declare is kept up on what is left, one that is gone is taken away
    two.db.run(&format!("revoke select on orders.order_summary from {}shipping_reader", two.db.prefix())).await;
    two.apply().exits(0);
    assert!(two.holds_here("has_table_privilege('@shipping_reader', 'orders.order_summary', 'select')").await);
}
