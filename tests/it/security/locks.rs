//! Every login can take advisory locks, and one service's slow or broken part is its own affair.

use std::time::Duration;

use pgcleave::pg::connect::Target;
use pgcleave::pg::lock;
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::{Project, TestDb, answer};

/// A project of two services, each with a table, as this administrator.
async fn project(db: &TestDb, managed: bool) -> Project {
    let mut project = Project::new(db);
    if managed {
        project.connect_as(db.owning_admin().await);
    }
    for service in ["billing", "orders"] {
        project.manifest(
            service,
            "migrations: ../migrations/x\ncredentials: { app: { access: write } }\n".replace('x', service).as_str(),
        );
        project.write(&format!("migrations/{service}/V1__a.sql"), "create table a (id int)");
    }
    project
}

fn target(url: &str) -> Target {
    Target::parse(&SecretString::from(url.to_owned())).expect("a connection string")
}

#[tokio::test]
async fn a_stranger_with_advisory_locks_holds_up_nobody() {
    for managed in [false, true] {
        let db = TestDb::new().await;
        let project = project(&db, managed).await;
        db.run(&format!("create role {}stranger login password 'x'", db.prefix())).await;
        let mut stranger = db.connect_as(&format!("{}stranger", db.prefix()), "x").await.expect("a login");
        let locks = [
            "pgcleave apply",
            "the registry",
            "the migrations of schema orders",
            "the migrations of schema billing",
            "credential orders/app",
            "the split of service orders",
        ];
        for what in locks {
            let take = format!("select pg_advisory_lock(1885823852, hashtext('{what}'))");
            sqlx::raw_sql(AssertSqlSafe(take)).execute(&mut stranger).await.expect("anybody may");
        }
        // before the registry is there, and with it
        project.run(&["apply", "--allow", "revoke,close-database", "--lock-wait", "0"]).exits(0);
        project.write("migrations/orders/V2__b.sql", "create table b (id int)");
        project.run(&["migrate", "--lock-wait", "0"]).exits(0);
        project.run(&["apply", "--allow", "revoke,close-database", "--lock-wait", "0"]).exits(0);
        project.run(&["credentials", "rotate", "orders/app"]).exits(0);
        let held = "select count(*)::text from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())";
        assert_eq!(db.texts(held).await, [locks.len().to_string()], "the stranger's are left, and none of ours");
        let _ = stranger.close().await;
    }
}

#[tokio::test]
async fn a_stranger_cannot_lock_the_registrys_tables() {
    let db = TestDb::new().await;
    let project = project(&db, true).await;
    db.run(&format!("create role {}stranger login password 'x'", db.prefix())).await;
    let mut stranger = db.connect_as(&format!("{}stranger", db.prefix()), "x").await.expect("a login");
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    let tables = db.texts("select relname::text from pg_class where relnamespace = 'pgcleave'::regnamespace and relname like 'lock\\_%'").await;
    assert!(!tables.is_empty(), "there are lock tables");
    for table in tables {
        for mode in ["access share", "row exclusive", "exclusive"] {
            let lock = format!("begin; lock table pgcleave.{table} in {mode} mode");
            let refused = sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut stranger).await.expect_err("not theirs");
            let code = refused.as_database_error().and_then(|e| e.code()).map(String::from);
            assert_eq!(code.as_deref(), Some("42501"));
            sqlx::raw_sql("rollback").execute(&mut stranger).await.expect("rolled back");
        }
    }
}

#[tokio::test]
async fn a_held_lock_is_named_and_holds_back_neither_vacuum_nor_index_builds() {
    for managed in [false, true] {
        let db = TestDb::new().await;
        let project = project(&db, managed).await;
        project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
        let url = if managed { admin_url(&db).await } else { db.url() };
        let target = target(&url);
        let mut guard = lock::hold((&target, "the first"), "something", 0, &|_| ()).await.expect("nobody holds it");
        guard.check().await.expect("it is held");
        let horizon = "select coalesce(backend_xid::text, 'none') || ' ' || coalesce(backend_xmin::text, 'none') || ' ' || state \
                       from pg_stat_activity where application_name = 'the first' and datname = current_database()";
        assert_eq!(db.texts(horizon).await, ["none none idle in transaction"]);
        db.run("create index concurrently on orders.a (id)").await;
        let refused = lock::hold((&target, "the second"), "something", 0, &|_| ()).await.expect_err("it is held");
        assert!(refused.to_string().starts_with("something is locked by the first ("), "{refused}");
        let other = lock::hold((&target, "the second"), "something else", 0, &|_| ()).await.expect("another lock");
        other.release().await;
        let end = "select pg_terminate_backend(pid)::text from pg_stat_activity where application_name = 'the first' and datname = current_database()";
        assert_eq!(db.texts(end).await, ["true"]);
        guard.check().await.expect_err("its session has ended");
        let next = lock::hold((&target, "the second"), "something", 30, &|_| ()).await.expect("free again");
        next.release().await;
    }
}

/// Gives the connection string of the owning administrator that the project uses, with a new password.
async fn admin_url(db: &TestDb) -> String {
    let admin = format!("{}admin", db.prefix());
    db.run(&format!("alter role {admin} password 'known'")).await;
    db.url_as(&admin, "known")
}

#[tokio::test]
async fn grants_do_not_wait_for_another_services_slow_file() {
    let db = TestDb::new().await;
    let project = project(&db, false).await;
    project.manifest("billing", "migrations: ../migrations/billing\nexposes: [{ view: open, to: [orders] }]\n");
    project.manifest("orders", "migrations: ../migrations/orders\nconsumes: [billing.open]\n");
    project.manifest("slow", "migrations: ../migrations/slow\n");
    project.write("migrations/billing/V1__a.sql", "create table a (id int); create view open as select * from a");
    project.write("migrations/orders/V1__a.sql", "create view o as select * from billing.open");
    project.write("migrations/slow/V1__a.sql", "select pg_sleep(3600)");
    let run = project.start(&["apply", "--allow", "revoke,close-database"]);
    let done = "select to_regclass('orders.o')::text";
    while db.texts(done).await != ["orders.o"] {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let grants = format!("select has_table_privilege('{}orders_reader', 'billing.open', 'select')::text", db.prefix());
    assert_eq!(db.texts(&grants).await, ["true"]);
    let cancel = "select pg_cancel_backend(pid)::text from pg_stat_activity where query like 'select pg_sleep(3600)%' and datname = current_database()";
    assert_eq!(db.texts(cancel).await, ["true"], "the slow file still ran");
    let ended = tokio::task::spawn_blocking(move || run.wait_with_output().expect("it ends")).await.expect("no panic");
    let ended = answer(ended).exits(1);
    assert!(ended.stderr.contains("slow"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_missing_or_untrusted_extension_is_its_services_failure_alone() {
    for managed in [false, true] {
        for extension in ["nosuchext", "file_fdw"] {
            let db = TestDb::new().await;
            let project = project(&db, managed).await;
            project.manifest("evil", &format!("extensions: [{extension}]\nmigrations: ../migrations/evil\n"));
            project.write("migrations/evil/V1__a.sql", "create table a (id int)");
            let plan = project.run(&["plan"]);
            assert_eq!(plan.stdout.contains("untrusted-extension"), extension == "file_fdw", "{}", plan.stdout);
            // What is not allowed is refused, what cannot be had fails.
            let code = if extension == "file_fdw" { 5 } else { 1 };
            let applied = project.run(&["apply", "--allow", "revoke,close-database"]).exits(code);
            assert!(applied.stdout.contains("evil") || applied.stderr.contains("evil"), "{applied:?}");
            let tables = "select coalesce(to_regclass(s || '.a')::text, 'none') from unnest(array['billing', 'orders', 'evil']) s";
            assert_eq!(db.texts(tables).await, ["billing.a", "orders.a", "none"]);
            if extension == "file_fdw" {
                let allowed = project.run(&["apply", "--allow", "revoke,close-database,untrusted-extension"]);
                allowed.exits(i32::from(managed));
                let last = if managed { "none" } else { "evil.a" };
                assert_eq!(db.texts(tables).await, ["billing.a", "orders.a", last]);
            }
        }
    }
}

#[tokio::test]
async fn an_adopted_past_blocks_its_service_alone_and_changes_no_row() {
    for managed in [false, true] {
        let db = TestDb::new().await;
        let project = project(&db, managed).await;
        project.manifest("orders", "credentials: { app: { access: write } }\n");
        project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
        db.run(&format!(
            "set role {}orders_owner; create table orders.line (id int); insert into orders.line values (1)",
            db.prefix()
        ))
        .await;
        project.manifest("orders", "migrations: ../migrations/orders\ncredentials: { app: { access: write } }\n");
        project.write("migrations/orders/V1__a.sql", "create table if not exists line (id int)");
        project.write("migrations/orders/V2__b.sql", "update line set id = 2");
        project.write("migrations/billing/V2__b.sql", "create table b (id int)");
        let plan = project.run(&["plan"]);
        assert!(plan.stdout.contains("--mark-applied"), "{}", plan.stdout);
        let applied = project.run(&["apply", "--allow", "revoke,close-database"]).exits(3);
        assert!(applied.stdout.contains("--mark-applied") || applied.stderr.contains("--mark-applied"), "{applied:?}");
        assert_eq!(db.texts("select id::text from orders.line").await, ["1"]);
        assert_eq!(db.texts("select to_regclass('billing.b')::text").await, ["billing.b"], "others go on");
        let marked = project.run(&["migrate", "orders", "--mark-applied", "all"]).exits(0);
        assert!(
            marked.stdout.contains("orders: recorded V2__b.sql as applied, without running it"),
            "{}",
            marked.stdout
        );
        project.run(&["migrate", "--mark-applied", "all"]).exits(2);
        project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
        project.expect_no_changes();
        assert_eq!(db.texts("select id::text from orders.line").await, ["1"]);
    }
}

#[tokio::test]
async fn limits_come_from_the_configuration() {
    let db = TestDb::new().await;
    let project = project(&db, false).await;
    let config = std::fs::read_to_string(project.path().join("pgcleave.yaml")).expect("it is there");
    project.write("pgcleave.yaml", &format!("{config}migrate: {{ file_limit: 1s, lock_wait: 2s, lock_retries: 0 }}\n"));
    project.write("migrations/orders/V2__slow.sql", "set statement_timeout = 0; select pg_sleep(3600)");
    let applied = project.run(&["apply", "--allow", "revoke,close-database"]).exits(1);
    assert!(
        applied.stdout.contains("stopped after 1 s") || applied.stderr.contains("stopped after 1 s"),
        "{applied:?}"
    );
    for bad in ["file_limit: 5", "lock_wait: x", "lock_retries: 101", "lock_retries: -1"] {
        project.write("pgcleave.yaml", &format!("{config}migrate: {{ {bad} }}\n"));
        project.run(&["check"]).exits(2);
    }
    let mut admin = PgConnection::connect(&db.url()).await.expect("a login");
    let left: i64 = sqlx::query_scalar(
        "select count(*) from pg_roles where rolname like '%pgcleave_tmp%' and rolname like $1 || '%'",
    )
    .bind(db.prefix())
    .fetch_one(&mut admin)
    .await
    .expect("counted");
    assert_eq!(left, 0);
}
