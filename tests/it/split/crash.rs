//! Each server crashes and comes back, in each phase: nothing that was acknowledged is lost or doubled.

use super::Move;
use super::books::Writers;
use crate::support::{Dedicated, answer};

/// Runs a command, and crashes a server as soon as a side's record says a phase; then brings the command to its end.
async fn crash_in(service: &Move, server: &Dedicated, side: &str, phase: &str, arguments: &[&str]) {
    let mut running = service.start(arguments);
    let met = service.reaches(side, phase, &mut running).await;
    server.crash().await;
    let ended = tokio::task::spawn_blocking(move || running.wait_with_output().expect("it has ended"));
    let answer = answer(ended.await.expect("it does not panic"));
    assert!(met || answer.code == 0, "{phase} never came: {answer:?}");
    if answer.code != 0 {
        service.persist(arguments).await;
    }
}

async fn every_phase(of_source: bool) {
    let (source, target) = (Dedicated::start().await, Dedicated::start().await);
    let service = Move::between(&source, &target).await;
    let crashed = if of_source { &source } else { &target };
    let (one, two) = (service.source.clone(), service.target.clone());
    let writers = Writers::start(&service, 1, 2);
    writers.more(10).await;
    crash_in(&service, crashed, &one, "copying", &["start", "--max-rate", "1M"]).await;
    crashed.crash().await;
    assert_eq!(service.phase().await, "ready");
    writers.more(10).await;
    crash_in(&service, crashed, &one, "fenced", &["cutover"]).await;
    writers.more(10).await;
    crashed.crash().await;
    service.persist(&["rollback"]).await;
    writers.more(10).await;
    crash_in(&service, crashed, &two, "switched", &["cutover"]).await;
    writers.more(10).await;
    crash_in(&service, crashed, &two, "fenced", &["rollback"]).await;
    writers.more(10).await;
    service.persist(&["cutover"]).await;
    crash_in(&service, crashed, &one, "switched", &["rollback"]).await;
    writers.more(10).await;
    service.persist(&["cutover"]).await;
    writers.more(10).await;
    writers.settle(&two).await;
    service.expect_equal().await;
    crash_in(&service, crashed, &one, "finished", &["finish", "--bridge", "none"]).await;
    service.expect_only_the_record_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_may_crash_in_any_phase() {
    every_phase(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_may_crash_in_any_phase() {
    every_phase(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_after_a_crash_leaves_nothing_behind() {
    let (source, target) = (Dedicated::start().await, Dedicated::start().await);
    let service = Move::between(&source, &target).await;
    let one = service.source.clone();
    for server in [&source, &target] {
        let mut running = service.start(&["start", "--max-rate", "1M"]);
        service.reaches(&one, "copying", &mut running).await;
        server.crash().await;
        let _ = tokio::task::spawn_blocking(move || running.wait_with_output()).await;
        crash_in(&service, server, &one, "aborted", &["abort"]).await;
        service.expect_nothing_left().await;
    }
    service.persist(&["start"]).await;
    service.expect_equal().await;
}
