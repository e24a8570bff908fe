//! `split status --watch`: outlives a server that goes away, and ends when it is told to.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::kill::through;
use super::{Move, run, texts};

/// How long a line may take to come, in seconds; a watch that has ended is seen at once.
const LINE_SECONDS: u64 = 60;

/// Reads lines as they come.
fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            if line.map(|line| sender.send(line)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Waits for a line that has a word.
fn expect(lines: &Receiver<String>, word: &str) -> String {
    loop {
        let line = lines.recv_timeout(Duration::from_secs(LINE_SECONDS));
        let line = line.unwrap_or_else(|error| panic!("no line with {word:?}: {error}"));
        if line.contains(word) {
            return line;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_outlives_a_server_that_goes_away_and_ends_with_ctrl_c() {
    let mut service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let (proxy, _) = through(&mut service).await;
    proxy.cut();
    let first = service.run(&["status", "--watch"]).await.exits(1);
    assert!(first.stdout.is_empty() && !first.stderr.contains("still looking"), "{first:?}");
    proxy.mend();

    let mut watch = service.start(&["status", "--watch", "--format", "json", "--progress", "json"]);
    let (out, told) = (lines(watch.stdout.take().expect("piped")), lines(watch.stderr.take().expect("piped")));
    expect(&out, "\"phase\":\"ready\"");
    proxy.cut();
    let warning = expect(&told, "still looking");
    let warning: serde_json::Value = serde_json::from_str(&warning).expect("an event is JSON");
    assert_eq!(warning["format"], "pgcleave.event/1", "{warning}");
    // What only a look after the outage can see.
    let name = texts(
        &service.target,
        "select subname::text from pg_subscription s join pg_database d on d.oid = s.subdbid
        where d.datname = current_database()",
    )
    .await
    .remove(0);
    run(&service.target, &format!("alter subscription {name} disable")).await;
    proxy.mend();
    expect(&out, "subscription is disabled");

    kill_process(Pid::from_child(&watch), Signal::INT).expect("it is there");
    assert_eq!(watch.wait().expect("it ends").code(), Some(0));
}
