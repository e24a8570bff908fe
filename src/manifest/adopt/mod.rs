//! A live database → manifests that say what it is, and a list of what no manifest can say.
//!
//! ```text
//! Observed ─▶ places (which schema is which service, which role is whose) ─▶ credentials, contracts ─▶ text
//!                  └────────────── misfit: what stays as it is, or what a plan would change ──────────────┘
//! ```

mod accept;
mod contracts;
mod credentials;
mod places;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use crate::ident::Ident;
use crate::model::naming::Naming;
use crate::model::state::Observed;
pub use places::likely_prefix;
pub use text::{ENVIRONMENT, config};

/// What is adopted from.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// All roles and schemas of the database.
    pub observed: &'a Observed,
    /// What stands before the roles' names.
    pub naming: &'a Naming,
    /// The extensions that a schema's objects depend on, by schema.
    pub extensions: &'a BTreeMap<Ident, BTreeSet<Ident>>,
    /// The schemas that are members of extensions.
    pub extension_schemas: &'a BTreeSet<Ident>,
    /// Only these schemas; all when empty.
    pub only: &'a BTreeSet<Ident>,
    /// The services that the manifests are only to describe.
    pub described: &'a BTreeSet<Ident>,
}

/// Manifests, and what does not fit them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Adoption {
    /// One for each service, by name.
    pub services: Vec<Adopted>,
    /// What no manifest can say, sorted.
    pub misfits: Vec<Misfit>,
}

/// One service as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its name; the file is named like it.
    pub name: Ident,
    /// Its schema.
    pub schema: Ident,
    /// How many credentials it has.
    pub credentials: usize,
    /// How many objects it exposes.
    pub exposes: usize,
    /// How many objects of others it consumes.
    pub consumes: usize,
    /// Whether the manifest lets pgcleave manage it, or only describes it.
    pub managed: bool,
    /// The manifest.
    pub text: String,
}

/// One thing that no manifest can say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Misfit {
    /// The service that it concerns, if it is one's.
    pub service: Option<Ident>,
    /// What, in words.
    pub object: String,
    /// Why not, and what becomes of it.
    pub why: String,
}

/// Collects what does not fit.
#[derive(Debug, Default)]
struct Misfits(BTreeSet<Misfit>);

impl Misfits {
    fn add(&mut self, service: Option<&Ident>, object: impl Into<String>, why: impl Into<String>) {
        self.0.insert(Misfit { service: service.cloned(), object: object.into(), why: why.into() });
    }
}

/// Writes a manifest for every schema that can be a service's.
///
/// The manifests are valid together: a contract that would make them invalid is left out and told.
#[must_use]
pub fn adopt(given: &Given<'_>) -> Adoption {
    let mut misfits = Misfits::default();
    let places = places::find(given, &mut misfits);
    let mut logins = credentials::find(given, &places, &mut misfits);
    let mut contracts = contracts::find(given, &places, &mut misfits);
    let services = places.schemas.iter().map(|(name, schema)| {
        let found = logins.remove(name).unwrap_or_default();
        let exposes = contracts.exposes.remove(name).unwrap_or_default();
        let consumes = contracts.consumes.remove(name).unwrap_or_default();
        let managed = !given.described.contains(name);
        Adopted {
            credentials: found.credentials.len(),
            exposes: exposes.len(),
            consumes: consumes.len(),
            managed,
            text: text::manifest(&text::Head { name, schema, managed }, &found, &exposes, &consumes),
            name: name.clone(),
            schema: schema.clone(),
        }
    });
    let services = services.collect();
    Adoption { services, misfits: misfits.0.into_iter().collect() }
}
