//! What is refused, and left as it was.

use super::{Move, run, texts};
use crate::split::books::Writers;
use crate::support::answer;

#[tokio::test]
async fn a_second_pgcleave_is_told_who_holds_the_split() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let what = format!("the split of service {}", service.name);
    let mut other = <sqlx::PgConnection as sqlx::Connection>::connect(&service.source).await.expect("a connection");
    let take = "select pg_advisory_lock(x'7067636c'::int, hashtext($1))";
    sqlx::query(take).bind(&what).execute(&mut other).await.expect("the lock is free");
    let answer = service.run(&["cutover"]).await.exits(5);
    assert!(answer.stderr.contains("lock-held") && answer.stderr.contains(&what), "{}", answer.stderr);
}

#[tokio::test]
async fn rows_of_tables_that_were_never_analyzed_are_reckoned_by_their_size() {
    let service = Move::new().await;
    let off = "alter table {s}.fresh set (autovacuum_enabled = off)".replace("{s}", &service.name);
    run(&service.source, &format!("create table {}.fresh (id int primary key, t text); {off}", service.name)).await;
    let fill = "insert into {s}.fresh select g, repeat('x', 30) from generate_series(1, 100000) g";
    run(&service.source, &fill.replace("{s}", &service.name)).await;
    let checked = service.run(&["check", "--format", "json"]).await.json();
    let rows = checked["estimate"]["rows"].as_u64().expect("a number");
    assert!((50_000..200_000).contains(&rows), "{checked}");
}

#[tokio::test]
async fn a_target_that_holds_the_schema_is_refused() {
    let service = Move::new().await;
    run(&service.target, &format!("create schema {}", service.name)).await;
    let answer = service.run(&["start"]).await.exits(3);
    assert!(answer.stderr.contains("has a schema"), "{}", answer.stderr);
    assert_eq!(texts(&service.target, "select 'made' where to_regclass('pgcleave.split') is not null").await.len(), 0);
}

#[tokio::test]
async fn a_table_without_replica_identity_is_refused_before_it_is_published() {
    let service = Move::new().await;
    run(&service.source, &format!("create table {}.bare (id int)", service.name)).await;
    let answer = service.run(&["start"]).await.exits(3);
    assert!(answer.stderr.contains(".bare has no replica identity"), "{}", answer.stderr);
}

#[tokio::test]
async fn the_shared_database_is_no_target() {
    let mut service = Move::new().await;
    service.target.clone_from(&service.source);
    let answer = service.run(&["start"]).await.exits(5);
    assert!(answer.stderr.contains("split-target"), "{}", answer.stderr);
}

#[tokio::test]
async fn a_transaction_that_keeps_the_slot_from_being_made_is_named() {
    let service = Move::new().await;
    let mut other = <sqlx::PgConnection as sqlx::Connection>::connect(&service.source).await.expect("a connection");
    let open = format!("begin; insert into {}.nothing values (1); set application_name = 'slow import'", service.name);
    sqlx::raw_sql(sqlx::AssertSqlSafe(open)).execute(&mut other).await.expect("a transaction");
    let answer = service.run(&["start", "--lock-wait", "1"]).await.exits(1);
    assert!(answer.stderr.contains("split-slot") && answer.stderr.contains("slow import"), "{}", answer.stderr);
    sqlx::raw_sql("commit").execute(&mut other).await.expect("it ends");
    service.run(&["start"]).await.exits(0);
    service.expect_equal().await;
}

#[tokio::test]
async fn a_writer_in_the_way_is_waited_for_while_others_go_on() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let mut slow = <sqlx::PgConnection as sqlx::Connection>::connect(&service.source).await.expect("a connection");
    let open = format!("begin; insert into {}.nothing values (7); set application_name = 'slow writer'", service.name);
    sqlx::raw_sql(sqlx::AssertSqlSafe(open)).execute(&mut slow).await.expect("a transaction");
    let writers = Writers::start(&service, 1, 2);
    let answer = service.run(&["cutover", "--wait", "1"]).await.exits(5);
    assert!(answer.stderr.contains("slow writer"), "{}", answer.stderr);
    assert_eq!(service.phase().await, "ready");
    writers.more(20).await;
    sqlx::raw_sql("commit").execute(&mut slow).await.expect("it ends");
    service.run(&["cutover"]).await.exits(0);
    writers.more(20).await;
    writers.settle(&service.target).await;
    let slow = format!("select id::text from {}.nothing", service.name);
    assert_eq!(texts(&service.target, &slow).await, ["7"]);
}

#[tokio::test]
async fn what_a_killed_cutover_has_left_is_settled_without_waiting_for_writers() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    // As a kill leaves it between the record of the fence and its locks.
    let fenced = "update pgcleave.split set revision = revision + 1, record = record || jsonb_build_object('phase', 'fenced', \
         'revision', revision + 1, 'turn', jsonb_build_object('to', 'target', 'step', 'fencing'))";
    run(&service.source, fenced).await;
    run(&service.target, fenced).await;
    let mut slow = <sqlx::PgConnection as sqlx::Connection>::connect(&service.source).await.expect("a connection");
    let open = format!("begin; insert into {}.nothing values (7); set application_name = 'slow writer'", service.name);
    sqlx::raw_sql(sqlx::AssertSqlSafe(open)).execute(&mut slow).await.expect("a transaction");
    let answer = service.run(&["cutover", "--wait", "1"]).await.exits(5);
    assert!(answer.stderr.contains("the source is open again"), "{}", answer.stderr);
    assert!(answer.stderr.contains("split-not-fenced") && answer.stderr.contains("slow writer"), "{}", answer.stderr);
    assert_eq!(service.phase().await, "ready");
    sqlx::raw_sql("commit").execute(&mut slow).await.expect("it ends");
    service.run(&["cutover"]).await.exits(0);
    service.expect_equal().await;
}

#[tokio::test]
async fn a_table_changed_on_one_side_is_noticed_and_on_both_is_taken_along() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let change = format!(
        "alter table {s}.nothing add column more text; create table {s}.new (id int primary key); alter table {s}.new owner to {s}_owner",
        s = service.name
    );
    run(&service.source, &change).await;
    let answer = service.run(&["cutover"]).await.exits(5);
    assert!(answer.stderr.contains("split-definitions") && answer.stderr.contains("nothing.more"), "{}", answer.stderr);
    run(&service.target, &change).await;
    service.run(&["start"]).await.exits(0);
    run(
        &service.source,
        &format!("insert into {s}.new values (1); insert into {s}.nothing values (2, 'x')", s = service.name),
    )
    .await;
    service.run(&["cutover"]).await.exits(0);
    service.expect_equal().await;
    assert_eq!(texts(&service.target, &format!("select id::text from {}.new", service.name)).await, ["1"]);
}

#[tokio::test]
async fn rows_that_differ_at_the_fence_lead_straight_back() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let stray = format!("set session_replication_role = replica; insert into {}.nothing values (99)", service.name);
    run(&service.target, &stray).await;
    let answer = service.run(&["cutover"]).await.exits(1);
    assert!(answer.stderr.contains("split-differs") && answer.stderr.contains(".nothing"), "{}", answer.stderr);
    assert_eq!(service.phase().await, "ready");
    run(&service.source, &format!("insert into {}.nothing values (1)", service.name)).await;
}

#[tokio::test]
async fn a_pause_that_grows_too_long_is_undone() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let writers = Writers::start(&service, 1, 2);
    let answer = service.run(&["cutover", "--max-pause", "0", "--wait", "0"]).await.exits(5);
    assert!(answer.stderr.contains("split-not-fenced"), "{}", answer.stderr);
    assert_eq!(service.phase().await, "ready");
    writers.more(20).await;
    writers.settle(&service.source).await;
    service.run(&["cutover"]).await.exits(0);
    service.expect_equal().await;
}

#[tokio::test]
async fn an_archive_in_the_midst_of_a_split_is_refused_in_one_sentence_and_its_rows_are_not() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let folder = service.folder.path();
    let export = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pgcleave"));
        command.current_dir(folder).env("DATABASE_URL", &service.source).args(["export", &service.name]).args(more);
        command.envs(service.programs.iter().map(|folder| ("PGCLEAVE_PG_BIN", folder)));
        answer(command.output().expect("the binary runs"))
    };
    let refused = export(&["--to", "archive", "--allow-coupling", "needs"]).exits(5);
    assert!(refused.stderr.contains("service-moving") && refused.stderr.contains("split abort"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("split_moved"), "{}", refused.stderr);
    let rows = export(&["--to", "rows", "--as", "jsonl"]).exits(0);
    assert!(!rows.stderr.contains("split_moved"), "{}", rows.stderr);
    assert!(folder.join("rows/entry.jsonl").exists() && !folder.join("archive").exists());
    service.run(&["abort"]).await.exits(0);
    export(&["--to", "archive"]).exits(0);
}

#[tokio::test]
async fn check_names_the_same_as_start_where_rows_or_definitions_are_in_the_wrong_hands() {
    let service = Move::new().await;
    let blockers = async |allow: &[&str]| {
        let told = service.run(&[&["check", "--format", "json"], allow].concat()).await;
        let all = told.json()["blockers"].as_array().expect("a list").clone();
        all.iter().map(|item| item["kind"].as_str().expect("a word").to_owned()).collect::<Vec<_>>()
    };
    let allow = ["--allow", "superuser-objects"];
    assert_eq!(blockers(&[]).await, Vec::<String>::new());
    run(&service.source, &format!("create table {}.loose (id int primary key)", service.name)).await;
    assert_eq!(blockers(&[]).await, ["superuser-objects"]);
    let refused = service.run(&["start"]).await.exits(3);
    assert!(refused.stderr.contains("superuser in the target"), "{}", refused.stderr);
    assert_eq!(blockers(&allow).await, Vec::<String>::new());

    let lacks = "revoke select on {s}.made from {s}_owner".replace("{s}", &service.name);
    run(&service.source, &lacks).await;
    assert_eq!(blockers(&allow).await, ["owner-lacks-privilege"]);
    let refused = service.run(&[&["start"], &allow[..]].concat()).await.exits(5);
    assert!(refused.stderr.contains("error[owner-lacks-privilege]"), "{}", refused.stderr);
    run(&service.source, &lacks.replace("revoke", "grant").replace(" from ", " to ")).await;
    service.run(&[&["start"], &allow[..]].concat()).await.exits(0);
}
