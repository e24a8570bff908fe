//! Everything together: the plan that is shown, saved and applied.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::change::{Action, Change, Hazard, Kind, Phase, Stage};
use super::close_database::{self, Effect};
use super::desired::{Missing, desired};
use super::diff::{Comparison, Unmanaged, diff, prune};
use super::managed::{Managed, Names};
use super::pin::Pins;
use crate::ident::Ident;
use crate::manifest::service::Project;
use crate::model::naming::Slot;
use crate::model::state::{Named, ObjectKind, Observed, State};
use crate::sql;

/// The format's name and version.
pub const FORMAT: &str = "pgcleave.plan/1";

/// What to plan for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Only these services and what all share; all when empty.
    pub services: BTreeSet<Ident>,
    /// Whether to revoke what no manifest knows.
    pub prune: bool,
    /// Whether to close the logins of services whose manifests are gone.
    pub drop_services: bool,
}

/// One migration that has yet to run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PendingMigration {
    /// The service.
    pub service: Ident,
    /// The version.
    pub version: i64,
    /// The file's name.
    pub file: String,
    /// The checksum of the file's text, as refinery computes it.
    pub checksum: String,
    /// SHA-256 of the file's bytes, in hexadecimal.
    #[serde(default)]
    pub sha256: String,
    /// The views and routines that it creates. Not part of a saved plan.
    #[serde(skip)]
    pub defines: Vec<super::consumer_code::Defined>,
}

/// Which server and database a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// `server_version_num`, as in 150004.
    pub version: u32,
    /// The database's name.
    pub database: Ident,
    /// The login that read the catalog.
    pub administrator: Ident,
}

/// All that separates a database from its manifests, in the order in which it is ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: String,
    /// Which server and database.
    pub server: Server,
    /// The environment variable with the database's connection string, when it is services' own and not the shared one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_env: Option<String>,
    /// Before every role's name.
    pub role_prefix: String,
    /// What it was asked for.
    pub options: Options,
    /// What to do, in order.
    pub changes: Vec<Change>,
    /// Which logins lose something that they have through PUBLIC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effect: Vec<Effect>,
    /// The hazards of all changes.
    pub hazards: BTreeSet<Hazard>,
    /// What no manifest knows, and is left alone.
    pub unmanaged: Vec<Unmanaged>,
    /// The services whose migrations cannot run as they are, and why; all else of them is done.
    #[serde(default)]
    pub blocked: BTreeMap<Ident, String>,
    /// Those of [`Plan::blocked`] whose files may have run already: somebody has to say which.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needs_baseline: BTreeSet<Ident>,
    /// What else a person should know, in sentences.
    pub notes: Vec<String>,
    /// SHA-256 of the managed state that the plan was made from, in hexadecimal.
    pub fingerprint: String,
    /// What else it was made from; nothing in a plan that an earlier version saved.
    #[serde(default)]
    pub pins: Option<Pins>,
}

impl Plan {
    /// Tells whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Tells whether pgcleave's own roles have what no manifest gives them, and no change of this plan takes.
    #[must_use]
    pub fn leaves_drift(&self) -> bool {
        self.unmanaged.iter().any(|found| found.ours)
    }

    /// Tells whether nothing but an answer is wanted: which migrations have run before.
    #[must_use]
    pub fn waits_for_baselines(&self) -> bool {
        !self.blocked.is_empty() && self.blocked.keys().all(|service| self.needs_baseline.contains(service))
    }

    /// Gives the services that have changes, those of all first.
    #[must_use]
    pub fn changed_services(&self) -> BTreeSet<Option<&Ident>> {
        self.changes.iter().map(|change| change.service.as_ref()).collect()
    }

    /// Gives the hazards that are not among those allowed.
    #[must_use]
    pub fn refused(&self, allowed: &BTreeSet<Hazard>) -> BTreeSet<Hazard> {
        self.hazards.difference(allowed).copied().collect()
    }
}

/// Makes the plan.
#[must_use]
pub fn build(project: &Project, observed: &Observed, pending: &[PendingMigration], options: &Options) -> Plan {
    let managed = Managed::of(project);
    let wanted = desired(project, observed);
    let comparison = Comparison { desired: &wanted.state, observed, managed: &managed };
    let mut differences = diff(&comparison);
    differences.unmanaged.retain(|found| !super::elsewhere::is_of_split(project, observed, &found.grantee));
    let mut changes = differences.changes;
    let mut notes = differences.closed;
    let migrating: BTreeSet<&Ident> = pending.iter().map(|p| &p.service).collect();
    changes.extend(pending.iter().map(migration));
    changes.extend(migrating.iter().map(|service| settling(service)));
    for missing in &wanted.missing {
        if migrating.contains(&missing.service) {
            changes.push(awaited(project, missing));
        } else {
            let label = missing.object.label(&missing.schema);
            notes.push(format!("{label} is exposed, but it does not exist and no migration is pending"));
        }
    }
    if options.prune {
        changes.extend(prune(&differences.unmanaged));
    }
    let mut effect = Vec::new();
    match close_database::change(project, observed, differences.taken) {
        None => {}
        Some((change, hits)) if options.services.is_empty() => {
            changes.push(change);
            effect = hits;
        }
        Some((change, _)) => {
            notes.push(format!("{}: only a plan of all services does that", change.reason));
        }
    }
    gone_services(project, observed, options, &mut changes, &mut notes);
    if super::described::is_shared_managed(project) {
        administrators_limits(project, observed, &mut notes);
    }
    unexposed_calls(project, observed, &mut notes);
    super::elsewhere::notes(project, observed, &mut notes);
    super::described::notes(project, observed, &managed, &mut notes);

    if !options.services.is_empty() {
        let selected = |service: &Option<Ident>| service.as_ref().is_none_or(|s| options.services.contains(s));
        let is_there =
            |role: &Ident| observed.state.roles.contains_key(role) || managed.roles.get(role).is_some_and(&selected);
        changes.retain(|c| selected(&c.service) && c.consumer.as_ref().is_none_or(is_there));
    }
    super::consumer_code::mark(project, observed, pending, &mut changes);
    changes.sort_by(|a, b| a.key().cmp(&b.key()));
    notes.sort();
    let mut unmanaged = differences.unmanaged;
    unmanaged.retain(|found| !options.prune || found.needs.is_some());
    Plan {
        format: FORMAT.to_owned(),
        server: Server {
            version: observed.server_version,
            database: observed.state.database.name.clone(),
            administrator: observed.administrator.name.clone(),
        },
        url_env: project.here().first().and_then(|s| s.database_url_env.clone()),
        role_prefix: project.naming.prefix.clone(),
        options: options.clone(),
        hazards: changes.iter().flat_map(|c| c.hazards.iter().copied()).collect(),
        changes,
        effect,
        unmanaged,
        blocked: BTreeMap::new(),
        needs_baseline: BTreeSet::new(),
        notes,
        fingerprint: of_managed(project, &observed.state),
        pins: Some(Pins::of(project, pending)),
    }
}

/// Hashes the state without what is only described, which may move as it likes.
fn of_managed(project: &Project, state: &State) -> String {
    let looked_at = super::described::looked_at(project);
    if looked_at.is_empty() {
        return fingerprint(state);
    }
    let mut managed = state.clone();
    managed.schemas.retain(|name, _| !looked_at.contains(name));
    fingerprint(&managed)
}

/// Hashes the state; it is sorted, so that equal states give equal bytes.
#[must_use]
pub fn fingerprint(state: &State) -> String {
    struct Hasher(Sha256);
    impl std::io::Write for Hasher {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut out = std::io::BufWriter::new(Hasher(Sha256::new()));
    serde_json::to_writer(&mut out, state).expect("a state has only texts for keys, and hashing cannot fail");
    let Ok(hasher) = out.into_inner() else { unreachable!("hashing cannot fail") };
    hasher.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn blank(service: &Ident, stage: Stage, phase: Phase, action: Action, kind: Kind) -> Change {
    Change {
        stage,
        service: Some(service.clone()),
        phase,
        action,
        kind,
        object: String::new(),
        reason: String::new(),
        hazards: Vec::new(),
        run_as: None,
        consumer: None,
        version: 0,
        awaited: false,
        refusal: None,
        locks: Vec::new(),
        sql: Vec::new(),
    }
}

fn migration(pending: &PendingMigration) -> Change {
    let mut change = blank(&pending.service, Stage::Migrate, Phase::Schemas, Action::Migrate, Kind::Migration);
    change.object = format!("{}/{}", pending.service.as_str(), pending.file);
    change.version = pending.version;
    change.reason = format!("version {} has not run here (checksum {})", pending.version, pending.checksum);
    change
}

fn settling(service: &Ident) -> Change {
    let mut change = blank(service, Stage::Settle, Phase::Owners, Action::Settle, Kind::Privilege);
    change.object = format!("what {}'s migrations make", service.as_str());
    change.reason = "each new object gets the grants of its kind, and the contracts that name it".to_owned();
    change
}

/// A contract on what a pending migration is to make: shown now, granted once it is there.
fn awaited(project: &Project, missing: &Missing) -> Change {
    let mut change = blank(&missing.service, Stage::Settle, Phase::Grants, Action::Grant, Kind::Contract);
    change.object = missing.object.label(&missing.schema);
    let readers: Vec<_> = missing.grants.iter().map(|(reader, _)| reader.as_str()).collect();
    change.awaited = true;
    change.reason = format!("exposed to {}, once a migration has made it", readers.join(", "));
    change.run_as = project.services.get(&missing.service).map(|s| Names::of(&project.naming, s).owner);
    for (reader, privileges) in &missing.grants {
        let mut sql = sql!("grant ", privileges, " on ");
        sql.push_static(missing.object.class.keyword());
        sql.push(&sql!(" ", Named(&missing.schema, &missing.object), " to ", reader));
        change.sql.push(sql);
    }
    change
}

/// Reports services that only the registry knows; their logins are closed when that is allowed, nothing is dropped.
fn gone_services(
    project: &Project,
    observed: &Observed,
    options: &Options,
    changes: &mut Vec<Change>,
    notes: &mut Vec<String>,
) {
    for (service, schema) in &observed.state.services {
        if project.find(service).is_some() {
            continue;
        }
        let naming = &project.naming;
        let names = observed.state.credentials.keys().filter(|(s, _)| s == service).map(|(_, name)| name);
        let logins = names.flat_map(|name| Slot::BOTH.map(|slot| naming.login(service.as_str(), name, slot)));
        let open: Vec<Ident> =
            logins.flatten().filter(|role| observed.state.roles.get(role).is_some_and(|r| r.login)).collect();
        let name = service.as_str();
        if open.is_empty() {
            notes.push(format!("{name} has no manifest any more; its logins are closed, its schema is kept"));
        } else if options.drop_services {
            let mut change = blank(service, Stage::Provision, Phase::Roles, Action::Close, Kind::Service);
            change.object = name.to_owned();
            change.reason = format!("its manifest is gone; schema {} is kept", schema.as_str());
            change.hazards = vec![Hazard::DropService];
            change.sql = open.iter().map(|role| sql!("alter role ", role, " nologin")).collect();
            changes.push(change);
        } else {
            notes.push(format!("{name} has no manifest any more; --allow drop-service closes its logins"));
        }
    }
}

/// Says what this administrator cannot do, with the statements for whoever can.
fn administrators_limits(project: &Project, observed: &Observed, notes: &mut Vec<String>) {
    let administrator = &observed.administrator;
    let who = administrator.name.as_str();
    close_database::advice(project, observed, notes);
    for service in project.services.values() {
        let schema = &service.schema;
        let objects = observed.state.schemas.get(schema).into_iter().flat_map(|found| &found.objects);
        let Ok(owner) = project.naming.owner(service.name.as_str()) else { continue };
        for (name, object) in objects {
            if object.kind == ObjectKind::LinkedSequence || !administrator.out_of_reach.contains(&object.owner) {
                continue;
            }
            let label = name.label(schema);
            let sql = sql!(" ", Named(schema, name), " owner to ", owner);
            notes.push(format!(
                "{who} cannot act as {0}, so {label} is left as it is; who can, or a superuser, can run: alter {1}{2}",
                object.owner.as_str(),
                object.kind.keyword(),
                sql.as_str()
            ));
        }
    }
}

/// Says which functions the exposed views call: the consumer runs them with its own privileges.
fn unexposed_calls(project: &Project, observed: &Observed, notes: &mut Vec<String>) {
    let mut calls: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (view, routine) in &observed.view_calls {
        calls.entry(view).or_default().push(routine);
    }
    for service in project.services.values() {
        let exposed_routines: BTreeSet<String> =
            service.exposes.iter().map(|e| format!("{}.{}", service.schema.as_str(), e.name.as_str())).collect();
        for exposed in &service.exposes {
            let view = format!("{}.{}", service.schema.as_str(), exposed.name.as_str());
            for routine in calls.get(view.as_str()).into_iter().flatten() {
                let bare = routine.split('(').next().unwrap_or(routine);
                if !exposed_routines.contains(bare) {
                    notes.push(format!(
                        "{view} is exposed and calls {routine}: expose that too, or it fails for others"
                    ));
                }
            }
        }
    }
}

/// Gives what the catalog must be asked for, to plan a project.
#[must_use]
pub fn asked(project: &Project) -> Asked {
    let services = project.services.values().chain(project.elsewhere.values());
    let schemas = services.clone().map(|s| s.schema.clone());
    Asked {
        roles: Managed::of(project).names(),
        schemas: schemas.chain(super::described::looked_at(project)).collect(),
        views: services.flat_map(|s| &s.exposes).map(|e| e.name.clone()).collect(),
        described: project.described.values().map(|s| s.schema.clone()).collect(),
    }
}

/// What the catalog must be asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The roles that the manifests name.
    pub roles: BTreeSet<Ident>,
    /// The services' schemas.
    pub schemas: BTreeSet<Ident>,
    /// The names of what is exposed.
    pub views: BTreeSet<Ident>,
    /// The schemas of services that are only described.
    pub described: BTreeSet<Ident>,
}
