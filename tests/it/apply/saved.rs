//! Plans as files, and as SQL.

use sqlx::{Connection as _, PgConnection};

use super::{ORDERS, Shop};
use crate::support::answer;

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

const V3: &str = "migrations/billing/V3__more.sql";

#[tokio::test]
async fn refuses_a_saved_plan_once_a_migration_file_has_changed() {
    let shop = Shop::applied().await;
    shop.project.write(V3, "create table reviewed (i int);");
    shop.project.run(&["plan", "--out", "plan.json"]).exits(0);
    // a comment changes no object, and is all the same not what was reviewed
    for text in ["create table other (i int);", "create table reviewed (i int); -- more"] {
        shop.project.write(V3, text);
        let refused = shop.apply(&["plan.json"]).exits(5);
        assert!(refused.stderr.contains("plan-outdated"), "{}", refused.stderr);
        assert!(refused.stderr.contains("billing/V3__more.sql"), "{}", refused.stderr);
    }
    shop.project.write(V3, "create table reviewed (i int);");
    shop.project.write("migrations/billing/V4__new.sql", "create table unseen (i int);");
    shop.apply(&["plan.json"]).exits(5);
    shop.project.remove("migrations/billing/V4__new.sql");
    assert!(shop.holds("to_regclass('billing.reviewed') is null and to_regclass('billing.other') is null").await);
    shop.apply(&["plan.json"]).exits(0);
    assert!(shop.holds("to_regclass('billing.reviewed') is not null").await);
    shop.converged();
}

#[tokio::test]
async fn refuses_a_saved_plan_once_new_passwords_would_go_elsewhere() {
    let shop = Shop::new().await;
    shop.project.run(&["plan", "--out", "plan.json"]).exits(0);
    let config = std::fs::read_to_string(shop.project.path().join("pgcleave.yaml")).expect("the configuration");
    for sink in ["{ command: [sh, -c, \"cat >> witness\"] }", "{ directory: elsewhere }", "{ json: .secrets }"] {
        shop.project.write("pgcleave.yaml", &format!("{config}secrets: {sink}\n"));
        let refused = shop.apply(&["plan.json"]).exits(5);
        assert!(refused.stderr.contains("plan-outdated") && refused.stderr.contains(".secrets"), "{}", refused.stderr);
    }
    for place in ["witness", "elsewhere", ".secrets"] {
        assert!(!shop.project.path().join(place).exists(), "{place}");
    }
    assert!(shop.holds("not exists (select from pg_roles where rolname = '@orders_owner')").await);
    // another word of the command is another command
    shop.project.write("pgcleave.yaml", &format!("{config}secrets: {{ command: [sh, -c, \"cat > one\"] }}\n"));
    shop.project.run(&["plan", "--out", "plan.json"]).exits(0);
    assert!(!shop.project.path().join("one").exists(), "planning runs no command");
    shop.project.write("pgcleave.yaml", &format!("{config}secrets: {{ command: [sh, -c, \"cat > two\"] }}\n"));
    shop.apply(&["plan.json"]).exits(5);
    assert!(!shop.project.path().join("two").exists());
}

#[tokio::test]
async fn a_comment_in_the_manifests_leaves_a_saved_plan_as_it_is() {
    let shop = Shop::new().await;
    shop.project.run(&["plan", "--out", "plan.json"]).exits(0);
    shop.project.manifest("orders", &format!("# why\ndescription: what it does\n{ORDERS}# the end\n"));
    let config = std::fs::read_to_string(shop.project.path().join("pgcleave.yaml")).expect("the configuration");
    shop.project.write("pgcleave.yaml", &format!("# ours\n{config}"));
    shop.apply(&["plan.json"]).exits(0);
    shop.converged();
}

#[tokio::test]
async fn a_plan_shows_where_new_passwords_go_only_while_there_are_some() {
    let shop = Shop::new().await;
    let config = std::fs::read_to_string(shop.project.path().join("pgcleave.yaml")).expect("the configuration");
    let sink = "{ command: [sh, -c, \"cat >> all-secrets\"] }";
    shop.project.write("pgcleave.yaml", &format!("{config}secrets: {sink}\n"));
    let human = shop.project.run(&["plan"]).exits(0).stdout;
    assert!(human.contains(r#"New passwords go to: command ["sh", "-c", "cat >> all-secrets"]"#), "{human}");
    let markdown = shop.project.run(&["plan", "--format", "markdown"]).exits(0).stdout;
    assert!(markdown.contains("New passwords go to") && markdown.contains("all-secrets"), "{markdown}");
    let json = shop.project.run(&["plan", "--format", "json"]).exits(0).json();
    assert_eq!(json["pins"]["secrets"]["argv"][2], "cat >> all-secrets");
    assert!(!shop.project.path().join("all-secrets").exists(), "planning runs no command");
    shop.apply(&[]).exits(0);
    assert!(shop.project.path().join("all-secrets").exists());
    let human = shop.project.run(&["plan"]).exits(0).stdout;
    assert!(!human.contains("New passwords"), "{human}");
}

#[tokio::test]
async fn refuses_plans_of_earlier_formats() {
    let shop = Shop::new().await;
    let plan = shop.project.run(&["plan", "--format", "json"]).exits(0).json();
    let mut unpinned = plan.clone();
    unpinned.as_object_mut().expect("an object").remove("pins");
    let mut older = plan;
    older["format"] = "pgcleave.plan/0".into();
    for old in [unpinned, older] {
        shop.project.write("plan.json", &old.to_string());
        let refused = shop.apply(&["plan.json"]).exits(5);
        assert!(refused.stderr.contains("plan-outdated"), "{}", refused.stderr);
    }
    assert!(shop.holds("not exists (select from pg_roles where rolname = '@orders_owner')").await);
}

#[tokio::test]
async fn runs_the_migrations_that_were_compared_even_if_the_files_change_meanwhile() {
    let shop = Shop::new().await;
    let config = std::fs::read_to_string(shop.project.path().join("pgcleave.yaml")).expect("the configuration");
    // the sink is called after the plan was compared, and before the migrations run
    let sink = "{ command: [sh, -c, \"cat > /dev/null; echo 'create table unseen (i int)' > migrations/orders/V1__orders.sql\"] }";
    shop.project.write("pgcleave.yaml", &format!("{config}secrets: {sink}\n"));
    shop.project.run(&["plan", "--out", "plan.json"]).exits(0);
    shop.apply(&["plan.json"]).exits(0);
    let rewritten = std::fs::read_to_string(shop.project.path().join("migrations/orders/V1__orders.sql"));
    assert!(rewritten.expect("the file").contains("unseen"), "the positive control: the file did change");
    assert!(shop.holds("to_regclass('orders.lines') is not null and to_regclass('orders.unseen') is null").await);
}

#[tokio::test]
async fn a_relative_folder_of_the_configuration_counts_once() {
    let shop = Shop::new().await;
    let folder = shop.project.path();
    let name = folder.file_name().expect("a name").to_str().expect("UTF-8");
    let parent = folder.parent().expect("a folder above");
    for config in [name.to_owned(), format!("{name}/pgcleave.yaml"), format!("./{name}")] {
        let run = |arguments: &[&str]| {
            let mut command = shop.project.command(&["--config", &config]);
            answer(command.args(arguments).current_dir(parent).output().expect("the binary runs"))
        };
        let applied = run(&["apply", "--allow", "revoke,close-database"]).exits(0);
        assert!(!applied.stdout.contains(&format!("{name}/{name}")), "{}", applied.stdout);
        run(&["credentials", "verify"]).exits(0);
        run(&["credentials", "rotate", "orders/app"]).exits(0);
        assert!(folder.join(".secrets").is_dir() && !folder.join(name).exists(), "{config}");
        // the next way of writing it starts without secrets
        run(&["plan", "--detailed-exitcode"]).exits(0);
    }
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
    // Whether anybody else can log in is part of the input, and other tests' logins come and go.
    shop.sql("create role \"@somebody\" login").await;
    let without_others = |text: String| -> Vec<String> {
        text.lines().filter(|line| !line.contains("of the server, which show")).map(str::to_owned).collect()
    };
    for format in
        [&["plan", "-v"][..], &["plan", "--format", "json"], &["plan", "--format", "markdown"], &["plan", "--sql"]]
    {
        let (first, second) = (shop.project.run(format).exits(0), shop.project.run(format).exits(0));
        assert!(!first.stdout.is_empty());
        assert_eq!(without_others(first.stdout), without_others(second.stdout));
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
