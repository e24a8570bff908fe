//! A manifest cannot move a schema, rename a service or change a database's environment.

use super::{BILLING, ORDERS, Shop};

#[tokio::test]
async fn refuses_another_schema_for_a_service_that_has_one() {
    let shop = Shop::applied().await;
    shop.project.manifest("billing", &format!("schema: money\n{BILLING}"));
    for command in [&["plan"][..], &["apply", "--allow", "revoke,close-database"], &["apply", "--service", "billing"]] {
        let refused = shop.project.run(command).exits(5);
        assert!(refused.stderr.contains("schema-changed"), "{}", refused.stderr);
        assert!(refused.stderr.contains("`schema: billing`"), "{}", refused.stderr);
    }
    assert!(shop.holds("to_regnamespace('money') is null").await);
    // a part that does not touch it goes on
    shop.project.run(&["plan", "orders"]).exits(0);
    // the positive control: who has moved the schema by hand may say so
    shop.sql("alter schema billing rename to money").await;
    shop.apply(&[]).exits(0);
    assert!(shop.holds("(select count(*) from money.invoices) = 1").await);
    shop.converged();
}

#[tokio::test]
async fn refuses_a_service_that_takes_the_schema_of_one_whose_manifest_is_gone() {
    let shop = Shop::applied().await;
    shop.project.manifest("orders", &ORDERS.replace("consumes: [billing.invoice_status]", ""));
    shop.project.remove("manifests/billing.yaml");
    let renamed = BILLING.replace("exposes:\n  - { view: invoice_status, to: [orders] }\n", "");
    shop.project.manifest("payments", &format!("schema: billing\n{renamed}"));
    for command in [&["plan"][..], &["apply", "--allow", "revoke,close-database,change-owner,drop-service"]] {
        let refused = shop.project.run(command).exits(5);
        assert!(refused.stderr.contains("service-renamed"), "{}", refused.stderr);
        assert!(refused.stderr.contains("`service: billing` in billing.yaml"), "{}", refused.stderr);
    }
    assert!(shop.holds("not exists (select from pg_roles where rolname = '@payments_owner')").await);
}

#[tokio::test]
async fn refuses_an_environment_of_another_prefix() {
    let shop = Shop::applied().await;
    let config = |prefix: &str| {
        format!("environments: {{ test: {{ database_url_env: TEST_URL, role_prefix: \"{prefix}\" }} }}\n")
    };
    shop.project.write("pgcleave.yaml", &config(&format!("{}x_", shop.db.prefix())));
    for command in [&["plan"][..], &["apply", "--allow", "revoke,close-database"], &["plan", "orders"]] {
        let refused = shop.project.run(command).exits(5);
        assert!(refused.stderr.contains("wrong-environment"), "{}", refused.stderr);
        assert!(refused.stderr.contains(shop.db.prefix()), "{}", refused.stderr);
    }
    assert!(shop.holds("not exists (select from pg_roles where rolname like '@x\\_%')").await);
    shop.project.write("pgcleave.yaml", &config(shop.db.prefix()));
    shop.converged();
}
