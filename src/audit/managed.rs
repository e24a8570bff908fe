//! What a registry in trusted hands says of the services and of pgcleave's own roles.

use std::collections::{BTreeSet, HashMap};

use super::facts::Facts;
use super::facts::role::RoleId;
use super::graph::{Edge, Graph};
use super::services::{ServiceId, Services};
use crate::model::naming::Naming;
use crate::model::own::OwnRole;

impl Services {
    /// Takes what the registry knows of the services that pgcleave manages; their contracts are not in it.
    #[must_use]
    pub fn from_registry(facts: &Facts) -> Self {
        let mut services = Self::inferred();
        for managed in &facts.managed {
            let naming = Naming { prefix: managed.role_prefix.clone() };
            let name = managed.name.as_str();
            services.schemas.insert(managed.name.clone(), managed.schema.clone());
            for role in [naming.owner(name), naming.writer(name), naming.reader(name)].into_iter().flatten() {
                services.roles.insert(role, managed.name.clone());
            }
            services.add_credentials(&naming, name, managed.credentials.iter().map(String::as_str));
            services.role_prefix = naming.prefix;
        }
        for split in &facts.splits {
            let naming = Naming { prefix: services.role_prefix.clone() };
            let (name, left) = (split.service.as_str(), split.has_left());
            services.schemas.entry(split.service.clone()).or_insert_with(|| split.service.clone());
            for role in [naming.bridge(name), naming.caller(name)].into_iter().flatten() {
                services.roles.insert(role, split.service.clone());
            }
            if let (true, Ok(bridge)) = (left, naming.bridge(name)) {
                services.elsewhere.insert(split.service.clone());
                services.bridged.insert(bridge.clone(), split.service.clone());
                services.bridges.insert(bridge);
            }
        }
        services
    }
}

/// Finds the roles that pgcleave has made for itself: in a database with a registry in trusted hands, by class and name.
pub(super) fn own_roles(services: &Services, facts: &Facts) -> HashMap<RoleId, OwnRole> {
    if facts.registry().is_none() {
        return HashMap::new();
    }
    let mut prefixes: Vec<&str> = facts.managed.iter().map(|managed| managed.role_prefix.as_str()).collect();
    prefixes.push(&services.role_prefix);
    let all = facts.roles.iter().filter(|(_, role)| !role.superuser && !role.is_system() && !role.dangling);
    all.filter_map(|(id, role)| Some((id, OwnRole::of(&role.name, role.login, &prefixes)?))).collect()
}

/// Gives the one service whose roles a role is a member of.
pub(super) fn service_entered(graph: &Graph, of_role: &[Option<ServiceId>], role: RoleId) -> Option<ServiceId> {
    let next = [Edge::Inherit, Edge::Set].into_iter().flat_map(|edge| graph.next(role, edge));
    let services: BTreeSet<ServiceId> = next.filter_map(|role| of_role[role.at()]).collect();
    if services.len() == 1 { services.first().copied() } else { None }
}
