//! SIGTERM, SIGHUP and SIGINT: what systemd, Kubernetes, CI runners and terminals send.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use crate::support::{Project, TestDb};

/// Waits until a session of the watcher's database waits for a lock.
///
/// The watcher is there already: a new session might wait for the same lock.
async fn blocked(watcher: &mut PgConnection) {
    let waiting = "select count(*)::text from pg_catalog.pg_stat_activity where datname = pg_catalog.current_database() \
        and wait_event_type = 'Lock'";
    for _ in 0..600 {
        let count: String = sqlx::query_scalar(waiting).fetch_one(&mut *watcher).await.expect("a select works");
        if count != "0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing has waited for a lock");
}

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill starts").success());
}

/// A project one of whose commands waits for a lock that the returned connection holds.
async fn waiting(db: &TestDb) -> (Project, PgConnection) {
    let project = Project::new(db);
    project.manifest("a", "migrations: ../migrations/a\ncredentials: { app: { access: write } }\n");
    project.write("migrations/a/V1__x.sql", "create table t (id int primary key);");
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    project.write("migrations/a/V2__y.sql", "alter table t add column v text;");
    let mut holder = db.connect().await;
    sqlx::raw_sql("begin; lock table a.t in access exclusive mode").execute(&mut holder).await.expect("a lock");
    (project, holder)
}

#[tokio::test]
async fn each_signal_is_a_request_to_stop_and_exits_with_130() {
    for signal in ["TERM", "HUP", "INT"] {
        let db = TestDb::new().await;
        let (project, holder) = waiting(&db).await;
        let mut watcher = db.connect().await;
        let child = project.start(&["migrate"]);
        blocked(&mut watcher).await;
        send(&child, signal);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(130), "{signal}: {output:?}");
        let _ = holder.close().await;
        project.run(&["migrate"]).exits(0);
        assert_eq!(db.texts("select count(*)::text from a.refinery_schema_history").await, ["2"], "{signal}");
    }
}

#[tokio::test]
async fn a_hangup_that_was_ignored_at_start_stays_ignored() {
    let db = TestDb::new().await;
    let (project, holder) = waiting(&db).await;
    let mut watcher = db.connect().await;
    let command = project.command(&["migrate"]);
    let mut nohup = Command::new("sh");
    nohup.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    nohup.current_dir(project.path());
    for (name, value) in command.get_envs() {
        nohup.env(name, value.expect("it only sets"));
    }
    let child = nohup.spawn().expect("sh starts");
    blocked(&mut watcher).await;
    send(&child, "HUP");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let _ = holder.close().await;
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.status.signal()), (Some(0), None));
}

#[tokio::test]
async fn a_command_that_only_reads_stops_at_once() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    project.manifest("a", "credentials: { app: { access: read } }\n");
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    // a plan reads the catalog: whoever holds it makes the plan wait
    let (mut holder, mut watcher) = (db.connect().await, db.connect().await);
    sqlx::raw_sql("begin; lock table pg_catalog.pg_default_acl in access exclusive mode")
        .execute(&mut holder)
        .await
        .expect("a lock");
    for command in [&["plan"][..], &["audit"], &["why", "nobody", "a.t"]] {
        let child = project.start(command);
        blocked(&mut watcher).await;
        send(&child, "TERM");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(130), "{command:?}: {output:?}");
        let left = "select pg_catalog.pg_terminate_backend(pid)::text from pg_catalog.pg_stat_activity \
            where datname = pg_catalog.current_database() and application_name like 'pgcleave%'";
        // Their sessions wait on, for nobody.
        sqlx::raw_sql(left).execute(&mut watcher).await.expect("the superuser can end sessions");
        while sqlx::query(
            "select from pg_catalog.pg_stat_activity where datname = pg_catalog.current_database() \
            and application_name like 'pgcleave%'",
        )
        .fetch_optional(&mut watcher)
        .await
        .expect("a select works")
        .is_some()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
