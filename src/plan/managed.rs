//! Which roles are pgcleave's, and which service each belongs to.

use std::collections::{BTreeMap, BTreeSet};

use crate::ident::Ident;
use crate::manifest::service::{Project, Service};
use crate::model::acl::Grantee;
use crate::model::naming::{Access, Naming, Slot};
use crate::model::privilege::Privileges;

/// Says why a checked manifest always gives names.
const CHECKED: &str = "manifests are checked for names over 63 bytes";

/// The roles that the manifests name.
#[derive(Debug, Clone, Default)]
pub struct Managed {
    /// Each role with its service; nothing for the groups that all share.
    pub roles: BTreeMap<Ident, Option<Ident>>,
    /// The prefix of their names.
    pub prefix: String,
    /// Each service's schema, with the service.
    pub schemas: BTreeMap<Ident, Ident>,
    /// The services that list each extension.
    pub extensions: BTreeMap<Ident, BTreeSet<Ident>>,
    /// The services that are only described.
    pub described: BTreeSet<Ident>,
    /// What roles that are nobody's may hold by a contract with a described service, by object.
    pub by_hand: BTreeMap<String, Privileges>,
}

impl Managed {
    /// Names all roles of a project.
    #[must_use]
    pub fn of(project: &Project) -> Self {
        let naming = &project.naming;
        let mut roles = BTreeMap::from([(connect_group(naming), None), (temporary_group(naming), None)]);
        for service in project.services.values().chain(project.elsewhere.values()) {
            let names = Names::of(naming, service);
            for role in [&names.owner, &names.writer, &names.reader] {
                roles.insert(role.clone(), Some(service.name.clone()));
            }
            for login in names.logins {
                roles.insert(login.role, Some(service.name.clone()));
            }
            for role in bridge_roles(naming, service) {
                roles.insert(role, Some(service.name.clone()));
            }
        }
        let all = project.services.values().chain(project.elsewhere.values());
        let schemas = all.map(|s| (s.schema.clone(), s.name.clone())).collect();
        let by_hand = super::described::by_hand(project);
        let mut extensions = BTreeMap::<Ident, BTreeSet<Ident>>::new();
        for service in project.services.values() {
            for extension in &service.extensions {
                extensions.entry(extension.clone()).or_default().insert(service.name.clone());
            }
        }
        let described = project.described.keys().cloned().collect();
        Self { roles, prefix: naming.prefix.clone(), schemas, extensions, described, by_hand }
    }

    /// Gives the roles' names.
    #[must_use]
    pub fn names(&self) -> BTreeSet<Ident> {
        self.roles.keys().cloned().collect()
    }

    /// Tells whether a grantee is pgcleave's to change: one of its roles, or PUBLIC.
    #[must_use]
    pub fn covers(&self, grantee: &Grantee) -> bool {
        match grantee {
            Grantee::Public => true,
            Grantee::Role(role) => self.roles.contains_key(role),
        }
    }
}

/// One login role of a credential.
#[derive(Debug, Clone)]
pub struct Login {
    /// The role's name.
    pub role: Ident,
    /// The credential's short name.
    pub credential: String,
    /// Which of the two.
    pub slot: Slot,
    /// Which role it is a member of.
    pub access: Access,
}

/// The names of one service's roles.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each is the design's word")]
pub struct Names {
    pub owner: Ident,
    pub writer: Ident,
    pub reader: Ident,
    pub logins: Vec<Login>,
}

impl Names {
    /// Names the roles of a checked service.
    ///
    /// # Panics
    /// When a name passes 63 bytes, which checked manifests exclude.
    #[must_use]
    pub fn of(naming: &Naming, service: &Service) -> Self {
        let name = service.name.as_str();
        let mut logins = Vec::new();
        for (credential, declared) in &service.credentials {
            for slot in Slot::BOTH {
                let role = naming.login(name, credential, slot).expect(CHECKED);
                logins.push(Login { role, credential: credential.clone(), slot, access: declared.access });
            }
        }
        Self {
            owner: naming.owner(name).expect(CHECKED),
            writer: naming.writer(name).expect(CHECKED),
            reader: naming.reader(name).expect(CHECKED),
            logins,
        }
    }

    /// Gives the role of a kind of access.
    #[must_use]
    pub fn access(&self, access: Access) -> &Ident {
        match access {
            Access::Owner => &self.owner,
            Access::Write => &self.writer,
            Access::Read => &self.reader,
        }
    }
}

/// Names the roles of a service's bridge: its owner, and the login of the other end. Without a database of its own the
/// service has none.
#[must_use]
pub fn bridge_roles(naming: &Naming, service: &Service) -> Vec<Ident> {
    let name = service.name.as_str();
    if service.has_own_database() {
        vec![naming.bridge(name).expect(CHECKED), naming.caller(name).expect(CHECKED)]
    } else {
        Vec::new()
    }
}

/// Names the login with which the other end of a moved service's bridge comes.
///
/// # Panics
/// When the name passes 63 bytes, which checked manifests exclude.
#[must_use]
pub fn caller(naming: &Naming, moved: &Service) -> Ident {
    naming.caller(moved.name.as_str()).expect(CHECKED)
}

/// Names the group through which all services' roles connect.
///
/// # Panics
/// When the prefix is too long, which checked manifests exclude.
#[must_use]
pub fn connect_group(naming: &Naming) -> Ident {
    naming.connect_group().expect(CHECKED)
}

/// Names the group through which owners and writers get TEMP.
///
/// # Panics
/// When the prefix is too long, which checked manifests exclude.
#[must_use]
pub fn temporary_group(naming: &Naming) -> Ident {
    naming.temporary_group().expect(CHECKED)
}
