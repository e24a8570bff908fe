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
