//! Signals while writes stand still, or replication turns round: the act is finished or reversed first.

use rustix::process::{Pid, Signal, kill_process};

use super::{Move, run};
use crate::support::answer;

impl Move {
    /// Stops a command at a named point, sends it two signals there, and gives its answer once it has ended.
    async fn told_to_stop_at(&self, point: &str, arguments: &[&str]) -> crate::support::Answer {
        let mut command = self.command(arguments);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = command.env("PGCLEAVE_FAILPOINT", format!("{point}:stop")).spawn().expect("the binary starts");
        let (pid, status) = (Pid::from_child(&child), format!("/proc/{}/stat", child.id()));
        let state = || std::fs::read_to_string(&status).expect("it has not ended");
        while !state().rsplit_once(')').expect("its name").1.starts_with(" T") {
            assert!(!state().contains(") Z "), "{arguments:?} does not come to {point}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        // Two of one kind would count as one while it is stopped.
        for signal in [Signal::TERM, Signal::INT, Signal::CONT] {
            kill_process(pid, signal).expect("it is there");
        }
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output().expect("it ends"));
        answer(ended.await.expect("it does not panic"))
    }
}

#[tokio::test]
async fn two_signals_in_a_change_of_sides_leave_one_writable_side_and_replication_behind_it() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let write = |n: i32| format!("insert into {}.nothing values ({n})", service.name);
    for (n, (point, phase)) in [
        ("turn-fenced", "ready"),
        ("turn-closed", "reversed"),
        ("turn-opened", "reversed"),
        ("turn-routed", "reversed"),
        ("turn-subscribed", "reversed"),
    ]
    .into_iter()
    .enumerate()
    {
        let n = i32::try_from(n).expect("a few");
        service.told_to_stop_at(point, &["cutover"]).await.exits(130);
        assert_eq!(service.phase().await, phase, "{point}");
        let writable = if phase == "ready" { &service.source } else { &service.target };
        run(writable, &write(n)).await;
        if phase == "reversed" {
            service.told_to_stop_at(point, &["rollback"]).await.exits(130);
            assert_eq!(service.phase().await, "ready", "{point}");
            run(&service.source, &write(n + 100)).await;
        }
    }
    service.run(&["cutover"]).await.exits(0);
    service.expect_equal().await;
}
