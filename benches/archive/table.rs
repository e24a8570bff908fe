//! Runs programs, and prints what they took.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often each side runs.
const RUNS: usize = 3;

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) seconds: f64,
    /// The most memory that the process itself had, in MiB.
    pub(crate) peak: u64,
}

/// Runs a program that must succeed.
pub(crate) fn run(command: &mut Command) -> Run {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut kib = 0u64;
    // drained beside, so that a talkative program does not wait for us
    let mut errors = child.stderr.take().unwrap();
    let story = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = std::io::Read::read_to_string(&mut errors, &mut text);
        text
    });
    let ended = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.trim().split(' ').next());
        kib = kib.max(line.and_then(|kib| kib.parse().ok()).unwrap_or(0));
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let seconds = started.elapsed().as_secs_f64();
    assert!(ended.success(), "{command:?}\n{}", story.join().unwrap());
    Run { seconds, peak: kib / 1024 }
}

/// Runs a program that is not measured.
pub(crate) fn sh(command: &mut Command) {
    run(command);
}

/// The table under way.
pub(crate) struct Figures {
    peaks: Vec<(String, u64)>,
}

impl Figures {
    pub(crate) fn new() -> Self {
        println!("{:<52} {:>9} {:>9} {:>7} {:>7}", "median of 3, seconds", "pgcleave", "peer", "ratio", "reach");
        Self { peaks: Vec::new() }
    }

    /// Runs both sides in turn, and gives our runs.
    pub(crate) fn line(
        &mut self,
        what: &str,
        reach: f64,
        mut ours: impl FnMut() -> Run,
        mut peer: impl FnMut() -> Run,
    ) -> Vec<Run> {
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            theirs.push(peer());
            mine.push(ours());
        }
        self.ratio(what, reach, (median(&mine), median(&theirs)));
        mine
    }

    /// Prints a line of two measures.
    #[expect(clippy::unused_self, reason = "the head of the table comes first")]
    pub(crate) fn ratio(&mut self, what: &str, reach: f64, (ours, peer): (f64, f64)) {
        println!("{what:<52} {ours:>9.2} {peer:>9.2} {:>6.2}x {reach:>6.2}x", ours / peer);
    }

    /// Runs our side alone, and says why.
    #[expect(clippy::unused_self, reason = "the head of the table comes first")]
    pub(crate) fn alone(&mut self, what: &str, mut ours: impl FnMut() -> Run, why: &str) -> Vec<Run> {
        let mine: Vec<_> = (0..RUNS).map(|_| ours()).collect();
        println!("{what:<52} {:>9.2} {:>9} {why}", median(&mine), "-");
        mine
    }

    /// Keeps the most memory of some runs.
    pub(crate) fn peak(&mut self, what: &str, runs: &[Run]) {
        self.peaks.push((what.to_owned(), runs.iter().map(|r| r.peak).max().unwrap_or(0)));
    }

    /// Prints what was kept.
    pub(crate) fn peaks(&self) {
        for (what, peak) in &self.peaks {
            println!("{:<52} {peak:>5} MiB {:>24}", format!("peak memory of {what}"), "64 MiB");
        }
    }
}

fn median(runs: &[Run]) -> f64 {
    let mut seconds: Vec<f64> = runs.iter().map(|r| r.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
