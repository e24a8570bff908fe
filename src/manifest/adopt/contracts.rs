//! Grants from one service's schema to another service's roles → contracts.

use std::collections::{BTreeMap, BTreeSet};

use super::places::{Places, reachable};
use super::{Given, Misfits, accept};
use crate::ident::Ident;
use crate::model::acl::{Acl, Granted, Grantee};
use crate::model::privilege::{Privilege, Privileges};
use crate::model::state::{Class, Object, ObjectKind, ObjectName, Schema};

/// What a role of another service may have by a contract without that every reader there may write.
const READING: Privileges = Privileges::of(&[Privilege::Select, Privilege::Execute, Privilege::Usage]);

/// The contracts of all services.
#[derive(Debug, Default)]
pub(super) struct Contracts {
    /// What each service exposes.
    pub(super) exposes: BTreeMap<Ident, Vec<Exposure>>,
    /// What each service consumes, as a manifest writes it.
    pub(super) consumes: BTreeMap<Ident, Vec<String>>,
}

/// One entry of `exposes`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exposure {
    /// The key that names the kind of object.
    pub(super) kind: &'static str,
    /// The object as a manifest writes it.
    pub(super) object: String,
    pub(super) to: Vec<Ident>,
    /// Nothing for those that are meant without being listed.
    pub(super) privileges: Option<Privileges>,
}

/// Which consumers hold what on one object.
type Offers<'a> = BTreeMap<&'a ObjectName, BTreeMap<&'a Ident, Privileges>>;

pub(super) fn find(given: &Given<'_>, places: &Places, misfits: &mut Misfits) -> Contracts {
    let mut offers: BTreeMap<&Ident, Offers<'_>> = BTreeMap::new();
    for (service, name) in &places.schemas {
        let schema = &given.observed.state.schemas[name];
        let site = Site { given, places, service, name, schema };
        offers.insert(service, site.offers(misfits));
    }
    let mut contracts = Contracts::default();
    for (service, offers) in offers {
        let schema = &places.schemas[service];
        for (name, to) in offers {
            let object = &given.observed.state.schemas[schema].objects[name];
            write(service, schema, name, object, to, &mut contracts, misfits);
        }
    }
    contracts.consumes.values_mut().for_each(|list| list.sort());
    contracts
}

/// One service's schema and who holds what in it.
struct Site<'a> {
    given: &'a Given<'a>,
    places: &'a Places,
    service: &'a Ident,
    name: &'a Ident,
    schema: &'a Schema,
}

impl<'a> Site<'a> {
    fn offers(&self, misfits: &mut Misfits) -> Offers<'a> {
        let mut offers = Offers::new();
        let mut strangers: BTreeMap<&Ident, usize> = BTreeMap::new();
        let mut public: BTreeMap<(Class, String), usize> = BTreeMap::new();
        for (name, object) in &self.schema.objects {
            for (grantee, grantor, granted) in object.acl.iter() {
                match grantee {
                    Grantee::Public => *public.entry((name.class, granted.privileges.to_string())).or_default() += 1,
                    Grantee::Role(role) => match self.consumer(role) {
                        Consumer::Own => {}
                        Consumer::Stranger => *strangers.entry(role).or_default() += 1,
                        Consumer::Service(service) => {
                            let held = self.carried(name, object, role, service, (grantor, granted), misfits);
                            if !held.is_empty() {
                                let entry = offers.entry(name).or_default().entry(service).or_default();
                                *entry = entry.union(held);
                            }
                        }
                    },
                }
            }
            self.columns(name, object, misfits);
        }
        for ((class, privileges), count) in public {
            let object = format!("{privileges} on {count} {}s for PUBLIC", class.keyword());
            misfits.add(Some(self.service), object, "no contract is with everybody: a plan takes it away");
        }
        for (role, count) in strangers {
            let why = "it belongs to no adopted service: left alone, as unmanaged";
            misfits.add(Some(self.service), format!("grants to {} on {count} objects", role.as_str()), why);
        }
        self.usage(&offers, misfits);
        offers
    }

    /// Tells whose a role is, seen from here.
    fn consumer(&self, role: &Ident) -> Consumer<'a> {
        let superuser = self.given.observed.state.roles.get(role).is_some_and(|r| r.superuser);
        match self.places.roles.get(role) {
            _ if superuser => Consumer::Own,
            Some(service) if service == self.service => Consumer::Own,
            Some(service) => Consumer::Service(service),
            None => Consumer::Stranger,
        }
    }

    /// Gives what of a grant a contract can carry, and tells of the rest.
    fn carried(
        &self,
        name: &ObjectName,
        object: &Object,
        role: &Ident,
        service: &Ident,
        (grantor, granted): (&Ident, Granted),
        misfits: &mut Misfits,
    ) -> Privileges {
        let label = name.label(self.name);
        let who = role.as_str();
        let mut tell = |what: Privileges, why: String| {
            misfits.add(Some(self.service), format!("{what} on {label} for {who}"), why);
        };
        if *grantor != object.owner {
            tell(
                granted.privileges,
                format!("{} granted it, not the owner: left alone, as unmanaged", grantor.as_str()),
            );
            return Privileges::NONE;
        }
        if !self.may_enter(role) {
            let why = format!("{who} may not use the schema, so nothing is open yet; a contract would open it");
            tell(granted.privileges, why);
            return Privileges::NONE;
        }
        if !granted.grantable.is_empty() {
            tell(granted.grantable, "it may be passed on, which no contract says".to_owned());
        }
        let reader = self.given.naming.reader(service.as_str()).is_ok_and(|reader| reader == *role);
        let allowed = if reader { name.class.acl_kind().all(BEFORE_MAINTAIN) } else { READING };
        let rest = granted.privileges.without(allowed);
        if !rest.is_empty() {
            let why = if reader { "no contract can grant it" } else { "a contract would give it to all readers there" };
            tell(rest, why.to_owned());
        }
        let held = granted.privileges.intersection(allowed);
        if !reader && !held.is_empty() {
            let why = format!("the contract is with the reader of {}; this grant is not part of it", service.as_str());
            tell(held, why);
        }
        held
    }

    /// Tells whether a role may use the schema, by itself, PUBLIC, or what it inherits.
    fn may_enter(&self, role: &Ident) -> bool {
        let open = |grantee: &Grantee| self.schema.acl.held_by(grantee).contains(Privilege::Usage);
        let inherited = reachable(
            role,
            &self.given.observed.state.memberships,
            |m| (&m.member, &m.role),
            |options| options.inherit,
        );
        open(&Grantee::Public)
            || std::iter::once(role)
                .chain(inherited)
                .any(|r| *r == self.schema.owner || open(&Grantee::Role(r.clone())))
    }

    fn columns(&self, name: &ObjectName, object: &Object, misfits: &mut Misfits) {
        for (column, acl) in &object.columns {
            let holders: BTreeSet<&str> = acl.iter().map(|(grantee, ..)| grantee.as_str()).collect();
            let object = format!("grants on {}({})", name.label(self.name), column.as_str());
            let who = holders.into_iter().collect::<Vec<_>>().join(", ");
            let why = format!("no manifest knows single columns ({who}): expose a view instead");
            misfits.add(Some(self.service), object, why);
        }
    }

    /// Tells of those who may use the schema, or create in it, without a contract that brings it.
    fn usage(&self, offers: &Offers<'_>, misfits: &mut Misfits) {
        let consumers: BTreeSet<&Ident> = offers.values().flat_map(|to| to.keys().copied()).collect();
        for (grantee, _, granted) in Acl::iter(&self.schema.acl) {
            let what = match grantee {
                Grantee::Public => granted.privileges,
                Grantee::Role(role) => match self.consumer(role) {
                    Consumer::Own => continue,
                    Consumer::Service(service) if consumers.contains(service) => {
                        granted.privileges.without(Privilege::Usage.into())
                    }
                    _ => granted.privileges,
                },
            };
            if !what.is_empty() {
                let object = format!("{what} on the schema for {}", grantee.as_str());
                misfits.add(Some(self.service), object, "no contract brings it");
            }
        }
    }
}

/// The major version before MAINTAIN, which contracts leave out: older servers do not have it.
const BEFORE_MAINTAIN: u32 = 16;

/// Whose a grantee is.
enum Consumer<'a> {
    /// The schema's own service, or a superuser, whom no grant concerns.
    Own,
    Service(&'a Ident),
    Stranger,
}

/// Writes both sides of one object's contracts.
fn write(
    service: &Ident,
    schema: &Ident,
    name: &ObjectName,
    object: &Object,
    mut to: BTreeMap<&Ident, Privileges>,
    contracts: &mut Contracts,
    misfits: &mut Misfits,
) {
    let label = name.label(schema);
    let written = match &name.arguments {
        Some(arguments) => accept::routine(&name.name, arguments, schema),
        None => accept::object(&name.name).then(|| name.name.as_str().to_owned()),
    };
    let listed = contracts.exposes.entry(service.clone()).or_default();
    let Some(written) = written.filter(|written| listed.iter().all(|e| e.object != *written)) else {
        misfits.add(Some(service), format!("contracts on {label}"), "no manifest can name the object");
        return;
    };
    // one entry has the same privileges for all
    let common = to.values().copied().reduce(Privileges::intersection).unwrap_or_default();
    let common = if common.is_empty() { to.values().copied().next().unwrap_or_default() } else { common };
    for (consumer, held) in &to {
        let rest = held.without(common);
        if !rest.is_empty() {
            let object = format!("{rest} on {label} for {}", consumer.as_str());
            misfits.add(Some(service), object, "an object is exposed with the same privileges to all");
        }
    }
    to.retain(|_, held| !held.intersection(common).is_empty());
    let (kind, default) = kind_of(object.kind);
    for consumer in to.keys() {
        let entry = format!("{}.{written}", service.as_str());
        contracts.consumes.entry((*consumer).clone()).or_default().push(entry);
    }
    let privileges = (common != Privileges::from(default)).then_some(common);
    listed.push(Exposure { kind, object: written, to: to.into_keys().cloned().collect(), privileges });
}

fn kind_of(kind: ObjectKind) -> (&'static str, Privilege) {
    match kind {
        ObjectKind::View | ObjectKind::MaterializedView => ("view", Privilege::Select),
        ObjectKind::Table | ObjectKind::ForeignTable => ("table", Privilege::Select),
        ObjectKind::Sequence | ObjectKind::LinkedSequence => ("sequence", Privilege::Usage),
        ObjectKind::ReadingFunction | ObjectKind::Function => ("function", Privilege::Execute),
        ObjectKind::Procedure => ("procedure", Privilege::Execute),
        ObjectKind::Type | ObjectKind::Domain => ("type", Privilege::Usage),
    }
}
