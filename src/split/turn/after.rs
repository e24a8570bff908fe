//! What follows the pause: clients are sent to the new side, and replication turns round.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;

use super::Options;
use super::pause::Lines;
use crate::split::ends::Ends;
use crate::split::error::Error;
use crate::split::state::{Phase, Side, Split, Step};
use crate::split::{Between, fence, link};

/// How long the user's command may take, in seconds.
const COMMAND_SECONDS: u64 = 60;

/// How long the first row may take on its way back, in seconds.
const BACK_SECONDS: u64 = 60;

/// Sends clients to the writable side.
pub(super) async fn route(
    between: &Between,
    lines: &mut Lines,
    split: &mut Split,
    options: &Options,
    started: Instant,
) -> Result<(), Error> {
    let sent = send(between, lines, split.writable, &split.service, options).await;
    // Whatever came: nobody waits for ever, and the old side tells its clients where to go.
    let resumed = lines.resume().await;
    let turn = split.turn.as_mut().expect("a change of sides is under way");
    turn.pause_ms = Some(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
    sent?;
    resumed?;
    turn.step = Step::Routed;
    Ok(())
}

async fn send(between: &Between, lines: &mut Lines, to: Side, service: &str, options: &Options) -> Result<(), Error> {
    for console in &lines.consoles {
        console.rewrite(between.target(to))?;
    }
    if let Some(command) = &options.command {
        run(command, between, to, service).await?;
    }
    for console in &mut lines.consoles {
        console.reload().await?;
    }
    Ok(())
}

/// Runs the user's command with the new place in its environment; no password is in it.
async fn run(command: &str, between: &Between, to: Side, service: &str) -> Result<(), Error> {
    let place = between.target(to);
    let running = Command::new("/bin/sh")
        .args(["-c", command])
        .env("PGCLEAVE_SERVICE", service)
        .env("PGCLEAVE_SIDE", to.as_str())
        .env("PGCLEAVE_HOST", place.host())
        .env("PGCLEAVE_PORT", place.port().to_string())
        .env("PGCLEAVE_DATABASE", place.database())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let bound = Duration::from_secs(COMMAND_SECONDS);
    let failed = |why: String| Error::Route(format!("the command of --on-cutover {why}"));
    match tokio::time::timeout(bound, running).await {
        Err(_) => Err(failed(format!("has not ended within {COMMAND_SECONDS} s"))),
        Ok(Err(error)) => Err(failed(format!("could not be started: {error}"))),
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(failed(format!("failed: {} {}", output.status, said.trim())))
        }
    }
}

/// Removes the replication that has done its work, and starts that of the other direction from the recorded point.
pub(super) async fn turn_round(ends: &mut Ends, between: &Between, split: &mut Split, to: Side) -> Result<(), Error> {
    let from = to.other();
    ends.write(split).await?;
    let lsn = split.turn.as_ref().and_then(|turn| turn.lsn.clone());
    let lsn = lsn.ok_or_else(|| Error::Overtaken("the record has no point to replicate back from".to_owned()))?;
    // First the old direction: otherwise rows would go round in a circle.
    link::unsubscribe(ends.side(to), &split.link(from)).await?;
    link::unpublish(ends.side(from), split, from).await?;
    link::advance(ends.side(to), &split.link(to), &lsn).await?;
    let password = link::login(ends.side(to), split, to).await?;
    link::subscribe(ends.side(from), split, to, between.seen(to), &password).await?;
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
