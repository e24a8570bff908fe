//! A command of the user's that gets each secret as JSON on its standard input.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::json::Entry;
use super::{Secret, SinkError};

/// How long the command may take, in seconds.
const LIMIT_SECONDS: u64 = 60;
/// How much of what it writes to stderr is kept, in bytes.
const STDERR_BYTES: u64 = 8 * 1024;
/// How much of that is shown, in characters: less than is kept, so that a password cut in half is never shown.
const SHOWN_CHARS: usize = 2 * 1024;

/// Runs the command for one secret; neither its arguments nor its environment hold the password.
pub(super) async fn publish(argv: &[String], root: &Path, secret: &Secret) -> Result<(), SinkError> {
    let fill = |word: &String| word.replace("{service}", &secret.service).replace("{credential}", &secret.credential);
    let argv: Vec<_> = argv.iter().map(fill).collect();
    let program = argv.first().cloned().unwrap_or_default();
    let failed = |reason: String| SinkError::Command {
        program: program.clone(),
        service: secret.service.clone(),
        credential: secret.credential.clone(),
        reason: scrub(&reason, secret),
    };
    let child = Command::new(&program)
        .args(argv.iter().skip(1))
        .current_dir(if root.as_os_str().is_empty() { Path::new(".") } else { root })
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed(format!("it does not start: {e}")))?;
    let group = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
    let mut input = serde_json::to_vec(&Entry::from(secret)).expect("texts and numbers are always JSON");
    input.push(b'\n');
    let result = match tokio::time::timeout(Duration::from_secs(LIMIT_SECONDS), feed(child, &input)).await {
        Ok(Ok(None)) => return Ok(()),
        Ok(Ok(Some(reason))) => Err(failed(reason)),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("it did not end within {LIMIT_SECONDS} s and was stopped"))),
    };
    if let Some(group) = group {
        // what it started may outlive it; a group that is gone already is no error
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    result
}

/// Writes the input, waits for the end, and gives the reason of a failure.
async fn feed(mut child: Child, input: &[u8]) -> std::io::Result<Option<String>> {
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let stderr = child.stderr.take().expect("stderr is piped");
    let write = async move {
        // a command that ends early closes the pipe: its exit status says more than that
        let _ = stdin.write_all(input).await;
        let _ = stdin.shutdown().await;
    };
    let read = async move {
        let mut kept = Vec::new();
        let mut stderr = stderr.take(STDERR_BYTES);
        let _ = stderr.read_to_end(&mut kept).await;
        let _ = tokio::io::copy(&mut stderr.into_inner(), &mut tokio::io::sink()).await;
        kept
    };
    let ((), kept, status) = tokio::join!(write, read, child.wait());
    let status = status?;
    if status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&kept);
    let said = said.trim();
    Ok(Some(if said.is_empty() { status.to_string() } else { format!("{status}: {said}") }))
}

/// Takes the password out of what is shown, as the command may repeat its input.
fn scrub(text: &str, secret: &Secret) -> String {
    let password = secret.password.expose_secret();
    let escaped = serde_json::to_string(password).expect("a text is always JSON");
    let text = text
        .replace(secret.url().expose_secret(), "[url]")
        .replace(escaped.trim_matches('"'), "[password]")
        .replace(password, "[password]");
    text.chars().take(SHOWN_CHARS).collect()
}
