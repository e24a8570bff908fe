//! `pgcleave credentials rotate`: gives credentials new passwords without downtime.

use std::time::Duration;

use clap::Args;
use pgcleave::credentials::issue::{Declared, Issuer};
use pgcleave::credentials::rotate::decide::Goal;
use pgcleave::credentials::rotate::{self, Options, Outcome};
use pgcleave::credentials::secret::Place;
use pgcleave::credentials::sink::Sink;
use pgcleave::error::{Coded as _, Verdict};
use pgcleave::manifest::service::Project;
use pgcleave::pg::pooler::Backend;
use pgcleave::pg::session::SessionKind;
use pgcleave::report;

use super::super::context::{Context, Format};
use super::super::databases::Database;
use super::super::failure::Failure;

/// Gives credentials new passwords; nobody is cut off
///
/// The idle one of a credential's two logins gets a new password, is tried and published; the other is closed once
/// nobody is on it.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Which: a service's credentials, or one of them
    #[arg(value_name = "SERVICE[/CREDENTIAL]", required_unless_present = "all", conflicts_with = "all")]
    which: Vec<String>,
    /// Rotates every credential
    #[arg(long)]
    all: bool,
    /// Waits that long for sessions on an old login (90s, 15m, 2h, 1d), then closes it nevertheless; without it, an old
    /// login in use stays open
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    grace: Option<Duration>,
    /// Ends the sessions that are left when the grace is over
    #[arg(long, requires = "grace")]
    terminate: bool,
    /// Publishes nothing new, only finishes what earlier rotations left open
    #[arg(long)]
    finish: bool,
    /// How long to wait for another rotation of the same credential, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    lock_wait: u64,
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &RotateArgs) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let project = context.project()?;
    let chosen = choose(&project, &args.which)?;
    let options = Options {
        goal: if args.finish { Goal::Finish } else { Goal::Rotate },
        grace: args.grace,
        terminate: args.terminate,
        lock_wait_seconds: args.lock_wait,
        interrupt: context.interrupt.clone(),
        ..Options::default()
    };
    let tell = |event| context.tell(&event);
    let services = chosen.iter().map(|declared| declared.service.clone()).collect();
    let mut outcomes = Vec::new();
    for Database { project, target, .. } in context.databases(&project, &services).await? {
        let issuer = Issuer {
            sink: Sink::new(&project.secrets, &project.root, &project.naming),
            place: Place::of(&target, project.client_sslrootcert.as_deref()),
            naming: project.naming.clone(),
        };
        let here = chosen.iter().filter(|declared| project.services.contains_key(&declared.service));
        let here: Vec<_> = here.cloned().collect();
        let mut connection = target.connect(SessionKind::Administrator, "pgcleave credentials rotate").await?;
        Backend::lasting(&target, &mut connection).await?;
        pgcleave::registry::readable(&mut connection).await?;
        outcomes.extend(rotate::rotate(&mut connection, &target, &issuer, &here, &options, &tell).await);
    }
    outcomes.sort_by(|a, b| (&a.service, &a.credential).cmp(&(&b.service, &b.credential)));
    context.answer(&match format {
        Format::Json => report::credentials::rotation::json(&outcomes),
        _ => report::credentials::rotation::human(&outcomes),
    });
    Ok(if context.interrupt.requested() { Verdict::Interrupted } else { verdict(&outcomes) })
}

/// Finds the credentials that the arguments name; all when there are none.
fn choose(project: &Project, which: &[String]) -> Result<Vec<Declared>, Failure> {
    let all = project.services.values().flat_map(|service| {
        service.credentials.iter().map(|(name, credential)| Declared {
            service: service.name.clone(),
            credential: name.clone(),
            access: credential.access,
        })
    });
    let all: Vec<_> = all.collect();
    let matches = |word: &str, d: &Declared| {
        let (service, credential) = word.split_once('/').map_or((word, None), |(s, c)| (s, Some(c)));
        d.service.as_str() == service && credential.is_none_or(|c| c == d.credential)
    };
    Failure::if_described(project, which.iter().map(|word| word.split('/').next().unwrap_or(word)))?;
    for word in which {
        if !all.iter().any(|declared| matches(word, declared)) {
            let known: Vec<_> = all.iter().map(|d| format!("{}/{}", d.service.as_str(), d.credential)).collect();
            return Err(Failure::usage(format!("there is no credential {word:?}; there are {}", known.join(", "))));
        }
    }
    let is_chosen = |d: &Declared| which.is_empty() || which.iter().any(|word| matches(word, d));
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// Gives the worst of the outcomes: a failure above a refusal.
fn verdict(outcomes: &[Outcome]) -> Verdict {
    let errors: Vec<_> = outcomes.iter().filter_map(|o| o.result.as_ref().err()).map(|e| e.verdict()).collect();
    if errors.is_empty() {
        return Verdict::Done;
    }
    if errors.iter().all(|v| *v == Verdict::Refused) { Verdict::Refused } else { Verdict::Failed }
}

/// Reads a duration: a whole number and `s`, `m`, `h` or `d`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "give a whole number and its unit, as in 90s, 15m, 2h or 1d".to_owned();
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_its_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "5", "s", "1.5h", "-1s", "1w", "99999999999999999999d", "9999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
