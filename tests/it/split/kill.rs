//! pgcleave killed in the middle of every act: going on, or going back, always ends well.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use super::Move;
use super::books::Writers;
use crate::support::{Proxy, answer};

/// At how many moments a change of sides is killed. The named points meet every act; these meet what lies between them.
const MOMENTS: u64 = 6;

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
        tokio::time::sleep(Duration::from_millis(1)).await;
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

/// Gives the number that moves all moments of a test; `PGCLEAVE_TEST_SEED` repeats those of an earlier run.
fn seed() -> u64 {
    let given = std::env::var("PGCLEAVE_TEST_SEED").ok();
    let mut byte = [0];
    getrandom::fill(&mut byte).expect("a random byte");
    let seed = given.map_or(u64::from(byte[0]), |given| given.parse().expect("a number from 0 to 255"));
    writeln!(std::io::stderr(), "PGCLEAVE_TEST_SEED={seed}").expect("stderr is open");
    seed
}

/// Counts how often a command turns to the source until it ends, or until the named point where it is killed.
async fn counted(service: &Move, proxy: &Proxy, point: Option<&str>, arguments: &[&str]) -> u64 {
    let began = proxy.round_trips();
    match point {
        Some(point) => service.ended_at(point, arguments).await,
        None => drop(service.run(arguments).await.exits(0)),
    }
    proxy.round_trips() - began
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_after_a_kill_anywhere_leaves_nothing_behind() {
    let mut service = Move::new().await;
    let (proxy, plain) = through(&mut service).await;
    let seed = seed();
    // Before its first record there is nothing to take back.
    let first = counted(&service, &proxy, Some("start-recorded"), &["start"]).await;
    service.run(&["abort"]).await.exits(0);
    let whole = counted(&service, &proxy, None, &["start"]).await;
    let aborting = counted(&service, &proxy, None, &["abort"]).await;
    service.expect_nothing_left().await;
    let mut aborted = 0;
    for moment in 0..MOMENTS {
        let part = |of: u64| (moment * 256 + seed) * of / (MOMENTS * 256);
        let turns = first + part(whole.saturating_sub(first));
        killed_after(&service, &proxy, turns, &["start"]).await;
        if service.run(&["status"]).await.stderr.contains("no-split") {
            continue;
        }
        aborted += 1;
        // Not in step with the start's moments: each early kill meets a late one.
        let ended = (part(aborting) * 7) % aborting.max(1);
        let told =
            format!("start killed after {turns} of {whole} turns, abort after {ended} of {aborting}, seed {seed}");
        killed_after(&service, &proxy, ended, &["abort"]).await;
        let again = service.run(&["abort"]).await;
        assert!(again.code == 0 || again.stderr.contains("no-split"), "{told}: {again:?}");
        service.expect_nothing_left().await;
    }
    assert!(
        aborted > MOMENTS / 2,
        "only {aborted} of {MOMENTS} kills met a split; {first} of {whole} turns, seed {seed}"
    );
    service.source = plain;
    service.run(&["start"]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_that_ends_at_each_point_after_a_start_that_did_leaves_nothing_behind() {
    let service = Move::new().await;
    for start in ["start-recorded", "start-copied", "start-blocked", "start-followed"] {
        for abort in ["abort-recorded", "abort-discarded", "abort-removed"] {
            service.ended_at(start, &["start"]).await;
            service.ended_at(abort, &["abort"]).await;
            service.run(&["abort"]).await.exits(0);
            service.expect_nothing_left().await;
        }
    }
    for start in ["start-recorded", "start-copied", "start-blocked", "start-followed"] {
        service.ended_at(start, &["start"]).await;
    }
    service.run(&["start"]).await.exits(0);
    service.expect_equal().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_sides_that_ends_at_each_point_goes_on_or_back() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    for point in ["turn-fenced", "turn-closed", "turn-opened", "turn-routed", "turn-subscribed"] {
        for [step, back] in [["cutover", "rollback"], ["rollback", "cutover"]] {
            service.ended_at(point, &[step]).await;
            service.run(&[step]).await.exits(0);
            if step == "cutover" {
                // The other command first, where the record leads there.
                service.run(&[back]).await.exits(0);
                service.ended_at(point, &[step]).await;
                service.run(&[step]).await.exits(0);
            }
        }
    }
    service.ended_at("turn-closed", &["cutover"]).await;
    service.run(&["abort"]).await.exits(0);
    service.expect_nothing_left().await;
    let write = format!("insert into {}.nothing values (1)", service.name);
    super::run(&service.source, &write).await;
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
    let seed = seed();
    let mut kills = 0;
    for moment in 0..MOMENTS {
        let turns = (moment * 256 + seed) * whole / (MOMENTS * 256);
        let began = proxy.round_trips();
        if killed_after(&service, &proxy, turns, &[step]).await {
            kills += 1;
        } else {
            // The one before had waited for something, and asked often whether it was there.
            whole = whole.min(proxy.round_trips() - began);
        }
        // Whatever it left: the same again brings it to an end.
        let again = service.run(&[step]).await;
        assert_eq!(again.code, 0, "after {turns} turns of {whole}, seed {seed}: {again:?}");
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
