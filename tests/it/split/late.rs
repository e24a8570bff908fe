//! A cutover that was killed after the switch: what it owes is made up for, and nobody goes past it unawares.

use super::books::Writers;
use super::{Move, run, texts};

/// As a kill leaves it between replication's turn and the end of the comparison.
const UNCOMPARED: &str = "update pgcleave.split set revision = revision + 1, record = jsonb_set(record, '{turn,equal}', 'null') \
    || jsonb_build_object('revision', revision + 1)";

impl Move {
    async fn forget_the_comparison(&self) {
        run(&self.source, UNCOMPARED).await;
        run(&self.target, UNCOMPARED).await;
    }
}

#[tokio::test]
async fn a_cutover_killed_right_after_the_switch_compares_when_it_is_run_again() {
    let service = Move::new().await;
    let writers = Writers::start(&service, 1, 3);
    service.run(&["start"]).await.exits(0);
    let publish = "printenv URL_OF_$PGCLEAVE_SIDE | tr -d '\\n' > route.new && mv route.new route";
    let mut killed = service.command(&["cutover", "--on-cutover", &format!("{publish}; kill -9 $PPID")]);
    let killed = tokio::task::spawn_blocking(move || killed.output().expect("it runs")).await.expect("no panic");
    assert_eq!(killed.status.code(), None, "it was killed: {killed:?}");
    let refused = service.run(&["finish", "--bridge", "none"]).await.exits(5);
    assert!(refused.stderr.contains("split-phase"), "{}", refused.stderr);
    let again = service.run(&["cutover", "--format", "json"]).await.exits(0);
    assert!(again.stderr.contains("comparing the rows"), "{}", again.stderr);
    assert_eq!(again.json()["cutover"]["equal"], true, "{}", again.stdout);
    writers.more(20).await;
    writers.settle(&service.target).await;
    service.run(&["finish", "--bridge", "none"]).await.exits(0);
    service.expect_only_the_record_left().await;
}

#[tokio::test]
async fn a_split_that_was_not_compared_is_not_finished_unless_somebody_says_so() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    service.forget_the_comparison().await;
    let status = service.run(&["status", "--format", "json"]).await.exits(0).json();
    assert!(status["warnings"].to_string().contains("split cutover, run again, compares them"), "{status}");
    let refused = service.run(&["finish", "--bridge", "none"]).await.exits(5);
    let told = &refused.stderr;
    assert!(told.contains("split-uncompared") && told.contains("--uncompared"), "{told}");
    assert_eq!(service.phase().await, "reversed");
    let writers = Writers::start(&service, 1, 3);
    writers.more(10).await;
    service.run(&["cutover"]).await.exits(0);
    writers.more(10).await;
    let refusals = writers.settle(&service.target).await;
    assert!(refusals.is_empty(), "{refusals:?}");
    let status = service.run(&["status", "--format", "json"]).await.exits(0).json();
    assert_eq!((&status["cutover"]["equal"], &status["warnings"]), (&true.into(), &serde_json::json!([])), "{status}");
    service.forget_the_comparison().await;
    service.run(&["finish", "--bridge", "none", "--uncompared"]).await.exits(0);
    service.expect_only_the_record_left().await;
}

#[tokio::test]
async fn rows_that_are_found_to_differ_late_lead_back_all_the_same() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    service.forget_the_comparison().await;
    let stray = format!("set session_replication_role = replica; insert into {}.nothing values (99)", service.name);
    run(&service.source, &stray).await;
    run(&service.target, &format!("insert into {}.made values (4711)", service.name)).await;
    let differs = service.run(&["cutover"]).await.exits(1);
    assert!(differs.stderr.contains("split-differs") && differs.stderr.contains(".nothing"), "{}", differs.stderr);
    assert_eq!(service.phase().await, "ready");
    let status = service.run(&["status"]).await.exits(0);
    assert!(status.stdout.contains("rows differed at the last change of sides"), "{}", status.stdout);
    let made = format!("select id::text from {}.made where id = 4711", service.name);
    assert_eq!(texts(&service.source, &made).await, ["4711"]);
    run(&service.source, &format!("insert into {}.nothing values (1)", service.name)).await;
}
