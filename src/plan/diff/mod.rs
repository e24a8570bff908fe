//! Desired and actual state → changes, and what is there but nobody's business to change.

mod acl;
mod default_privileges;
mod foreign_arguments;
mod registry;
mod removed;
mod roles;
mod schemas;
mod settings;
mod shared;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::change::{Action, Change, Hazard, Kind, Phase, Stage};
use super::close_database::Taken;
use super::managed::Managed;
use crate::ident::Ident;
use crate::model::acl::Grantee;
use crate::model::state::{Observed, State};
use crate::sql::Sql;

/// What is compared with what, and how.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// What is wanted.
    pub desired: &'a State,
    /// What is there.
    pub observed: &'a Observed,
    /// Which roles are pgcleave's.
    pub managed: &'a Managed,
}

impl<'a> Comparison<'a> {
    fn actual(&self) -> &'a State {
        &self.observed.state
    }

    /// Gives the service that owns a schema, if one does.
    fn service_of(&self, schema: &Ident) -> Option<&'a Ident> {
        self.managed.schemas.get(schema)
    }

    /// Tells whether the administrator may not take back what a role granted: from 16 on that needs the role's privileges.
    fn cannot_revoke_for(&self, grantor: &Ident) -> bool {
        let administrator = &self.observed.administrator;
        let is_own = *grantor == administrator.name || Some(grantor) == administrator.registry_owner.as_ref();
        !administrator.superuser && !is_own && self.cannot_act_as(grantor)
    }

    /// Tells whether the administrator may not act as a role.
    fn cannot_act_as(&self, role: &Ident) -> bool {
        let administrator = &self.observed.administrator;
        let is_known = self.actual().roles.contains_key(role) || *role == administrator.name;
        !administrator.superuser && (administrator.out_of_reach.contains(role) || !is_known)
    }

    /// Tells whether a role of another service gets what a contract gives.
    fn is_contract(&self, grantee: &Grantee, service: Option<&Ident>) -> bool {
        let owner_of = |role: &Ident| self.managed.roles.get(role).and_then(Option::as_ref);
        service.is_some() && grantee.role().and_then(owner_of).is_some_and(|other| Some(other) != service)
    }
}

/// A grant or membership that the manifests do not know and that is not pgcleave's to take, unless pruned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unmanaged {
    /// The service whose object it is, if it is one's.
    pub service: Option<Ident>,
    /// Who has it.
    pub grantee: String,
    /// What: privileges, or a membership.
    pub what: String,
    /// On which object or of which role.
    pub object: String,
    /// Who granted it.
    pub grantor: String,
    /// The role that takes it; nothing for the administrator.
    pub run_as: Option<Ident>,
    /// What takes it.
    pub sql: Sql,
    /// Whether pgcleave's own roles have it, so that they are other than the manifests say.
    #[serde(default)]
    pub ours: bool,
    /// Who can take it, or how, where this login cannot: it is never pruned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// What is to be changed, sorted.
    pub changes: Vec<Change>,
    /// What is there besides, sorted.
    pub unmanaged: Vec<Unmanaged>,
    /// What PUBLIC is to lose on the database and on schema `public`.
    pub(super) taken: Taken,
    /// What this administrator cannot do, with the statements for a superuser.
    pub(super) closed: Vec<String>,
}

/// Compares.
#[must_use]
pub fn diff(comparison: &Comparison<'_>) -> Differences {
    let mut found = Differences::default();
    shared::diff(comparison, &mut found);
    roles::diff(comparison, &mut found);
    settings::diff(comparison, &mut found);
    schemas::diff(comparison, &mut found);
    default_privileges::diff(comparison, &mut found);
    registry::diff(comparison, &mut found);
    removed::diff(comparison, &mut found);
    found.changes.sort_by(|a, b| a.key().cmp(&b.key()));
    found.unmanaged.sort();
    found
}

/// Turns what is unmanaged into changes.
#[must_use]
pub fn prune(unmanaged: &[Unmanaged]) -> Vec<Change> {
    let mut groups = BTreeMap::<_, Vec<&Unmanaged>>::new();
    for found in unmanaged.iter().filter(|found| found.needs.is_none()) {
        groups.entry((&found.service, &found.run_as, &found.grantee)).or_default().push(found);
    }
    let change = |((service, run_as, grantee), found): (_, Vec<&Unmanaged>)| Change {
        stage: Stage::Provision,
        service: Clone::clone(service),
        phase: Phase::Revokes,
        action: Action::Revoke,
        kind: Kind::Privilege,
        object: found.iter().map(|f| f.object.as_str()).collect::<Vec<_>>().join(", "),
        reason: format!("pruned: no manifest gives {grantee} what it has here"),
        hazards: vec![Hazard::Revoke],
        run_as: Clone::clone(run_as),
        consumer: None,
        version: 0,
        awaited: false,
        refusal: None,
        locks: Vec::new(),
        sql: found.iter().map(|f| f.sql.clone()).collect::<BTreeSet<_>>().into_iter().collect(),
    };
    groups.into_iter().map(change).collect()
}

impl Differences {
    fn push(&mut self, change: Change) {
        self.changes.push(change);
    }
}

/// Starts a change of the first stage, run by the administrator and without hazards.
fn provision(service: Option<&Ident>, phase: Phase, action: Action, kind: Kind) -> Change {
    Change {
        stage: Stage::Provision,
        service: service.cloned(),
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

/// Adds a hazard once.
fn add_hazard(hazards: &mut Vec<Hazard>, hazard: Hazard) {
    if !hazards.contains(&hazard) {
        hazards.push(hazard);
        hazards.sort_unstable();
    }
}

#[cfg(test)]
mod tests;
