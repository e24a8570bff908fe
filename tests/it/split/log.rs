//! What the slot holds back on the shared server, and how that is bounded.

use super::books::Writers;
use super::{Move, run, texts};
use crate::support::Dedicated;

#[tokio::test]
async fn a_copy_that_holds_back_more_log_than_allowed_is_stopped_and_lets_go_of_it() {
    let service = Move::new().await;
    let writers = Writers::start(&service, 1, 4);
    let slow = ["start", "--max-rate", "20k", "--max-wal", "100k"];
    let answer = service.run(&slow).await.exits(1);
    assert!(answer.stderr.contains("split-log") && answer.stderr.contains("--max-wal"), "{}", answer.stderr);
    let slots = "select slot_name::text from pg_replication_slots where database = current_database()";
    assert_eq!(texts(&service.source, slots).await, Vec::<String>::new());
    assert_eq!(service.phase().await, "copying");
    // With more room it begins anew.
    service.run(&["start", "--max-wal", "20G"]).await.exits(0);
    let status = service.run(&["status", "--format", "json"]).await.exits(0).json();
    assert_eq!(status["max_wal_bytes"], 20_000_000_000_u64, "{status}");
    service.run(&["cutover"]).await.exits(0);
    writers.more(20).await;
    writers.settle(&service.target).await;
    service.expect_equal().await;
}

#[tokio::test]
async fn a_split_that_nobody_looks_after_loses_its_slot_and_not_the_shared_servers_disk() {
    let (source, target) = (Dedicated::start().await, Dedicated::start().await);
    let service = Move::between(&source, &target).await;
    service.run(&["start"]).await.exits(0);
    run(&service.source, "alter system set max_slot_wal_keep_size = '1MB'").await;
    run(&service.source, "select pg_reload_conf()").await;
    let names = "select subname::text from pg_subscription";
    let name = texts(&service.target, names).await.remove(0);
    run(&service.target, &format!("alter subscription {name} disable")).await;
    let lost = "select wal_status::text from pg_replication_slots where wal_status = 'lost'";
    for _ in 0..20 {
        run(
            &service.source,
            "create table public.bulk as select repeat('x', 1000) as t from generate_series(1, 20000)",
        )
        .await;
        run(&service.source, "drop table public.bulk").await;
        run(&service.source, "select pg_switch_wal()").await;
        run(&service.source, "checkpoint").await;
        if !texts(&service.source, lost).await.is_empty() {
            break;
        }
    }
    let status = service.run(&["status", "--format", "json"]).await.exits(0).json();
    assert_eq!(status["wal_status"], "lost", "{status}");
    assert!(status["blockers"].to_string().contains("split abort"), "{status}");
    let answer = service.run(&["cutover"]).await.exits(1);
    assert!(answer.stderr.contains("split abort"), "{}", answer.stderr);
    let answer = service.run(&["start"]).await.exits(1);
    assert!(answer.stderr.contains("split abort"), "{}", answer.stderr);
    service.run(&["abort"]).await.exits(0);
    service.expect_nothing_left().await;
    run(&service.source, "alter system reset max_slot_wal_keep_size").await;
    run(&service.source, "select pg_reload_conf()").await;
    service.run(&["start"]).await.exits(0);
    service.expect_equal().await;
}

/// Writes log until a slot of the server has lost its own.
async fn lose_a_slot(url: &str) {
    let lost = "select wal_status::text from pg_replication_slots where wal_status = 'lost'";
    for _ in 0..40 {
        run(url, "create table public.bulk as select repeat('x', 1000) as t from generate_series(1, 20000)").await;
        run(url, "drop table public.bulk").await;
        run(url, "select pg_switch_wal()").await;
        run(url, "checkpoint").await;
        if !texts(url, lost).await.is_empty() {
            return;
        }
    }
    panic!("no slot was lost");
}

#[tokio::test]
async fn a_copy_whose_slot_loses_its_log_is_stopped_and_says_so() {
    let (source, target) = (Dedicated::start().await, Dedicated::start().await);
    let service = Move::between(&source, &target).await;
    let mut copying = service.start(&["start", "--max-rate", "20k"]);
    assert!(service.reaches(&service.source, "copying", &mut copying).await, "{:?}", copying.wait_with_output());
    let slots = "select slot_name::text from pg_replication_slots";
    for _ in 0..200 {
        if !texts(&service.source, slots).await.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // Set earlier, the check would have refused.
    run(&service.source, "alter system set max_slot_wal_keep_size = '1MB'").await;
    run(&service.source, "select pg_reload_conf()").await;
    lose_a_slot(&service.source).await;
    let stopped = tokio::task::spawn_blocking(move || copying.wait_with_output().expect("it ends")).await;
    let stopped = crate::support::answer(stopped.expect("no panic")).exits(1);
    assert!(stopped.stderr.contains("split-log") && stopped.stderr.contains("max_slot_wal_keep_size"), "{stopped:?}");
    assert_eq!(texts(&service.source, slots).await, Vec::<String>::new());
    assert_eq!(service.phase().await, "copying");
    service.run(&["abort"]).await.exits(0);
    service.expect_nothing_left().await;
}

#[tokio::test]
async fn a_way_back_whose_slot_loses_its_log_is_told_and_the_split_can_end() {
    let (source, target) = (Dedicated::start().await, Dedicated::start().await);
    let service = Move::between(&source, &target).await;
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    run(&service.target, "alter system set max_slot_wal_keep_size = '1MB'").await;
    run(&service.target, "select pg_reload_conf()").await;
    let name = texts(&service.source, "select subname::text from pg_subscription").await.remove(0);
    run(&service.source, &format!("alter subscription {name} disable")).await;
    lose_a_slot(&service.target).await;
    let status = service.run(&["status", "--format", "json"]).await.exits(0).json();
    assert_eq!(status["wal_status"], "lost", "{status}");
    assert!(status["blockers"].to_string().contains("no way back any more"), "{status}");
    let refused = service.run(&["rollback"]).await.exits(1);
    assert!(refused.stderr.contains("no way back any more"), "{}", refused.stderr);
    let refused = service.run(&["abort"]).await.exits(5);
    assert!(refused.stderr.contains("the target has the writes"), "{}", refused.stderr);
    run(&service.target, &format!("insert into {}.nothing values (1)", service.name)).await;
    service.run(&["finish", "--bridge", "none"]).await.exits(0);
    service.expect_only_the_record_left().await;
}
