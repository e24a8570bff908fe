//! Sends small messages at once, and notices that nobody is there any more.
//!
//! The driver leaves Nagle's algorithm on and does not show its sockets. A message that follows another one before the
//! server has answered then waits for the server's delayed acknowledgement: 40 ms at the end of each COPY.
//!
//! By itself the system would wait for two hours before it asks whether a silent server still lives.

/// How long nothing may come before the system asks, in seconds.
#[cfg(target_os = "linux")]
const IDLE_SECONDS: u64 = 10;

/// How long it waits for each answer, in seconds.
#[cfg(target_os = "linux")]
const BETWEEN_SECONDS: u64 = 5;

/// How often it asks.
#[cfg(target_os = "linux")]
const PROBES: u32 = 3;

/// How long what was sent may stay without an acknowledgement, in milliseconds.
#[cfg(target_os = "linux")]
const UNANSWERED_MILLIS: u32 = 25_000;

/// Turns Nagle's algorithm off for this process's connections to a port; where the system refuses, it stays on.
#[cfg(target_os = "linux")]
pub(super) fn set(port: u16) {
    use std::time::Duration;

    use rustix::net::{getpeername, sockopt};
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let Ok(process) = pidfd_open(getpid(), PidfdFlags::empty()) else { return };
    let Ok(files) = std::fs::read_dir("/proc/self/fd") else { return };
    for file in files.flatten() {
        let is_socket = std::fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        let number = file.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|_| is_socket) else { continue };
        // Another descriptor of the same socket, which goes away again.
        let Ok(socket) = pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) else { continue };
        let peer: Option<std::net::SocketAddr> =
            getpeername(&socket).ok().flatten().and_then(|peer| peer.try_into().ok());
        if peer.is_some_and(|peer| peer.port() == port) {
            let _ = sockopt::set_tcp_nodelay(&socket, true);
            let _ = sockopt::set_socket_keepalive(&socket, true);
            let _ = sockopt::set_tcp_keepidle(&socket, Duration::from_secs(IDLE_SECONDS));
            let _ = sockopt::set_tcp_keepintvl(&socket, Duration::from_secs(BETWEEN_SECONDS));
            let _ = sockopt::set_tcp_keepcnt(&socket, PROBES);
            let _ = sockopt::set_tcp_user_timeout(&socket, UNANSWERED_MILLIS);
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn set(_port: u16) {}
