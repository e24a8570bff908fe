//! What a manifest cannot change yet: which schema a service that lives here has, and which environment a database is of.

use std::fmt;

use super::build::Options;
use crate::ident::Ident;
use crate::manifest::service::Project;
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
            }
        }
    }
    found
}
