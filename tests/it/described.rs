//! Services that are described, not managed: known to all that looks, changed by nothing.

use crate::support::{Project, TestDb};

/// What somebody else set up: owners that log in, groups, grants across, default privileges, an extension.
const FOREIGN: &str = "
create role @shopkeeper login;
create role @shop_web login;
create role @warehouse;
create role @stock_team;
create role @picker login;
create role @accountant login;
grant @warehouse to @picker;
grant @stock_team to @picker, @shop_web;
create extension pgcrypto;
create schema shop authorization @shopkeeper;
create schema stock authorization @warehouse;
create schema books authorization @accountant;
create schema loose;
set role @shopkeeper;
create table shop.products (id bigint generated always as identity primary key, name text);
create table shop.sales (product bigint references shop.products, at timestamptz default now());
create view shop.catalogue as select id, name from shop.products;
create function shop.known(bigint) returns bool language sql stable as 'select true';
create type shop.state as enum ('new', 'old');
grant usage on schema shop to @shop_web, @picker, @accountant;
grant select, insert, update, delete on all tables in schema shop to @shop_web;
grant select on shop.catalogue to @picker;
grant select on shop.catalogue to @accountant with grant option;
grant select (name) on shop.products to @accountant;
alter default privileges in schema shop grant select on tables to @shop_web;
alter default privileges grant execute on functions to @picker;
set role @warehouse;
create table stock.levels (product bigint, count int);
create table stock.secrets (code text);
create sequence stock.batch;
grant usage on schema stock to public;
grant select on stock.levels to public;
grant usage on sequence stock.batch to @shop_web;
grant select on stock.secrets to @stock_team;
set role @accountant;
create table books.entries (id int, amount numeric);
grant usage on schema books to @shopkeeper;
grant select on books.entries to @shopkeeper;
reset role;
create table loose.ends (x int);
create table shop.by_superuser (x int);
alter role @picker set search_path = stock, shop;
";

async fn foreign() -> (TestDb, Project) {
    let db = TestDb::new().await;
    db.run(&FOREIGN.replace('@', db.prefix())).await;
    let project = Project::new(&db);
    (db, project)
}

fn read(project: &Project, service: &str) -> String {
    std::fs::read_to_string(project.path().join(format!("manifests/{service}.yaml"))).expect("a manifest")
}

/// Takes `managed: false` out of a manifest.
fn manage(project: &Project, service: &str) {
    let text = read(project, service);
    assert!(text.contains("\nmanaged: false\n"), "{text}");
    project.write(&format!("manifests/{service}.yaml"), &text.replace("\nmanaged: false\n", "\n"));
}

/// All that GRANT, ALTER and CREATE can change for the database's own roles and schemas, as text.
async fn everything(db: &TestDb) -> Vec<String> {
    let p = db.prefix();
    db.texts(&format!(
        "select concat_ws(' ', 'role', rolname, rolcanlogin, rolinherit, rolconnlimit) from pg_catalog.pg_roles where pg_catalog.starts_with(rolname, '{p}')
         union all select concat_ws(' ', 'member', pg_catalog.pg_get_userbyid(roleid), pg_catalog.pg_get_userbyid(member)) from pg_catalog.pg_auth_members
            where pg_catalog.starts_with(pg_catalog.pg_get_userbyid(member), '{p}')
         union all select concat_ws(' ', 'schema', nspname, pg_catalog.pg_get_userbyid(nspowner), nspacl::text) from pg_catalog.pg_namespace where nspname !~ '^pg_'
         union all select concat_ws(' ', 'relation', oid::regclass, pg_catalog.pg_get_userbyid(relowner), relacl::text) from pg_catalog.pg_class where relnamespace > 16000 and relname not like 'lock\\_%'
         union all select concat_ws(' ', 'database', datacl::text) from pg_catalog.pg_database where datname = pg_catalog.current_database()
         union all select concat_ws(' ', 'default', d.*::text) from pg_catalog.pg_default_acl d
         order by 1"
    ))
    .await
}

#[tokio::test]
async fn a_foreign_database_is_adopted_so_that_a_plan_changes_nothing() {
    let (db, project) = foreign().await;
    let before = everything(&db).await;
    let adopted = project.run(&["adopt", "--format", "json"]).exits(0).json();
    assert_eq!(adopted["plan"]["changes"], 0, "{adopted:#}");
    assert!(adopted["managed_plan"]["changes"].as_u64().is_some_and(|n| n > 20), "{adopted:#}");
    for service in adopted["services"].as_array().expect("services") {
        assert_eq!(service["managed"], false, "{service:#}");
        assert!(service["otherwise"]["create"].as_u64().is_some_and(|n| n >= 3), "{service:#}");
    }
    let checked = project.run(&["check"]).exits(0);
    assert!(checked.stdout.contains("shop   described, not managed, "), "{}", checked.stdout);
    assert!(read(&project, "shop").contains("- { view: catalogue, to: [books, stock] }"), "{}", read(&project, "shop"));

    project.expect_no_changes();
    let plan = project.run(&["plan"]).exits(0).stdout;
    assert!(plan.contains("Nothing to change"), "{plan}");
    assert!(
        plan.contains("books, loose, shop and stock are described, not managed: plan changes nothing of them"),
        "{plan}"
    );
    project.run(&["apply"]).exits(0);
    project.run(&["migrate"]).exits(0);
    assert_eq!(everything(&db).await, before);
}

#[tokio::test]
async fn the_listing_says_what_a_plan_would_change_without_it() {
    let (_db, project) = foreign().await;
    let told = project.run(&["adopt"]).exits(0).stdout;
    assert!(told.contains("    described, not managed: otherwise a plan has "), "{told}");
    assert!(told.contains("\nA plan with these manifests changes nothing.\n"), "{told}");
    assert!(told.contains("\nWith every service managed it has "), "{told}");
    assert!(told.contains("what is said of plans holds once `managed: false` is out"), "{told}");
}

#[tokio::test]
async fn the_audit_finds_a_described_services_roles_by_owner_membership_and_name() {
    let (db, project) = foreign().await;
    project.run(&["adopt"]).exits(0);
    let audited = project.run(&["audit", "--format", "json"]).exits(4).json();
    let found: Vec<String> = audited["findings"].as_array().expect("findings").iter().map(line).collect();
    let at = |text: &str| text.replace('@', db.prefix());
    for expected in [
        "ACC07 error PUBLIC (none) -> stock.levels (stock) declared=false",
        "MEM01 error @shop_web (shop) -> role @stock_team (stock) declared=false",
        "ACC02 error @accountant (books) -> shop.products.name (shop) declared=false",
        "FUT01 error @picker (stock) -> future functions of @shopkeeper (shop) declared=false",
        "ACC12 error @accountant (books) -> shop.catalogue (shop) declared=true",
    ] {
        assert!(found.contains(&at(expected)), "{expected}\n{}", found.join("\n"));
    }
    // what adopt took for contracts
    for covered in
        ["@shopkeeper (shop) -> books.entries", "@picker (stock) -> shop.catalogue", "@shop_web (shop) -> stock.batch"]
    {
        let covered = at(&format!("error {covered}"));
        assert!(!found.iter().any(|f| f.contains(&covered)), "{covered}\n{}", found.join("\n"));
    }
    assert!(!found.iter().any(|f| f.starts_with("HYG03") && f.contains(&at("@picker"))), "{}", found.join("\n"));
    assert!(!found.iter().any(|f| f.starts_with("HYG05 warning")), "{}", found.join("\n"));
}

fn line(finding: &serde_json::Value) -> String {
    let text = |key: &str| finding[key].as_str().unwrap_or("none").to_owned();
    format!(
        "{} {} {} ({}) -> {} ({}) declared={}",
        text("rule"),
        text("severity"),
        text("principal"),
        text("principal_service"),
        text("object"),
        text("service"),
        finding["declared"]
    )
}

#[tokio::test]
async fn one_that_becomes_managed_is_planned_and_applied_and_the_others_stay() {
    let (db, project) = foreign().await;
    project.run(&["adopt"]).exits(0);
    manage(&project, "books");
    let plan = project.run(&["plan", "--detailed-exitcode", "--format", "json"]).exits(3).json();
    let changes = plan["changes"].as_array().expect("changes");
    let others = changes.iter().filter(|c| !c["service"].is_null() && c["service"] != "books");
    assert_eq!(others.count(), 0, "{plan:#}");
    let stays = |rows: Vec<String>| -> Vec<String> {
        let theirs = |row: &String| (row.contains("shop") || row.contains("stock")) && !row.contains("books");
        rows.into_iter().filter(theirs).collect()
    };
    let before = stays(everything(&db).await);
    project.run(&["apply", "--allow", "revoke,close-database,change-owner"]).exits(0);
    project.expect_no_changes();
    let after: Vec<String> = stays(everything(&db).await).into_iter().filter(|r| before.contains(r)).collect();
    assert_eq!(after, before);

    // what books uses of the described shop is left to the hand, and told
    let plan = project.run(&["plan"]).exits(0).stdout;
    let reader = format!("{}books_reader", db.prefix());
    let told = format!(
        "shop.catalogue is exposed to books, and shop is only described: its owner can run: grant usage on schema \
         \"shop\" to \"{reader}\"; grant select on table \"shop\".\"catalogue\" to \"{reader}\""
    );
    assert!(plan.contains(&told), "{told}\n{plan}");
    let stale = |project: &Project| {
        let audited = project.run(&["audit", "--rule", "HYG05", "--format", "json", "--fail-on", "never"]).json();
        audited["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .map(line)
            .filter(|f| f.contains(" warning "))
            .collect::<Vec<_>>()
    };
    assert!(stale(&project).iter().any(|f| f.contains("books -> shop.catalogue")), "{:?}", stale(&project));
    db.run(&format!("grant usage on schema shop to {reader}; grant select on shop.catalogue to {reader}")).await;
    assert!(!project.run(&["plan"]).exits(0).stdout.contains("shop is only described"));
    assert!(!stale(&project).iter().any(|f| f.contains("books -> shop.catalogue")), "{:?}", stale(&project));

    // what books exposes to the described shop is kept, even from --prune, and nothing else is
    let entries = db.texts("select relacl::text from pg_catalog.pg_class where relname = 'entries'").await;
    assert!(entries[0].contains(&format!("{}shopkeeper=r/", db.prefix())), "{entries:?}");
    db.run(&format!("grant delete on books.entries to {}shopkeeper", db.prefix())).await;
    project.run(&["apply", "--prune", "--allow", "revoke,close-database"]).exits(0);
    let entries = db.texts("select relacl::text from pg_catalog.pg_class where relname = 'entries'").await;
    assert!(entries[0].contains(&format!("{}shopkeeper=r/", db.prefix())), "{entries:?}");
    project.expect_no_changes();
}

#[tokio::test]
async fn a_command_for_managed_services_refuses_one_that_is_described() {
    let (_db, project) = foreign().await;
    project.run(&["adopt"]).exits(0);
    for arguments in [&["plan", "shop"][..], &["migrate", "shop"], &["credentials", "rotate", "shop/app"]] {
        let refused = project.run(arguments).exits(2);
        assert!(refused.stderr.contains("shop is described, not managed"), "{arguments:?}: {}", refused.stderr);
    }
}

#[tokio::test]
async fn one_that_was_managed_and_is_only_described_keeps_all_it_has() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    project.manifest("orders", "credentials:\n  app: { access: write }\nexposes: [{ table: t, to: [billing] }]\n");
    project.manifest("billing", "consumes: [orders.t]\nmigrations: ../m\n");
    project.write("m/V1__a.sql", "create table b (x int);");
    project.manifest(
        "orders",
        "migrations: ../o\ncredentials:\n  app: { access: write }\nexposes: [{ table: t, to: [billing] }]\n",
    );
    project.write("o/V1__a.sql", "create table t (x int);");
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    let orders = read(&project, "orders");
    project.write("manifests/orders.yaml", &format!("{orders}managed: false\n"));
    db.run("create table orders.more (x int)").await;
    let before = everything(&db).await;
    project.expect_no_changes();
    project.run(&["apply", "--prune", "--allow", "revoke,close-database,drop-service,drop-role"]).exits(0);
    assert_eq!(everything(&db).await, before);
    let plan = project.run(&["plan"]).exits(0).stdout;
    assert!(plan.contains("orders is described, not managed"), "{plan}");
    assert!(!plan.contains("orders has no manifest"), "{plan}");
    let listed = project.run(&["credentials", "list", "--format", "json"]).exits(0);
    assert!(listed.stdout.contains("orders"), "{}", listed.stdout);
}

#[tokio::test]
async fn beside_what_pgcleave_made_only_the_foreign_is_described() {
    let db = TestDb::new().await;
    let at = |text: &str| text.replace('@', db.prefix());
    let shop = Project::new(&db);
    shop.manifest("orders", "migrations: ../o\ncredentials:\n  app: { access: write }\n");
    shop.manifest("billing", "migrations: ../m\nconsumes: [orders.t]\n");
    shop.write("m/V1__a.sql", "create table b (x int);");
    shop.write("o/V1__a.sql", "create table t (x int); create view v as select x from t;");
    let orders = "migrations: ../o\ncredentials:\n  app: { access: write }\nexposes: [{ table: t, to: [billing] }]\n";
    shop.manifest("orders", orders);
    shop.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    db.run(&at("
        create role @old login; create role @old_batch login; grant @old to @old_batch;
        create schema old authorization @old;
        set role @old; create table old.stock (x int); create table old.prices (x int);
        grant usage on schema old to @billing_reader; grant select on old.prices to @billing_reader;
        reset role; set role @orders_owner;
        grant usage on schema orders to @old, @old_batch; grant select on orders.v to @old; grant select on orders.t to @old_batch;
        reset role;
        grant connect on database :db to @old, @old_batch;
    ".replace(":db", db.name()).as_str()))
    .await;
    let project = Project::new(&db);
    let adopted = project.run(&["adopt", "--format", "json"]).exits(0).json();
    let managed: Vec<_> =
        adopted["services"].as_array().expect("services").iter().map(|s| (&s["service"], &s["managed"])).collect();
    assert_eq!(
        format!("{managed:?}").replace("String(", "").replace("Bool(", ""),
        r#"[("billing"), true)), ("old"), false)), ("orders"), true))]"#
    );
    project.expect_no_changes();
    assert!(read(&project, "orders").contains("- { view: v, to: [old] }"), "{}", read(&project, "orders"));
    assert!(read(&project, "old").contains("- { table: prices, to: [billing] }"), "{}", read(&project, "old"));
    let plan = project.run(&["plan"]).exits(0).stdout;
    assert!(!plan.contains("only described"), "every grant of a contract is there: {plan}");
    assert!(!plan.contains("--prune"), "and none of them is pruned: {plan}");
    project.run(&["apply", "--prune", "--allow", "revoke,close-database"]).exits(0);
    let still = "select has_table_privilege('@old', 'orders.v', 'select')::text || has_table_privilege('@billing_reader', 'old.prices', 'select')::text";
    assert_eq!(db.texts(&at(still)).await, ["truetrue"]);
    project.run(&["audit", "--rule", "ACC01,ACC06,HYG05", "--fail-on", "warning"]).exits(0);
}
