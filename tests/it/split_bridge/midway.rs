//! Manifests, migrations, passwords and the audit of both sides while a split is under way, and after it.

use std::os::unix::process::ExitStatusExt as _;

use super::*;

impl Moving {
    /// Gives the SCRAM verifier of a login on one side.
    async fn verifier(&self, url: &str, login: &str) -> String {
        let mut connection = PgConnection::connect(url).await.expect("the superuser connects");
        let login = format!("{}{login}", self.shop.db.prefix());
        let read = format!("select coalesce((select rolpassword from pg_authid where rolname = '{login}'), 'none')");
        text(&mut connection, &read).await
    }

    /// Gives the roles of a side whose names end so.
    async fn roles(&self, url: &str, suffix: &str) -> String {
        let mut connection = PgConnection::connect(url).await.expect("the superuser connects");
        let read =
            format!("select coalesce(string_agg(rolname, ' '), '') from pg_roles where rolname like '%{suffix}'");
        text(&mut connection, &read).await
    }

    fn shared_url(&self) -> String {
        self.shared.url("shop")
    }

    fn own_url(&self) -> String {
        self.shop.own.url("orders")
    }

    /// Ends `finish` as a kill does, just before it would be written down.
    pub(super) async fn cut_off_finish(&self) {
        let mut command = self.command(&["finish"]).await;
        let ended = command.env("PGCLEAVE_FAILPOINT", "finish-prepared").output().expect("the binary runs");
        assert_eq!(ended.status.signal(), Some(9), "{}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[tokio::test]
async fn a_database_written_into_the_manifest_in_the_middle_counts_from_the_splits_end_on() {
    let moving = Moving::new(&together(), SHIPPING).await;
    moving.needs_pg_dump().await;
    moving.split(&["start"]).await.exits(0);
    moving.shop.project.manifest("orders", ORDERS);
    let made = "select (select count(*) from pg_class where relnamespace::regnamespace::text not like 'pg_%') || ' ' \
                || (select count(*) from pg_roles) || ' ' || (select count(*) from pgcleave.split)";
    let before = moving.shop.there(made).await;
    for (arguments, told) in [
        (vec!["plan", "--detailed-exitcode", "-v"], "ORDERS_URL counts from split finish on"),
        (vec!["plan", "orders", "--detailed-exitcode"], "orders is being split (ready)"),
        (vec!["apply"], "Nothing to change"),
        (vec!["migrate"], "No migration is pending"),
        (vec!["audit", "--fail-on", "never"], "Looked at database shop"),
        (vec!["credentials", "verify"], "Proven"),
        (vec!["credentials", "rotate", "orders/app"], "orders_app_b"),
    ] {
        let answer = moving.shop.run(&arguments).exits(0);
        let all = format!("{}{}", answer.stdout, answer.stderr);
        assert!(all.contains(told) && all.contains("is being split"), "{arguments:?}: {all}");
    }
    assert_eq!(moving.shop.there(made).await, before, "nothing is provisioned twice");
    moving.split(&["status"]).await.exits(0);
    moving.split(&["cutover"]).await.exits(0);
    let (here, there) = (moving.shared_url(), moving.own_url());
    assert_eq!(moving.verifier(&there, "orders_app_b").await, moving.verifier(&here, "orders_app_b").await);
    moving.shop.run(&["plan", "--detailed-exitcode", "-v"]).exits(0);
    moving.split(&["rollback"]).await.exits(0);
    moving.split(&["cutover"]).await.exits(0);
    moving.split(&["finish"]).await.exits(0);
    let plan = moving.shop.run(&["plan", "--format", "json"]).exits(0).json();
    assert_eq!(plan["databases"][0]["url_env"], "ORDERS_URL", "{plan:#}");
    assert_eq!(plan["changes"], serde_json::json!([]), "{plan:#}");
}

#[tokio::test]
async fn passwords_and_definitions_change_only_where_the_service_is_written() {
    let moving = Moving::new(&together(), SHIPPING).await;
    moving.needs_pg_dump().await;
    moving.split(&["start"]).await.exits(0);
    let v2 = "migrations/orders/V2__more.sql";
    moving.split(&["cutover"]).await.exits(0);
    moving.shop.project.write(v2, "alter table orders add column more int;");
    let there = moving.verifier(&moving.own_url(), "orders_app_a").await;
    for arguments in [vec!["credentials", "rotate", "orders"], vec!["migrate", "orders"]] {
        let refused = moving.shop.run(&arguments).exits(5);
        let all = format!("{}{}", refused.stdout, refused.stderr);
        assert!(all.contains("orders is written at") && all.contains("(reversed)"), "{arguments:?}: {all}");
    }
    assert!(moving.shop.run(&["credentials", "list"]).exits(0).stderr.contains("orders is written at"));
    moving.shop.run(&["credentials", "rotate", "shipping"]).exits(0);
    assert_eq!(moving.verifier(&moving.own_url(), "orders_app_a").await, there);
    moving.split(&["rollback"]).await.exits(0);
    let migrated = moving.shop.run(&["migrate", "orders"]).exits(0);
    assert!(migrated.stderr.contains("then run split start"), "{}", migrated.stderr);
    let refused = moving.split(&["cutover"]).await.exits(5);
    assert!(refused.stderr.contains("split-definitions"), "{}", refused.stderr);
    let alike =
        format!("set role {}orders_owner; alter table orders.orders add column more int", moving.shop.db.prefix());
    run(&moving.own_url(), &alike).await;
    moving.split(&["start"]).await.exits(0);

    // A cutover and a rotation of the same service never run at once.
    let what = "the split of service orders";
    let mut other = PgConnection::connect(&moving.shared_url()).await.expect("a connection");
    let take = "select pg_advisory_lock(x'7067636c'::int, hashtext($1))";
    sqlx::query(take).bind(what).execute(&mut other).await.expect("the lock is free");
    let refused = moving.shop.run(&["credentials", "rotate", "orders", "--lock-wait", "0"]).exits(5);
    assert!(refused.stdout.contains(what), "{} {}", refused.stdout, refused.stderr);
    drop(other);

    moving.split(&["cutover"]).await.exits(0);
    moving.split(&["finish"]).await.exits(0);
    for arguments in [vec!["credentials", "rotate", "orders"], vec!["migrate", "orders"]] {
        let refused = moving.shop.run(&arguments);
        let all = format!("{}{}", refused.stdout, refused.stderr);
        assert!(refused.code == 5 && all.contains("orders has moved to"), "{arguments:?}: {refused:?}");
    }
    moving.shop.project.manifest("orders", ORDERS);
    moving.shop.run(&["credentials", "rotate", "orders"]).exits(0);
    moving.shop.run(&["credentials", "verify"]).exits(0);
}

#[tokio::test]
async fn an_abort_after_a_finish_that_was_cut_off_and_rolled_back_leaves_no_role_of_the_bridge() {
    let moving = Moving::new(&together(), SHIPPING).await;
    moving.needs_pg_dump().await;
    moving.split(&["start"]).await.exits(0);
    moving.split(&["cutover"]).await.exits(0);
    moving.cut_off_finish().await;
    let (here, there) = (moving.shared_url(), moving.own_url());
    assert_ne!(moving.roles(&there, "orders\\_caller").await, "");
    moving.split(&["rollback"]).await.exits(0);

    // A role that is only named alike is somebody's, and what it was granted is a change.
    let grant = "create role back_orders_caller; grant select on orders.orders to back_orders_caller";
    run(&here, grant).await;
    let refused = moving.split(&["cutover"]).await.exits(5);
    assert!(refused.stderr.contains("split-definitions"), "{}", refused.stderr);
    run(&here, "drop owned by back_orders_caller; drop role back_orders_caller").await;
    moving.split(&["cutover"]).await.exits(0);
    moving.split(&["rollback"]).await.exits(0);

    moving.split(&["abort"]).await.exits(0);
    for url in [&here, &there] {
        assert_eq!(moving.roles(url, "orders\\_caller").await, "", "{url}");
        assert_eq!(moving.roles(url, "orders\\_bridge").await, "", "{url}");
        let mut connection = PgConnection::connect(url).await.expect("the superuser connects");
        let left = "select count(*)::text from pg_foreign_server";
        assert_eq!(text(&mut connection, left).await, "0", "{url}");
    }
    moving.shop.run(&["plan", "--detailed-exitcode", "--prune"]).exits(0);
    moving.split(&["start"]).await.exits(0);
}

#[tokio::test]
async fn the_audit_of_both_sides_in_the_middle_tells_no_leak_of_the_splits_own_and_every_real_one() {
    let moving = Moving::new(&together(), SHIPPING).await;
    moving.needs_pg_dump().await;
    let errors = |url: &str| {
        let arguments = ["--database-url", url, "audit", "--format", "json", "--fail-on", "never"];
        let audited = moving.shop.run(&arguments).exits(0).json();
        let findings = audited["findings"].as_array().expect("a list").iter();
        let counts = |f: &&serde_json::Value| {
            let rule = f["rule"].as_str().unwrap_or_default();
            f["severity"] == "error" || (f["severity"] == "warning" && !rule.starts_with("DB") && rule != "VIW04")
        };
        let told = |f: &serde_json::Value| format!("{} {} {}", f["rule"], f["principal"], f["object"]);
        findings.filter(counts).map(told).collect::<Vec<_>>()
    };
    let owner = format!("{}orders_owner", moving.shop.db.prefix());
    for (step, url) in [("start", moving.own_url()), ("cutover", moving.shared_url())] {
        moving.split(&[step]).await.exits(0);
        let mut connection = PgConnection::connect(&url).await.expect("the superuser connects");
        let id = text(&mut connection, "select id from pgcleave.split").await;
        // 16 and later need the role only for tables of superusers and for FORCE ROW LEVEL SECURITY.
        let own = "select coalesce(min(rolname), '')::text from pg_roles where rolname like 'pgcleave\\_%\\_apply\\_%'";
        let own = text(&mut connection, own).await;
        assert_eq!(!own.is_empty(), moving.shared.major() < 16, "after {step}");
        for url in [moving.own_url(), moving.shared_url()] {
            assert_eq!(errors(&url), Vec::<String>::new(), "after {step}");
        }
        run(
            &url,
            "create role leak login; grant usage on schema orders to leak; grant select on orders.orders to leak",
        )
        .await;
        let found = errors(&url).join("\n");
        assert!(found.contains("\"ACC01\" \"leak\" \"orders.orders\""), "after {step}: {found}");

        // A name proves nothing: one that no record knows, and one of this split that the split has not made.
        let other = format!("pgcleave_{id}_apply_{}", if own.ends_with("source") { "target" } else { "source" });
        for role in ["pgcleave_deadbeef_apply_target", &other] {
            run(&url, &format!("create role {role} login bypassrls; grant {owner} to {role}")).await;
            let found = errors(&url).join("\n");
            for rule in ["ATT02", "MEM01"] {
                assert!(found.contains(&format!("\"{rule}\" \"{role}\"")), "after {step}: {found}");
            }
            run(&url, &format!("drop role {role}")).await;
        }
        if !own.is_empty() {
            run(&url, &format!("grant {own} to leak")).await;
            let found = errors(&url).join("\n");
            assert!(found.contains("\"ATT02\" \"leak\""), "who can become it is told of: {found}");
        }
        run(&url, "drop owned by leak; drop role leak").await;
    }
}

#[tokio::test]
async fn the_first_plan_after_the_end_revokes_nothing_of_the_service_on_a_newer_server() {
    let moving = Moving::to(Dedicated::newest().await, &together(), SHIPPING).await;
    moving.needs_pg_dump().await;
    moving.split(&["start"]).await.exits(0);
    moving.split(&["cutover"]).await.exits(0);
    moving.split(&["finish"]).await.exits(0);
    moving.shop.project.manifest("orders", ORDERS);
    let plan = moving.shop.run(&["plan", "--format", "json"]).exits(0).json();
    let own = &plan["databases"][0];
    let objects: Vec<_> = own["changes"].as_array().expect("a list").iter().map(|c| c["object"].as_str()).collect();
    // what the database's owner gives to PUBLIC is the database's, and no split's to take
    assert_eq!(objects, [Some("orders")], "{own:#}");
    assert_eq!(own["changes"][0]["stage"], "close", "{own:#}");
    moving.shop.run(&["apply"]).exits(0);
    moving.shop.run(&["plan", "--detailed-exitcode"]).exits(0);
    moving.shop.run(&["credentials", "verify"]).exits(0);
}

#[tokio::test]
async fn on_one_server_the_bridges_of_both_directions_answer() {
    let mut moving = Moving::new(&together(), SHIPPING).await;
    moving.needs_pg_dump().await;
    run(&moving.shared.url("postgres"), "create database orders").await;
    std::mem::swap(&mut moving.shop.own, &mut moving.shared);
    let url = moving.shop.own.url("orders");
    moving.shop.project.connect_as(moving.shop.own.url("shop"));
    let split = async |arguments: &[&str]| {
        let mut command = moving.command(arguments).await;
        command.env("PGCLEAVE_SOURCE_FROM_TARGET", moving.shop.own.url_from_servers("shop").await);
        answer(command.output().expect("the binary runs")).exits(0)
    };
    split(&["start"]).await;
    split(&["cutover"]).await;
    split(&["finish", "--keep", "0"]).await;
    let mut there = PgConnection::connect(&url).await.expect("the superuser connects");
    let role = format!("set role {}orders_reader", moving.shop.db.prefix());
    sqlx::raw_sql(AssertSqlSafe(role)).execute(&mut there).await.expect("a role");
    assert_eq!(text(&mut there, "select count(*)::text from billing.invoice_status").await, "1");
    let mut here = PgConnection::connect(&moving.shop.own.url("shop")).await.expect("the superuser connects");
    let role = format!("set role {}shipping_reader", moving.shop.db.prefix());
    sqlx::raw_sql(AssertSqlSafe(role)).execute(&mut here).await.expect("a role");
    assert_eq!(text(&mut here, "select count(*)::text from orders.order_summary").await, "2");
    moving.shop.project.manifest("orders", ORDERS);
    moving.shop.run(&["apply"]).exits(0);
    moving.shop.run(&["plan", "--detailed-exitcode"]).exits(0);
    moving.shop.run(&["credentials", "verify"]).exits(0);
    // The consumers' logins are the server's, and come to the dedicated database too: a contract is one there as well.
    let audited = moving.shop.run(&["audit", "--format", "json", "--fail-on", "never"]).exits(0).json();
    let errors = moving.shop.errors(&audited);
    assert!(errors.is_empty(), "{errors:#?}");
}

#[tokio::test]
async fn a_finished_split_is_forgotten_once_its_service_is_back_and_needs_no_dedicated_server_for_that() {
    let moving = Moving::new(&together(), SHIPPING).await;
    moving.needs_pg_dump().await;
    moving.split(&["start"]).await.exits(0);
    let refused = moving.split(&["forget"]).await.exits(5);
    assert!(refused.stderr.contains("only one that is finished"), "{}", refused.stderr);
    moving.split(&["cutover"]).await.exits(0);
    moving.split(&["finish", "--keep", "0"]).await.exits(0);
    let alone = async |arguments: &[&str]| {
        let mut command = moving.command(arguments).await;
        answer(command.env_remove("TARGET_DATABASE_URL").output().expect("the binary runs"))
    };
    let unnamed = alone(&["status"]).await.exits(2);
    assert!(unnamed.stderr.contains("TARGET_DATABASE_URL"), "{}", unnamed.stderr);
    let kept = {
        let mut connection = PgConnection::connect(&moving.shared_url()).await.expect("the superuser connects");
        text(&mut connection, "select nspname::text from pg_namespace where nspname like 'orders_before%'").await
    };
    let refused = alone(&["forget"]).await.exits(5);
    assert!(refused.stderr.contains(&format!("split finish --drop {kept}")), "{}", refused.stderr);
    let dropped = alone(&["finish", "--drop", &kept]).await.exits(0);
    assert!(dropped.stderr.contains("was not reached"), "{}", dropped.stderr);
    let refused = alone(&["forget"]).await.exits(5);
    assert!(refused.stderr.contains("is only the bridge to it"), "{}", refused.stderr);

    // Brought back by hand, plan looks after it in the shared database again.
    let prefix = moving.shop.db.prefix();
    let back = format!("drop schema orders cascade; create schema orders authorization {prefix}orders_owner");
    run(&moving.shared_url(), &back).await;
    assert!(moving.shop.run(&["plan"]).exits(0).stdout.contains("orders has moved to"));
    moving.split(&["forget"]).await.exits(0);
    assert!(!moving.shop.run(&["plan"]).exits(0).stdout.contains("orders has moved to"));
    assert!(moving.split(&["forget"]).await.exits(2).stderr.contains("no-split"));
    for url in [moving.shared_url(), moving.own_url()] {
        let mut connection = PgConnection::connect(&url).await.expect("the superuser connects");
        assert_eq!(text(&mut connection, "select count(*)::text from pgcleave.split").await, "0");
    }
}
