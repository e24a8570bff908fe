//! SIGINT, SIGTERM and SIGHUP are requests to stop: what a terminal, systemd, Kubernetes, `timeout` and CI runners send.

use pgcleave::error::Verdict;
use pgcleave::interrupt::Interrupt;
use tokio::signal::unix::{SignalKind, signal};

/// Turns the first signal into a request to stop at the next step, and the second into the end of the process.
///
/// While an act is under way that must not be cut in two, the second changes nothing. A SIGHUP that was ignored when the
/// process started (nohup) stays ignored.
pub(crate) fn listen() -> Interrupt {
    let interrupt = Interrupt::default();
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
    if !is_ignored(SignalKind::hangup().as_raw_value()) {
        kinds.push(SignalKind::hangup());
    }
    for kind in kinds {
        // Where a signal cannot be listened to, it does what it does by default.
        let Ok(mut signals) = signal(kind) else { continue };
        let interrupt = interrupt.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if interrupt.requested() && !interrupt.is_held() {
                    std::process::exit(Verdict::Interrupted as i32);
                }
                interrupt.request();
            }
        });
    }
    interrupt
}

/// Tells whether the process ignores a signal; not known outside of Linux, and false there.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
