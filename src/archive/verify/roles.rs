//! Compares the roles that an export carries: attributes, passwords, memberships, settings and privileges.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret as _, SecretString};

use super::super::error::Error;
use super::side::Side;
use super::{FactDifference, NotCompared, differing, own};
use crate::ident::Ident;
use crate::transfer::facts::Facts;
use crate::transfer::logins::Logins;
use crate::transfer::roles::{Carried, Parsed, Setting};

/// What one side says of the roles.
#[derive(Debug, Clone, Default)]
pub(super) struct Roles {
    pub(super) parsed: Parsed,
    /// Those that are superusers on the side's server: an export makes none, and an import changes none.
    pub(super) superusers: BTreeSet<Ident>,
    pub(super) passwords: Passwords,
    /// Who may connect to the side's database; nothing for an archive.
    pub(super) connects: Option<BTreeSet<Ident>>,
    /// Which server it is; nothing for an archive, and where it is not told.
    pub(super) server: Option<String>,
}

/// The stored verifiers of one side.
#[derive(Debug, Clone, Default)]
pub(super) enum Passwords {
    /// All of a database.
    Known(Logins),
    /// The SCRAM verifiers that an archive holds.
    Archived(Logins),
    /// An archive was written without them.
    #[default]
    NotArchived,
    /// The connecting login may not read them.
    Unreadable,
}

/// Compares the roles of two sides that are open: first which, then what each side says of them.
pub(super) async fn compare(
    first: &mut Side,
    second: &mut Side,
) -> Result<(Vec<FactDifference>, Vec<NotCompared>), Error> {
    let service = first.service().or_else(|| second.service()).unwrap_or_else(|| first.schema().as_str()).to_owned();
    let (mut carried, other) = (first.carried(&service).await?, second.carried(&service).await?);
    carried.all.extend(other.all);
    carried.own.extend(other.own);
    let carried = own::without_roles(carried);
    let (one, two) = (first.roles(&carried).await?, second.roles(&carried).await?);
    Ok(differences(&carried, &one, &two))
}

/// Names the roles of an archive's files; whoever has something that only a service's own roles bring along is one.
pub(super) fn carried(parsed: &Parsed) -> Carried {
    let logins = parsed.roles.iter().filter(|role| role.login || role.verifier.is_some()).map(|role| &role.name);
    let own = logins.chain(parsed.memberships.iter().map(|m| &m.member));
    let own = own.chain(parsed.settings.iter().map(|s| &s.role)).chain(parsed.defaults.iter().map(|d| &d.creator));
    let groups = parsed.memberships.iter().map(|m| &m.role);
    let all = parsed.roles.iter().map(|role| &role.name).chain(groups).cloned().collect();
    Carried { all, own: own.cloned().collect() }
}

/// Gives the verifiers of an archive.
pub(super) fn archived(parsed: &Parsed) -> Logins {
    let verifier = |text: &Option<String>| text.clone().map(SecretString::from);
    parsed.roles.iter().map(|role| (role.name.clone(), verifier(&role.verifier))).collect()
}

/// Compares what two sides say. A server has each role once, whichever of its databases asks.
fn differences(carried: &Carried, one: &Roles, two: &Roles) -> (Vec<FactDifference>, Vec<NotCompared>) {
    let mut out = differing(&of_database(&one.parsed), &of_database(&two.parsed));
    if let (Some(a), Some(b)) = (&one.connects, &two.connects) {
        let logins = |parsed: &Parsed| -> BTreeSet<Ident> {
            parsed.roles.iter().filter(|role| role.login).map(|role| role.name.clone()).collect()
        };
        let (here, there) = (logins(&one.parsed), logins(&two.parsed));
        let both: BTreeSet<&Ident> = here.intersection(&there).collect();
        out.extend(differing(&connections(&both, a), &connections(&both, b)));
    }
    if one.server.is_some() && one.server == two.server {
        return (out, vec![NotCompared::SameServer]);
    }
    let superusers: BTreeSet<&Ident> = one.superusers.union(&two.superusers).collect();
    out.extend(differing(&of_server(&one.parsed, &superusers), &of_server(&two.parsed, &superusers)));
    let own = carried.own.iter().filter(|role| !superusers.contains(role)).collect();
    match passwords(own, one, two) {
        Ok(differ) => {
            out.extend(differ);
            (out, Vec::new())
        }
        Err(why) => (out, vec![why]),
    }
}

/// Tells of the roles themselves; of superusers only who is a member.
fn of_server(parsed: &Parsed, superusers: &BTreeSet<&Ident>) -> Facts {
    let mut facts = Facts::new();
    for role in parsed.roles.iter().filter(|role| !superusers.contains(&role.name)) {
        let limit = role.connection_limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
        let until = role.valid_until.as_deref().unwrap_or("forever");
        let (login, inherit) = (role.login, role.inherit);
        let fact = format!("login={login} inherit={inherit} connection limit={limit} valid until={until}");
        facts.insert(format!("role {}", role.name.as_str()), fact);
    }
    for membership in &parsed.memberships {
        let (role, member) = (&membership.role, &membership.member);
        // Before 16 the member's own attribute decides, and every member may become the role.
        let inherits = parsed.roles.iter().find(|role| role.name == *member).is_none_or(|role| role.inherit);
        let (inherit, set) = (membership.inherit.unwrap_or(inherits), membership.set.unwrap_or(true));
        let fact = format!("admin={} inherit={inherit} set={set}", membership.admin);
        facts.insert(format!("membership of {} in {}", member.as_str(), role.as_str()), fact);
    }
    for setting in parsed.settings.iter().filter(|setting| !setting.in_database) {
        facts.insert(format!("setting {} of role {}", parameter(setting), setting.role.as_str()), value(setting));
    }
    facts
}

/// Tells what the roles have in the schema's database alone.
fn of_database(parsed: &Parsed) -> Facts {
    let mut facts = Facts::new();
    for setting in parsed.settings.iter().filter(|setting| setting.in_database) {
        let object = format!("setting {} in the database of role {}", parameter(setting), setting.role.as_str());
        facts.insert(object, value(setting));
    }
    let name = |grantee: &Option<Ident>| grantee.as_ref().map_or("PUBLIC", Ident::as_str).to_owned();
    let mut lists: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for grant in &parsed.on_database {
        let object = format!("privileges on the database of role {}", name(&grant.grantee));
        lists.entry(object).or_default().insert(grant.privilege.to_owned());
    }
    for default in &parsed.defaults {
        let object = format!("default privileges on {} of {}", default.class, default.creator.as_str());
        let (verb, to) = if default.granted { ("grant", "to") } else { ("revoke", "from") };
        let fact = format!("{verb} {} {to} {}", default.privilege, name(&default.grantee));
        lists.entry(object).or_default().insert(fact);
    }
    facts.extend(lists.into_iter().map(|(object, list)| (object, list.into_iter().collect::<Vec<_>>().join(", "))));
    facts
}

/// Tells which logins may connect, through whatever role.
fn connections(logins: &BTreeSet<&Ident>, connects: &BTreeSet<Ident>) -> Facts {
    let fact = |login: &Ident| if connects.contains(login) { "allowed" } else { "not allowed" };
    logins.iter().map(|login| (format!("connection of role {}", login.as_str()), fact(login).to_owned())).collect()
}

/// Compares stored verifiers, and shows none.
fn passwords(own: Vec<&Ident>, one: &Roles, two: &Roles) -> Result<Vec<FactDifference>, NotCompared> {
    let known = |roles: &Roles| match &roles.passwords {
        Passwords::Known(logins) | Passwords::Archived(logins) => Ok(logins.clone()),
        Passwords::NotArchived => Err(NotCompared::PasswordsOfArchive),
        Passwords::Unreadable => Err(NotCompared::Passwords),
    };
    let (a, b) = (known(one)?, known(two)?);
    let archived = [one, two].iter().any(|roles| matches!(roles.passwords, Passwords::Archived(_)));
    let text = |logins: &Logins, role: &Ident| {
        let verifier = logins.get(role)?.as_ref()?.expose_secret().to_owned();
        // An archive holds no others.
        (!archived || verifier.starts_with("SCRAM-SHA-256$")).then_some(verifier)
    };
    let there = |roles: &Roles, name: &Ident| roles.parsed.roles.iter().any(|role| role.name == *name);
    let mut out = Vec::new();
    for role in own.into_iter().filter(|role| there(one, role) && there(two, role)) {
        let (first, second) = (text(&a, role), text(&b, role));
        if first != second {
            let object = format!("password of role {}", role.as_str());
            let (first, second) = (first.map(|_| "one".to_owned()), second.map(|_| "another".to_owned()));
            out.push(FactDifference { object, first, second });
        }
    }
    Ok(out)
}

fn parameter(setting: &Setting) -> String {
    setting.parameter.iter().map(Ident::as_str).collect::<Vec<_>>().join(".")
}

fn value(setting: &Setting) -> String {
    setting.values.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::roles::{Membership, Role};

    fn role(name: &str) -> Role {
        let name = Ident::from_server(name);
        Role { name, login: true, inherit: false, connection_limit: None, valid_until: None, verifier: None }
    }

    fn roles(names: &[&str], passwords: &[(&str, Option<&str>)]) -> Roles {
        let verifier = |text: &Option<&str>| text.map(SecretString::from);
        let logins = passwords.iter().map(|(name, text)| (Ident::from_server(name), verifier(text))).collect();
        let parsed = Parsed { roles: names.iter().map(|name| role(name)).collect(), ..Parsed::default() };
        Roles { parsed, passwords: Passwords::Known(logins), ..Roles::default() }
    }

    fn objects(one: &Roles, two: &Roles) -> Vec<String> {
        let own = ["a", "b", "c", "d"].map(Ident::from_server).into();
        let (differ, _) = differences(&Carried { all: BTreeSet::new(), own }, one, two);
        differ.into_iter().map(|difference| difference.object).collect()
    }

    #[test]
    fn passwords_are_compared_and_never_shown() {
        let one = roles(&["a", "b", "c"], &[("a", Some("x")), ("b", Some("y")), ("c", None)]);
        let two = roles(&["a", "b", "c"], &[("a", Some("x")), ("b", Some("z")), ("c", Some("z"))]);
        assert_eq!(objects(&one, &two), ["password of role b", "password of role c"]);
        let (differ, _) = differences(&carried(&one.parsed), &one, &two);
        assert!(
            differ.iter().all(|d| [&d.first, &d.second].into_iter().flatten().all(|text| text.len() > 1)),
            "{differ:?}"
        );
    }

    #[test]
    fn an_archive_holds_scram_verifiers_alone() {
        let scram = "SCRAM-SHA-256$4096:s$k:k";
        let database = roles(&["a", "b"], &[("a", Some("md5x")), ("b", Some(scram))]);
        let mut archive = roles(&["a", "b"], &[]);
        archive.passwords = Passwords::Archived([(Ident::from_server("b"), Some(SecretString::from(scram)))].into());
        assert_eq!(objects(&archive, &database), [""; 0]);
        archive.passwords = Passwords::NotArchived;
        let (differ, not_compared) = differences(&carried(&archive.parsed), &archive, &database);
        assert_eq!((differ, not_compared), (Vec::new(), vec![NotCompared::PasswordsOfArchive]));
    }

    #[test]
    fn a_membership_of_15_is_what_16_makes_of_it() {
        let membership = |inherit, set| {
            let (role, member) = (Ident::from_server("a"), Ident::from_server("b"));
            let mut roles = roles(&["a", "b"], &[]);
            roles.parsed.memberships = vec![Membership { role, member, admin: false, inherit, set }];
            roles
        };
        assert_eq!(objects(&membership(None, None), &membership(Some(false), Some(true))), [""; 0]);
        assert_eq!(objects(&membership(None, None), &membership(Some(true), Some(true))), ["membership of b in a"]);
        assert_eq!(objects(&membership(None, None), &roles(&["a", "b"], &[])), ["membership of b in a"]);
    }

    #[test]
    fn attributes_of_superusers_and_roles_of_one_server_are_not_compared() {
        let (one, mut two) = (roles(&["a"], &[]), roles(&["a", "d"], &[]));
        assert_eq!(objects(&one, &two), ["role d"]);
        two.superusers = [Ident::from_server("d")].into();
        assert_eq!(objects(&one, &two), [""; 0]);
        two.superusers.clear();
        let on = |roles: &Roles, server: &str| Roles { server: Some(server.to_owned()), ..roles.clone() };
        assert_eq!(objects(&on(&one, "x"), &on(&two, "y")), ["role d"]);
        assert_eq!(objects(&on(&one, "x"), &on(&two, "x")), [""; 0]);
    }
}
