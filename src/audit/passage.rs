//! What using one relation does to another, whatever the user holds there: rules, foreign keys' actions, definer
//! triggers, foreign tables that lead back.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::facts::Facts;
use super::facts::dependency::Class;
use super::facts::object::Object;
use super::facts::outside::{ForeignTable, Server, UserMapping, option};
use super::facts::relation::{ForeignKey, KeyAction, Rule, RuleEvent};
use super::facts::role::RoleId;
use super::path::Path;
use super::rules::body::Bodies;
use super::scene::Scene;
use super::through::held;
use crate::analyze::references;
use crate::model::privilege::{Privilege, Privileges};

/// What reads and writes rows.
pub(super) const DATA: Privileges =
    Privileges::of(&[Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete]);

/// A way from one relation to another.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    /// The relation that is used.
    pub(super) from: u32,
    /// The privileges on it; each opens the passage.
    pub(super) by: Privileges,
    /// What it leads through: the words of each step, and what it leads to.
    pub(super) steps: Vec<(String, String)>,
    /// The relation that is reached.
    pub(super) to: u32,
    /// What is done with it.
    pub(super) gives: Privileges,
    /// As whom; nothing where no role of this database stands for it.
    pub(super) acting: Option<RoleId>,
    /// Who may go through.
    pub(super) open: Open,
}

/// Whom a passage is open to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Open {
    /// Whoever uses the relation.
    All,
    /// One role.
    One(RoleId),
    /// All but these.
    AllBut(Vec<RoleId>),
}

impl Open {
    /// Tells whether an identity may go through.
    pub(super) fn to(&self, identity: RoleId) -> bool {
        match self {
            Self::All => true,
            Self::One(role) => *role == identity,
            Self::AllBut(roles) => !roles.contains(&identity),
        }
    }
}

impl Passage {
    /// Appends its steps, and what is done at its end.
    pub(super) fn lead(&self, scene: &Scene<'_>, path: Path, privileges: Privileges) -> Path {
        let path = self.steps.iter().fold(path, |path, (by, to)| path.then(by, to));
        path.using(privileges, scene.facts.label(Object::Relation(self.to)))
    }
}

/// Finds all passages.
pub(super) fn all(scene: &Scene<'_>, bodies: &Bodies<'_>) -> Vec<Passage> {
    let mut all: Vec<Passage> = scene.facts.rules.iter().flat_map(|rule| of_rule(scene, bodies, rule)).collect();
    all.extend(scene.facts.foreign_keys.iter().flat_map(|key| of_key(scene, key)));
    all.extend(of_triggers(scene, bodies));
    all.extend(scene.facts.foreign_tables.iter().flat_map(|table| of_foreign_table(scene, table)));
    all
}

/// Gives the write that a rule rewrites.
pub(super) fn event_of(rule: &Rule) -> Privilege {
    match rule.event {
        RuleEvent::Select => Privilege::Select,
        RuleEvent::Update => Privilege::Update,
        RuleEvent::Insert => Privilege::Insert,
        RuleEvent::Delete => Privilege::Delete,
    }
}

/// Gives what a rule's actions do, with the rights of the table's owner; a view's query is no passage.
pub(super) fn of_rule(scene: &Scene<'_>, bodies: &Bodies<'_>, rule: &Rule) -> Vec<Passage> {
    let facts = scene.facts;
    let from = facts.relation(rule.relation).filter(|_| rule.enabled && rule.event != RuleEvent::Select);
    let Some(from) = from.map(|at| at as u32) else { return Vec::new() };
    let owner = facts.relations[from as usize].owner;
    let named = named_by(bodies, rule);
    let used = facts.dependencies.of(Class::Rule, rule.oid).filter(|d| d.ref_class == Class::Relation);
    let used: BTreeSet<u32> = used.filter_map(|d| facts.relation(d.ref_oid)).map(|at| at as u32).collect();
    let passages = used.into_iter().filter(|to| *to != from).map(|to| {
        let does = named.get(&to).copied().filter(|does| !does.is_empty()).unwrap_or(DATA);
        Passage {
            from,
            by: event_of(rule).into(),
            steps: vec![("rule, as table owner".to_owned(), scene.name(owner))],
            to,
            gives: held(scene, owner, to, &[]).intersection(does),
            acting: Some(owner),
            open: Open::All,
        }
    });
    passages.filter(|passage| !passage.gives.is_empty()).collect()
}

/// Gives what a rule's text does with the relations that it names.
fn named_by(bodies: &Bodies<'_>, rule: &Rule) -> HashMap<u32, Privileges> {
    let mut named: HashMap<u32, Privileges> = HashMap::new();
    for reference in references(rule.definition.as_deref().unwrap_or_default(), &[]) {
        let (Some(schema), Some(name)) = (reference.schema, reference.name) else { continue };
        if let Some(relation) = bodies.relation(&schema, &name) {
            let needs = named.entry(relation).or_default();
            *needs = needs.union(reference.needs);
        }
    }
    named
}

/// Gives the writes of a foreign key's actions, which ask for no privilege.
pub(super) fn of_key(scene: &Scene<'_>, key: &ForeignKey) -> Vec<Passage> {
    let Some((from, to)) = scene.facts.relation(key.to).zip(scene.facts.relation(key.from)) else { return Vec::new() };
    let actions = [(key.on_delete, Privilege::Delete), (key.on_update, Privilege::Update)];
    let writing = actions.into_iter().filter(|(action, _)| action.writes());
    let passages = writing.map(|(action, event)| {
        let gives = if action == KeyAction::Cascade { event } else { Privilege::Update };
        Passage {
            from: from as u32,
            by: event.into(),
            steps: vec![(format!("foreign key, {}", action.words()), crate::audit::name::shown(&key.name))],
            to: to as u32,
            gives: gives.into(),
            acting: Some(scene.facts.relations[to].owner),
            open: Open::All,
        }
    });
    passages.collect()
}

/// Gives what the definer functions of triggers are known to do.
fn of_triggers(scene: &Scene<'_>, bodies: &Bodies<'_>) -> Vec<Passage> {
    let mut known = HashMap::new();
    let mut passages = Vec::new();
    for trigger in scene.facts.triggers.iter().filter(|t| t.enabled) {
        let Some(from) = scene.facts.relation(trigger.relation) else { continue };
        let Some(function) = scene.facts.routine(trigger.function) else { continue };
        if !scene.facts.routines[function].security_definer {
            continue;
        }
        let label = scene.facts.label(Object::Routine(function as u32));
        let used = known.entry(function).or_insert_with(|| bodies.used(function as u32));
        passages.extend(used.iter().map(|used| Passage {
            from: from as u32,
            by: trigger.events,
            steps: vec![("trigger".to_owned(), label.clone()), ("definer".to_owned(), scene.name(used.by))],
            to: used.relation,
            gives: held(scene, used.by, used.relation, &[]).intersection(used.privileges),
            acting: Some(used.by),
            open: Open::All,
        }));
    }
    passages.retain(|passage| !passage.gives.is_empty());
    passages
}

/// Gives what a foreign table that leads back into this database reads and writes, for each user mapping.
pub(super) fn of_foreign_table(scene: &Scene<'_>, table: &ForeignTable) -> Vec<Passage> {
    let facts = scene.facts;
    let server = facts.servers.iter().find(|s| s.oid == table.server);
    let Some(server) = server.filter(|server| is_loop(scene, server)) else { return Vec::new() };
    let Some(from) = facts.relation(table.relation) else { return Vec::new() };
    let Some(to) = remote(facts, table, from).1 else { return Vec::new() };
    let mappings: Vec<&UserMapping> = facts.user_mappings.iter().filter(|m| m.server == server.oid).collect();
    let mut passages = Vec::new();
    for mapping in &mappings {
        let remote = mapping.remote_role.as_deref().and_then(|name| facts.roles.find(name));
        let open = match mapping.role {
            Some(role) => Open::One(role),
            None => Open::AllBut(mappings.iter().filter_map(|m| m.role).collect()),
        };
        let Some(remote) = remote else { continue };
        passages.extend(held(scene, remote, to, &[]).intersection(DATA).iter().map(|privilege| Passage {
            from: from as u32,
            by: privilege.into(),
            steps: vec![("user mapping".to_owned(), scene.name(remote))],
            to,
            gives: privilege.into(),
            acting: Some(remote),
            open: open.clone(),
        }));
    }
    passages
}

/// Tells whether a server's options lead to the database that is being read.
pub(super) fn is_loop(scene: &Scene<'_>, server: &Server) -> bool {
    let session = &scene.facts.session;
    let host = option(&server.options, "host").or_else(|| option(&server.options, "hostaddr"));
    let here = host.is_none_or(|h| h.is_empty() || h.starts_with('/') || session.own_hosts.iter().any(|own| own == h));
    // under another name of the host, a remote role that is a local one of a service gives it away
    let here =
        here || scene.facts.user_mappings.iter().filter(|m| m.server == server.oid).any(|m| lends(scene, m).is_some());
    let port = option(&server.options, "port").is_none_or(|p| p == session.port);
    let database = option(&server.options, "dbname").is_none_or(|d| d == session.database);
    here && port && database
}

/// Gives the local role of a service that a mapping logs in as, where the name is one.
pub(super) fn lends(scene: &Scene<'_>, mapping: &UserMapping) -> Option<RoleId> {
    let remote = mapping.remote_role.as_deref().and_then(|name| scene.facts.roles.find(name))?;
    scene.map.of_role(remote).map(|_| remote)
}

/// Names the table that a foreign table stands for, and finds it.
pub(super) fn remote(facts: &Facts, table: &ForeignTable, at: usize) -> (String, Option<u32>) {
    let local = &facts.relations[at];
    let schema = option(&table.options, "schema_name").unwrap_or(facts.schema_row(local.schema).name.as_str());
    let name = option(&table.options, "table_name").unwrap_or(local.name.as_str());
    let found = (0..)
        .zip(&facts.relations)
        .find(|(_, r)| r.name.as_str() == name && facts.schema_row(r.schema).name.as_str() == schema);
    match found {
        Some((at, _)) => (facts.label(Object::Relation(at)), Some(at)),
        None => (format!("{schema}.{name}"), None),
    }
}

/// A use of a relation that ends in another use.
#[derive(Debug, Clone)]
pub(super) struct Beginning {
    /// The relation that is used.
    pub(super) relation: u32,
    /// The privileges on it; each is enough.
    pub(super) any: Privileges,
    /// The passages from there, in their order; none for the use itself.
    pub(super) passages: Vec<usize>,
    /// Whom the first of them is open to.
    pub(super) open: Open,
}

/// Finds every use that ends in a use of this relation, nearest first.
pub(super) fn beginnings(passages: &[Passage], relation: u32, any: Privileges) -> Vec<Beginning> {
    let mut by_end: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, passage) in passages.iter().enumerate() {
        by_end.entry(passage.to).or_default().push(at);
    }
    let mut found = vec![Beginning { relation, any, passages: Vec::new(), open: Open::All }];
    let mut seen = HashSet::new();
    let mut at = 0;
    while let Some(end) = found.get(at).cloned() {
        at += 1;
        for before in by_end.get(&end.relation).into_iter().flatten() {
            let passage = &passages[*before];
            let goes_on = passage.acting.is_none_or(|acting| end.open.to(acting));
            if goes_on && !passage.gives.intersection(end.any).is_empty() && seen.insert(*before) {
                let passages = [&[*before], end.passages.as_slice()].concat();
                let open = passage.open.clone();
                found.push(Beginning { relation: passage.from, any: passage.by, passages, open });
            }
        }
    }
    found
}
