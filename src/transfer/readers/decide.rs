//! Decides who reads a relation. A superuser never reads rows as itself: reading plans, and planning runs the owner's code.

use super::super::error::Error;
use crate::ident::Ident;

/// The login that connects, as the server sees it.
#[derive(Debug, Clone)]
pub(super) struct Me {
    pub(super) name: Ident,
    pub(super) superuser: bool,
    pub(super) createrole: bool,
    /// Whether policies hide nothing from it.
    pub(super) bypassrls: bool,
    /// Whether the server is a standby, where no login can be made.
    pub(super) standby: bool,
    /// Whether a role that has BYPASSRLS may give it: from 16 on.
    pub(super) gives_bypassrls: bool,
}

/// A table, a sequence or a materialized view, and who may do what with it.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) oid: u32,
    pub(super) name: Ident,
    pub(super) sequence: bool,
    /// Whether it is a materialized view.
    pub(super) view: bool,
    pub(super) owner: Ident,
    /// Whether the owner is a superuser, or can become one.
    pub(super) owner_superuser: bool,
    /// Whether the connecting login may grant the owner (on 15 together with CREATEROLE).
    pub(super) grantable: bool,
    /// Whether the connecting login can become the owner.
    pub(super) settable: bool,
    /// Whether it has row-level security.
    pub(super) secured: bool,
    /// Whether its policies hold for its owner too.
    pub(super) forced: bool,
    /// Whether the owner has USAGE on the schema.
    pub(super) owner_uses: bool,
    /// Whether the owner has SELECT on the relation.
    pub(super) owner_reads: bool,
    /// Whether the connecting login may read it, all rows of it.
    pub(super) self_reads: bool,
    /// Whether the connecting login may give USAGE on the schema.
    pub(super) self_grants: bool,
}

/// As whom a relation is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Who {
    /// As the connecting login, which is no superuser.
    Itself,
    /// As the owner, which the connecting login, no superuser, can become.
    Member(Ident),
    /// As a temporary login that becomes the owner.
    Owner(Ident),
    /// As a temporary login with BYPASSRLS that is a member of the owner: policies hold for the owner itself.
    Bypassing(Ident),
    /// As a temporary login with SELECT on exactly the relations of superusers and of an administrator: a member would be
    /// one itself.
    Granted,
}

/// Decides.
pub(super) fn decide(me: &Me, relation: &Relation, schema: &Ident) -> Result<Who, Error> {
    let label = format!("{}.{}", schema.as_str(), relation.name.as_str());
    let owner = || relation.owner.clone();
    let forced = || Error::RowSecurityForced {
        table: label.clone(),
        owner: owner().as_str().to_owned(),
        login: me.name.as_str().to_owned(),
    };
    let makes_logins =
        !me.standby && (me.superuser || (me.createrole && relation.grantable && !relation.owner_superuser));
    if makes_logins && relation.owner != me.name {
        if relation.owner_superuser {
            return Ok(Who::Granted);
        }
        owner_may_read(relation, schema)?;
        return match relation.forced {
            false => Ok(Who::Owner(owner())),
            true if me.superuser || (me.bypassrls && me.gives_bypassrls) => Ok(Who::Bypassing(owner())),
            true if relation.self_reads => Ok(Who::Itself),
            true => Err(forced()),
        };
    }
    // Its own table may call a service's function.
    let grants_own = me.superuser || (me.createrole && relation.self_grants && !relation.secured);
    if grants_own && relation.owner == me.name && !me.standby {
        return Ok(Who::Granted);
    }
    if !me.superuser && relation.self_reads {
        return Ok(Who::Itself);
    }
    if !me.superuser && (relation.owner == me.name || (relation.settable && !relation.owner_superuser)) {
        owner_may_read(relation, schema)?;
        return if relation.forced { Err(forced()) } else { Ok(Who::Member(owner())) };
    }
    Err(Error::NeedsOwner {
        relation: label.clone(),
        owner: owner().as_str().to_owned(),
        login: me.name.as_str().to_owned(),
    })
}

fn owner_may_read(relation: &Relation, schema: &Ident) -> Result<(), Error> {
    if relation.owner_uses && relation.owner_reads {
        return Ok(());
    }
    let kind = if relation.sequence { "sequence" } else { "table" };
    let (owner, name) = (relation.owner.quoted(), relation.name.quoted());
    let grant = if relation.owner_uses {
        format!("grant select on {kind} {}.{name} to {owner}", schema.quoted())
    } else {
        format!("grant usage on schema {} to {owner}", schema.quoted())
    };
    let label = format!("{}.{}", schema.as_str(), relation.name.as_str());
    Err(Error::OwnerLacks { relation: label, owner: relation.owner.as_str().to_owned(), grant })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me(superuser: bool, createrole: bool) -> Me {
        let name = Ident::from_server("me");
        Me { name, superuser, createrole, bypassrls: superuser, standby: false, gives_bypassrls: true }
    }

    fn relation(owner: &str) -> Relation {
        Relation {
            oid: 1,
            name: Ident::from_server("t"),
            sequence: false,
            view: false,
            owner: Ident::from_server(owner),
            owner_superuser: false,
            grantable: true,
            settable: false,
            secured: false,
            forced: false,
            owner_uses: true,
            owner_reads: true,
            self_reads: false,
            self_grants: false,
        }
    }

    fn said(me: &Me, relation: &Relation) -> String {
        decide(me, relation, &Ident::from_server("s")).map_or_else(|e| e.to_string(), |who| format!("{who:?}"))
    }

    #[test]
    fn superuser_reads_nothing_as_itself() {
        let (me, own) = (me(true, true), relation("own"));
        let readable = Relation { self_reads: true, settable: true, ..own.clone() };
        assert_eq!(said(&me, &readable), r#"Owner("own")"#);
        assert_eq!(said(&me, &Relation { forced: true, ..readable.clone() }), r#"Bypassing("own")"#);
        for owner in ["me", "root"] {
            assert_eq!(said(&me, &Relation { owner_superuser: true, ..relation(owner) }), "Granted");
        }
        let standby = Me { standby: true, ..me };
        assert!(said(&standby, &readable).contains("own"), "{}", said(&standby, &readable));
        assert!(decide(&standby, &readable, &Ident::from_server("s")).is_err());
    }

    #[test]
    fn administrator_makes_a_login_where_it_can_and_reads_as_itself_where_it_cannot() {
        let (admin, own) = (me(false, true), relation("own"));
        assert_eq!(said(&admin, &own), r#"Owner("own")"#);
        assert!(decide(&admin, &Relation { forced: true, ..own.clone() }, &Ident::from_server("s")).is_err());
        assert_eq!(
            said(&Me { bypassrls: true, ..admin.clone() }, &Relation { forced: true, ..own.clone() }),
            r#"Bypassing("own")"#
        );
        let foreign = Relation { grantable: false, ..own };
        assert!(decide(&admin, &foreign, &Ident::from_server("s")).is_err());
        assert_eq!(said(&admin, &Relation { self_reads: true, ..foreign.clone() }), "Itself");
        assert_eq!(said(&admin, &Relation { settable: true, ..foreign.clone() }), r#"Member("own")"#);
        let own = Relation { self_reads: true, ..relation("me") };
        assert_eq!(said(&admin, &own), "Itself");
        assert_eq!(said(&admin, &Relation { self_grants: true, ..own }), "Granted");
        let root = Relation { owner_superuser: true, settable: true, ..foreign };
        assert!(decide(&admin, &root, &Ident::from_server("s")).is_err(), "it would become a superuser");
    }

    #[test]
    fn owner_reads_its_own_and_hears_which_grant_it_lacks() {
        let (me, own) = (me(false, false), relation("me"));
        assert_eq!(said(&me, &Relation { self_reads: true, ..own.clone() }), "Itself");
        assert!(decide(&me, &Relation { forced: true, ..own.clone() }, &Ident::from_server("s")).is_err());
        let lacks = said(&me, &Relation { owner_reads: false, ..own.clone() });
        assert!(lacks.ends_with(r#"grant select on table "s"."t" to "me""#), "{lacks}");
        let lacks = said(&me, &Relation { owner_uses: false, ..own });
        assert!(lacks.ends_with(r#"grant usage on schema "s" to "me""#), "{lacks}");
    }
}
