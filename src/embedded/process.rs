//! The server's process, and the watchdog that ends it when ours is killed.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::account::Account;
use super::error::Error;
use super::find::Found;

/// How long the server may take to become ready; recovery after a crash is part of it.
const READY_SECONDS: u64 = 60;

/// How long each way of stopping may take: first politely, then at once.
const STOP_SECONDS: u64 = 10;

/// How many of the log's last lines an error shows.
const LOG_LINES: usize = 12;

/// What the watchdog does when this process is gone: stops the server by its pid file, then removes what is temporary.
/// The server may be on its way up still, so it looks more than once. In a kept folder it ends no server but ours.
const WATCH: &str = r#"
trap '' INT TERM HUP PIPE
own=
while read -r told; do own=$told; done
for try in 1 2 3; do
  pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
  [ "$2" = remove ] || [ "$pid" = "$own" ] || break
  if [ -n "$pid" ]; then
    kill -INT "$pid" 2>/dev/null
    for wait in 1 2 3 4 5 6 7 8 9 10; do [ -e "$1/data/postmaster.pid" ] || break; sleep 0.3; done
    [ -e "$1/data/postmaster.pid" ] && kill -QUIT "$pid" 2>/dev/null
  fi
  [ "$2" = remove ] || break
  rm -rf "$1"
  sleep 0.5
  [ -e "$1" ] || break
done
"#;

/// A shell that waits for this process to end.
///
/// It reads from a pipe whose other end only this process has. However the process ends, even by SIGKILL, the system
/// closes that end. A signal on the parent's death would not do: it follows the thread that spawned the child.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

impl Watchdog {
    pub(super) fn start(folder: &Path, remove: bool) -> Result<Self, Error> {
        let shell = Path::new("/bin/sh");
        let child = Command::new(shell)
            .args(["-c", WATCH, "pgcleave-watchdog"])
            .arg(folder)
            .arg(if remove { "remove" } else { "keep" })
            .current_dir("/")
            // Ctrl-C goes to the terminal's whole group, and is the moment for which it is there.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Ok(Self(child.map_err(|e| Error::file("run", shell, &e))?))
    }

    /// Tells which server is ours.
    fn tell(&mut self, process: u32) -> std::io::Result<()> {
        let input = self.0.stdin.as_mut().expect("its input is a pipe");
        writeln!(input, "{process}")
    }

    /// Lets it go when there is nothing left to do.
    fn dismiss(mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running server.
#[derive(Debug)]
pub(super) struct Process {
    postmaster: Child,
    watchdog: Watchdog,
}

impl Process {
    pub(super) fn new(postmaster: Child, watchdog: Watchdog) -> Self {
        Self { postmaster, watchdog }
    }

    /// Stops it: its sessions are ended, its files are whole.
    pub(super) fn stop(mut self) -> Result<(), Error> {
        let pid = Pid::from_child(&self.postmaster);
        for signal in [Signal::INT, Signal::QUIT] {
            let _ = kill_process(pid, signal);
            let started = Instant::now();
            while started.elapsed() < Duration::from_secs(STOP_SECONDS) {
                if matches!(self.postmaster.try_wait(), Ok(Some(_))) {
                    self.watchdog.dismiss();
                    return Ok(());
                }
                sleep(Duration::from_millis(10));
            }
        }
        Err(Error::DoesNotStop(pid.as_raw_nonzero().get()))
    }
}

/// Starts the server; gives nothing when it ended at once because the port was taken.
pub(super) fn launch(
    account: &Account,
    found: &Found,
    folder: &Path,
    port: u16,
    temporary: bool,
    watchdog: &mut Watchdog,
) -> Result<Option<Child>, Error> {
    let log_file = folder.join("log");
    let log = fs::File::create(&log_file).map_err(|e| Error::file("write", &log_file, &e))?;
    let again = log.try_clone().map_err(|e| Error::file("write", &log_file, &e))?;
    let program = found.bin.join("postgres");
    let mut command = account.command(&program, folder);
    command.args(["-D", "data", "-h", "127.0.0.1", "-p", &port.to_string()]);
    // No socket at all: nothing but the address above, and no limit on the folder's name.
    command.args(["-c", "unix_socket_directories=", "-c", "logging_collector=off", "-c", "max_connections=200"]);
    // So that a service can move away from it.
    command.args(["-c", "wal_level=logical"]);
    if temporary {
        // Its files are thrown away, so they need not survive a crash.
        command.args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
    }
    let mut child =
        command.process_group(0).stdout(again).stderr(log).spawn().map_err(|e| Error::file("run", &program, &e))?;
    watchdog.tell(child.id()).map_err(|e| Error::file("talk to", Path::new("/bin/sh"), &e))?;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(READY_SECONDS) {
        if is_ready(folder, child.id()) {
            return Ok(Some(child));
        }
        if matches!(child.try_wait(), Ok(Some(_))) {
            let log = log_tail(folder);
            // The log's language is ours to choose, and it is the only place that tells.
            return if log.contains("could not bind") { Ok(None) } else { Err(Error::DoesNotStart(log)) };
        }
        sleep(Duration::from_millis(20));
    }
    let _ = kill_process(Pid::from_child(&child), Signal::QUIT);
    let _ = child.wait();
    Err(Error::DoesNotStart(format!("not ready within {READY_SECONDS} s; {}", log_tail(folder))))
}

/// Reads the pid file: its first line is the process, its eighth says `ready` once connections are taken.
fn is_ready(folder: &Path, process: u32) -> bool {
    let state = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
    let mut lines = state.lines();
    lines.next().is_some_and(|pid| pid.trim() == process.to_string())
        && lines.nth(6).is_some_and(|status| status.trim() == "ready")
}

/// Gives the last lines of the server's log.
pub(super) fn log_tail(folder: &Path) -> String {
    let log = fs::read(folder.join("log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
