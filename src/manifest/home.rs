//! Which database a service lives in: the shared one, or one of its own once it is split off.

use std::collections::{BTreeMap, BTreeSet};

use super::service::{Project, Service};
use crate::ident::Ident;
use crate::model::moving::Moving;

/// A database of the project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Home {
    /// The one that the environment names.
    Shared,
    /// The one whose connection string is in this environment variable.
    Own(String),
}

impl Home {
    /// Gives the environment variable of a database that is not the shared one.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        match self {
            Self::Shared => None,
            Self::Own(variable) => Some(variable),
        }
    }
}

impl Service {
    /// Tells where it lives; where its manifest does not say yet that it has moved, there is no variable to read.
    #[must_use]
    pub fn home(&self) -> Home {
        self.database_url_env.clone().or_else(|| self.moved_to.clone()).map_or(Home::Shared, Home::Own)
    }

    /// Tells whether it has a database of its own.
    #[must_use]
    pub fn has_own_database(&self) -> bool {
        self.database_url_env.is_some() || self.moved_to.is_some()
    }
}

impl Project {
    /// Gives the databases in which services live, the shared one first; without any service, the shared one.
    #[must_use]
    pub fn homes(&self) -> BTreeSet<Home> {
        let mut homes: BTreeSet<Home> = self.here().into_iter().map(Service::home).collect();
        if homes.is_empty() {
            homes.insert(Home::Shared);
        }
        homes
    }

    /// Gives the project as one of its databases sees it: those that live there, and those that live elsewhere.
    #[must_use]
    pub fn at(&self, home: &Home) -> Self {
        let mut seen = self.clone();
        let all = std::mem::take(&mut seen.services).into_iter();
        let all = all.chain(std::mem::take(&mut seen.described)).chain(std::mem::take(&mut seen.elsewhere));
        let (here, elsewhere): (BTreeMap<_, _>, _) = all.partition(|(_, service)| service.home() == *home);
        seen.elsewhere = elsewhere;
        (seen.services, seen.described) = here.into_iter().partition(|(_, service)| service.managed);
        seen
    }

    /// Gives the project as a database knows it that services have left for good, though their manifests do not say so
    /// yet, or that they have not reached yet, though their manifests say so already.
    #[must_use]
    pub fn without_moved(&self, splits: &[Moving]) -> Self {
        let mut seen = self.clone();
        for split in splits.iter().filter(|split| split.has_left() || split.is_coming()) {
            let found = seen.services.remove(&split.service).or_else(|| seen.described.remove(&split.service));
            if let Some(service) = found {
                let moved_to = split.has_left().then(|| split.target.clone());
                let database_url_env = service.database_url_env.clone().filter(|_| split.has_left());
                seen.elsewhere.insert(split.service.clone(), Service { moved_to, database_url_env, ..service });
            }
        }
        seen
    }

    /// Gives the project with those services in the shared database that have not left it, though their manifests say
    /// already where they will live; `splits` are the shared database's.
    #[must_use]
    pub fn before_they_leave(&self, splits: &[Moving]) -> Self {
        let mut seen = self.clone();
        for split in splits.iter().filter(|split| split.is_leaving()) {
            for services in [&mut seen.services, &mut seen.described] {
                services.get_mut(&split.service).into_iter().for_each(|service| service.database_url_env = None);
            }
        }
        seen
    }

    /// Finds a service, wherever it lives.
    #[must_use]
    pub fn find(&self, service: &Ident) -> Option<&Service> {
        [&self.services, &self.described, &self.elsewhere].into_iter().find_map(|those| those.get(service))
    }

    /// Gives the one of two services whose split cuts the contract between them; nothing while they live together.
    ///
    /// A bridge spans the shared database and one of a service's own, and belongs to the service that has moved.
    #[must_use]
    pub fn moved<'a>(&'a self, provider: &'a Service, consumer: &'a Service) -> Option<&'a Service> {
        if provider.home() == consumer.home() {
            return None;
        }
        let provider_is_here = self.services.contains_key(&provider.name);
        let [near, far] = if provider_is_here { [provider, consumer] } else { [consumer, provider] };
        [near, far].into_iter().find(|service| service.has_own_database())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::service::{AuditPolicy, MigrateLimits, Position, SecretSink};
    use crate::model::naming::Naming;

    fn service(name: &str, variable: Option<&str>) -> Service {
        let name = Ident::new(name).expect("a name");
        Service {
            schema: name.clone(),
            name,
            description: None,
            team: None,
            migrations: None,
            layout: None,
            extensions: Vec::new(),
            credentials: Default::default(),
            exposes: Vec::new(),
            consumes: Vec::new(),
            read_models: Vec::new(),
            event_log: None,
            outbox: None,
            database_url_env: variable.map(str::to_owned),
            managed: true,
            moved_to: None,
            at: Position::default(),
        }
    }

    fn project(services: &[(&str, Option<&str>)]) -> Project {
        let services = services.iter().map(|(name, variable)| service(name, *variable));
        Project {
            root: Default::default(),
            naming: Naming::default(),
            database_url_env: None,
            administrator: None,
            secrets: SecretSink::Directory(Default::default()),
            client_sslrootcert: None,
            close_database: true,
            limits: MigrateLimits::default(),
            audit: AuditPolicy::default(),
            services: services.map(|s| (s.name.clone(), s)).collect(),
            described: Default::default(),
            elsewhere: Default::default(),
        }
    }

    fn names(services: &std::collections::BTreeMap<Ident, Service>) -> Vec<&str> {
        services.keys().map(Ident::as_str).collect()
    }

    #[test]
    fn each_database_sees_its_own_and_knows_the_others() {
        let project = project(&[("billing", None), ("orders", Some("ORDERS_URL")), ("shipping", None)]);
        let homes: Vec<_> = project.homes().into_iter().collect();
        assert_eq!(homes, [Home::Shared, Home::Own("ORDERS_URL".to_owned())]);
        let shared = project.at(&homes[0]);
        assert_eq!((names(&shared.services), names(&shared.elsewhere)), (vec!["billing", "shipping"], vec!["orders"]));
        let own = shared.at(&homes[1]);
        assert_eq!((names(&own.services), names(&own.elsewhere)), (vec!["orders"], vec!["billing", "shipping"]));
    }

    #[test]
    fn who_is_only_described_is_apart_from_the_managed_of_its_database() {
        let mut project = project(&[("billing", None), ("orders", Some("ORDERS_URL")), ("shipping", None)]);
        for name in ["billing", "orders"] {
            project.services.get_mut(name).expect("a service").managed = false;
        }
        let shared = project.at(&Home::Shared);
        assert_eq!((names(&shared.services), names(&shared.described)), (vec!["shipping"], vec!["billing"]));
        assert_eq!(names(&shared.elsewhere), ["orders"]);
        let own = shared.at(&Home::Own("ORDERS_URL".to_owned()));
        assert_eq!((names(&own.services), names(&own.described)), (vec![], vec!["orders"]));
        assert_eq!(shared.here().iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["billing", "shipping"]);
        assert!(shared.find(&Ident::new("billing").expect("a name")).is_some());
    }

    #[test]
    fn a_service_lives_in_the_shared_database_until_its_split_ends_whatever_its_manifest_says() {
        let all = project(&[("billing", None), ("orders", Some("ORDERS_URL"))]);
        let split = |phase: &str, leaves| Moving {
            write_blocks: None,
            roles: None,
            service: Ident::new("orders").expect("a name"),
            id: "34d392e5".to_owned(),
            phase: phase.to_owned(),
            leaves,
            target: "own:5432/orders".to_owned(),
            kept: None,
        };
        for phase in ["prepared", "copying", "catching-up", "ready", "fenced", "switched", "reversed", "aborted"] {
            assert_eq!(all.before_they_leave(&[split(phase, true)]).homes(), BTreeSet::from([Home::Shared]), "{phase}");
            let there = all.at(&Home::Own("ORDERS_URL".to_owned())).without_moved(&[split(phase, false)]);
            assert_eq!(
                (names(&there.services), names(&there.elsewhere)),
                (vec![], vec!["billing", "orders"]),
                "{phase}"
            );
        }
        assert_eq!(all.before_they_leave(&[split("finished", true)]).homes().len(), 2);
        let there = all.at(&Home::Own("ORDERS_URL".to_owned())).without_moved(&[split("finished", false)]);
        assert_eq!(names(&there.services), ["orders"]);
    }

    #[test]
    fn without_an_own_database_there_is_one() {
        assert_eq!(project(&[]).homes(), BTreeSet::from([Home::Shared]));
        let all = project(&[("billing", None)]);
        assert!(all.at(&Home::Shared).elsewhere.is_empty());
    }

    #[test]
    fn a_contract_is_cut_by_the_split_of_the_one_that_has_a_database_of_its_own() {
        let all = project(&[("billing", None), ("orders", Some("A")), ("parcels", Some("B")), ("shipping", None)]);
        let moved = |home: &Home, provider: &str, consumer: &str| {
            let seen = all.at(home);
            let get = |name: &str| seen.find(&Ident::new(name).expect("a name")).cloned().expect("a service");
            seen.moved(&get(provider), &get(consumer)).map(|s| s.name.as_str().to_owned())
        };
        let own = Home::Own("A".to_owned());
        assert_eq!(moved(&Home::Shared, "billing", "shipping"), None);
        assert_eq!(moved(&Home::Shared, "billing", "orders").as_deref(), Some("orders"));
        assert_eq!(moved(&Home::Shared, "orders", "billing").as_deref(), Some("orders"));
        assert_eq!(moved(&own, "orders", "billing").as_deref(), Some("orders"));
        assert_eq!(moved(&own, "parcels", "orders").as_deref(), Some("orders"), "over the shared database");
        assert_eq!(moved(&own, "orders", "parcels").as_deref(), Some("orders"));
    }
}
