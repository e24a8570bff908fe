//! From nothing, or from what is there, to what the manifests say.

use sqlx::{Connection as _, PgConnection};

use super::Shop;
use crate::support::{Project, Proxy, TestDb};

#[tokio::test]
async fn provisions_an_empty_database_and_the_next_plan_is_empty() {
    let shop = Shop::new().await;
    let said = shop.apply(&["--format", "json", "--progress", "json"]).exits(0);
    for line in said.stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("one JSON object a line");
        assert_eq!(event["format"], "pgcleave.event/1", "{line}");
    }
    assert!(said.stderr.contains("\"event\":\"finished\""), "{}", said.stderr);
    let applied = said.json();
    let services = applied["services"].as_array().expect("services");
    let orders = services.iter().find(|s| s["service"] == "orders").expect("orders");
    assert_eq!(orders["migrations"], serde_json::json!(["V1__orders.sql"]));
    assert_eq!(orders["issued"].as_array().map(Vec::len), Some(3));
    shop.converged();
}

#[tokio::test]
async fn an_administrator_without_superuser_provisions_and_keeps_no_access() {
    for owning in [false, true] {
        let mut shop = Shop::new().await;
        let url = if owning { shop.db.owning_admin().await } else { shop.db.createrole_admin().await };
        shop.project.connect_as(url.clone());
        shop.apply(&[]).exits(0);
        shop.converged();
        let rows = [
            "select id from orders.orders",
            "select * from billing.invoice_status",
            "set role \"@orders_owner\"",
            "set role \"@orders_writer\"",
        ];
        for sql in rows {
            let mut admin = PgConnection::connect(&url).await.expect("the administrator connects");
            let sql = sql.replace('@', shop.db.prefix());
            let answer = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(&mut admin).await;
            // before 16 CREATEROLE can take any role when it wants to; what counts is that nothing was left behind
            let error = answer.expect_err(&sql);
            let code = error.as_database_error().and_then(|e| e.code()).map(|c| c.to_string());
            assert_eq!(code.as_deref(), Some("42501"), "{sql}: {error}");
        }
        let left = "not exists (select from pg_auth_members m where m.member = '@admin'::regrole \
            and (m.roleid::regrole::text like '%\\_owner') and not m.admin_option)";
        assert!(shop.holds(left).await);
    }
}

#[tokio::test]
async fn an_administrator_by_membership_in_another_keeps_no_access_either() {
    let mut shop = Shop::new().await;
    let url = shop.db.owning_admin().await;
    shop.project.connect_as(url);
    shop.apply(&[]).exits(0);
    let deputy = "create role \"@deputy\" login createrole password 'secret'; grant \"@admin\" to \"@deputy\"";
    shop.sql(deputy).await;
    shop.project.connect_as(shop.db.url_as(&format!("{}deputy", shop.db.prefix()), "secret"));
    shop.sql("create table orders.new (id int); alter table orders.new owner to \"@orders_owner\"").await;
    shop.sql("create table orders.taken (id int)").await;
    shop.sql("revoke select on orders.orders from \"@orders_reader\"").await;
    shop.project.write("migrations/orders/V2__more.sql", "create table more (id int);");
    let left = shop.apply(&["--allow", "change-owner"]).exits(0);
    assert!(left.stdout.contains("orders.taken is left as it is"), "{}", left.stdout);
    shop.sql("alter table orders.taken owner to \"@orders_owner\"").await;
    shop.apply(&[]).exits(0);
    shop.converged();
    let left = "not exists (select from pg_auth_members m where m.member = '@deputy'::regrole \
        and m.roleid <> '@admin'::regrole and not m.admin_option)";
    assert!(shop.holds(left).await);
}

#[tokio::test]
async fn another_administrator_is_told_whose_the_registry_is() {
    let mut shop = Shop::new().await;
    let url = shop.db.owning_admin().await;
    shop.project.connect_as(url);
    shop.apply(&[]).exits(0);
    shop.sql(&format!(
        "create role \"@other\" login createrole password 'secret'; grant connect on database {} to \"@other\"",
        shop.db.name()
    ))
    .await;
    shop.project.connect_as(shop.db.url_as(&format!("{}other", shop.db.prefix()), "secret"));
    let credentials = [&["credentials", "list"][..], &["credentials", "rotate", "--all"], &["credentials", "verify"]];
    for command in [&["plan"][..], &["apply"], &["migrate"]].into_iter().chain(credentials) {
        let refused = shop.project.run(command).exits(1);
        assert!(refused.stderr.contains("error[foreign-registry]"), "{command:?}: {}", refused.stderr);
        let whose = format!("belongs to the administrator {}admin", shop.db.prefix());
        assert!(refused.stderr.contains(&whose), "{command:?}: {}", refused.stderr);
    }
}

#[tokio::test]
async fn logins_of_another_database_keep_their_passwords_unless_that_is_allowed() {
    let shop = Shop::applied().await;
    let file = shop.project.path().join(format!(".secrets/{}orders_app.env", shop.db.prefix()));
    let secret = std::fs::read_to_string(&file).expect("a published secret");
    let url = secret.lines().find_map(|line| line.strip_prefix("DATABASE_URL=")).expect("a connection string");
    let other = TestDb::new().await;
    let mut second = Project::new(&shop.db);
    second.connect_as(other.url());
    second.manifest("orders", "credentials: { app: { access: write } }\n");
    let refused = second.run(&["apply", "--allow", "revoke,close-database"]).exits(5);
    assert!(refused.stderr.contains("replace-password"), "{}", refused.stderr);
    assert!(PgConnection::connect(url).await.is_ok(), "the first database's client still has its password");
    second.run(&["apply", "--allow", "revoke,close-database,replace-password"]).exits(0);
    second.expect_no_changes();
    assert!(PgConnection::connect(url).await.is_err());
}

#[tokio::test]
async fn a_reader_runs_reading_functions_only_and_nobody_else_runs_any() {
    let shop = Shop::applied().await;
    let may = |role: &str, routine: &str| format!("has_function_privilege('@{role}', 'orders.{routine}', 'execute')");
    assert!(shop.holds(&may("orders_reader", "total(bigint)")).await);
    assert!(!shop.holds(&may("orders_reader", "touch()")).await);
    assert!(!shop.holds(&may("orders_reader", "tidy()")).await);
    assert!(shop.holds(&may("orders_writer", "touch()")).await);
    assert!(!shop.holds(&may("billing_writer", "total(bigint)")).await);
}

#[tokio::test]
async fn a_range_types_own_functions_are_nobodys_business() {
    let mut shop = Shop::new().await;
    let url = shop.db.owning_admin().await;
    shop.project.connect_as(url);
    shop.apply(&[]).exits(0);
    shop.converged();
    let audit = shop.project.run(&["audit", "--accept-unreadable"]);
    assert!(audit.code == 0 || audit.code == 4, "{}", audit.stderr);
    assert!(!audit.stdout.contains("orders.span"), "{}", audit.stdout);
}

#[tokio::test]
async fn later_objects_get_their_grants_from_default_privileges() {
    let shop = Shop::applied().await;
    shop.sql(
        "set role \"@orders_owner\"; create table orders.later (id serial); create type orders.mood as enum ('ok')",
    )
    .await;
    assert!(shop.holds("has_table_privilege('@orders_writer', 'orders.later', 'insert')").await);
    assert!(shop.holds("has_sequence_privilege('@orders_writer', 'orders.later_id_seq', 'usage')").await);
    assert!(!shop.holds("has_type_privilege('@billing_writer', 'orders.mood', 'usage')").await);
    shop.converged();
}

#[tokio::test]
async fn a_consumer_reads_the_contract_and_nothing_else() {
    let shop = Shop::applied().await;
    assert!(shop.holds("has_table_privilege('@orders_app_a', 'billing.invoice_status', 'select')").await);
    assert!(shop.holds("has_schema_privilege('@orders_app_a', 'billing', 'usage')").await);
    assert!(!shop.holds("has_table_privilege('@orders_app_a', 'billing.invoices', 'select')").await);
    assert!(!shop.holds("has_table_privilege('@orders_app_a', 'billing.invoice_status', 'insert')").await);
    let direct = "exists (select from pg_class c, aclexplode(c.relacl) a where c.oid = 'billing.invoice_status'::regclass \
        and a.grantee = '@orders_reader'::regrole)";
    assert!(shop.holds(direct).await, "a contract is granted to the reader role");
}

#[tokio::test]
async fn takes_over_a_schema_that_somebody_else_made() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    project.manifest("old", "credentials: { app: { access: write } }\n");
    let shop = Shop { db, project };
    shop.sql(
        "create role \"@legacy\"; create schema old authorization \"@legacy\"; set role \"@legacy\"; \
         create table old.t (id serial primary key, v text, n int generated always as identity); create table old.p (d date) partition by range (d); \
         create table old.p1 partition of old.p default; create view old.v as select * from old.t; \
         create materialized view old.m as select 1 as one; create function old.f() returns int language sql as 'select 1'; \
         create type old.e as enum ('a'); create domain old.d as text; create sequence old.s; \
         grant select on old.t to public; grant usage on schema old to public; insert into old.t (v) values ('kept')",
    )
    .await;
    let refused = shop.apply(&[]).exits(5);
    assert!(refused.stderr.contains("change-owner"), "{}", refused.stderr);
    assert!(shop.holds("(select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'old') = '@legacy'").await);

    shop.apply(&["--allow", "change-owner"]).exits(0);
    shop.converged();
    let foreign = "not exists (select from pg_class where relnamespace = 'old'::regnamespace and relowner <> '@old_owner'::regrole)";
    assert!(shop.holds(foreign).await);
    assert!(!shop.holds("has_table_privilege('@legacy', 'old.t', 'select')").await);
    assert!(shop.holds("(select v from old.t) = 'kept'").await);
}

#[tokio::test]
async fn an_administrator_without_superuser_takes_over_what_it_made_itself() {
    let db = TestDb::new().await;
    let mut project = Project::new(&db);
    let url = db.createrole_admin().await;
    project.connect_as(url.clone());
    project.manifest("old", "credentials: { app: { access: write } }\n");
    let shop = Shop { db, project };
    let mut admin = PgConnection::connect(&url).await.expect("the administrator connects");
    sqlx::raw_sql("create schema old; create table old.t (id serial)").execute(&mut admin).await.expect("it may");
    shop.apply(&["--allow", "change-owner"]).exits(0);
    shop.converged();
    let refused = sqlx::raw_sql("select * from old.t").execute(&mut admin).await.expect_err("it owned it before");
    assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("42501"));
}

#[tokio::test]
async fn what_an_administrator_cannot_take_over_is_told_and_left() {
    let db = TestDb::new().await;
    let mut project = Project::new(&db);
    project.connect_as(db.createrole_admin().await);
    project.manifest("orders", "credentials: { app: { access: write } }\n");
    let shop = Shop { db, project };
    shop.apply(&[]).exits(0);
    shop.sql(
        "create table orders.by_hand (id serial, v text); grant select on orders.by_hand to public; \
         set role \"@orders_owner\"; create table orders.later (id int)",
    )
    .await;
    let said = shop.apply(&[]).exits(0);
    let told = "orders.by_hand is left as it is; who can, or a superuser, can run: alter table \"orders\".\"by_hand\" owner to";
    assert!(said.stdout.contains(told), "{}", said.stdout);
    shop.converged();
    assert!(shop.holds("has_table_privilege('@orders_writer', 'orders.later', 'insert')").await);
    assert!(
        shop.holds(
            "(select relowner <> '@orders_owner'::regrole from pg_class where oid = 'orders.by_hand'::regclass)"
        )
        .await
    );

    shop.sql("alter table orders.by_hand owner to \"@orders_owner\"").await;
    shop.apply(&["--prune"]).exits(0);
    shop.converged();
    assert!(shop.holds("has_table_privilege('@orders_writer', 'orders.by_hand', 'insert')").await);
}

#[tokio::test]
async fn a_writer_fills_serial_and_identity_columns_alike() {
    let shop = Shop::applied().await;
    // lines.id is serial, whose sequence wants USAGE; orders.id is an identity, whose sequence nobody asks
    let write = "set role \"@orders_writer\"; insert into orders.orders default values; insert into orders.lines default values";
    shop.sql(write).await;
    assert!(shop.holds("(select count(*) from orders.orders) = 1 and (select max(id) from orders.lines) = 1").await);
    let sequence = "has_sequence_privilege('@orders_reader', 'orders.lines_id_seq', 'usage, update')";
    assert!(shop.holds(&format!("not {sequence}")).await, "a reader takes no numbers");
}

#[tokio::test]
async fn an_extension_is_found_through_the_search_path() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    project.manifest(
        "vault",
        "extensions: [pgcrypto]\nmigrations: ../migrations/vault\ncredentials: { app: { access: write } }\n",
    );
    project.write("migrations/vault/V1__keys.sql", "create table keys (k bytea default gen_random_bytes(8));");
    let shop = Shop { db, project };
    shop.apply(&[]).exits(0);
    shop.converged();
    shop.sql("insert into vault.keys default values").await;
    assert!(shop.holds("(select length(k) from vault.keys) = 8").await);
    assert!(!shop.holds("has_schema_privilege('public', 'extensions', 'usage')").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_takes_the_same_number_of_round_trips_for_2_and_for_20_services() {
    let mut counts = Vec::new();
    for services in [2, 20] {
        let db = TestDb::new().await;
        let mut project = Project::new(&db);
        for i in 0..services {
            project
                .manifest(&format!("s{i}"), "migrations: ../migrations/all\ncredentials: { app: { access: write } }\n");
        }
        project.write("migrations/all/V1__t.sql", "create table t (id serial primary key);");
        let shop = Shop { db, project };
        shop.apply(&[]).exits(0);
        project = shop.project;
        let url = shop.db.url();
        let address = url.rsplit_once('@').expect("a login").1.split(['/', '?']).next().expect("an address");
        let (host, port) = address.rsplit_once(':').expect("a port");
        let proxy = Proxy::start(host, port.parse().expect("a port"), std::time::Duration::ZERO).await;
        project.connect_as(proxy.through(&url));
        project.expect_no_changes();
        counts.push(proxy.round_trips());
    }
    assert!(counts[0] > 0);
    assert_eq!(counts[0], counts[1]);
}
