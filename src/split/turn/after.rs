//! What follows the pause: clients are sent to the new side, and replication turns round.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, Command};

use super::Options;
use super::pause::Lines;
use crate::split::ends::Ends;
use crate::split::error::Error;
use crate::split::failpoint::{self, Failpoint};
use crate::split::state::{Phase, Side, Split, Step};
use crate::split::{Between, applier, fence, link};

/// How much is repeated of what the command says on stderr at its end, in bytes.
const SAID_BYTES: usize = 1000;

/// How long the first row may take on its way back, in seconds.
const BACK_SECONDS: u64 = 60;

/// Sends clients to the writable side; without the pause's beginning nobody knows how long it was.
pub(super) async fn route(
    between: &Between,
    lines: &mut Lines,
    split: &mut Split,
    options: &Options,
    started: Option<Instant>,
) -> Result<(), Error> {
    let sent = send(between, lines, split.writable, &split.service, options).await;
    // Whatever came: nobody waits for ever, and the old side tells its clients where to go.
    let resumed = lines.resume().await;
    let turn = split.turn.as_mut().expect("a change of sides is under way");
    if let Some(started) = started {
        turn.pause_ms = Some(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
    turn.unrouted = sent.is_err() || resumed.is_err();
    sent?;
    resumed?;
    turn.step = turn.step.max(Step::Routed);
    Ok(())
}

async fn send(between: &Between, lines: &mut Lines, to: Side, service: &str, options: &Options) -> Result<(), Error> {
    for console in &lines.consoles {
        console.rewrite(between.target(to))?;
    }
    if let Some(command) = &options.command {
        run(command, between, to, service, options.command_seconds).await?;
    }
    for console in &mut lines.consoles {
        console.switch(between.target(to.other()), between.target(to)).await?;
    }
    Ok(())
}

/// Runs the user's command with the new place in its environment; no password is in it.
///
/// One that takes too long is ended with all that it has started: what it still did later would be wrong by then.
async fn run(command: &str, between: &Between, to: Side, service: &str, seconds: u64) -> Result<(), Error> {
    let place = between.target(to);
    let failed = |why: String| Error::Route(format!("the command of --on-cutover {why}"));
    let mut running = Command::new("/bin/sh")
        .args(["-c", command])
        .env("PGCLEAVE_SERVICE", service)
        .env("PGCLEAVE_SIDE", to.as_str())
        .env("PGCLEAVE_HOST", place.host())
        .env("PGCLEAVE_PORT", place.port().to_string())
        .env("PGCLEAVE_DATABASE", place.database())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("could not be started: {error}")))?;
    let group = running.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let said = running.stderr.take().expect("it was piped");
    let bound = Duration::from_secs(seconds);
    let ended = tokio::time::timeout(bound, async { tokio::join!(running.wait(), last_words(said)) }).await;
    match ended {
        Err(_) => {
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            Err(failed(format!("has not ended within {seconds} s, and is killed")))
        }
        Ok((Err(error), _)) => Err(failed(format!("could not be waited for: {error}"))),
        Ok((Ok(status), _)) if status.success() => Ok(()),
        Ok((Ok(status), said)) => Err(failed(format!("failed: {status} {said}"))),
    }
}

/// Reads to the end, and keeps what came last.
async fn last_words(mut from: ChildStderr) -> String {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; SAID_BYTES]);
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..n]);
        kept.drain(..kept.len().saturating_sub(SAID_BYTES));
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

/// Removes the replication that has done its work, and starts that of the other direction from the recorded point.
pub(super) async fn turn_round(ends: &mut Ends, between: &Between, split: &mut Split, to: Side) -> Result<(), Error> {
    let from = to.other();
    ends.write(split).await?;
    failpoint::reach(Failpoint::TurnRouted);
    let lsn = split.turn.as_ref().and_then(|turn| turn.lsn.clone());
    let lsn = lsn.ok_or_else(|| Error::Overtaken("the record has no point to replicate back from".to_owned()))?;
    // First the old direction: otherwise rows would go round in a circle.
    applier::unsubscribe(ends.side(to), split, from).await?;
    link::unpublish(ends.side(from), split, from).await?;
    link::advance(ends.side(to), &split.link(to), &lsn).await?;
    let password = link::login(ends.side(to), split, to).await?;
    link::subscribe(ends.side(from), split, to, between.seen(to), &password).await?;
    failpoint::reach(Failpoint::TurnSubscribed);
    ends.read_roles(split).await?;
    if let Some(turn) = &mut split.turn {
        turn.step = Step::Turned;
    }
    split.phase = if to == Side::Target { Phase::Reversed } else { Phase::Ready };
    ends.write(split).await?;
    let n = fence::write(ends.side(to), &split.id).await?;
    let arrived = fence::arrival(ends.side(from), &split.id, n, Duration::from_secs(BACK_SECONDS)).await?;
    match arrived {
        Some(_) => Ok(()),
        None => {
            let why = format!("nothing has arrived within {BACK_SECONDS} s; split status tells more");
            Err(Error::NotFollowing { follower: from.as_str(), why })
        }
    }
}
