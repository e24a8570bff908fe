//! Whether the schema is still what it was: replication carries rows, and nothing of DDL.

use sha2::{Digest as _, Sha256};

use super::ends::Ends;
use super::error::Error;
use super::state::{Side, Split};
use crate::ident::Ident;
use crate::registry;
use crate::transfer::facts::{self, Facts};

/// How many differences are named.
const MAX_NAMED: usize = 10;

/// Takes away what changes by itself, our own triggers, and what the split's own roles and the callers of splits' bridges were
/// granted: a `finish` that was cut off may have let its caller in already, and another split lets its own in when it starts.
fn lasting(facts: Facts, split: &Split, callers: &[Ident]) -> Facts {
    let trigger = format!(".pgcleave_{}_moved", split.id);
    let ours = |object: &str| object.starts_with("trigger ") && object.ends_with(&trigger);
    let appliers = [Side::Source, Side::Target].map(|side| split.applier(side));
    let own: Vec<&str> = appliers.iter().chain(&split.caller).chain(callers).map(Ident::as_str).collect();
    let kept = |(object, fact): (String, String)| {
        if object.starts_with("position ") || ours(&object) {
            return None;
        }
        if !object.starts_with("grant ") {
            return Some((object, fact));
        }
        let is_ours = |grant: &&str| grant.split_once('=').is_some_and(|(grantee, _)| own.contains(&grantee));
        let others: Vec<_> = fact.split("; ").filter(|grant| !is_ours(grant)).collect();
        (!others.is_empty()).then(|| (object, others.join("; ")))
    };
    facts.into_iter().filter_map(kept).collect()
}

/// Hashes definitions.
fn hash(facts: &Facts) -> String {
    let mut hash = Sha256::new();
    for (object, fact) in facts {
        hash.update(object);
        hash.update([0]);
        hash.update(fact);
        hash.update([0]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads both sides' definitions, the source's first.
pub(super) async fn read(ends: &mut Ends, split: &Split) -> Result<[Facts; 2], Error> {
    let mut callers = Vec::new();
    for side in [Side::Source, Side::Target] {
        let names = registry::split::callers(ends.side(side)).await?;
        callers.extend(names.iter().map(|name| Ident::from_server(name)));
    }
    let source = lasting(facts::read(ends.side(Side::Source), &split.schema).await?, split, &callers);
    let target = lasting(facts::read(ends.side(Side::Target), &split.schema).await?, split, &callers);
    Ok([source, target])
}

/// Remembers both as they are.
pub(super) async fn remember(ends: &mut Ends, split: &mut Split) -> Result<(), Error> {
    let [source, target] = read(ends, split).await?;
    (split.source_definitions, split.target_definitions) = (Some(hash(&source)), Some(hash(&target)));
    Ok(())
}

/// Gives what has changed since then: on which sides, and where both sides differ now.
pub(super) async fn changed(ends: &mut Ends, split: &Split) -> Result<Changed, Error> {
    let [source, target] = read(ends, split).await?;
    let differs = |known: &Option<String>, now: &Facts| known.as_ref().is_some_and(|known| *known != hash(now));
    let objects = source.iter().filter(|(object, fact)| target.get(*object) != Some(*fact)).map(|(object, _)| object);
    let objects = objects.chain(target.keys().filter(|object| !source.contains_key(*object)));
    Ok(Changed {
        source: differs(&split.source_definitions, &source),
        target: differs(&split.target_definitions, &target),
        differences: objects.take(MAX_NAMED).cloned().collect(),
    })
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Changed {
    /// Whether the source's definitions did.
    pub(super) source: bool,
    /// Whether the target's did.
    pub(super) target: bool,
    /// Some of the objects in which both sides differ.
    pub(super) differences: Vec<String>,
}

impl Changed {
    /// Refuses any change.
    pub(super) fn refuse(self, split: &Split) -> Result<(), Error> {
        if !self.source && !self.target {
            return Ok(());
        }
        Err(Error::DefinitionsChanged { schema: split.schema.as_str().to_owned(), differences: self.differences })
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::example;
    use super::*;

    fn facts(all: &[(&str, &str)]) -> Facts {
        all.iter().map(|(object, fact)| ((*object).to_owned(), (*fact).to_owned())).collect()
    }

    #[test]
    fn what_the_bridges_login_was_granted_is_no_change_of_definitions() {
        let split = Split { caller: Some(Ident::from_server("stg_orders_caller")), ..example() };
        let before = facts(&[("grant relation a", "orders_reader=SELECT; PUBLIC=SELECT"), ("table a", "x")]);
        let after = facts(&[
            ("grant relation a", "orders_reader=SELECT; stg_orders_caller=SELECT; PUBLIC=SELECT"),
            ("grant schema ", "stg_orders_caller=USAGE"),
            ("table a", "x"),
        ]);
        assert_eq!(lasting(after.clone(), &split, &[]), before);
        assert_ne!(lasting(after.clone(), &example(), &[]), before, "no split has made it");
        let of_another = [Ident::from_server("stg_orders_caller")];
        assert_eq!(lasting(after, &example(), &of_another), before, "another split has let it in");
    }

    #[test]
    fn a_name_that_only_looks_like_the_splits_own_is_somebody_elses() {
        let split = Split { id: "34d392e5".to_owned(), caller: Some(Ident::from_server("orders_caller")), ..example() };
        let own = facts(&[("trigger a.pgcleave_34d392e5_moved", "x"), ("grant schema ", "orders_caller=USAGE")]);
        assert_eq!(lasting(own, &split, &[]), Facts::default());
        let others = facts(&[
            ("grant schema ", "back_orders_caller=USAGE"),
            ("trigger a.pgcleave_34d392e5_moved_too", "x"),
            ("trigger a.pgcleave_stamp", "x"),
        ]);
        assert_eq!(lasting(others.clone(), &split, &[]), others);
    }
}
