//! What was adopted, for a person and for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::style::{ADDED, CHANGED, FAINT, HEADING, count, plain};
use crate::ident::Ident;
use crate::manifest::adopt::{Adopted as AdoptedService, Adoption, Misfit};
use crate::plan::build::Plan;
use crate::plan::change::{Change, Hazard};
use crate::registry::{Baseline, OtherHistory};

/// The format's name and version.
pub const FORMAT: &str = "pgcleave.adopt/1";

/// What was adopted, written and would be planned.
#[derive(Debug, Clone, Copy)]
pub struct Adopted<'a> {
    /// The services, and what does not fit.
    pub adoption: &'a Adoption,
    /// The files that were written.
    pub written: &'a [PathBuf],
    /// What plans would do; nothing when no service was found.
    pub plans: Option<Plans<'a>>,
    /// The schemas whose migrations may have run already.
    pub baselines: &'a [Baseline],
    /// The environment that was named on the command line.
    pub environment: Option<&'a str>,
}

impl Adopted<'_> {
    /// Lists the services whose migrations wait until somebody has said which have run.
    fn marks(&self) -> Vec<Mark> {
        let environment = self.environment.map_or_else(String::new, |name| format!("--env {name} "));
        let mark = |service: &AdoptedService| {
            let baseline = self.baselines.iter().find(|baseline| baseline.schema == service.schema)?;
            let name = service.name.as_str();
            Some(Mark {
                service: name.to_owned(),
                command: format!("pgcleave {environment}migrate {name} --mark-applied VERSION"),
                histories: baseline.others.iter().map(OtherHistory::label).collect(),
            })
        };
        self.adoption.services.iter().filter_map(mark).collect()
    }
}

/// How the migrations of a service that have run already are recorded.
#[derive(Debug, Serialize)]
struct Mark {
    service: String,
    /// With `VERSION` where the version, or `all`, is to be written.
    command: String,
    /// The tables in which other tools keep their history.
    histories: Vec<String>,
}

/// What plans would do.
#[derive(Debug, Clone, Copy)]
pub struct Plans<'a> {
    /// With every service managed.
    pub full: &'a Plan,
    /// With the manifests as they are.
    pub now: &'a Plan,
}

/// Writes it for a person.
#[must_use]
pub fn human(adopted: &Adopted<'_>) -> String {
    let mut out = String::new();
    let _ = write_human(&mut out, adopted);
    out
}

fn write_human(out: &mut String, adopted: &Adopted<'_>) -> std::fmt::Result {
    let Adoption { services, misfits } = adopted.adoption;
    writeln!(out, "{HEADING}{} adopted{HEADING:#}", count(services.len(), "service"))?;
    for service in services {
        let schema = if service.schema == service.name {
            String::new()
        } else {
            format!(" (schema {})", plain(service.schema.as_str()))
        };
        let name = plain(service.name.as_str());
        let parts =
            [(service.credentials, "credential"), (service.exposes, "exposed object"), (service.consumes, "use")];
        let parts: Vec<_> = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| count(n, what)).collect();
        let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        writeln!(out, "  {ADDED}+{ADDED:#} {name}{schema}{parts}")?;
        if let Some(full) = adopted.plans.map(|plans| plans.full).filter(|_| !service.managed) {
            let changes = of_service(full, &service.name);
            writeln!(out, "    {FAINT}described, not managed: otherwise a plan has {changes}{FAINT:#}")?;
        }
    }
    let is_described = services.iter().any(|service| !service.managed);
    if !misfits.is_empty() {
        let when = if is_described { "; what is said of plans holds once `managed: false` is out" } else { "" };
        writeln!(out, "\n{HEADING}Does not fit a manifest{HEADING:#}{when}")?;
    }
    for group in misfits.chunk_by(|a, b| a.service == b.service) {
        let name = group[0].service.as_ref().map_or_else(|| "the database".to_owned(), |s| plain(s.as_str()));
        writeln!(out, "  {name}")?;
        for Misfit { object, why, .. } in group {
            writeln!(out, "    {CHANGED}?{CHANGED:#} {}: {FAINT}{}{FAINT:#}", plain(object), plain(why))?;
        }
    }
    if let Some(Plans { full, now }) = adopted.plans {
        writeln!(out, "\n{}", next("A plan with these manifests", now))?;
        if is_described {
            writeln!(out, "{}", next("With every service managed it", full))?;
        }
    }
    write_marks(out, &adopted.marks())
}

/// Says how to record what has run already, before a manifest names the folder of its migrations.
fn write_marks(out: &mut String, marks: &[Mark]) -> std::fmt::Result {
    if marks.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n{HEADING}Migrations that have run already{HEADING:#}\n  No file runs in these schemas before you say which \
         have run. Once a manifest is managed\n  and names its `migrations:`, give the version of the last one, or `all`:"
    )?;
    for Mark { command, histories, .. } in marks {
        let from = match histories.is_empty() {
            true => String::new(),
            false => format!("   {FAINT}compared with {}{FAINT:#}", plain(&histories.join(", "))),
        };
        writeln!(out, "    {}{from}", plain(command))?;
    }
    Ok(())
}

/// Says what a plan would change of one service.
fn of_service(plan: &Plan, service: &Ident) -> String {
    let changes: Vec<&Change> = plan.changes.iter().filter(|c| c.service.as_ref() == Some(service)).collect();
    format!("{} ({})", count(changes.len(), "change"), worded(&verbs(changes.into_iter())))
}

fn worded(verbs: &BTreeMap<&'static str, usize>) -> String {
    let verbs: Vec<_> = verbs.iter().map(|(verb, n)| format!("{n} to {verb}")).collect();
    verbs.join(", ")
}

/// Says in a sentence what a plan would do.
fn next(subject: &str, plan: &Plan) -> String {
    let left = match plan.unmanaged.len() {
        0 => String::new(),
        n => format!(" It leaves {} as they are, unmanaged.", count(n, "other grant")),
    };
    if plan.is_empty() {
        return format!("{subject} changes nothing.{left}");
    }
    let verbs = worded(&verbs(plan.changes.iter()));
    let hazards: Vec<_> = plan.hazards.iter().map(|hazard| hazard.name()).collect();
    let hazards = match hazards.len() {
        0 => "without hazards".to_owned(),
        _ => format!("with the hazards {}, each to be allowed by name", hazards.join(", ")),
    };
    let changes = count(plan.changes.len(), "change");
    format!("{subject} has {changes} ({verbs}), {hazards}.{left}")
}

fn verbs<'a>(changes: impl Iterator<Item = &'a Change>) -> BTreeMap<&'static str, usize> {
    let mut verbs = BTreeMap::new();
    for change in changes {
        *verbs.entry(change.action.word()).or_default() += 1;
    }
    verbs
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    services: Vec<ServiceRow<'a>>,
    misfits: &'a [Misfit],
    written: &'a [PathBuf],
    plan: Option<PlanRow<'a>>,
    managed_plan: Option<PlanRow<'a>>,
    /// The services whose migrations wait until somebody has said which have run.
    mark_applied: Vec<Mark>,
}

#[derive(Serialize)]
struct ServiceRow<'a> {
    service: &'a str,
    schema: &'a str,
    credentials: usize,
    exposes: usize,
    consumes: usize,
    managed: bool,
    /// What a plan would change of it if it were managed.
    otherwise: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct PlanRow<'a> {
    changes: usize,
    by_action: BTreeMap<&'static str, usize>,
    hazards: &'a BTreeSet<Hazard>,
    unmanaged: usize,
}

/// Writes it for programs.
#[must_use]
pub fn json<'a>(adopted: &Adopted<'a>) -> String {
    let full = adopted.plans.map(|plans| plans.full);
    let otherwise = |service: &Ident| {
        let changes = full.into_iter().flat_map(|plan| &plan.changes);
        verbs(changes.filter(|change| change.service.as_ref() == Some(service)))
    };
    let row = |plan: &'a Plan| PlanRow {
        changes: plan.changes.len(),
        by_action: verbs(plan.changes.iter()),
        hazards: &plan.hazards,
        unmanaged: plan.unmanaged.len(),
    };
    let document = Document {
        format: FORMAT,
        services: adopted
            .adoption
            .services
            .iter()
            .map(|s| ServiceRow {
                service: s.name.as_str(),
                schema: s.schema.as_str(),
                credentials: s.credentials,
                exposes: s.exposes,
                consumes: s.consumes,
                managed: s.managed,
                otherwise: otherwise(&s.name),
            })
            .collect(),
        misfits: &adopted.adoption.misfits,
        written: adopted.written,
        plan: adopted.plans.map(|plans| row(plans.now)),
        managed_plan: full.map(row),
        mark_applied: adopted.marks(),
    };
    let mut text = serde_json::to_string_pretty(&document).expect("what was adopted is plain data");
    text.push('\n');
    text
}
