//! What a manifest cannot ask for: another schema for a service that lives here, another environment for a database, groups
//! with the names of logins.

use std::collections::BTreeSet;
use std::fmt;

use super::build::Options;
use super::managed::Names;
use crate::ident::Ident;
use crate::manifest::service::{Project, Service};
use crate::model::state::Observed;

/// Why a project does not fit a database that already has services, with the line to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// A service that lives here declares another schema.
    Schema {
        /// The service.
        service: Ident,
        /// The schema that it has.
        is: Ident,
        /// The schema that its manifest declares.
        declared: Ident,
    },
    /// A service declares the schema of one whose manifest is gone.
    Renamed {
        /// The service.
        service: Ident,
        /// The schema.
        schema: Ident,
        /// The service that has it.
        before: Ident,
    },
    /// Logins have the names of the groups of a service that does not live here yet: as groups they could not log in.
    Logins {
        /// The service.
        service: Ident,
        /// The schema that its manifest declares.
        schema: Ident,
        /// The logins, sorted.
        logins: BTreeSet<Ident>,
    },
    /// The services were set up with another role prefix.
    Prefix {
        /// The first such service.
        service: Ident,
        /// The prefix of its roles.
        is: String,
        /// The chosen environment's prefix.
        chosen: String,
    },
}

impl Misfit {
    /// Gives the error's code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Schema { .. } => "schema-changed",
            Self::Renamed { .. } => "service-renamed",
            Self::Logins { .. } => "login-named-like-group",
            Self::Prefix { .. } => "wrong-environment",
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema { service, is, declared } => write!(
                f,
                "service {0} has schema {1} in this database, and its manifest declares schema {2}: a schema cannot be moved \
                 yet; write `schema: {1}` in {0}.yaml",
                service.as_str(),
                is.as_str(),
                declared.as_str()
            ),
            Self::Renamed { service, schema, before } => write!(
                f,
                "service {} declares schema {}, which belongs to service {2} in this database, and {2} has no manifest any \
                 more: a service cannot be renamed yet; write `service: {2}` in {2}.yaml",
                service.as_str(),
                schema.as_str(),
                before.as_str()
            ),
            Self::Logins { service, schema, logins } => {
                let names: Vec<_> = logins.iter().map(Ident::as_str).collect();
                write!(
                    f,
                    "service {} needs groups that cannot log in, and their names belong to logins: {}; write another name \
                     after `service:`, with a file of that name, and `schema: {}`, or choose another `role_prefix`",
                    service.as_str(),
                    names.join(", "),
                    schema.as_str()
                )
            }
            Self::Prefix { service, is, chosen } => write!(
                f,
                "service {} was set up in this database with the role prefix {is:?}, and the chosen environment has {chosen:?}: \
                 choose the environment with `role_prefix: {is:?}`, or write it into this one",
                service.as_str()
            ),
        }
    }
}

/// Finds what does not fit, all of it, by service.
#[must_use]
pub fn misfits(project: &Project, observed: &Observed, options: &Options) -> Vec<Misfit> {
    let prefix = &project.naming.prefix;
    let other_prefix = |service: &Ident| {
        let is = observed.prefixes.get(service).filter(|is| *is != prefix)?;
        // where the roles have the new prefix already, the registry only kept the first one
        let owner = project.naming.owner(service.as_str()).ok()?;
        let known = project.services.contains_key(service) && !observed.state.roles.contains_key(&owner);
        known.then(|| Misfit::Prefix { service: service.clone(), is: is.clone(), chosen: prefix.clone() })
    };
    if let Some(misfit) = observed.state.services.keys().find_map(other_prefix) {
        return vec![misfit];
    }
    let chosen = |service: &Ident| options.services.is_empty() || options.services.contains(service);
    let mut found = Vec::new();
    for service in project.services.values().filter(|service| chosen(&service.name)) {
        let (name, declared) = (&service.name, &service.schema);
        match observed.state.services.get(name) {
            // a schema that is gone, or was renamed by hand, leaves nothing behind
            Some(is) if is != declared && observed.state.schemas.contains_key(is) => {
                found.push(Misfit::Schema { service: name.clone(), is: is.clone(), declared: declared.clone() });
            }
            Some(_) => {}
            None => {
                let before = observed.state.services.iter().find(|(other, schema)| {
                    *schema == declared && project.find(other).is_none() && observed.state.schemas.contains_key(*schema)
                });
                found.extend(before.map(|(before, schema)| Misfit::Renamed {
                    service: name.clone(),
                    schema: schema.clone(),
                    before: before.clone(),
                }));
                found.extend(logins_named_like_groups(project, service, observed));
            }
        }
    }
    found
}

/// Finds the logins that a plan would take as the service's groups, and lock out by that.
fn logins_named_like_groups(project: &Project, service: &Service, observed: &Observed) -> Option<Misfit> {
    let Names { owner, writer, reader, .. } = Names::of(&project.naming, service);
    let is_login = |role: &Ident| observed.state.roles.get(role).is_some_and(|found| found.login);
    let logins: BTreeSet<Ident> = [owner, writer, reader].into_iter().filter(is_login).collect();
    let (service, schema) = (service.name.clone(), service.schema.clone());
    (!logins.is_empty()).then_some(Misfit::Logins { service, schema, logins })
}
