//! The roles that pgcleave makes for itself in a database that it manages: no service's, and nobody's to revoke or drop.

use super::naming::is_temporary_login;
use crate::ident::Ident;

/// The names of the groups after the role prefix; `_` and more may follow.
const GROUPS: [&str; 2] = ["pgcleave_connect", "pgcleave_temporary"];

/// A kind of role that pgcleave makes for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnRole {
    /// A group without login through which services' roles get CONNECT or TEMPORARY.
    Group,
    /// A login that a command makes, and removes at its end.
    TemporaryLogin,
}

impl OwnRole {
    /// Tells which kind a role's name and class fit.
    ///
    /// A name proves nothing: the caller has seen that the database has a registry in trusted hands.
    #[must_use]
    pub fn of(name: &Ident, login: bool, prefixes: &[&str]) -> Option<Self> {
        if login {
            return is_temporary_login(name).then_some(Self::TemporaryLogin);
        }
        let is_group = |prefix: &&str| {
            let rest = name.as_str().strip_prefix(prefix);
            rest.is_some_and(|rest| GROUPS.iter().any(|group| is_or_continues(rest, group)))
        };
        prefixes.iter().any(is_group).then_some(Self::Group)
    }
}

/// Tells whether a name is a group's, or a group's with the database's name behind it.
fn is_or_continues(name: &str, group: &str) -> bool {
    name.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_the_prefix_and_no_login() {
        let of = |name: &str, login| OwnRole::of(&Ident::from_server(name), login, &["stg_", ""]);
        for group in ["pgcleave_connect", "stg_pgcleave_temporary", "stg_pgcleave_connect_shop"] {
            assert_eq!(of(group, false), Some(OwnRole::Group), "{group}");
            assert_eq!(of(group, true), None, "{group}");
        }
        for other in ["prod_pgcleave_connect", "pgcleave_connections", "pgcleave", "orders_owner"] {
            assert_eq!(of(other, false), None, "{other}");
        }
        assert_eq!(of("pgcleave_tmp_00000005_ffffffff", true), Some(OwnRole::TemporaryLogin));
    }
}
