//! `pgcleave split check` on real servers: it only reads, and tells everything.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::{Answer, Project, TestDb, answer, pg_dump_folder};

const ORDERS: &str = "
migrations: ../migrations/orders
credentials:
  app: { access: write }
exposes:
  - { view: order_summary, to: [billing] }
";

const BILLING: &str = "
migrations: ../migrations/billing
consumes: [orders.order_summary]
";

/// A shop in one database, and an empty one beside it.
struct Shop {
    source: TestDb,
    target: TestDb,
    project: Project,
    programs: Option<PathBuf>,
}

impl Shop {
    async fn new() -> Self {
        let (source, target) = (TestDb::new().await, TestDb::new().await);
        let project = Project::new(&source);
        project.manifest("orders", ORDERS);
        project.manifest("billing", BILLING);
        project.write(
            "migrations/orders/V1__orders.sql",
            "create table orders (id bigint primary key, total numeric); \
             create view order_summary as select id, total from orders; \
             insert into orders select n, n from generate_series(1, 100) n;",
        );
        project.write("migrations/billing/V1__invoices.sql", "create table invoices (id bigint primary key);");
        let programs = pg_dump_folder(source.major()).await;
        let shop = Self { source, target, project, programs };
        shop.project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
        shop
    }

    fn check(&self, more: &[&str]) -> Answer {
        let mut command =
            self.project.command(&[&["split", "check", "orders", "--to", &self.target.url()], more].concat());
        command.envs(self.programs.iter().map(|folder| ("PGCLEAVE_PG_BIN", folder)));
        answer(command.output().expect("the binary runs"))
    }
}

fn kinds(answer: &Answer, list: &str) -> BTreeSet<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let items = answer.json()[list].as_array().expect("a list").clone();
    items.iter().map(|item| (text(&item["kind"]), text(&item["object"]))).collect()
}

#[tokio::test]
async fn a_service_that_keeps_to_its_line_can_move() {
    let shop = Shop::new().await;
    let told = shop.check(&["--format", "json"]).exits(0);
    let json = told.json();
    assert_eq!((&json["format"], &json["phase"]), (&"pgcleave.split/1".into(), &"checked".into()));
    assert_eq!(json["estimate"]["tables"], 2, "its history is a table too: {json:#}");
    assert!(json["unknown"].to_string().contains("free disk"), "{json:#}");
    let human = shop.check(&[]).exits(0).stdout;
    assert!(human.contains("orders can move."), "{human}");
    let left =
        shop.target.texts("select nspname::text from pg_namespace where nspname in ('orders', 'pgcleave')").await;
    assert!(left.is_empty(), "a check writes nothing");
}

#[tokio::test]
async fn everything_in_the_way_is_told_with_its_fix() {
    let shop = Shop::new().await;
    let cancel = "  - { function: \"cancel(bigint)\", to: [billing] }\n";
    shop.project.manifest("orders", &format!("{ORDERS}{cancel}"));
    shop.project.manifest("billing", &BILLING.replace("summary]", "summary, \"orders.cancel(bigint)\"]"));
    shop.source
        .run(
            "create table orders.log (at timestamptz, what text);
             create unlogged table orders.cache (id int primary key);
             create view billing.all_orders as select id from orders.orders;
             create table orders.lines (id int primary key, invoice bigint references billing.invoices);
             create function orders.peek() returns bigint language sql as 'select count(*) from billing.invoices';
             create materialized view orders.daily as select count(*) as n from orders.orders;
             create table orders.fires (id int primary key);
             create function orders.note() returns trigger language plpgsql as 'begin return new; end';
             create trigger note after insert on orders.fires for each row execute function orders.note();
             alter table orders.fires enable always trigger note;",
        )
        .await;
    shop.target.run("create schema orders; create table orders.mine (id int)").await;
    let told = shop.check(&["--format", "json"]).exits(3);
    assert!(told.json()["phase"].is_null());
    let found: BTreeSet<String> = kinds(&told, "blockers").into_iter().map(|(kind, _)| kind).collect();
    for kind in ["cpl06", "foreign-key", "needed-by", "replica-identity", "target-not-empty", "trigger", "unlogged"] {
        assert!(found.contains(kind), "{kind}: {}", told.stdout);
    }
    let warnings = kinds(&told, "warnings");
    assert!(warnings.contains(&("materialized-view".to_owned(), "daily".to_owned())), "{warnings:?}");
    assert!(warnings.contains(&("bridge".to_owned(), "orders.cancel(bigint)".to_owned())), "{warnings:?}");
    for item in told.json()["blockers"].as_array().expect("a list") {
        assert!(!item["fix"].as_str().expect("a fix").is_empty(), "{item:#}");
    }
    let human = shop.check(&[]).exits(3).stdout;
    assert!(human.contains("orders cannot move yet"), "{human}");
}

#[tokio::test]
async fn without_a_superuser_it_reads_what_it_may_and_says_what_it_may_not() {
    let mut shop = Shop::new().await;
    shop.project.connect_as(shop.source.createrole_admin().await);
    let (database, prefix) = (shop.source.name(), shop.source.prefix());
    shop.source.run(&format!("grant connect on database {database} to {prefix}admin")).await;
    let told = shop.check(&["--format", "json"]).exits(3);
    let admin = format!("{}admin", shop.source.prefix());
    let unknown = told.json()["unknown"].to_string();
    assert!(unknown.contains(&format!("{admin} sees only its own")), "{unknown}");
    let rights: Vec<_> = kinds(&told, "blockers").into_iter().filter(|(kind, _)| kind == "rights").collect();
    assert!(rights.iter().any(|(_, object)| object == "source make replication slots"), "{rights:?}");
}

#[tokio::test]
async fn an_administrator_hears_only_of_tables_that_no_login_could_read() {
    let mut shop = Shop::new().await;
    let (database, prefix) = (shop.source.name().to_owned(), shop.source.prefix().to_owned());
    let admin = shop.source.createrole_admin().await;
    shop.project.connect_as(admin);
    shop.source
        .run(&format!(
            "grant connect on database {database} to {prefix}admin;
             create table orders.few (id int primary key); alter table orders.few owner to {prefix}orders_owner;
             create table orders.none (id int primary key); alter table orders.none owner to {prefix}orders_owner;
             alter table orders.few enable row level security; alter table orders.none enable row level security;
             alter table orders.none force row level security"
        ))
        .await;
    // On 16 and later an administrator may grant only what it has made, or was given.
    let given = format!("grant {prefix}orders_owner to {prefix}admin with admin option");
    let unreadable = |told: &Answer| {
        let all = kinds(told, "blockers").into_iter();
        let known =
            ["inaccessible", "row-level-security", "needs-owner", "row-security-forced", "owner-lacks-privilege"];
        all.filter(|(kind, _)| known.contains(&kind.as_str())).collect::<BTreeSet<_>>()
    };
    let is = |kind: &str, table: &str| (kind.to_owned(), format!("orders.{table}"));
    let before = unreadable(&shop.check(&["--format", "json"]).exits(3));
    if shop.source.major() >= 16 {
        assert!(before.contains(&is("needs-owner", "orders")), "{before:?}");
    }
    shop.source.run(&given).await;
    let found = unreadable(&shop.check(&["--format", "json"]).exits(3));
    assert_eq!(found, [is("row-security-forced", "none")].into(), "policies of few hide nothing from its owner");
    shop.source.run(&format!("revoke select on orders.few from {prefix}orders_owner")).await;
    let told = shop.check(&["--format", "json"]).exits(3);
    assert!(unreadable(&told).contains(&is("owner-lacks-privilege", "few")), "{}", told.stdout);
    let blockers = told.json()["blockers"].as_array().expect("a list").clone();
    let fix = blockers.iter().find(|item| item["kind"] == "owner-lacks-privilege").expect("it is there")["fix"].clone();
    shop.source.run(fix.as_str().expect("a statement")).await;
    let found = unreadable(&shop.check(&["--format", "json"]).exits(3));
    assert_eq!(found, [is("row-security-forced", "none")].into());
}

#[tokio::test]
async fn the_shared_database_is_no_target() {
    let shop = Shop::new().await;
    let url = shop.source.url();
    let told = shop.project.run(&["split", "check", "orders", "--to", &url, "--format", "json"]).exits(3);
    assert!(kinds(&told, "blockers").contains(&("same-database".to_owned(), "target".to_owned())), "{}", told.stdout);
    shop.project.run(&["split", "check", "nobody", "--to", &shop.target.url()]).exits(2);
}
