//! What somebody did by hand: undone, reported, or refused.

use super::{BILLING, ORDERS, Shop};
use crate::support::TestDb;

#[tokio::test]
async fn revokes_what_no_manifest_gives_to_a_managed_role_once_allowed() {
    let shop = Shop::applied().await;
    shop.sql("grant insert on billing.invoices to \"@orders_reader\"; grant select on orders.orders to public").await;
    shop.sql("grant update (total) on orders.orders to \"@orders_reports_a\"; grant create on schema public to public")
        .await;
    if shop.db.major() >= 17 {
        shop.sql("grant maintain on orders.orders to \"@orders_writer\"").await;
    }
    let refused = shop.project.run(&["apply"]).exits(5);
    assert!(refused.stderr.contains("revoke"), "{}", refused.stderr);
    shop.apply(&[]).exits(0);
    shop.converged();
    assert!(!shop.holds("has_table_privilege('@orders_reader', 'billing.invoices', 'insert')").await);
    assert!(!shop.holds("has_any_column_privilege('@orders_reports_a', 'orders.orders', 'update')").await);
    assert!(!shop.holds("has_schema_privilege('@orders_app_a', 'public', 'create')").await);
    if shop.db.major() >= 17 {
        assert!(!shop.holds("has_table_privilege('@orders_writer', 'orders.orders', 'maintain')").await);
    }
}

#[tokio::test]
async fn restores_what_was_revoked_by_hand() {
    let shop = Shop::applied().await;
    shop.sql(
        "revoke select on orders.orders from \"@orders_reader\"; revoke usage on schema orders from \"@orders_writer\"; \
         revoke \"@orders_writer\" from \"@orders_app_a\"; revoke all on orders.lines from \"@orders_owner\"; \
         alter role \"@orders_app_a\" createdb connection limit 3 valid until '2020-01-01'; \
         alter role \"@orders_app_a\" in database :db set statement_timeout = '1h'; \
         alter role \"@orders_app_b\" in database :db set work_mem = '1GB'; \
         alter default privileges for role \"@orders_owner\" in schema orders revoke select on tables from \"@orders_reader\"; \
         alter default privileges for role \"@orders_owner\" grant execute on functions to public"
            .replace(":db", shop.db.name())
            .as_str(),
    )
    .await;
    // one schema of a strange name, not two
    shop.sql(&format!(
        "alter role \"@orders_app_b\" in database {} set search_path = 'orders, billing'",
        shop.db.name()
    ))
    .await;
    if shop.db.major() >= 16 {
        shop.sql("grant \"@orders_reader\" to \"@orders_reports_a\" with inherit false, set false").await;
    }
    shop.project.run(&["plan", "--detailed-exitcode"]).exits(3);
    shop.apply(&[]).exits(0);
    shop.converged();
    assert!(shop.holds("pg_has_role('@orders_reports_a', '@orders_reader', 'usage')").await);
    assert!(
        shop.holds("(select not rolcreatedb and rolconnlimit = 7 and rolvaliduntil = 'infinity' from pg_roles where rolname = '@orders_app_a')").await
    );
}

#[tokio::test]
async fn unmanaged_grants_are_reported_and_only_pruned_on_demand() {
    let shop = Shop::applied().await;
    shop.sql(
        "create role \"@alice\"; create role \"@bob\"; grant usage on schema orders to \"@alice\"; grant select on orders.orders to \"@alice\" with grant option; \
         set role \"@alice\"; grant select on orders.orders to \"@bob\"; reset role; \
         grant \"@orders_writer\" to \"@bob\"; grant pg_read_all_data to \"@orders_app_a\"; \
         grant select (id) on orders.lines to \"@bob\"",
    )
    .await;
    let plan = shop.project.run(&["plan", "--format", "json"]).exits(0).json();
    assert_eq!(plan["changes"], serde_json::json!([]));
    let found: Vec<String> = plan["unmanaged"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|u| {
            format!("{} {} {}", u["grantee"], u["what"], u["object"]).replace(shop.db.prefix(), "").replace('"', "")
        })
        .collect();
    let expected = [
        "alice SELECT orders.orders",
        "alice USAGE schema orders",
        "bob SELECT orders.lines(id)",
        "bob SELECT orders.orders",
        "bob membership role orders_writer",
        "orders_app_a membership role pg_read_all_data",
    ];
    for line in expected {
        assert!(found.iter().any(|f| f == line), "{line} is not in {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");

    shop.apply(&[]).exits(0);
    assert!(shop.holds("has_table_privilege('@bob', 'orders.orders', 'select')").await, "kept without --prune");
    shop.apply(&["--prune"]).exits(0);
    shop.converged();
    for role in ["alice", "bob"] {
        assert!(!shop.holds(&format!("has_table_privilege('@{role}', 'orders.orders', 'select')")).await);
    }
    assert!(!shop.holds("pg_has_role('@orders_app_a', 'pg_read_all_data', 'member')").await);
    let plan = shop.project.run(&["plan", "--format", "json"]).exits(0).json();
    assert_eq!(plan["unmanaged"], serde_json::json!([]));
}

#[tokio::test]
async fn a_contract_goes_when_both_manifests_drop_it() {
    let shop = Shop::applied().await;
    shop.project.manifest("orders", &ORDERS.replace("consumes: [billing.invoice_status]", ""));
    let billing = BILLING.replace("exposes:\n  - { view: invoice_status, to: [orders] }\n", "");
    shop.project.manifest("billing", &billing);
    let refused = shop.project.run(&["apply"]).exits(5);
    assert!(refused.stderr.contains("hazard-not-allowed"), "{}", refused.stderr);
    shop.apply(&[]).exits(0);
    shop.converged();
    assert!(!shop.holds("has_schema_privilege('@orders_app_a', 'billing', 'usage')").await);
    assert!(!shop.holds("has_table_privilege('@orders_app_a', 'billing.invoice_status', 'select')").await);
}

#[tokio::test]
async fn a_service_whose_manifest_is_gone_is_reported_and_keeps_its_schema() {
    let shop = Shop::applied().await;
    shop.project.manifest("orders", &ORDERS.replace("consumes: [billing.invoice_status]", ""));
    shop.project.remove("manifests/billing.yaml");
    let plan = shop.project.run(&["plan"]).exits(0);
    assert!(plan.stdout.contains("billing has no manifest any more"), "{}", plan.stdout);
    assert!(!plan.stdout.contains("membership on role"), "{}", plan.stdout);
    shop.apply(&["--prune"]).exits(0);
    assert!(shop.holds("has_database_privilege('@billing_app_a', current_database(), 'connect')").await);
    shop.apply(&["--allow", "drop-service"]).exits(0);
    assert!(shop.holds("(select not rolcanlogin from pg_roles where rolname = '@billing_app_a')").await);
    assert!(shop.holds("(select count(*) from billing.invoices) = 1").await);
    shop.converged();
}

#[tokio::test]
async fn a_credential_that_left_its_manifest_is_dropped_once_allowed() {
    let shop = Shop::applied().await;
    shop.project.manifest("orders", &ORDERS.replace("  reports: { access: read }\n", ""));
    shop.apply(&[]).exits(5);
    shop.apply(&["--allow", "drop-role"]).exits(0);
    shop.converged();
    assert!(shop.holds("not exists (select from pg_roles where rolname like '@orders\\_reports%')").await);
}

#[tokio::test]
async fn an_apply_that_changes_nothing_writes_nothing() {
    let shop = Shop::applied().await;
    let state = "select (select count(*)::text from pgcleave.applied_plan) || ' ' || \
        (select string_agg(xmin::text, ',' order by oid) from pg_class where relnamespace = 'orders'::regnamespace) || ' ' || \
        (select string_agg(xmin::text, ',' order by service, name) from pgcleave.credential)";
    let before = shop.db.texts(state).await;
    let answer = shop.apply(&[]).exits(0);
    assert!(answer.stdout.contains("Nothing to change"), "{}", answer.stdout);
    assert_eq!(shop.db.texts(state).await, before);
}

#[tokio::test]
async fn a_plan_whose_migrations_cannot_run_is_not_empty() {
    let shop = Shop::applied().await;
    shop.project.write("migrations/orders/V2_misnamed.sql", "select 1");
    let plan = shop.project.run(&["plan", "--detailed-exitcode"]).exits(3);
    assert!(plan.stdout.contains("Nothing can be changed in database"), "{}", plan.stdout);
    assert!(plan.stdout.contains("orders's migrations cannot run"), "{}", plan.stdout);
    shop.apply(&[]).exits(1);
}

#[tokio::test]
async fn scripts_that_read_what_is_exposed_in_the_same_run_go_through() {
    let shop = Shop::new().await;
    shop.project.manifest("billing", &format!("{BILLING}consumes: [orders.due]\n"));
    shop.project.manifest("orders", &ORDERS.replace("consumes:", "exposes: [{ view: due, to: [billing] }]\nconsumes:"));
    shop.project
        .write("migrations/orders/V2__due.sql", "create view due as select i.order_id from billing.invoice_status i");
    shop.project.write("migrations/billing/V2__reminders.sql", "create view reminders as select * from orders.due");
    let answer = shop.apply(&["--format", "json"]).exits(0).json();
    let migrations = answer["services"].as_array().expect("services").iter().map(|s| s["migrations"].clone());
    let migrations: Vec<_> = migrations.filter(|list| list != &serde_json::json!([])).collect();
    assert_eq!(migrations.len(), 2, "{answer:#}");
    assert!(migrations.iter().all(|list| list.as_array().map(Vec::len) == Some(2)), "{answer:#}");
    shop.converged();
}

#[tokio::test]
async fn a_migration_that_fails_leaves_its_service_and_not_the_others() {
    let shop = Shop::new().await;
    shop.project.write("migrations/orders/V2__broken.sql", "create table t (id int);\nselect 1/0;");
    let answer = shop.apply(&["--format", "json"]).exits(1).json();
    let services = answer["services"].as_array().expect("services");
    let error = |name: &str| services.iter().find(|s| s["service"] == name).expect("it is named")["error"].clone();
    assert!(error("billing").is_null());
    assert!(error("orders").as_str().expect("a reason").contains("V2__broken.sql"), "{}", error("orders"));
    assert!(shop.holds("to_regclass('billing.invoice_status') is not null and to_regclass('orders.t') is null").await);
    shop.project.write("migrations/orders/V2__broken.sql", "create table t (id int);");
    shop.apply(&[]).exits(0);
    shop.converged();
}

#[tokio::test]
async fn a_grant_that_a_migration_makes_to_another_service_does_not_stay() {
    let shop = Shop::applied().await;
    let sql = "grant usage on schema orders to public; grant select on orders to public;";
    shop.project.write("migrations/orders/V2__leak.sql", sql);
    shop.project.run(&["apply"]).exits(0);
    shop.converged();
    assert!(!shop.holds("has_schema_privilege('public', 'orders', 'usage')").await);
}

#[tokio::test]
async fn a_login_that_owns_something_in_another_database_stays_until_that_is_gone_and_is_named() {
    let (shop, other) = (Shop::applied().await, TestDb::new().await);
    let login = format!("{}orders_reports_a", shop.db.prefix());
    other.run(&format!("create table public.mine (id int); alter table public.mine owner to {login}")).await;
    let fewer = super::ORDERS.replace("  reports: { access: read }\n", "");
    shop.project.manifest("orders", &fewer);
    let failed = shop.apply(&["--allow", "drop-role"]).exits(1);
    let told = format!("{}{}", failed.stdout, failed.stderr);
    assert!(told.contains(&login) && told.contains("2BP01"), "{told}");
    assert!(shop.holds("exists (select from pg_roles where rolname = '@orders_reports_a')").await);
    assert_eq!(other.texts("select count(*)::text from public.mine").await, ["0"], "nothing of it is dropped");
    // REASSIGN and DROP OWNED reach one database only: it is done there.
    other.run(&format!("drop owned by {login}")).await;
    shop.apply(&["--allow", "drop-role"]).exits(0);
    shop.converged();
}
