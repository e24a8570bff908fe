//! Ends what a test run has started, whatever becomes of the run itself.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// A shell that waits for this process to end.
///
/// It reads from a pipe whose other end only this process has. However the process ends, the system closes that end,
/// and the shell runs its script. It must be kept for as long as the process lives.
pub(super) struct Reaper {
    _shell: Child,
}

impl Reaper {
    /// Starts the shell; `arguments` are the script's `$1`, `$2`, ….
    pub(super) fn start(script: &str, arguments: &[&str]) -> std::io::Result<Self> {
        // Ctrl-C and a closed terminal are the moments for which it is there.
        let script = format!("trap '' INT TERM HUP PIPE; while read -r _; do :; done; {script}");
        let shell = Command::new("/bin/sh")
            .args(["-c", &script, "reaper"])
            .args(arguments)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { _shell: shell })
    }
}
