//! Taking PUBLIC's rights on the database and on schema `public`: last, by a name of its own, and from nobody unnamed.

use sqlx::Connection as _;

use super::Shop;
use crate::support::{Project, TestDb};

/// One managed service, and one that is only described, with logins of every kind beside them.
async fn mixed() -> Shop {
    let db = TestDb::new().await;
    let mut project = Project::new(&db);
    project.connect_as(db.owning_admin().await);
    let shop = Shop { db, project };
    shop.project.manifest("orders", "credentials: { app: { access: write } }\nmigrations: ../migrations/orders\n");
    shop.project.manifest("legacy", "managed: false\n");
    shop.project.write("migrations/orders/V1__a.sql", "create table orders (id int);");
    shop.sql(
        "create role \"@legacy\" login password 'x'; create schema legacy authorization \"@legacy\";
         create role \"@bi_group\"; create role \"@bi\" login password 'x' in role \"@bi_group\";
         create table public.report (id int); grant select on public.report to \"@bi_group\";
         create role \"@cdc\" login replication password 'x'; grant select on public.report to \"@cdc\"; create role \"@passer\" login password 'x'",
    )
    .await;
    shop
}

impl Shop {
    async fn may(&self, role: &str, privilege: &str) -> bool {
        self.holds(&format!("has_database_privilege('@{role}', current_database(), '{privilege}')")).await
    }
}

#[tokio::test]
async fn those_who_lose_access_are_named_and_those_who_are_known_keep_theirs() {
    let shop = mixed().await;
    let p = shop.db.prefix().to_owned();
    let open = shop.db.connect_as(&format!("{p}bi"), "x").await.expect("PUBLIC may connect");
    let plan = shop.project.run(&["plan", "--format", "json"]).exits(0).json();
    let lost: Vec<_> = plan["effect"].as_array().expect("a list").iter().collect();
    let on_database = lost.iter().find(|e| e["objects"][0].as_str().is_some_and(|o| o.starts_with("database ")));
    let on_database = on_database.expect("somebody loses CONNECT");
    assert_eq!(on_database["principal"], format!("{p}bi"));
    assert_eq!(on_database["privileges"], serde_json::json!(["connect", "temporary"]));
    assert_eq!(on_database["sessions"], 1);
    assert!(
        lost.iter().all(|e| e["principal"] == format!("{p}bi")),
        "the others keep theirs, or are counted: {lost:?}"
    );
    let human = shop.project.run(&["plan"]).exits(0).stdout;
    assert!(human.contains("Who loses access") && human.contains("hazard: close-database"), "{human}");
    assert!(human.contains("show no use of this database"), "{human}");
    open.close().await.expect("it closes");

    // Whatever else is allowed: the service works, and nobody has lost anything.
    let refused = shop.project.run(&["apply", "--allow", "revoke"]).exits(5);
    assert!(refused.stdout.contains("Not done: close database"), "{}", refused.stdout);
    assert!(refused.stdout.contains("--allow close-database"), "{}", refused.stdout);
    assert!(shop.holds("to_regclass('orders.orders') is not null").await);
    assert!(shop.may("passer", "connect").await && shop.may("bi", "connect").await);
    shop.project.run(&["plan", "--detailed-exitcode"]).exits(3);
    // A plan of one service never closes the database of the others.
    let one = shop.project.run(&["apply", "--service", "orders", "--allow", "close-database"]).exits(0);
    assert!(one.stdout.contains("only a plan of all services"), "{}", one.stdout);
    assert!(shop.may("passer", "connect").await);

    shop.project.run(&["apply", "--allow", "close-database"]).exits(0);
    for (role, connects) in [("bi", false), ("passer", false), ("legacy", true), ("cdc", true), ("admin", true)] {
        assert_eq!(shop.may(role, "connect").await, connects, "{role}");
        let uses = shop.holds(&format!("has_schema_privilege('@{role}', 'public', 'usage')")).await;
        assert_eq!(uses, connects, "{role} on schema public");
    }
    assert!(shop.may("orders_app_a", "connect").await && shop.may("legacy", "temporary").await);
    shop.converged();
}

#[tokio::test]
async fn a_database_that_is_to_stay_open_stays_open() {
    let shop = mixed().await;
    let p = shop.db.prefix().to_owned();
    shop.project.write(
        "pgcleave.yaml",
        &format!("environments:\n  test: {{ database_url_env: TEST_URL, role_prefix: {p}, close_database: false }}\n"),
    );
    shop.project.run(&["apply"]).exits(0);
    assert!(shop.may("passer", "connect").await);
    assert!(shop.holds("has_schema_privilege('@passer', 'public', 'usage')").await);
    assert!(shop.may("orders_app_a", "connect").await);
    shop.converged();
}

#[tokio::test]
async fn a_database_is_not_closed_while_a_service_has_failed() {
    let shop = mixed().await;
    shop.project.write("migrations/orders/V1__a.sql", "create table orders (id nonsense);");
    let failed = shop.project.run(&["apply", "--allow", "close-database"]).exits(1);
    assert!(failed.stdout.contains("Not done: close database"), "{}", failed.stdout);
    assert!(shop.may("passer", "connect").await);
    shop.project.write("migrations/orders/V1__a.sql", "create table orders (id int);");
    shop.project.run(&["apply", "--allow", "close-database"]).exits(0);
    assert!(!shop.may("passer", "connect").await);
    shop.converged();
}

#[tokio::test]
async fn what_the_owner_is_told_to_run_locks_out_neither_the_administrator_nor_a_service() {
    let mut shop = mixed().await;
    shop.sql("create role \"@owner\"; do $$ begin execute format('alter database %I owner to \"@owner\"', current_database()); end $$; alter schema public owner to \"@owner\"").await;
    shop.sql("do $$ begin execute format('grant create on database %I to \"@admin\"', current_database()); end $$")
        .await;
    let url = shop.db.url_as(&format!("{}admin", shop.db.prefix()), "x");
    shop.sql("alter role \"@admin\" password 'x'").await;
    shop.project.connect_as(url);
    let applied = shop.project.run(&["apply", "--format", "json"]).exits(0).json();
    let notes: Vec<&str> = applied["notes"].as_array().expect("a list").iter().filter_map(|n| n.as_str()).collect();
    let mut pasted = 0;
    for note in notes {
        let Some((_, script)) = note.split_once("can run: ") else { continue };
        let (script, hit) = script.split_once(" (").expect("it says whom it hits");
        assert!(hit.contains(&format!("{}bi", shop.db.prefix())), "{hit}");
        shop.db.run(script).await;
        pasted += 1;
    }
    assert_eq!(pasted, 2);
    for (role, connects) in [("admin", true), ("orders_app_a", true), ("legacy", true), ("cdc", true), ("bi", false)] {
        assert_eq!(shop.may(role, "connect").await, connects, "{role}");
    }
    assert!(shop.holds("has_schema_privilege('@admin', 'public', 'usage')").await);
    assert!(shop.holds("has_schema_privilege('@legacy', 'public', 'usage')").await);
    let again = shop.project.run(&["apply", "--format", "json"]).exits(0).json();
    assert!(!again["notes"].to_string().contains("can run: "), "{again}");
}
