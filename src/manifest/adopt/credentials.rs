//! Login roles → credentials, and the extensions that their search path shows.

use std::collections::{BTreeMap, BTreeSet};

use super::places::{Places, reachable};
use super::{Given, Misfits, accept};
use crate::ident::Ident;
use crate::model::naming::{Access, Slot};
use crate::model::privilege::{Privilege, Privileges};
use crate::model::setting;
use crate::model::state::Role;

/// What only a login that writes holds on tables.
const WRITING: Privileges =
    Privileges::of(&[Privilege::Insert, Privilege::Update, Privilege::Delete, Privilege::Truncate]);

/// What a manifest says of one service's logins.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// The credentials by short name.
    pub(super) credentials: BTreeMap<String, Found>,
    /// Logins that no manifest can name, as credentials that could follow them.
    pub(super) successors: BTreeMap<String, Found>,
    /// The extensions, in the order in which the search path has their schemas.
    pub(super) extensions: Vec<Ident>,
}

/// One credential as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) access: Access,
    pub(super) connection_limit: Option<i32>,
    pub(super) settings: BTreeMap<String, String>,
}

pub(super) fn find(given: &Given<'_>, places: &Places, misfits: &mut Misfits) -> BTreeMap<Ident, Logins> {
    let mut all = BTreeMap::new();
    let mut claimed: BTreeSet<Ident> = BTreeSet::new();
    for (service, schema) in &places.schemas {
        let mut logins = Logins::default();
        let mut path: Vec<Ident> = Vec::new();
        for (name, pair) in pairs(given, service) {
            let Some(found) = credential(given, service, &name, &pair, misfits) else { continue };
            for role in &pair {
                for home in search_path(given, role) {
                    if home != *schema && !path.contains(&home) {
                        path.push(home);
                    }
                }
            }
            claimed.extend(pair);
            logins.credentials.insert(name, found);
        }
        logins.extensions = extensions(given, (service, schema), &path, !logins.credentials.is_empty(), misfits);
        all.insert(service.clone(), logins);
    }
    for (role, service) in &places.roles {
        let is_login = given.observed.state.roles.get(role).is_some_and(|r| r.login);
        let owner = given.naming.owner(service.as_str()).ok();
        if is_login && !claimed.contains(role) && owner.as_ref() != Some(role) {
            let logins = all.entry(service.clone()).or_insert_with(Logins::default);
            unnamed(given, (service, &places.schemas[service]), role, logins, misfits);
        }
    }
    all
}

/// Finds the pairs `<service>_<name>_a` and `_b` that are both there.
fn pairs(given: &Given<'_>, service: &Ident) -> BTreeMap<String, [Ident; 2]> {
    let (state, naming) = (&given.observed.state, given.naming);
    let begin = format!("{}{}_", naming.prefix, service.as_str());
    let named = state.roles.keys().filter_map(|role| role.as_str().strip_prefix(&begin)?.strip_suffix("_a"));
    let mut found = BTreeMap::new();
    for name in named.filter(|name| accept::credential(name)) {
        let logins = Slot::BOTH.map(|slot| naming.login(service.as_str(), name, slot));
        if let [Ok(a), Ok(b)] = logins
            && state.roles.contains_key(&b)
        {
            found.insert(name.to_owned(), [a, b]);
        }
    }
    found
}

/// Reads a credential from its two logins; nothing where they are not members of one and the same of the three roles.
fn credential(
    given: &Given<'_>,
    service: &Ident,
    name: &str,
    pair: &[Ident; 2],
    misfits: &mut Misfits,
) -> Option<Found> {
    let state = &given.observed.state;
    let of = pair.each_ref().map(|role| direct_access(given, service, role));
    let access = match of {
        [Some(a), Some(b)] if a == b => a,
        _ => return None,
    };
    let mut tell = |what: &str, why: &str| misfits.add(Some(service), format!("credential {name}: {what}"), why);
    let registered = state.credentials.contains_key(&(service.clone(), name.to_owned()));
    if !registered {
        tell("its password", "the registry does not know the credential, so apply issues it a new password");
    }
    let [a, b] = pair.each_ref().map(|role| &state.roles[role]);
    if a.connection_limit != b.connection_limit {
        tell(
            "connection_limit",
            "its two logins differ; the manifest has that of the first, and a plan sets it for both",
        );
    }
    let [first, second] = pair.each_ref().map(|role| settings(given, role));
    let mut settings = BTreeMap::new();
    for (setting, value) in &first {
        if accept::setting(setting) {
            settings.insert(setting.clone(), value.clone());
        } else {
            tell(setting, "no manifest can name the setting: a plan resets it");
        }
    }
    if first != second {
        tell("settings", "its two logins differ; the manifest has those of the first, and a plan sets them for both");
    }
    Some(Found { access, connection_limit: limit(a, |why| tell("connection_limit", why)), settings })
}

/// Tells of which one of the service's three roles a login is a member.
fn direct_access(given: &Given<'_>, service: &Ident, login: &Ident) -> Option<Access> {
    let memberships = &given.observed.state.memberships;
    let is_in = |access: &Access| {
        let role = given.naming.access(service.as_str(), *access).ok();
        memberships.keys().any(|m| m.member == *login && Some(&m.role) == role.as_ref())
    };
    let found: Vec<Access> = Access::ALL.into_iter().filter(is_in).collect();
    if let [only] = found.as_slice() { Some(*only) } else { None }
}

fn limit(role: &Role, tell: impl FnOnce(&str)) -> Option<i32> {
    match role.connection_limit {
        limit if limit > 0 => Some(limit),
        0 => {
            tell("a limit of 0 lets nobody in, and no manifest says so: a plan lifts it");
            None
        }
        _ => None,
    }
}

/// Gives a login's settings in this database, but for those that pgcleave makes itself.
fn settings(given: &Given<'_>, role: &Ident) -> BTreeMap<String, String> {
    let all = given.observed.state.settings.iter().filter(|(setting, _)| setting.role == *role);
    let own = all.filter(|(setting, _)| !matches!(setting.name.as_str(), "search_path" | "role"));
    own.map(|(setting, value)| (setting.name.clone(), value.clone())).collect()
}

fn search_path(given: &Given<'_>, role: &Ident) -> Vec<Ident> {
    let all = given.observed.state.settings.iter();
    let path =
        all.filter(|(setting, _)| setting.role == *role && setting.name == "search_path").map(|(_, value)| value);
    path.flat_map(|value| setting::names(value)).collect()
}

/// Lists the extensions whose schemas are on the path, and those that objects use; with logins the path decides.
fn extensions(
    given: &Given<'_>,
    (service, schema): (&Ident, &Ident),
    path: &[Ident],
    has_logins: bool,
    misfits: &mut Misfits,
) -> Vec<Ident> {
    let homes = &given.observed.state.extensions;
    let none = BTreeSet::new();
    let used = given.extensions.get(schema).unwrap_or(&none);
    let mut listed: Vec<Ident> = Vec::new();
    for home in path {
        let here: Vec<&Ident> = homes.iter().filter(|(_, h)| *h == home).map(|(name, _)| name).collect();
        let chosen: Vec<&Ident> = here.iter().copied().filter(|name| used.contains(*name)).collect();
        if here.is_empty() {
            let why = format!("it names {}, which holds no extension: a plan takes that out", home.as_str());
            misfits.add(Some(service), "search_path of its logins", why);
        }
        listed.extend(if chosen.is_empty() { here } else { chosen }.into_iter().cloned());
    }
    for name in used.iter().filter(|name| !listed.contains(name)).collect::<Vec<_>>() {
        let at_hand = homes.get(name).is_none_or(|home| home == schema || home.as_str() == "pg_catalog");
        if at_hand || !has_logins {
            listed.push(name.clone());
        } else {
            let why = "objects use it, but its schema is not on the logins' search_path; listing it would put it there";
            misfits.add(Some(service), format!("extension {}", name.as_str()), why);
        }
    }
    listed.retain(|name| {
        let fits = accept::extension(name);
        if !fits {
            misfits.add(Some(service), format!("extension {}", name.as_str()), "no manifest can name it");
        }
        fits
    });
    listed
}

/// Tells of a login that is the service's and that no manifest can name, and thinks of a successor.
fn unnamed(
    given: &Given<'_>,
    (service, schema): (&Ident, &Ident),
    role: &Ident,
    logins: &mut Logins,
    misfits: &mut Misfits,
) {
    let state = &given.observed.state;
    let begin = format!("{}{}", given.naming.prefix, service.as_str());
    let held = state.schemas[schema].objects.values();
    let grantee = crate::model::acl::Grantee::Role(role.clone());
    let held: Vec<_> = held.map(|object| object.acl.held_by(&grantee)).filter(|held| !held.is_empty()).collect();
    let holds = match held.len() {
        0 => String::new(),
        n => format!(", with its grants on {n} objects"),
    };
    let owns = state.schemas[schema].owner == *role || state.schemas[schema].objects.values().any(|o| o.owner == *role);
    let why = match given.naming.owner(service.as_str()).ok().filter(|_| owns) {
        // as a member of the new owner it keeps what it has as the old one
        Some(group) => format!(
            "it loses what it has as an owner here when a plan gives that to {} (hazard change-owner); to keep it, run \
             before: create role {quoted}; grant {quoted} to {}",
            group.as_str(),
            role.quoted(),
            quoted = group.quoted()
        ),
        None => format!("a login is named {begin}_<name>_a or _b: this one is left alone{holds}, as unmanaged"),
    };
    misfits.add(Some(service), format!("login {}", role.as_str()), why);

    let by_schema = format!("{}{}", given.naming.prefix, schema.as_str());
    let rest = role.as_str().strip_prefix(&begin).or_else(|| role.as_str().strip_prefix(&by_schema));
    let short = rest.map_or(role.as_str(), |rest| rest.trim_start_matches('_'));
    let short = short.strip_suffix("_a").or_else(|| short.strip_suffix("_b")).unwrap_or(short);
    let above = reachable(role, &state.memberships, |m| (&m.member, &m.role), |o| o.inherit || o.set);
    let in_role = |access| given.naming.access(service.as_str(), access).is_ok_and(|r| above.contains(&r));
    let writes = held.iter().any(|held| !held.intersection(WRITING).is_empty());
    let owner = &state.schemas[schema].owner;
    let access = if in_role(Access::Owner) || above.contains(owner) || role == owner {
        Access::Owner
    } else if writes || in_role(Access::Write) {
        Access::Write
    } else {
        Access::Read
    };
    let fits = accept::credential(short)
        && !logins.credentials.contains_key(short)
        && given.naming.login(service.as_str(), short, Slot::A).is_ok();
    if fits {
        let settings = settings(given, role).into_iter().filter(|(name, _)| accept::setting(name)).collect();
        let connection_limit = limit(&state.roles[role], |_| ());
        logins.successors.entry(short.to_owned()).or_insert(Found { access, connection_limit, settings });
    }
}
