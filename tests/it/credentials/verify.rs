//! The proof: right on a right database, and blind to no planted leak.

use pgcleave::credentials::verify::matrix::{Cell, Declared, Matrix};
use pgcleave::model::naming::{Access, Slot};
use pgcleave::report::credentials::matrix::{human, json};

use super::shop::Shop;

fn cell<'a>(matrix: &'a Matrix, credential: &str, service: &str) -> &'a Cell {
    let (own, name) = credential.split_once('/').expect("service/credential");
    let row = matrix.credentials.iter().find(|r| r.service.as_str() == own && r.credential == name).expect("a row");
    row.cells.iter().find(|c| c.service.as_str() == service).expect("a cell")
}

/// Tries a leak and checks that it is found in exactly one cell, then takes it back.
async fn finds(shop: &Shop, plant: &str, uproot: &str, credential: &str, service: &str, leaks: &[&str]) {
    let fill = |sql: &str| sql.replace("P_", shop.db.prefix());
    shop.db.run(&fill(plant)).await;
    let matrix = shop.verify().await;
    let found = cell(&matrix, credential, service);
    let leaks: Vec<_> = leaks.iter().map(|l| fill(l)).collect();
    assert_eq!(found.leaks, leaks, "{plant}");
    assert!(!matrix.is_right() && matrix.has_findings());
    shop.db.run(&fill(uproot)).await;
}

#[tokio::test]
async fn what_apply_makes_is_proven_right() {
    for shop in [Shop::new().await, Shop::by_createrole_admin().await] {
        let shop = shop.with_objects().await;
        let matrix = shop.verify().await;
        assert!(matrix.is_right(), "{}", human(&matrix, usize::MAX));
        assert_eq!(cell(&matrix, "orders/app", "orders").declared, Declared::Own(Access::Write));
        assert_eq!(cell(&matrix, "billing/app", "orders").declared, Declared::Nothing);
        assert!(cell(&matrix, "billing/app", "orders").attempts > 20);
        assert!(matches!(&cell(&matrix, "orders/reports", "billing").declared, Declared::Contracts(c) if c.len() == 2));
        let text = anstream_free(&human(&matrix, usize::MAX));
        expect_test::expect![[r#"
            CREDENTIAL        billing             orders
            billing/app       write tried         · catalog
            billing/migrator  owner tried         · catalog
            orders/app        contract 2 catalog  write tried
            orders/migrator   contract 2 catalog  owner tried
            orders/reports    contract 2 catalog  read tried

            Proven: 5 credentials reach what is declared of 2 services and nothing else (N)
        "#]]
        .assert_eq(&text);
        let value: serde_json::Value = serde_json::from_str(&json(&matrix)).expect("JSON");
        assert_eq!((&value["format"], &value["ok"]), (&"pgcleave.credentials/1".into(), &true.into()));
        assert_eq!(value["matrix"][2]["cells"][0]["reaches"], "contract");
    }
}

/// Takes colours and the numbers of answers out.
fn anstream_free(text: &str) -> String {
    let plain = anstream::adapter::strip_str(text).to_string();
    let (head, tail) = plain.rsplit_once('(').expect("the numbers of answers");
    assert!(tail.contains(" tried, ") && tail.ends_with(" from the catalog)\n"), "{tail}");
    format!("{head}(N)\n")
}

#[tokio::test]
async fn nothing_is_written_while_proving() {
    let shop = Shop::new().await.with_objects().await;
    let look = "select pg_catalog.concat_ws(' ', (select is_called from orders.numbers), (select last_value from orders.numbers),
        (select pg_catalog.count(*) from pg_catalog.pg_class where relname = 'pgcleave_attempt'),
        (select pg_catalog.count(*) from billing.invoice))";
    let before = shop.db.texts(look).await;
    assert!(shop.verify().await.is_right());
    assert_eq!(shop.db.texts(look).await, before);
    assert_eq!(before, ["f 1 0 0"]);
}

#[tokio::test]
async fn a_grant_on_another_schema_is_found() {
    let shop = Shop::new().await.with_objects().await;
    let on = "select, insert on billing.invoice";
    finds(
        &shop,
        &format!("grant {on} to P_orders_app_a"),
        &format!("revoke {on} from P_orders_app_a"),
        "orders/app",
        "billing",
        &["insert billing.invoice", "select billing.invoice"],
    )
    .await;
    // USAGE on the schema is there already, through the contract; without it a grant reaches nothing
    let on = "select on orders.line";
    shop.db.run(&format!("grant {on} to {}billing_app_a", shop.db.prefix())).await;
    assert!(shop.verify().await.is_right(), "a grant without USAGE on the schema reaches nothing");
    finds(
        &shop,
        "grant usage on schema orders to P_billing_writer",
        "revoke usage on schema orders from P_billing_writer; revoke select on orders.line from P_billing_app_a",
        "billing/app",
        "orders",
        &["select orders.line"],
    )
    .await;
    assert!(shop.verify().await.is_right());
}

#[tokio::test]
async fn column_sequence_routine_type_and_schema_grants_are_found() {
    let shop = Shop::new().await.with_objects().await;
    let leaks = [
        ("select (id) on billing.invoice", &["select billing.invoice"][..]),
        ("insert (id) on billing.invoice", &["insert billing.invoice"]),
        ("update (amount) on billing.invoice", &["write columns billing.invoice"]),
        ("truncate on billing.invoice", &["truncate, reference or trigger billing.invoice"]),
        (
            "update on sequence billing.invoice_number_seq",
            &["update billing.invoice_number_seq", "usage billing.invoice_number_seq"],
        ),
        ("usage on sequence billing.invoice_number_seq", &["usage billing.invoice_number_seq"]),
        ("execute on function billing.pay(uuid)", &["execute billing.pay(uuid)"]),
        ("execute on procedure billing.close_month(date)", &["execute billing.close_month(date)"]),
        ("usage on type billing.status", &["usage billing.status"]),
        ("create on schema billing", &["create in schema billing"]),
    ];
    for (on, found) in leaks {
        let (plant, uproot) = (format!("grant {on} to P_orders_reader"), format!("revoke {on} from P_orders_reader"));
        finds(&shop, &plant, &uproot, "orders/reports", "billing", found).await;
    }
    assert!(shop.verify().await.is_right());
}

#[tokio::test]
async fn a_public_grant_is_found_in_every_row() {
    let shop = Shop::new().await.with_objects().await;
    shop.db.run("grant usage on schema orders to public; grant execute on function orders.next() to public").await;
    let matrix = shop.verify().await;
    for credential in ["billing/app", "billing/migrator"] {
        assert_eq!(cell(&matrix, credential, "orders").leaks, ["execute orders.next()"]);
    }
    assert_eq!(cell(&matrix, "orders/reports", "orders").leaks, ["execute orders.next()"], "a reader neither");
    assert!(
        anstream::adapter::strip_str(&human(&matrix, usize::MAX))
            .to_string()
            .contains("billing/app       write tried         LEAK")
    );
}

#[tokio::test]
async fn a_membership_that_can_only_be_set_is_found() {
    let shop = Shop::new().await.with_objects().await;
    let (plant, uproot) = match shop.db.major() {
        ..16 => (
            "create role P_bridge noinherit; grant P_bridge to P_orders_app_a; grant P_billing_reader to P_bridge",
            "revoke P_billing_reader from P_bridge; revoke P_bridge from P_orders_app_a; drop role P_bridge",
        ),
        _ => (
            "grant P_billing_reader to P_orders_app_a with inherit false, set true",
            "revoke P_billing_reader from P_orders_app_a",
        ),
    };
    let fill = |sql: &str| sql.replace("P_", shop.db.prefix());
    shop.db.run(&fill(plant)).await;
    let matrix = shop.verify().await;
    assert_eq!(cell(&matrix, "orders/app", "billing").leaks, [fill("become role P_billing_reader")]);
    shop.db.run(&fill(uproot)).await;
    assert!(shop.verify().await.is_right());
}

#[tokio::test]
async fn a_reader_that_writes_in_its_own_service_is_found() {
    let shop = Shop::new().await.with_objects().await;
    let (plant, uproot) =
        ("grant delete on orders.line to P_orders_reports_a", "revoke delete on orders.line from P_orders_reports_a");
    finds(&shop, plant, uproot, "orders/reports", "orders", &["delete orders.line"]).await;
}

#[tokio::test]
async fn a_missing_grant_and_a_missing_contract_are_found() {
    let shop = Shop::new().await.with_objects().await;
    let prefix = shop.db.prefix();
    shop.db
        .run(&format!(
            "revoke select on billing.invoice_status from {prefix}orders_reader;
             revoke insert on orders.line from {prefix}orders_writer;
             drop function billing.total(uuid)"
        ))
        .await;
    let matrix = shop.verify().await;
    let gone = "find billing.total(uuid), which is not there";
    assert_eq!(cell(&matrix, "orders/app", "billing").missing, ["select billing.invoice_status", gone]);
    assert_eq!(cell(&matrix, "orders/app", "orders").missing, ["insert orders.line"]);
    assert!(cell(&matrix, "orders/migrator", "orders").is_right());
    assert!(matrix.has_findings());
}

#[tokio::test]
async fn a_secret_that_does_not_log_in_is_a_problem_and_no_finding() {
    let shop = Shop::new().await.with_objects().await;
    let login = shop.login("orders", "app", Slot::A);
    shop.db.run(&format!("alter role {login} nologin")).await;
    let file = shop.secrets_folder().join(format!("{}orders_reports.env", shop.db.prefix()));
    std::fs::remove_file(file).expect("it was there");
    let matrix = shop.verify().await;
    let problem = |name: &str| {
        let row = matrix.credentials.iter().find(|r| r.service.as_str() == "orders" && r.credential == name);
        row.expect("a row").problem.clone().unwrap_or_default()
    };
    assert!(problem("app").contains("not permitted to log in"), "{}", problem("app"));
    assert!(problem("reports").contains("missing from the sink"), "{}", problem("reports"));
    assert_eq!(problem("migrator"), "");
    assert!(!matrix.is_right() && !matrix.has_findings());
}
