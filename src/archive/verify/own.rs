//! What is pgcleave's own on one side, and so is no difference: groups per database, and what a split has made.

use crate::ident::Ident;
use crate::model::own::OwnRole;
use crate::transfer::facts::Facts;
use crate::transfer::roles::{Carried, Parsed};

/// Leaves out pgcleave's own roles.
pub(super) fn without_roles(mut carried: Carried) -> Carried {
    carried.all.retain(|role| !is_own(role));
    carried.own.retain(|role| !is_own(role));
    carried
}

/// Leaves them out of what an archive says.
pub(super) fn without(mut parsed: Parsed) -> Parsed {
    parsed.roles.retain(|role| !is_own(&role.name));
    parsed.memberships.retain(|membership| !is_own(&membership.role) && !is_own(&membership.member));
    parsed.on_database.retain(|grant| !grant.grantee.as_ref().is_some_and(is_own));
    parsed.settings.retain(|setting| !is_own(&setting.role));
    parsed
}

/// Leaves out write blocks, and what pgcleave's own roles were granted.
pub(super) fn without_objects(facts: Facts) -> Facts {
    let kept = |(object, fact): (String, String)| {
        if object.starts_with("trigger ") {
            let blocks = object.rsplit_once('.').is_some_and(|(_, name)| is_write_block(name));
            return (!blocks).then_some((object, fact));
        }
        if !object.starts_with("grant ") {
            return Some((object, fact));
        }
        let grantee = |grant: &str| Ident::from_server(grant.split_once('=').map_or(grant, |(grantee, _)| grantee));
        let others: Vec<_> = fact.split("; ").filter(|grant| !is_own(&grantee(grant))).collect();
        (!others.is_empty()).then(|| (object, others.join("; ")))
    };
    facts.into_iter().filter_map(kept).collect()
}

fn is_own(role: &Ident) -> bool {
    let name = role.as_str();
    let prefix = name.find("pgcleave_").map(|at| &name[..at]);
    prefix.is_some_and(|prefix| OwnRole::of(role, false, &[prefix]).is_some()) || of_a_split(name).is_some()
}

fn is_write_block(trigger: &str) -> bool {
    of_a_split(trigger) == Some("moved")
}

/// Gives the last part of the name of something that a split makes: `moved`, `forward`, `apply_source`.
fn of_a_split(name: &str) -> Option<&str> {
    let (id, rest) = name.strip_prefix("pgcleave_")?.split_once('_')?;
    let made = matches!(rest, "moved" | "forward" | "back" | "apply_source" | "apply_target");
    let hexadecimal = id.len() == 8 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (made && hexadecimal).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_pgcleave_gives_are_its_own() {
        let own = ["pgcleave_connect", "stg_pgcleave_temporary_shop", "pgcleave_34d392e5_apply_source"];
        assert!(own.iter().all(|name| is_own(&Ident::from_server(name))));
        let others =
            ["pgcleave_app", "orders_app_a", "pgcleave_34d392e5_app", "pgcleave_34d392eg_back", "pgcleave_connector"];
        assert!(others.iter().all(|name| !is_own(&Ident::from_server(name))));
    }

    #[test]
    fn write_blocks_and_grants_to_own_roles_are_left_out() {
        let facts = |all: &[(&str, &str)]| -> Facts {
            all.iter().map(|(object, fact)| ((*object).to_owned(), (*fact).to_owned())).collect()
        };
        let all = facts(&[
            ("grant relation a", "pgcleave_34d392e5_forward=SELECT"),
            ("grant relation b", "pgcleave_34d392e5_back=SELECT; reader=SELECT"),
            ("trigger a.pgcleave_34d392e5_moved", "x"),
            ("trigger a.pgcleave_moved", "x"),
        ]);
        let kept = facts(&[("grant relation b", "reader=SELECT"), ("trigger a.pgcleave_moved", "x")]);
        assert_eq!(without_objects(all), kept);
    }
}
