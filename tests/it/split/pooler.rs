//! Clients behind PgBouncer: none sees an error, and none waits for ever.

use std::time::Duration;

use super::books::Writers;
use super::{Move, run};
use crate::support::Bouncer;

/// Commands that change sides, with the pooler named.
fn turn<'a>(name: &'a str, console: &'a str, ini: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let pooler = [name, "--pgbouncer", console, "--pgbouncer-database", "bench", "--pgbouncer-ini", ini];
    pooler.into_iter().chain(more.iter().copied()).collect()
}

async fn in_front_of(service: &Move) -> Bouncer {
    let started = Bouncer::start(service.folder.path(), &service.source).await;
    started.expect("there is no PgBouncer that starts; apt-get install pgbouncer brings one")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_behind_a_pooler_see_no_error() {
    let service = Move::new().await;
    let bouncer = in_front_of(&service).await;
    service.publish(&bouncer.url());
    let (console, ini) = (bouncer.console(), bouncer.ini.to_string_lossy().into_owned());
    let writers = Writers::start(&service, 1, 4);
    service.run(&["start"]).await.exits(0);
    for _ in 0..2 {
        let extra = ["--on-cutover", "true"];
        service.run(&turn("cutover", &console, &ini, &extra)).await.exits(0);
        writers.more(20).await;
        service.run(&turn("rollback", &console, &ini, &extra)).await.exits(0);
        writers.more(20).await;
    }
    let refusals = writers.settle(&service.source).await;
    assert!(refusals.is_empty(), "{refusals:?}");
    service.expect_equal().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_does_not_stay_paused_when_pgcleave_is_killed() {
    let service = Move::new().await;
    let bouncer = in_front_of(&service).await;
    service.publish(&bouncer.url());
    let (console, ini) = (bouncer.console(), bouncer.ini.to_string_lossy().into_owned());
    let writers = Writers::start(&service, 1, 2);
    service.run(&["start"]).await.exits(0);
    writers.more(10).await;
    // In the pause: the command runs while clients are kept waiting.
    let mut killed = service.start(&turn("cutover", &console, &ini, &["--on-cutover", "touch paused; sleep 30"]));
    while !service.folder.path().join("paused").exists() {
        assert!(killed.try_wait().expect("it can be asked").is_none(), "the cutover has ended");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    killed.kill().expect("it can be killed");
    killed.wait().expect("it ends");
    // Clients are answered: by the old side, with an error that names the new one.
    let mut answered = false;
    for _ in 0..600 {
        let client = async {
            let mut client = <sqlx::PgConnection as sqlx::Connection>::connect(&bouncer.url()).await.ok()?;
            sqlx::raw_sql("select 1").execute(&mut client).await.ok()
        };
        if tokio::time::timeout(Duration::from_millis(500), client).await.is_ok_and(|done| done.is_some()) {
            answered = true;
            break;
        }
    }
    assert!(answered, "the pooler has stayed paused");
    service.run(&turn("cutover", &console, &ini, &["--on-cutover", "true"])).await.exits(0);
    writers.more(20).await;
    writers.settle(&service.target).await;
    service.expect_equal().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_leaves_one_open_side_and_the_next_run_goes_on() {
    let service = Move::new().await;
    let writers = Writers::start(&service, 1, 2);
    service.run(&["start"]).await.exits(0);
    let answer = service.run(&["cutover", "--on-cutover", "echo no such host >&2; exit 3"]).await.exits(1);
    assert!(answer.stderr.contains("split-route") && answer.stderr.contains("no such host"), "{}", answer.stderr);
    assert_eq!(service.phase().await, "reversed");
    run(&service.target, &format!("insert into {}.nothing values (1)", service.name)).await;
    let refused = service.run(&["abort"]).await.exits(5);
    assert!(refused.stderr.contains("rollback"), "{}", refused.stderr);
    service.run(&["cutover"]).await.exits(0);
    writers.more(20).await;
    writers.settle(&service.target).await;
    service.expect_equal().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_the_pooler_does_not_read_is_refused_before_the_pause() {
    let service = Move::new().await;
    let bouncer = in_front_of(&service).await;
    service.run(&["start"]).await.exits(0);
    let text = std::fs::read_to_string(&bouncer.ini).expect("it is there");
    let other = service.folder.path().join("other.ini").to_string_lossy().into_owned();
    std::fs::write(&other, &text).expect("it can be written");
    let console = bouncer.console();
    let refused = service.run(&turn("cutover", &console, &other, &[])).await.exits(1);
    assert!(refused.stderr.contains("split-route") && refused.stderr.contains("reads another file"), "{refused:?}");
    assert_eq!(service.phase().await, "ready");
    assert_eq!(std::fs::read_to_string(&other).expect("it is there"), text, "nothing stays of the trial");

    let without = text.replace("bench = ", "bank = ");
    std::fs::write(&other, &without).expect("it can be written");
    let refused = service.run(&turn("cutover", &console, &other, &[])).await.exits(1);
    assert!(refused.stderr.contains("no line for bench"), "{refused:?}");
    assert_eq!(service.phase().await, "ready");
    run(&service.source, &format!("insert into {}.nothing values (1)", service.name)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_did_not_switch_is_switched_by_the_same_command_again() {
    let service = Move::new().await;
    let bouncer = in_front_of(&service).await;
    service.run(&["start"]).await.exits(0);
    let (console, ini) = (bouncer.console(), bouncer.ini.to_string_lossy().into_owned());
    // Whoever writes the file has not written it.
    let named = ["cutover", "--pgbouncer", &console, "--pgbouncer-database", "bench", "--on-cutover", "true"];
    for _ in 0..2 {
        let said = service.run(&named).await.exits(1);
        assert!(said.stderr.contains("split-route") && said.stderr.contains("still leads bench to"), "{said:?}");
        assert_eq!(service.phase().await, "reversed");
    }
    service.run(&turn("cutover", &console, &ini, &["--on-cutover", "true"])).await.exits(0);
    run(&bouncer.url(), &format!("insert into {}.nothing values (1)", service.name)).await;
    let rows = super::texts(&service.target, &format!("select id::text from {}.nothing", service.name)).await;
    assert_eq!(rows, ["1"]);
}
