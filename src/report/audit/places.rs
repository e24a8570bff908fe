//! Where in the manifests a finding has its home.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::audit::finding::Finding;
use crate::manifest::service::{Position, Project};

/// A contract as the manifests declare it, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Who exposes.
    pub provider: String,
    /// Who consumes.
    pub consumer: String,
    /// The object, `schema.name` or `schema.name(arguments)`.
    pub object: String,
    /// Where the provider declares it.
    pub at: Position,
}

/// The places of services and contracts; empty without manifests.
#[derive(Debug, Clone, Default)]
pub struct Places {
    services: BTreeMap<String, Position>,
    /// All contracts, by provider, in the manifests' order.
    pub contracts: Vec<Declared>,
    fallback: Option<PathBuf>,
}

impl Places {
    /// Takes the places of a project.
    #[must_use]
    pub fn of(project: &Project) -> Self {
        let mut places = Self { fallback: Some(project.root.join("pgcleave.yaml")), ..Self::default() };
        for service in project.here() {
            let name = &service.name;
            places.services.insert(name.as_str().to_owned(), service.at.clone());
            for exposed in &service.exposes {
                let label = crate::audit::name::qualified(&service.schema, &exposed.name);
                let object = exposed.arguments.as_ref().map_or(label.clone(), |a| format!("{label}({a})"));
                places.contracts.extend(exposed.to.iter().map(|consumer| Declared {
                    provider: name.as_str().to_owned(),
                    consumer: consumer.as_str().to_owned(),
                    object: object.clone(),
                    at: exposed.at.clone(),
                }));
            }
        }
        places
    }

    /// Gives the names of the services that have a manifest.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(String::as_str)
    }

    /// Finds the contract that a finding is about.
    #[must_use]
    pub fn contract(&self, finding: &Finding) -> Option<&Declared> {
        if !finding.declared {
            return None;
        }
        self.contracts.iter().find(|c| {
            // a contract's column and the routine's arguments follow the object's name
            let rest = finding.object.strip_prefix(&c.object);
            finding.principal_service.as_ref() == Some(&c.consumer)
                && finding.service.as_ref() == Some(&c.provider)
                && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '(']))
        })
    }

    /// Finds the line to point at: the contract's, else that of the object's service, of the principal's, pgcleave.yaml.
    #[must_use]
    pub fn at(&self, finding: &Finding) -> Option<Position> {
        let service = |name: &Option<String>| self.services.get(name.as_deref()?).cloned();
        self.contract(finding)
            .map(|c| c.at.clone())
            .or_else(|| service(&finding.service))
            .or_else(|| service(&finding.principal_service))
            .or_else(|| Some(Position { file: self.fallback.clone()?, line: 1, column: 1 }))
    }
}
