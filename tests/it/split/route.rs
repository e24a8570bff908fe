//! A command of --on-cutover that fails, or never ends: one side is open, all rows are known, and the next run goes on.

use rustix::process::{Pid, test_kill_process};

use super::{Move, run};

#[tokio::test]
async fn a_command_that_fails_at_the_cutover_is_told_of_briefly_and_runs_once() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let command = "echo run >> runs; seq 1 100000 >&2; echo no route >&2; exit 3";
    let failed = service.run(&["cutover", "--on-cutover", command]).await.exits(1);
    assert!(failed.stderr.contains("split-route") && failed.stderr.contains("no route"), "{}", failed.stderr);
    assert!(failed.stderr.len() < 2000, "{} bytes", failed.stderr.len());
    let runs = std::fs::read_to_string(service.folder.path().join("runs")).expect("it ran");
    assert_eq!(runs, "run\n");
    // Replication has turned round, and the rows are compared; only the clients are where they were.
    let status = service.run(&["status", "--format", "json"]).await.exits(0).json();
    assert_eq!((&status["phase"], &status["cutover"]["equal"]), (&"reversed".into(), &true.into()), "{status}");
    assert!(status["warnings"].to_string().contains("split cutover, run again, sends them"), "{status}");
    service.publish("nowhere");
    let done = service.run(&["cutover", "--format", "json"]).await.exits(0).json();
    assert_eq!((&done["cutover"]["equal"], &done["warnings"]), (&true.into(), &serde_json::json!([])), "{done}");
    assert!(done["cutover"]["pause_ms"].is_u64(), "{done}");
    let route = || std::fs::read_to_string(service.route()).expect("the route is there");
    assert_eq!(route(), service.target);
    // Once is enough.
    service.publish("nowhere");
    service.run(&["cutover"]).await.exits(0);
    assert_eq!(route(), "nowhere");
    service.expect_equal().await;
}

#[tokio::test]
async fn rows_that_differ_are_found_though_clients_could_not_be_sent_over() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let stray = "set session_replication_role = replica; insert into {s}.nothing values (77)";
    run(&service.target, &stray.replace("{s}", &service.name)).await;
    let answer = service.run(&["cutover", "--on-cutover", "test $PGCLEAVE_SIDE = source"]).await.exits(1);
    assert!(answer.stderr.contains("split-differs") && answer.stderr.contains("was not switched"), "{}", answer.stderr);
    let status = service.run(&["status", "--format", "json"]).await.exits(0).json();
    assert_eq!((&status["phase"], &status["writable"]), (&"ready".into(), &"source".into()), "{status}");
    run(&service.source, &format!("insert into {}.nothing values (1)", service.name)).await;
}

#[tokio::test]
async fn a_command_that_never_ends_is_killed_with_all_that_it_has_started() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let command = "echo $$ > shell; sleep 1000 & echo $! > child; wait";
    let hung = ["cutover", "--on-cutover", command, "--on-cutover-timeout", "2"];
    let failed = service.run(&hung).await.exits(1);
    assert!(
        failed.stderr.contains("split-route") && failed.stderr.contains("not ended within 2 s"),
        "{}",
        failed.stderr
    );
    for name in ["shell", "child"] {
        let pid = std::fs::read_to_string(service.folder.path().join(name)).expect("it has run");
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a number");
        assert!(is_over(pid), "{name} still runs");
    }
    let status = service.run(&["status", "--format", "json"]).await.exits(0).json();
    assert_eq!((&status["phase"], &status["writable"]), (&"reversed".into(), &"target".into()), "{status}");
    assert_eq!(status["cutover"]["equal"], true, "{status}");
    assert!(status["warnings"].to_string().contains("clients were not sent to the target"), "{status}");
    run(&service.target, &format!("insert into {}.nothing values (1)", service.name)).await;
    service.run(&["rollback"]).await.exits(0);
    assert_eq!(std::fs::read_to_string(service.route()).expect("the route is there"), service.source);
    service.expect_equal().await;
}

/// Tells whether a process has ended: gone, or waiting for a parent to ask what became of it.
fn is_over(pid: Pid) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    test_kill_process(pid).is_err()
        || state.is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|s| s.starts_with('Z')))
}
