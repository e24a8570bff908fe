//! Sends small messages at once.
//!
//! The driver leaves Nagle's algorithm on and does not show its sockets. A message that follows another one before the
//! server has answered then waits for the server's delayed acknowledgement: 40 ms at the end of each COPY.

/// Turns Nagle's algorithm off for this process's connections to a port; where the system refuses, it stays on.
#[cfg(target_os = "linux")]
pub(super) fn set(port: u16) {
    use rustix::net::{getpeername, sockopt::set_tcp_nodelay};
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
            let _ = set_tcp_nodelay(&socket, true);
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn set(_port: u16) {}
