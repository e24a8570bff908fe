//! The network between the servers, and between pgcleave and each, breaks or falls silent in each phase.

use std::process::Child;
use std::time::Duration;

use super::Move;
use super::books::Writers;
use crate::support::{Dedicated, Proxy, answer};

/// A service all of whose ways lead through relays.
struct Wired {
    service: Move,
    plain: [String; 2],
    /// From pgcleave to the source and to the target, from the target to the source and the other way round.
    wires: [Proxy; 4],
}

const NAMES: [&str; 4] = ["to the source", "to the target", "from target to source", "from source to target"];

impl Wired {
    /// Each turn from pgcleave to a server and back takes `millis` longer.
    async fn new(source: &Dedicated, target: &Dedicated, millis: u64) -> Self {
        let mut service = Move::between(source, target).await;
        let plain = [service.source.clone(), service.target.clone()];
        service.for_clients = Some(plain.clone());
        let place = |url: &str| {
            let place = url.rsplit_once('@').expect("a login").1.split_once('/').expect("a database").0;
            let (host, port) = place.split_once(':').expect("a port");
            (host.to_owned(), port.parse::<u16>().expect("a number"))
        };
        let (one, two) = (place(&plain[0]), place(&plain[1]));
        let wires = [
            Proxy::start(&one.0, one.1, Duration::from_millis(millis)).await,
            Proxy::start(&two.0, two.1, Duration::from_millis(millis)).await,
            Proxy::start_for_servers(&one.0, one.1).await,
            Proxy::start_for_servers(&two.0, two.1).await,
        ];
        service.source = wires[0].through(&plain[0]);
        service.target = wires[1].through(&plain[1]);
        service.source_from_target = wires[2].through_at(&target.host_from_servers().await, &plain[0]);
        service.target_from_source = wires[3].through_at(&source.host_from_servers().await, &plain[1]);
        Self { service, plain, wires }
    }
}

async fn ended(running: Child) -> crate::support::Answer {
    let ended = tokio::task::spawn_blocking(move || running.wait_with_output().expect("it has ended"));
    answer(ended.await.expect("it does not panic"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_that_breaks_in_any_phase_loses_nothing() {
    let (source, target) = super::servers().await;
    for (wire, told) in NAMES.iter().enumerate() {
        let wired = Wired::new(source, target, 0).await;
        let service = &wired.service;
        let writers = Writers::start(service, 1, 2);
        writers.more(10).await;
        for (arguments, side, phase) in [
            (&["start", "--max-rate", "1M"][..], 0, "copying"),
            (&["start"][..], 0, "catching-up"),
            (&["cutover"][..], 0, "fenced"),
            (&["rollback"][..], 1, "fenced"),
            (&["cutover"][..], 1, "switched"),
            (&["rollback"][..], 0, "switched"),
        ] {
            let mut running = service.start(arguments);
            service.reaches(&wired.plain[side], phase, &mut running).await;
            wired.wires[wire].cut();
            tokio::time::sleep(Duration::from_secs(1)).await;
            wired.wires[wire].mend();
            let answer = ended(running).await;
            if answer.code != 0 {
                service.persist(arguments).await;
            }
            writers.more(10).await;
        }
        // While nothing moves, too.
        wired.wires[wire].cut();
        writers.more(10).await;
        wired.wires[wire].mend();
        service.persist(&["cutover"]).await;
        writers.more(10).await;
        writers.settle(&wired.plain[1]).await;
        service.expect_equal().await;
        assert_eq!(service.phase().await, "reversed", "{told}");
        service.persist(&["finish", "--bridge", "none"]).await;
        service.expect_only_the_record_left().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_that_falls_silent_in_the_pause_does_not_hold_the_writers() {
    let (source, target) = super::servers().await;
    let wired = Wired::new(source, target, 30).await;
    let service = &wired.service;
    let writers = Writers::start(service, 1, 2);
    service.run(&["start"]).await.exits(0);
    // Between pgcleave and a server, at several places of a pause that is a long one; then between the servers.
    for (wire, after_millis) in [(0, 0), (0, 120), (0, 240), (0, 360), (1, 60), (1, 180), (1, 300), (2, 0), (3, 0)] {
        // One that finds no pause within its second comes to nothing, and is tried again.
        let mut tries = 0;
        let running = loop {
            let mut running = service.start(&["cutover", "--wait", "1"]);
            if service.reaches(&wired.plain[0], "fenced", &mut running).await {
                break running;
            }
            tries += 1;
            let answer = ended(running).await;
            assert!(tries < 10 && answer.code == 1, "{answer:?}");
        };
        tokio::time::sleep(Duration::from_millis(after_millis)).await;
        wired.wires[wire].silence();
        // Nobody has mended it yet.
        writers.more(50).await;
        wired.wires[wire].mend();
        ended(running).await;
        service.persist(&["cutover"]).await;
        writers.more(10).await;
        service.persist(&["rollback"]).await;
        writers.more(10).await;
    }
    writers.settle(&wired.plain[0]).await;
    service.expect_equal().await;
}
