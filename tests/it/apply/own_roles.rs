//! What pgcleave's own roles have that no manifest gives them: memberships, settings, no password.

use super::{ORDERS, Shop};
use sqlx::Connection as _;

use crate::support::{Dedicated, Project, TestDb};

#[tokio::test]
async fn a_login_in_its_own_owner_is_drift() {
    let shop = Shop::applied().await;
    shop.converged();
    shop.sql("grant \"@orders_owner\" to \"@orders_app_a\"; alter role \"@orders_app_a\" set role = \"@orders_owner\"")
        .await;
    let plan = shop.project.run(&["plan", "--detailed-exitcode"]).exits(3).stdout;
    assert!(!plan.contains("is as the manifests want it"), "{plan}");
    assert!(plan.contains("orders_app_a: membership on role") && plan.contains("setting role = "), "{plan}");
    shop.apply(&[]).exits(0);
    shop.project.run(&["plan", "--detailed-exitcode"]).exits(3);
    shop.project.run(&["apply", "--prune"]).exits(5);
    shop.apply(&["--prune"]).exits(0);
    assert!(!shop.holds("pg_has_role('@orders_app_a', '@orders_owner', 'member')").await);
    assert!(shop.holds("not exists (select from pg_db_role_setting s join pg_roles r on r.oid = s.setrole and s.setdatabase = 0 where r.rolname like '@%')").await);
    shop.converged();
}

#[tokio::test]
async fn what_the_administrator_cannot_take_stops_nothing_else() {
    let mut shop = Shop::new().await;
    let url = shop.db.owning_admin().await;
    shop.project.connect_as(url);
    shop.apply(&[]).exits(0);
    shop.sql(
        "grant \"@orders_owner\" to \"@orders_app_a\"; alter role \"@orders_app_a\" set log_statement = 'all'; \
         alter role \"@orders_app_a\" set app.tenant = 'x'; alter role \"@orders_app_a\" set role = \"@orders_owner\"; \
         alter role \"@orders_app_a\" set default_transaction_read_only = on; create role \"@eve\"; grant usage on schema orders to \"@eve\"",
    )
    .await;
    let plan = shop.project.run(&["plan", "--detailed-exitcode"]).exits(3).stdout;
    assert!(plan.contains("a superuser can run: alter role"), "{plan}");
    assert!(plan.contains("default_transaction_read_only = on"), "{plan}");
    shop.apply(&["--prune"]).exits(0);
    assert!(!shop.holds("has_schema_privilege('@eve', 'orders', 'usage')").await, "the rest was done");
    let everywhere = "(select s.setconfig::text from pg_db_role_setting s join pg_roles r on r.oid = s.setrole where s.setdatabase = 0 and r.rolname = '@orders_app_a')";
    assert!(
        shop.holds(&format!("{everywhere} = '{{log_statement=all,app.tenant=x}}'")).await,
        "what it may take is gone"
    );
    // before 16 whoever grants a role may also take it from everybody
    let stays = shop.db.major() >= 16;
    assert_eq!(shop.holds("pg_has_role('@orders_app_a', '@orders_owner', 'member')").await, stays);
    let left = shop.project.run(&["plan", "--prune", "--detailed-exitcode"]).exits(3).stdout;
    assert!(left.contains("not for this login to change") && left.contains("log_statement"), "{left}");
}

#[tokio::test]
async fn what_the_administrator_gave_itself_is_taken_back() {
    let mut shop = Shop::new().await;
    let url = shop.db.owning_admin().await;
    shop.project.connect_as(url.clone());
    shop.apply(&[]).exits(0);
    if shop.db.major() < 16 {
        // there a membership says nothing of who asked for it: it is told, not taken
        shop.sql("grant \"@orders_owner\" to \"@admin\"").await;
        assert!(shop.project.run(&["plan"]).exits(0).stdout.contains("admin: membership"));
        return;
    }
    for given in ["createrole_self_grant", "by hand"] {
        if given == "by hand" {
            let mut admin = sqlx::PgConnection::connect(&url).await.expect("it connects");
            let grant = format!(
                "grant \"{0}orders_owner\", \"{0}orders_writer\" to \"{0}admin\" with inherit true, set true",
                shop.db.prefix()
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(grant)).execute(&mut admin).await.expect("it has ADMIN");
        } else {
            shop.sql(&format!("alter database {} set createrole_self_grant = 'set, inherit'", shop.db.name())).await;
            shop.project.manifest("more", "credentials: { app: { access: write } }\n");
            shop.apply(&[]).exits(0);
        }
        // the positive control: a membership that was given before is seen
        if given == "by hand" {
            assert!(shop.holds("has_table_privilege('@admin', 'orders.orders', 'select')").await);
            let plan = shop.project.run(&["plan", "--detailed-exitcode"]).exits(3).stdout;
            assert!(plan.contains("granted it to itself"), "{plan}");
        }
        shop.apply(&[]).exits(0);
        for role in ["orders_owner", "orders_writer", "more_writer", "more_app_a"] {
            let can = format!(
                "exists (select from pg_roles where rolname = '@{role}') and pg_has_role('@admin', '@{role}', 'usage')"
            );
            assert!(!shop.holds(&can).await, "{given}: {role}");
        }
        assert!(!shop.holds("has_table_privilege('@admin', 'orders.orders', 'select')").await, "{given}");
        shop.converged();
    }
}

#[tokio::test]
async fn a_published_login_without_a_password_is_told_where_it_can_be_read() {
    let shop = Shop::applied().await;
    shop.sql("alter role \"@orders_app_a\" password null").await;
    let plan = shop.project.run(&["plan", "--detailed-exitcode"]).exits(3).stdout;
    assert!(plan.contains("no password") && plan.contains("pgcleave credentials rotate orders/app"), "{plan}");
    shop.project.run(&["credentials", "rotate", "orders/app"]).exits(0);
    shop.project.run(&["credentials", "verify"]).exits(0);
    shop.converged();
}

#[tokio::test]
async fn a_published_password_that_was_changed_is_told_where_it_can_be_read() {
    let shop = Shop::applied().await;
    shop.sql("alter role \"@orders_app_a\" password 'by hand'").await;
    let plan = shop.project.run(&["plan", "--detailed-exitcode"]).exits(3).stdout;
    assert!(
        plan.contains("another password than was issued") && plan.contains("pgcleave credentials rotate orders/app"),
        "{plan}"
    );
    shop.project.run(&["credentials", "rotate", "orders/app"]).exits(0);
    shop.project.run(&["credentials", "verify"]).exits(0);
    shop.converged();
    shop.sql("alter role \"@orders_app_a\" password 'of a login that is closed'").await;
    shop.converged();
    shop.sql("alter role \"@orders_app_b\" password 'by hand'").await;
    shop.project.run(&["plan", "--detailed-exitcode"]).exits(3);
}

#[tokio::test]
async fn a_registry_of_before_knows_of_no_changed_password_until_a_rotation() {
    let shop = Shop::applied().await;
    shop.sql(
        "alter table pgcleave.credential drop column verifier_a, drop column verifier_b;
         delete from pgcleave.refinery_schema_history where version = 5; alter role \"@orders_app_a\" password 'by hand'",
    )
    .await;
    shop.converged();
    shop.project.run(&["credentials", "rotate", "orders/app"]).exits(0);
    shop.sql("alter role \"@orders_app_b\" password 'by hand'").await;
    shop.project.run(&["plan", "--detailed-exitcode"]).exits(3);
}

#[tokio::test]
async fn lists_of_libraries_are_set_one_by_one_and_never_end_a_login() {
    let shop = Shop::new().await;
    let with = |settings: &str| {
        let text = ORDERS.replace("settings: { statement_timeout: 5s }", &format!("settings: {{ {settings} }}"));
        assert!(text.contains(settings));
        shop.project.manifest("orders", &text);
    };
    with("session_preload_libraries: \"auto_explain, pg_stat_statements\", temp_tablespaces: \"\"");
    shop.apply(&[]).exits(0);
    shop.project.run(&["credentials", "verify"]).exits(0);
    shop.converged();
    for name in ["session_preload_libraries", "local_preload_libraries"] {
        with(&format!("{name}: no_such_library"));
        let failed = shop.apply(&[]).exits(1);
        assert!(failed.stdout.contains("no_such_library"), "{}", failed.stdout);
        shop.project.run(&["credentials", "verify"]).exits(0);
    }
}

#[tokio::test]
async fn a_standby_is_refused_before_anything() {
    let (db, server) = (TestDb::new().await, Dedicated::start().await);
    let mut project = Project::new(&db);
    project.connect_as(server.url("postgres"));
    project.manifest("orders", "migrations: ../migrations/orders\ncredentials: { app: { access: write } }\n");
    project.write("migrations/orders/V1__a.sql", "create table a (i int);");
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    let mut admin = sqlx::PgConnection::connect(&server.url("postgres")).await.expect("it connects");
    sqlx::raw_sql("checkpoint; copy (select 1) to program 'touch standby.signal'")
        .execute(&mut admin)
        .await
        .expect("it runs");
    drop(admin);
    server.crash().await;
    project.write("migrations/orders/V2__b.sql", "create table b (i int);");
    for command in
        [&["apply", "--allow", "revoke,close-database"][..], &["migrate"], &["credentials", "rotate", "orders/app"]]
    {
        let refused = project.run(command).exits(5);
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains("server-is-standby") || said.contains("is a standby"), "{command:?}: {said}");
    }
    // reading goes on
    project.run(&["plan", "--detailed-exitcode"]).exits(3);
}
