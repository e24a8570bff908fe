//! A plan for a person, a program, a pull request, or psql.

use std::fmt::Write as _;

use super::markdown::{code, prose};
use super::style::{ADDED, CHANGED, FAINT, HEADING, REMOVED, count, plain};
use crate::ident::Ident;
use crate::model::state::Observed;
use crate::plan::build::Plan;
use crate::plan::change::{Action, Change, Stage};
use crate::plan::close_database::Effect;
use crate::plan::databases::Plans;
use crate::plan::diff::Unmanaged;
use crate::plan::script::{Transaction, transactions};

/// How much of a list of objects one line shows to a person.
const OBJECT_CHARS: usize = 90;

/// Writes the plans for a person, one after the other; `verbose` adds the SQL of each change.
#[must_use]
pub fn human(plans: &Plans, verbose: bool) -> String {
    joined(plans, |out, plan| write_human(out, plan, verbose))
}

/// Writes one section for each database.
fn joined(plans: &Plans, write: impl Fn(&mut String, &Plan) -> std::fmt::Result) -> String {
    let mut out = String::new();
    for plan in plans.iter() {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = write(&mut out, plan);
    }
    out
}

fn write_human(out: &mut String, plan: &Plan, verbose: bool) -> std::fmt::Result {
    let major = plan.server.version / 10_000;
    let database = database(plan);
    if plan.is_empty() && plan.waits_for_baselines() {
        writeln!(out, "Nothing to change in database {database}, but migrations wait for a baseline.")?;
    } else if plan.is_empty() && !plan.blocked.is_empty() {
        writeln!(out, "Nothing can be changed in database {database} before its migrations are mended.")?;
    } else if plan.is_empty() && plan.leaves_drift() {
        writeln!(out, "Nothing is changed, but database {database} is not as the manifests want it.")?;
    } else if plan.is_empty() {
        writeln!(out, "Nothing to change: database {database} is as the manifests want it.")?;
    } else {
        writeln!(out, "{HEADING}Plan for database {database} on PostgreSQL {major}{HEADING:#}")?;
    }
    if !plan.effect.is_empty() {
        writeln!(out, "\n{HEADING}Who loses access{HEADING:#}")?;
    }
    for effect in effects(plan) {
        writeln!(out, "  {REMOVED}-{REMOVED:#} {}", plain(&effect))?;
    }
    for group in plan.changes.chunk_by(|a, b| (a.stage, &a.service) == (b.stage, &b.service)) {
        writeln!(out, "\n{HEADING}{}{HEADING:#}", title(&group[0]))?;
        for alike in group.chunk_by(|a, b| !verbose && is_alike(a, b)) {
            write_alike(out, alike, verbose)?;
        }
    }
    let (pruned, kept): (Vec<_>, Vec<_>) = plan.unmanaged.iter().partition(|found| found.needs.is_none());
    for (title, found) in [
        ("Not in any manifest, and left alone (--prune revokes it)", pruned),
        ("Not in any manifest, and not for this login to change", kept),
    ] {
        if !found.is_empty() {
            writeln!(out, "\n{HEADING}{title}{HEADING:#}")?;
        }
        for found in found {
            writeln!(out, "  {CHANGED}?{CHANGED:#} {}", plain(&unmanaged(found)))?;
        }
    }
    super::style::write_notes(out, &plan.notes)?;
    if let Some(destination) = destination(plan) {
        writeln!(out, "\nNew passwords go to: {}", plain(&destination))?;
    }
    if !plan.is_empty() {
        writeln!(out, "\n{}", summary(plan))?;
        if !verbose {
            writeln!(out, "{FAINT}-v shows each change with its reason and SQL.{FAINT:#}")?;
        }
    }
    Ok(())
}

/// How many logins that lose something a person is shown.
const SHOWN_EFFECTS: usize = 40;

/// Says of each login what it loses, in one line; the rest is counted.
fn effects(plan: &Plan) -> Vec<String> {
    let line = |effect: &Effect| {
        let Effect { principal, change, privileges, objects, because, sessions } = effect;
        let open = if *sessions == 0 { String::new() } else { format!(" ({})", count_wide(*sessions, "open session")) };
        format!("{principal}{open} {change} {privileges} on {}: {because}", objects.join(", "))
    };
    let mut lines: Vec<String> = plan.effect.iter().take(SHOWN_EFFECTS).map(line).collect();
    if let Some(more) = plan.effect.len().checked_sub(SHOWN_EFFECTS + 1) {
        lines.push(format!("and {} more: --format json lists them", more + 1));
    }
    lines
}

fn count_wide(n: u64, what: &str) -> String {
    count(usize::try_from(n).unwrap_or(usize::MAX), what)
}

/// Says in one line what somebody has that no manifest gives.
fn unmanaged(found: &Unmanaged) -> String {
    let Unmanaged { grantee, what, object, grantor, needs, .. } = found;
    let mut line = format!("{grantee}: {what} on {object}");
    if !grantor.is_empty() {
        let _ = write!(line, ", from {grantor}");
    }
    if let Some(needs) = needs {
        let _ = match found.sql.as_str() {
            "" => write!(line, "; to end it: {needs}"),
            sql => write!(line, "; {needs} can run: {sql}"),
        };
    }
    line
}

/// Tells whether two changes fit in one line: nothing dangerous, the same verb and kind of thing.
fn is_alike(a: &Change, b: &Change) -> bool {
    (a.action, a.kind) == (b.action, b.kind) && a.hazards.is_empty() && b.hazards.is_empty()
}

fn write_alike(out: &mut String, changes: &[Change], verbose: bool) -> std::fmt::Result {
    let (first, more) = changes.split_first().expect("chunks are not empty");
    let (sign, style) = sign(first.action);
    let (action, kind) = (first.action.word(), first.kind.word());
    let mut objects: Vec<&str> = changes.iter().map(|change| change.object.as_str()).collect();
    objects.dedup();
    let object = shorten(&plain(&objects.join(", ")));
    if more.is_empty() {
        writeln!(out, "  {style}{sign}{style:#} {action} {kind} {object}  {FAINT}{}{FAINT:#}", plain(&first.reason))?;
    } else {
        let plural = if let Some(stem) = kind.strip_suffix('y') { format!("{stem}ies") } else { format!("{kind}s") };
        writeln!(out, "  {style}{sign}{style:#} {action} {} {plural}: {object}", changes.len())?;
    }
    for hazard in &first.hazards {
        writeln!(out, "      {REMOVED}hazard: {}{REMOVED:#}", hazard.name())?;
    }
    for sql in first.sql.iter().filter(|_| verbose) {
        writeln!(out, "      {FAINT}{};{FAINT:#}", plain(sql.as_str()))?;
    }
    Ok(())
}

/// Says where the passwords go that the plan issues, if it issues any.
fn destination(plan: &Plan) -> Option<String> {
    let issues = plan.changes.iter().any(|change| change.action == Action::Issue);
    plan.pins.as_ref().filter(|_| issues).map(|pins| pins.secrets.to_string())
}

/// Says in one line how much there is to do, and what must be allowed.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    let services = plan.changed_services().into_iter().flatten().count();
    let mut line = format!("{} for {}", count(plan.changes.len(), "change"), count(services, "service"));
    if !plan.hazards.is_empty() {
        let names: Vec<_> = plan.hazards.iter().map(|h| format!("--allow {}", h.name())).collect();
        let _ = write!(line, "; it needs {}", names.join(" "));
    }
    line + "."
}

/// Names the database, and the variable by which it is known when it is not the shared one.
fn database(plan: &Plan) -> String {
    let name = plain(plan.server.database.as_str());
    plan.url_env.as_ref().map_or_else(|| name.clone(), |variable| format!("{name} ({})", plain(variable)))
}

/// Writes the plans as `pgcleave.plan/1`: what `--out` saves and `apply FILE` reads.
///
/// # Panics
/// Never: a plan has only texts for keys.
#[must_use]
pub fn json(plans: &Plans) -> String {
    serde_json::to_string_pretty(plans).expect("a plan has only texts for keys") + "\n"
}

/// Writes the plans for a pull request.
#[must_use]
pub fn markdown(plans: &Plans) -> String {
    joined(plans, write_markdown)
}

fn write_markdown(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let database = code(plan.server.database.as_str());
    let variable = plan.url_env.as_ref().map(|v| format!(" ({})", code(v))).unwrap_or_default();
    writeln!(out, "### pgcleave plan for {database}{variable}\n")?;
    if plan.is_empty() && plan.waits_for_baselines() {
        writeln!(out, "Nothing to change, but migrations wait for a baseline.")?;
    } else if plan.is_empty() && !plan.blocked.is_empty() {
        writeln!(out, "Nothing can be changed before the migrations are mended.")?;
    } else if plan.is_empty() && plan.leaves_drift() {
        writeln!(out, "Nothing is changed, but the database is not as the manifests want it.")?;
    } else if plan.is_empty() {
        writeln!(out, "Nothing to change.")?;
    } else {
        writeln!(out, "{}\n", prose(&summary(plan)))?;
        if let Some(destination) = destination(plan) {
            writeln!(out, "New passwords go to: {}\n", code(&destination))?;
        }
        for effect in effects(plan) {
            writeln!(out, "- {}", prose(&effect))?;
        }
        if !plan.effect.is_empty() {
            writeln!(out)?;
        }
        writeln!(out, "| | service | change | object | why | hazards |\n|---|---|---|---|---|---|")?;
        for change in &plan.changes {
            let hazards: Vec<_> = change.hazards.iter().map(|h| format!("**{}**", h.name())).collect();
            writeln!(
                out,
                "| {} | {} | {} {} | {} | {} | {} |",
                sign(change.action).0,
                service(change),
                change.action.word(),
                change.kind.word(),
                code(&shorten(&change.object)),
                prose(&change.reason),
                hazards.join(", ")
            )?;
        }
    }
    if !plan.unmanaged.is_empty() {
        writeln!(out, "\n**Not in any manifest** (left alone):\n")?;
        for u in &plan.unmanaged {
            writeln!(out, "- {}", prose(&unmanaged(u)))?;
        }
    }
    if !plan.notes.is_empty() {
        writeln!(out, "\n**Notes**\n")?;
        for note in &plan.notes {
            writeln!(out, "- {}", prose(note))?;
        }
    }
    Ok(())
}

/// Writes the plan as SQL for psql: each transaction as apply would run it; what SQL cannot say is a comment.
#[must_use]
pub fn sql(plan: &Plan, observed: &Observed) -> String {
    let mut out = String::new();
    let _ = write_sql(&mut out, plan, observed);
    out
}

fn write_sql(out: &mut String, plan: &Plan, observed: &Observed) -> std::fmt::Result {
    writeln!(out, "-- pgcleave plan for database {}", database(plan))?;
    writeln!(out, "-- to be run as {}", plain(plan.server.administrator.as_str()))?;
    writeln!(out, "-- fingerprint {}\n\\set ON_ERROR_STOP on", plan.fingerprint)?;
    if let Some(variable) = &plan.url_env {
        // a section that ran in the database before it would do harm there
        writeln!(out, "\\getenv pgcleave_url {}\n\\connect :pgcleave_url", plain(variable))?;
    }
    // the registry is made by apply
    let is_registry = |sql: &str| sql.starts_with("insert into pgcleave.") || sql.starts_with("delete from pgcleave.");
    let left = |sql: &str| is_registry(sql) && !observed.registry;
    let (awaited, now): (Vec<Change>, Vec<Change>) = plan.changes.iter().cloned().partition(|change| change.awaited);
    for transaction in transactions(&now, Stage::Provision, observed) {
        write_transaction(out, &transaction, left)?;
    }
    let is_left = |change: &&Change| change.awaited || change.sql.iter().all(|sql| left(sql.as_str()));
    for change in plan.changes.iter().filter(is_left) {
        let words = format!("{} {} {}", change.action.word(), change.kind.word(), plain(&change.object));
        writeln!(out, "-- left to pgcleave apply: {words}")?;
    }
    for statement in awaited.iter().flat_map(|change| &change.sql) {
        writeln!(out, "-- once it is there: {};", plain(statement.as_str()))?;
    }
    for stage in [Stage::Settle, Stage::Close] {
        for transaction in transactions(&now, stage, observed) {
            write_transaction(out, &transaction, left)?;
        }
    }
    Ok(())
}

fn write_transaction(out: &mut String, transaction: &Transaction, is_left: impl Fn(&str) -> bool) -> std::fmt::Result {
    writeln!(out, "\n-- {}\nbegin;", name(transaction.service.as_ref()))?;
    for statement in transaction.statements.iter().map(crate::sql::Sql::as_str).filter(|sql| !is_left(sql)) {
        writeln!(out, "{statement};")?;
    }
    writeln!(out, "commit;")
}

fn title(change: &Change) -> String {
    let name = name(change.service.as_ref());
    match change.stage {
        Stage::Provision => name,
        Stage::Migrate => format!("{name}: migrations"),
        Stage::Settle => format!("{name}: after its migrations"),
        Stage::Close => format!("{name}: last, once nothing has failed"),
    }
}

fn name(service: Option<&Ident>) -> String {
    service.map_or_else(|| "shared by all".to_owned(), |s| plain(s.as_str()))
}

fn service(change: &Change) -> String {
    change.service.as_ref().map(|s| code(s.as_str())).unwrap_or_default()
}

fn sign(action: Action) -> (char, anstyle::Style) {
    match action {
        Action::Create | Action::Grant | Action::Issue | Action::Migrate | Action::Register => ('+', ADDED),
        Action::Alter | Action::Set | Action::Settle => ('~', CHANGED),
        Action::Revoke | Action::Reset | Action::Close | Action::Drop => ('-', REMOVED),
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= OBJECT_CHARS {
        return text.to_owned();
    }
    let names = text.split(", ").count();
    let head: String = text.chars().take(OBJECT_CHARS).collect();
    let head = head.rsplit_once(", ").map_or(head.as_str(), |(head, _)| head);
    let shown = head.split(", ").count();
    if names > shown { format!("{head} and {} more", names - shown) } else { format!("{head}…") }
}
