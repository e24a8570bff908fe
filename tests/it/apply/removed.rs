//! What a service whose manifest is gone leaves granted.

use super::{BILLING, ORDERS, Shop};

const CONSUMER: &str = "consumes: [billing.invoice_status]";
const KEEPS: &str = "has_table_privilege('@orders_app_a', 'billing.invoice_status', 'select') \
                     and has_schema_privilege('@orders_app_a', 'billing', 'usage')";

async fn applied(owning: bool) -> Shop {
    let mut shop = Shop::new().await;
    if owning {
        let url = shop.db.owning_admin().await;
        shop.project.connect_as(url);
    }
    shop.apply(&[]).exits(0);
    shop
}

#[tokio::test]
async fn a_removed_providers_grants_are_listed_and_pruned() {
    for owning in [false, true] {
        let shop = applied(owning).await;
        shop.project.manifest("orders", &ORDERS.replace(CONSUMER, ""));
        shop.project.remove("manifests/billing.yaml");
        shop.sql("grant select (paid) on billing.invoices to \"@orders_writer\"").await;
        assert!(shop.holds(KEEPS).await);

        let plan = shop.project.run(&["plan", "--detailed-exitcode"]).exits(3).stdout;
        assert!(plan.contains("billing.invoice_status") && !plan.contains("is as the manifests want it"), "{plan}");
        let json = shop.project.run(&["plan", "--format", "json"]).exits(0).json();
        assert!(json["unmanaged"].as_array().expect("a list").iter().all(|u| u["ours"] == true), "{json:#}");

        shop.apply(&[]).exits(0);
        assert!(shop.holds(KEEPS).await, "kept without --prune");
        let refused = shop.project.run(&["apply", "--prune"]).exits(5);
        assert!(refused.stderr.contains("revoke"), "{}", refused.stderr);
        shop.apply(&["--prune"]).exits(0);
        assert!(!shop.holds("has_table_privilege('@orders_app_a', 'billing.invoice_status', 'select')").await);
        assert!(!shop.holds("has_column_privilege('@orders_app_a', 'billing.invoices', 'paid', 'select')").await);
        assert!(!shop.holds("has_schema_privilege('@orders_app_a', 'billing', 'usage')").await);
        assert!(shop.holds("has_table_privilege('@billing_app_a', 'billing.invoices', 'select')").await);
        shop.converged();
        shop.project.run(&["plan", "--prune", "--detailed-exitcode"]).exits(0);
    }
}

#[tokio::test]
async fn a_removed_consumers_grants_are_listed_and_pruned() {
    for owning in [false, true] {
        let shop = applied(owning).await;
        shop.project.remove("manifests/orders.yaml");
        let billing = BILLING.replace("exposes:\n  - { view: invoice_status, to: [orders] }\n", "");
        shop.project.manifest("billing", &billing);
        let plan = shop.project.run(&["plan", "--detailed-exitcode"]).exits(3).stdout;
        assert!(plan.contains("orders_reader"), "{plan}");
        shop.apply(&["--prune"]).exits(0);
        assert!(!shop.holds("has_table_privilege('@orders_app_a', 'billing.invoice_status', 'select')").await);
        assert!(shop.holds("has_table_privilege('@orders_app_a', 'orders.orders', 'select')").await, "its own stay");
        shop.converged();
    }
}
