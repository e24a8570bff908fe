//! Roles and memberships.

use std::collections::{BTreeMap, BTreeSet};

use super::super::change::{Action, Hazard, Kind, Phase};
use super::removed::Removed;
use super::{Comparison, Differences, Unmanaged, add_hazard, provision};
use crate::ident::Ident;
use crate::model::state::{Membership, MembershipOptions, Role};
use crate::sql;
use crate::sql::{Comma, Sql};

pub(super) fn diff(comparison: &Comparison<'_>, found: &mut Differences) {
    for (name, desired) in &comparison.desired.roles {
        role(comparison, name, desired, found);
    }
    memberships(comparison, found);
    unknown_memberships(comparison, found);
}

fn role(comparison: &Comparison<'_>, name: &Ident, desired: &Role, found: &mut Differences) {
    let service = comparison.managed.roles.get(name).and_then(Option::as_ref);
    match comparison.actual().roles.get(name) {
        None => {
            let mut change = provision(service, Phase::Roles, Action::Create, Kind::Role);
            change.object = name.as_str().to_owned();
            change.reason = "the manifest wants it".to_owned();
            let attributes = attributes(desired, &Role::group());
            change.sql = vec![if attributes.is_empty() {
                sql!("create role ", name)
            } else {
                sql!("create role ", name, " with", attributes)
            }];
            found.push(change);
        }
        Some(actual) if actual != desired => {
            let mut change = provision(service, Phase::Roles, Action::Alter, Kind::Role);
            change.object = name.as_str().to_owned();
            let attributes = attributes(desired, actual);
            change.reason = format!("it should be{}", attributes.as_str());
            change.sql = vec![sql!("alter role ", name, " with", attributes)];
            found.push(change);
        }
        Some(_) => {}
    }
}

/// Gives the attributes that differ, each with a blank before it; a non-superuser may not even name the others.
fn attributes(desired: &Role, actual: &Role) -> Sql {
    let Role { login, superuser, inherit, createrole, createdb, replication, bypassrls, connection_limit, expires } =
        desired;
    let mut out = Sql::new();
    let mut flag = |wanted: bool, is: bool, yes: &'static str, no: &'static str| {
        if wanted != is {
            out.push_static(if wanted { yes } else { no });
        }
    };
    flag(*login, actual.login, " login", " nologin");
    flag(*superuser, actual.superuser, " superuser", " nosuperuser");
    flag(*inherit, actual.inherit, " inherit", " noinherit");
    flag(*createrole, actual.createrole, " createrole", " nocreaterole");
    flag(*createdb, actual.createdb, " createdb", " nocreatedb");
    flag(*replication, actual.replication, " replication", " noreplication");
    flag(*bypassrls, actual.bypassrls, " bypassrls", " nobypassrls");
    if *connection_limit != actual.connection_limit {
        out.push_static(" connection limit ");
        out.push(&i64::from(*connection_limit));
    }
    if *expires != actual.expires {
        // no manifest names a day, so it can only be taken away
        out.push_static(" valid until 'infinity'");
    }
    out
}

/// One membership, grant by grant: from 16 on several grantors may have granted it.
type Grants<'a> = Vec<(&'a Membership, MembershipOptions)>;

fn by_pair(actual: &BTreeMap<Membership, MembershipOptions>) -> BTreeMap<(&Ident, &Ident), Grants<'_>> {
    let mut all = BTreeMap::<_, Grants<'_>>::new();
    for (membership, options) in actual {
        all.entry((&membership.role, &membership.member)).or_default().push((membership, *options));
    }
    all
}

/// Tells whether all grants together allow what is wanted.
fn suffice(grants: &Grants<'_>, wanted: MembershipOptions, per_option: bool) -> bool {
    let inherit = grants.iter().any(|(_, had)| had.inherit);
    let set = grants.iter().any(|(_, had)| had.set);
    !grants.is_empty() && (!per_option || (inherit >= wanted.inherit && set >= wanted.set))
}

fn memberships(comparison: &Comparison<'_>, found: &mut Differences) {
    let actual = &comparison.actual().memberships;
    let per_option = comparison.observed.major() >= 16;
    let pairs = by_pair(actual);
    let none = Vec::new();
    // one statement for all new members of one role with the same options
    let mut missing = BTreeMap::<_, Vec<&Ident>>::new();
    for (wanted, options) in &comparison.desired.memberships {
        let service = comparison.managed.roles.get(&wanted.member).and_then(Option::as_ref);
        let grants = pairs.get(&(&wanted.role, &wanted.member)).unwrap_or(&none);
        if !suffice(grants, *options, per_option) {
            missing.entry((service, &wanted.role, *options)).or_default().push(&wanted.member);
        }
        for (membership, had) in grants {
            let excess = Excess::of(*options, *had, per_option);
            if let Some(sql) = excess.sql(membership, per_option) {
                let mut change = provision(service, Phase::Memberships, Action::Alter, Kind::Membership);
                change.object = format!("{} in {}", wanted.member.as_str(), wanted.role.as_str());
                change.reason = format!("the manifest does not want {} on it", excess.words());
                add_hazard(&mut change.hazards, Hazard::Revoke);
                change.sql = sql;
                found.push(change);
            }
        }
    }
    for ((service, role, options), members) in missing {
        let mut change = provision(service, Phase::Memberships, Action::Grant, Kind::Membership);
        let names: Vec<_> = members.iter().map(|m| m.as_str()).collect();
        change.object = format!("{} in {}", names.join(", "), role.as_str());
        change.reason = "the manifest wants it".to_owned();
        let mut sql = sql!("grant ", role, " to ", Comma(members.iter().copied()));
        if per_option {
            sql.push_static(" with admin false, inherit true, set ");
            sql.push_static(if options.set { "true" } else { "false" });
        }
        change.sql = vec![sql];
        found.push(change);
    }
}

/// What a membership allows beyond what is wanted.
struct Excess {
    admin: bool,
    set: bool,
}

impl Excess {
    fn of(wanted: MembershipOptions, had: MembershipOptions, per_option: bool) -> Self {
        let MembershipOptions { admin, inherit: _, set } = wanted;
        Self { admin: had.admin && !admin, set: per_option && had.set && !set }
    }

    fn words(&self) -> &'static str {
        match (self.admin, self.set) {
            (true, true) => "ADMIN and SET",
            (true, false) => "ADMIN",
            _ => "SET",
        }
    }

    fn sql(&self, membership: &Membership, per_option: bool) -> Option<Vec<Sql>> {
        let Membership { role, member, grantor } = membership;
        let revoke = |mut sql: Sql| {
            sql.push(&sql!(role, " from ", member));
            if per_option {
                sql.push(&sql!(" granted by ", grantor));
            }
            sql.push_static(" cascade");
            sql
        };
        let admin = self.admin.then(|| revoke(sql!("revoke admin option for ")));
        let set = self.set.then(|| revoke(sql!("revoke set option for ")));
        let statements: Vec<Sql> = admin.into_iter().chain(set).collect();
        (!statements.is_empty()).then_some(statements)
    }
}

/// Reports memberships that no manifest knows: somebody in a service's role, or a service's role in another.
fn unknown_memberships(comparison: &Comparison<'_>, found: &mut Differences) {
    let wanted: BTreeSet<_> = comparison.desired.memberships.keys().map(|m| (&m.role, &m.member)).collect();
    let per_option = comparison.observed.major() >= 16;
    let left = Removed::of(comparison).roles;
    for (membership, options) in &comparison.actual().memberships {
        let Membership { role, member, grantor } = membership;
        let ours = comparison.managed.roles.contains_key(role) || comparison.managed.roles.contains_key(member);
        if !ours || wanted.contains(&(role, member)) || is_the_creators(comparison, membership, *options) {
            continue;
        }
        // a service whose manifest is gone is told of as a whole, and keeps its way in until its logins are closed
        if left.contains_key(member) && comparison.managed.roles.get(role).is_some_and(Option::is_none) {
            continue;
        }
        let service = [role, member].into_iter().find_map(|r| comparison.managed.roles.get(r)?.as_ref());
        let mut sql = sql!("revoke ", role, " from ", member);
        if per_option {
            sql.push(&sql!(" granted by ", grantor));
        }
        sql.push_static(" cascade");
        if per_option && is_self_granted(comparison, membership) {
            let mut change = provision(service, Phase::Memberships, Action::Revoke, Kind::Membership);
            change.object = format!("{} in {}", member.as_str(), role.as_str());
            change.reason = "the administrator granted it to itself, perhaps by createrole_self_grant".to_owned();
            add_hazard(&mut change.hazards, Hazard::Revoke);
            change.sql = vec![sql];
            found.push(change);
            continue;
        }
        // one of our own roles that is in another has what no manifest gives it
        let ours = comparison.managed.roles.get(member).is_some_and(Option::is_some) || left.contains_key(member);
        let foreign = per_option && comparison.cannot_revoke_for(grantor);
        found.unmanaged.push(Unmanaged {
            service: service.cloned(),
            grantee: member.as_str().to_owned(),
            what: if options.inherit || options.set { "membership" } else { "ADMIN option" }.to_owned(),
            object: format!("role {}", role.as_str()),
            grantor: grantor.as_str().to_owned(),
            run_as: None,
            sql,
            ours,
            needs: foreign.then(|| grantor.as_str().to_owned()),
        });
    }
}

/// Tells whether the administrator gave itself a role: nothing that it does needs that for longer than a transaction.
fn is_self_granted(comparison: &Comparison<'_>, membership: &Membership) -> bool {
    let administrator = &comparison.observed.administrator;
    let Membership { role, member, grantor } = membership;
    !administrator.superuser
        && *member == administrator.name
        && *grantor == administrator.name
        && comparison.managed.roles.contains_key(role)
}

/// Tells whether a membership is only the ADMIN option that 16 and later give to a role's creator.
fn is_the_creators(comparison: &Comparison<'_>, membership: &Membership, options: MembershipOptions) -> bool {
    let administrator = &comparison.observed.administrator;
    let member = &membership.member;
    let provisions = *member == administrator.name || administrator.registry_owner.as_ref() == Some(member);
    provisions && options.admin && !options.inherit && !options.set
}
