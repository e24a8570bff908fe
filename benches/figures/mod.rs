//! What the benches share: whole commands timed, and compared with a floor of the same run.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Seconds that psql takes.
pub(crate) fn psql(url: &str, arguments: &[&str]) -> f64 {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", url]).args(arguments);
    timed(command)
}

/// Seconds that a command takes; it must end well.
pub(crate) fn timed(mut command: Command) -> f64 {
    let started = Instant::now();
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("the command runs");
    let seconds = started.elapsed().as_secs_f64();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    seconds
}

/// The most memory that a command had resident, read from Linux's /proc while it runs.
pub(crate) fn peak_mebibytes(mut command: Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command runs");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0u64;
    while child.try_wait().expect("the command can be waited for").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.trim().split(' ').next());
        peak = peak.max(line.and_then(|kib| kib.parse().ok()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    peak / 1024
}

/// Prints the medians and their ratio.
pub(crate) fn line(what: &str, ours: &mut [f64], floor: &mut [f64]) {
    let median = |values: &mut [f64]| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (ours, floor) = (median(ours), median(floor));
    println!("{what:<44} {ours:>10.3} {floor:>10.3} {:>6.2}x", ours / floor);
}
