//! pgcleave killed in the middle of every act: going on, or going back, always ends well.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Move;
use super::books::Writers;
use crate::support::{Proxy, answer};

/// At how many moments a change of sides is killed.
const MOMENTS: u64 = 12;

/// Lets pgcleave reach the source through a relay that counts.
pub(super) async fn through(service: &mut Move) -> (Proxy, String) {
    let plain = service.source.clone();
    let (_, place) = plain.rsplit_once('@').expect("a login");
    let (host, rest) = place.split_once(':').expect("a port");
    let port = rest.split_once('/').expect("a database").0.parse().expect("a number");
    let proxy = Proxy::start(host, port, Duration::ZERO).await;
    service.source = proxy.through(&plain);
    (proxy, plain)
}

/// Runs a command and kills it once it has turned to the source so many times; false if it had ended by then.
pub(super) async fn killed_after(service: &Move, proxy: &Proxy, turns: u64, arguments: &[&str]) -> bool {
    let until = proxy.round_trips() + turns;
    let mut child = service.start(arguments);
    loop {
        if child.try_wait().expect("it can be asked").is_some() {
            answer(child.wait_with_output().expect("it has ended")).exits(0);
            return false;
        }
        if proxy.round_trips() >= until {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
            return true;
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_killed_anywhere_goes_on() {
    let mut service = Move::new().await;
    let (proxy, plain) = through(&mut service).await;
    service.publish(&plain);
    let writers = Writers::start(&service, 1, 2);
    let mut seen = BTreeSet::new();
    // Later and later, from the very first act to the last.
    let mut turns = 2;
    while killed_after(&service, &proxy, turns, &["start"]).await {
        let status = service.run(&["status", "--format", "json"]).await;
        seen.insert(if status.code == 0 { status.json()["phase"].to_string() } else { status.code.to_string() });
        turns += 9;
    }
    assert!(seen.len() >= 3, "the kills met only {seen:?}");
    writers.more(20).await;
    service.run(&["cutover"]).await.exits(0);
    service.source = plain;
    writers.more(20).await;
    writers.settle(&service.target).await;
    service.expect_equal().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_after_a_kill_anywhere_leaves_nothing_behind() {
    let mut service = Move::new().await;
    let (proxy, plain) = through(&mut service).await;
    let mut aborted = 0;
    for turns in [40, 60, 75, 90, 110, 130, 150] {
        killed_after(&service, &proxy, turns, &["start"]).await;
        // Before its first record there is nothing to take back.
        if service.run(&["status"]).await.stderr.contains("no-split") {
            continue;
        }
        aborted += 1;
        let killed = killed_after(&service, &proxy, turns / 4, &["abort"]).await;
        let again = service.run(&["abort"]).await;
        assert!(again.code == 0 || again.stderr.contains("no-split"), "{killed} {again:?}");
        if again.code == 0 {
            service.expect_nothing_left().await;
        }
    }
    assert!(aborted > 3, "only {aborted} kills met a split");
    service.source = plain;
    service.run(&["start"]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cutover_that_is_killed_anywhere_ends_with_one_writable_side_and_all_rows() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    change_sides_under_kills(service, "cutover", "rollback").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_that_is_killed_anywhere_ends_with_one_writable_side_and_all_rows() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    change_sides_under_kills(service, "rollback", "cutover").await;
}

/// Kills `step` at moments spread over the whole of it, others in each run; each time the same again brings it to an end,
/// and `back` undoes it for the next.
async fn change_sides_under_kills(mut service: Move, step: &str, back: &str) {
    let (proxy, plain) = through(&mut service).await;
    service.publish(if step == "cutover" { &plain } else { &service.target });
    let writers = Writers::start(&service, 1, 4);
    writers.more(20).await;
    let began = proxy.round_trips();
    service.run(&[step]).await.exits(0);
    let mut whole = proxy.round_trips() - began;
    service.run(&[back]).await.exits(0);
    let mut byte = [0];
    getrandom::fill(&mut byte).expect("a random byte");
    let mut kills = 0;
    for moment in 0..MOMENTS {
        let turns = (moment * 256 + u64::from(byte[0])) * whole / (MOMENTS * 256);
        let began = proxy.round_trips();
        if killed_after(&service, &proxy, turns, &[step]).await {
            kills += 1;
        } else {
            // The one before had waited for something, and asked often whether it was there.
            whole = whole.min(proxy.round_trips() - began);
        }
        // Whatever it left: the same again brings it to an end.
        let again = service.run(&[step]).await;
        assert_eq!(again.code, 0, "after {turns} turns of {whole}: {again:?}");
        writers.more(10).await;
        service.run(&[back]).await.exits(0);
        writers.more(10).await;
    }
    assert!(kills > MOMENTS / 2, "only {kills} kills met a {step}");
    let writable = if step == "cutover" { service.target.clone() } else { plain.clone() };
    service.run(&[step]).await.exits(0);
    writers.more(10).await;
    service.source = plain;
    writers.settle(&writable).await;
    service.expect_equal().await;
}
