//! Two effective access lists → what to grant, what to revoke, what to report.

use std::collections::BTreeMap;

use super::super::managed::Managed;
use crate::ident::Ident;
use crate::model::acl::{Acl, Grantee};
use crate::model::privilege::Privileges;

/// What tells two access lists of one object apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AclDiff {
    /// To be granted by the owner.
    pub(super) grant: BTreeMap<Grantee, Privileges>,
    /// Granted by the owner to PUBLIC or a managed role, and not wanted.
    pub(super) revoke: BTreeMap<Grantee, Privileges>,
    /// Grant options of managed roles, which are never wanted.
    pub(super) revoke_option: BTreeMap<Grantee, Privileges>,
    /// Not ours to revoke: (grantee, grantor) → what.
    pub(super) unmanaged: BTreeMap<(Grantee, Ident), Privileges>,
}

/// Compares; `owner` is the grantor of all that is wanted.
pub(super) fn diff(desired: &Acl, actual: &Acl, owner: &Ident, managed: &Managed) -> AclDiff {
    let mut found = AclDiff::default();
    for (grantee, grantor, wanted) in desired.iter() {
        let missing = wanted.privileges.without(actual.get(grantee, grantor).privileges);
        if !missing.is_empty() {
            found.grant.insert(grantee.clone(), missing);
        }
    }
    for (grantee, grantor, granted) in actual.iter() {
        let wanted = desired.get(grantee, grantor);
        let extra = granted.privileges.without(wanted.privileges);
        let options = granted.grantable.without(wanted.grantable).without(extra);
        let ours = grantor == owner && managed.covers(grantee);
        if !ours {
            if !extra.is_empty() {
                found.unmanaged.insert((grantee.clone(), grantor.clone()), extra);
            }
            continue;
        }
        if !extra.is_empty() {
            found.revoke.insert(grantee.clone(), extra);
        }
        if !options.is_empty() && grantee.role() != Some(owner) {
            found.revoke_option.insert(grantee.clone(), options);
        }
    }
    found
}

/// Gives the list as it will be once the object has another owner (`aclnewowner`, src/backend/utils/adt/acl.c).
pub(super) fn reown(acl: &Acl, old: &Ident, new: &Ident) -> Acl {
    let replace = |role: &Ident| if role == old { new.clone() } else { role.clone() };
    let mut changed = Acl::empty();
    for (grantee, grantor, granted) in acl.iter() {
        let grantee = match grantee {
            Grantee::Public => Grantee::Public,
            Grantee::Role(role) => Grantee::Role(replace(role)),
        };
        changed.add(grantee, replace(grantor), granted);
    }
    changed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::acl::Granted;
    use crate::model::privilege::Privilege;

    fn role(name: &str) -> Ident {
        Ident::new(name).expect("a name")
    }

    fn managed() -> Managed {
        let roles = ["o", "w", "r"].map(|name| (role(name), None));
        Managed { roles: roles.into_iter().collect(), ..Managed::default() }
    }

    fn any_acl(grantors: &'static [&'static str]) -> impl Strategy<Value = Acl> {
        let entry =
            (prop::sample::select(vec!["", "o", "w", "r", "alice"]), prop::sample::select(grantors), 0..16u8, 0..16u8);
        prop::collection::vec(entry, 0..6).prop_map(|entries| {
            let pick = |bits: u8| {
                use Privilege::{Delete, Insert, Select, Update};
                let all = [Select, Insert, Update, Delete];
                all.into_iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, p)| p).collect()
            };
            let mut acl = Acl::empty();
            for (grantee, grantor, bits, options) in entries {
                let grantee = if grantee.is_empty() { Grantee::Public } else { Grantee::Role(role(grantee)) };
                let privileges = pick(bits);
                let grantable = if grantee == Grantee::Public { Privileges::NONE } else { pick(options & bits) };
                acl.add(grantee, role(grantor), Granted { privileges, grantable });
            }
            acl
        })
    }

    proptest! {
        #[test]
        fn a_list_does_not_differ_from_itself(acl in any_acl(&["o", "alice"])) {
            let found = diff(&acl, &acl, &role("o"), &managed());
            prop_assert_eq!(found, AclDiff::default());
        }

        #[test]
        fn carrying_it_out_leaves_nothing_of_ours_to_do(
            desired in any_acl(&["o"]).prop_map(|acl| without_options(&acl)),
            actual in any_acl(&["o", "alice"]),
        ) {
            let first = diff(&desired, &actual, &role("o"), &managed());
            let mut after = Acl::empty();
            for (grantee, grantor, mut granted) in actual.iter() {
                if *grantor == role("o") {
                    let revoked = first.revoke.get(grantee).copied().unwrap_or_default();
                    let options = first.revoke_option.get(grantee).copied().unwrap_or_default();
                    granted.privileges = granted.privileges.without(revoked);
                    granted.grantable = granted.grantable.without(revoked).without(options);
                }
                after.add(grantee.clone(), grantor.clone(), granted);
            }
            for (grantee, privileges) in &first.grant {
                after.grant(grantee.clone(), &role("o"), *privileges);
            }
            let second = diff(&desired, &after, &role("o"), &managed());
            prop_assert!(second.grant.is_empty() && second.revoke.is_empty() && second.revoke_option.is_empty());
            prop_assert_eq!(second.unmanaged, first.unmanaged);
        }
    }

    fn without_options(acl: &Acl) -> Acl {
        let mut plain = Acl::empty();
        for (grantee, grantor, granted) in acl.iter() {
            plain.grant(grantee.clone(), grantor, granted.privileges);
        }
        plain
    }

    #[test]
    fn a_regrant_by_another_is_reported_and_not_ours() {
        let actual = Acl::parse("{o=r/o,alice=r*/o,w=r/alice}").expect("an access list");
        let desired = Acl::parse("{o=r/o}").expect("an access list");
        let found = diff(&desired, &actual, &role("o"), &managed());
        assert!(found.revoke.is_empty());
        assert_eq!(found.unmanaged.len(), 2);
    }

    #[test]
    fn an_owner_change_takes_the_owners_entries_along() {
        let acl = Acl::parse("{a=rw/a,=r/a,x=r/a}").expect("an access list");
        assert_eq!(reown(&acl, &role("a"), &role("b")), Acl::parse("{b=rw/b,=r/b,x=r/b}").expect("an access list"));
    }
}
