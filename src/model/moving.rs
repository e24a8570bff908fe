//! A service's split, as the registry of a database tells it to those who have no part in it.

use std::collections::BTreeSet;

use crate::ident::Ident;

/// A split that is under way, or whose service has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moving {
    /// The service.
    pub service: Ident,
    /// The split's own name, which stands in the name of everything that it makes.
    pub id: String,
    /// The phase's word.
    pub phase: String,
    /// Whether this database is the shared one, which the service leaves.
    pub leaves: bool,
    /// `host:port/database` of the dedicated one.
    pub target: String,
    /// The name under which the old schema is kept, after `finish`.
    pub kept: Option<Ident>,
    /// The OIDs of the triggers that close this database's tables to writers; nothing where an older pgcleave made them.
    pub write_blocks: Option<BTreeSet<u32>>,
    /// The OIDs of the roles that the split has made for replication here; nothing where an older pgcleave made them.
    pub roles: Option<BTreeSet<u32>>,
}

impl Moving {
    /// Tells whether the service has left this database for good.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.leaves && self.phase == "finished"
    }

    /// Tells whether the service lives in this database until its split ends, whatever its manifest says already.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaves && self.phase != "finished"
    }

    /// Tells whether this database is the dedicated one of a split that has not ended.
    #[must_use]
    pub fn is_coming(&self) -> bool {
        !self.leaves && self.phase != "finished"
    }

    /// Tells whether a name is of something that the split has made itself: publication, login, trigger, subscription.
    #[must_use]
    pub fn made(&self, name: &str) -> bool {
        let rest = name.strip_prefix("pgcleave_").and_then(|rest| rest.strip_prefix(self.id.as_str()));
        rest.is_some_and(|rest| {
            matches!(rest, "" | "_forward" | "_back" | "_moved" | "_apply_source" | "_apply_target")
        })
    }

    /// Tells whether a role is one that the split has made for replication: by the OID that the registry has, and by the name
    /// only where that has none yet.
    #[must_use]
    pub fn is_role(&self, oid: u32, name: &str) -> bool {
        self.made(name) && self.roles.as_ref().is_none_or(|known| known.contains(&oid))
    }

    /// Tells whether a role is the one as which the split's subscription applies changes.
    #[must_use]
    pub fn is_applier(&self, oid: u32, name: &str) -> bool {
        self.is_role(oid, name) && (name.ends_with("_apply_source") || name.ends_with("_apply_target"))
    }

    /// Tells whether a trigger is one of its write blocks: by the OID that the registry has, and by the name only where that
    /// has none yet. The caller has seen that it runs the registry's own function.
    #[must_use]
    pub fn is_write_block(&self, oid: u32, name: &str) -> bool {
        match &self.write_blocks {
            Some(known) => known.contains(&oid),
            None => name == format!("pgcleave_{}_moved", self.id),
        }
    }

    /// Says why nothing of the service is changed in this database now, its passwords and definitions least of all;
    /// nothing where this is the one in which they live.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let (name, phase, target) = (self.service.as_str(), self.phase.as_str(), &self.target);
        match (self.leaves, phase) {
            (true, "fenced" | "switched" | "reversed") => Some(format!(
                "{name} is written at {target} ({phase}): what is changed here now would not get there; wait for split \
                 finish, or go back with split rollback"
            )),
            (true, "finished") => {
                Some(format!("{name} has moved to {target}: say so in its manifest, `database: {{ url_env: … }}`"))
            }
            (false, phase) if phase != "finished" => Some(format!(
                "{name} is being split ({phase}), and this is its new place: until split finish it is looked after in the \
                 shared database"
            )),
            _ => None,
        }
    }

    /// Says which commands end it.
    #[must_use]
    pub fn ended_by(&self) -> String {
        let name = self.service.as_str();
        match (self.phase.as_str(), &self.kept) {
            ("finished", Some(kept)) => format!("pgcleave split finish {name} --drop {}", kept.as_str()),
            ("finished", None) => format!("pgcleave split finish {name} --bridge foreign"),
            ("aborted", _) => format!("pgcleave split abort {name}"),
            ("switched" | "reversed", _) => format!("pgcleave split finish {name}, or split rollback and split abort"),
            _ => format!("pgcleave split abort {name}, or split cutover and split finish"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_very_split_are_its_own() {
        let moving = Moving {
            service: Ident::new("orders").expect("a name"),
            id: "34d392e5".to_owned(),
            phase: "ready".to_owned(),
            leaves: true,
            target: "own:5432/orders".to_owned(),
            kept: None,
            write_blocks: None,
            roles: None,
        };
        for own in
            ["pgcleave_34d392e5", "pgcleave_34d392e5_forward", "pgcleave_34d392e5_back", "pgcleave_34d392e5_moved"]
        {
            assert!(moving.made(own), "{own}");
        }
        for other in
            ["pgcleave_34d392e6", "pgcleave_34d392e5x", "pgcleave_34d392e5_back_door", "orders_app_a", "34d392e5"]
        {
            assert!(!moving.made(other), "{other}");
        }
        let known = Moving { roles: Some([7].into()), ..moving.clone() };
        assert!(known.is_applier(7, "pgcleave_34d392e5_apply_target"));
        assert!(moving.is_applier(8, "pgcleave_34d392e5_apply_target"), "an older record has no OIDs");
        assert!(!known.is_role(8, "pgcleave_34d392e5_apply_target"), "a name alone proves nothing");
        assert!(!known.is_role(7, "pgcleave_34d392e6_forward"), "nor does an OID");
        assert!(!known.is_applier(7, "pgcleave_34d392e5_forward"));
    }
}
