//! Which code of others runs when a relation or routine is planned or used.
//!
//! Planning folds every function that is declared immutable: in expressions of indexes, extended statistics and
//! partition keys, in checks of partitions, policies, views, defaults and domains. Execution runs the rest. A
//! function that a view or policy calls runs with the rights of whoever uses the view, not of its owner.
//! <https://www.postgresql.org/docs/current/rules-privileges.html>

use std::collections::{HashMap, HashSet, VecDeque};

use super::facts::Facts;
use super::facts::dependency::Class;
use super::facts::object::Object;
use super::facts::relation::{RelationKind, RuleEvent};
use super::facts::role::RoleId;
use super::name::shown;
use crate::model::privilege::{Privilege, Privileges};

const WRITES: Privileges = Privileges::of(&[Privilege::Insert, Privilege::Update]);

/// A piece of code that is neither the server's own nor the user's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    /// A routine's position, where it is one that was read.
    pub routine: Option<u32>,
    /// What it is called, as `evil.f()` or `operator evil.===`.
    pub label: String,
    /// What leads to it, from the object on: `view`, `index t_idx`, `policy p`.
    pub through: Vec<String>,
}

/// What is asked of a walk.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'r> {
    /// The roles whose code may run.
    pub own: &'r HashSet<RoleId>,
    /// What is done with the object. Planning asks for every use at once.
    pub uses: Privileges,
    /// Whether routines that run with their owner's rights count as well.
    pub definers: bool,
}

/// Where the walk is: a catalog row, and what led to it.
type Node = (Class, u32);

/// What hangs on each relation and domain, found once.
#[derive(Debug)]
pub struct ForeignCode<'a> {
    facts: &'a Facts,
    of_relation: HashMap<u32, Vec<(Part, u32)>>,
    of_domain: HashMap<u32, Vec<u32>>,
    children: HashMap<u32, Vec<u32>>,
    parents: HashMap<u32, Vec<u32>>,
    /// What each of these parts is called.
    parts: HashMap<Node, String>,
}

/// A part of a relation that may call code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Index,
    Check,
    Default { generated: bool },
    Policy,
    Statistics,
    Trigger { at: usize },
}

impl<'a> ForeignCode<'a> {
    /// Finds what hangs on each relation.
    #[must_use]
    pub fn new(facts: &'a Facts) -> Self {
        let mut of_relation: HashMap<u32, Vec<(Part, u32)>> = HashMap::new();
        let mut of_domain: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut parts = HashMap::new();
        let mut add = |relation: u32, part: Part, node: Node, words: String| {
            of_relation.entry(relation).or_default().push((part, node.1));
            parts.insert(node, words);
        };
        for index in &facts.indexes {
            let words = format!("index {}", shown(&index.name));
            add(index.relation, Part::Index, (Class::Relation, index.oid), words);
        }
        for check in &facts.constraints {
            let words = format!("check {}", shown(&check.name));
            if check.domain != 0 {
                of_domain.entry(check.domain).or_default().push(check.oid);
            }
            add(check.relation, Part::Check, (Class::Constraint, check.oid), words);
        }
        for default in &facts.defaults {
            let words = format!("default of {}", shown(&default.column));
            let part = Part::Default { generated: default.generated };
            add(default.relation, part, (Class::Default, default.oid), words);
        }
        for policy in &facts.policies {
            let words = format!("policy {}", shown(&policy.name));
            add(policy.relation, Part::Policy, (Class::Policy, policy.oid), words);
        }
        for statistics in facts.standalone.iter().filter(|s| s.class == Class::Statistics) {
            let words = format!("statistics {}", shown(&statistics.name));
            add(statistics.relation, Part::Statistics, (Class::Statistics, statistics.oid), words);
        }
        for (at, trigger) in facts.triggers.iter().enumerate().filter(|(_, t)| t.enabled) {
            let words = format!("trigger {}", shown(&trigger.name));
            add(trigger.relation, Part::Trigger { at }, (Class::Trigger, trigger.oid), words);
        }
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut parents: HashMap<u32, Vec<u32>> = HashMap::new();
        for link in &facts.inheritance {
            children.entry(link.parent).or_default().push(link.child);
            parents.entry(link.child).or_default().push(link.parent);
        }
        Self { facts, of_relation, of_domain, children, parents, parts }
    }

    /// Finds every piece of foreign code, nearest first; one for each routine or operator.
    #[must_use]
    pub fn reached(&self, object: Object, asked: Asked<'_>) -> Vec<Code> {
        let start = match object {
            Object::Relation(at) => (Class::Relation, self.facts.relations[at as usize].oid),
            Object::Routine(at) => (Class::Routine, self.facts.routines[at as usize].oid),
            _ => return Vec::new(),
        };
        let mut found = Vec::new();
        let mut before: HashMap<Node, Node> = HashMap::new();
        let mut seen = HashSet::from([start]);
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            if let Some((routine, label)) = self.foreign(node, asked) {
                found.push(Code { routine, label, through: self.through(&before, node) });
            }
            for next in self.next(node, asked) {
                if next.0 == Class::Policy && !asked.definers && !self.binds(&before, start, node) {
                    continue;
                }
                if seen.insert(next) {
                    before.insert(next, node);
                    queue.push_back(next);
                }
            }
        }
        found
    }

    /// Finds the first relation behind an object, and outside its own schema, that belongs to neither one of these roles
    /// nor a superuser: what stands there can change at any time.
    #[must_use]
    pub fn foreign_relation(&self, object: Object, own: &HashSet<RoleId>) -> Option<u32> {
        let Object::Relation(start) = object else { return None };
        let facts = self.facts;
        let home = facts.relations[start as usize].schema;
        let asked = Asked { own, uses: Privileges::NONE, definers: true };
        let start = (Class::Relation, facts.relations[start as usize].oid);
        let (mut seen, mut queue) = (HashSet::from([start]), VecDeque::from([start]));
        while let Some(node) = queue.pop_front() {
            if node.0 == Class::Relation
                && let Some(at) = facts.relation(node.1)
            {
                let row = &facts.relations[at];
                if row.schema != home && !own.contains(&row.owner) && !facts.roles[row.owner].superuser {
                    return Some(at as u32);
                }
            }
            queue.extend(self.next(node, asked).into_iter().filter(|next| seen.insert(*next)));
        }
        None
    }

    /// Says what a node is where it is code that is neither the server's own nor one of these roles'.
    fn foreign(&self, (class, oid): Node, asked: Asked<'_>) -> Option<(Option<u32>, String)> {
        let facts = self.facts;
        match class {
            Class::Routine => match facts.routine(oid) {
                Some(at) => {
                    let routine = &facts.routines[at];
                    let object = Object::Routine(at as u32);
                    let runs = asked.definers || !routine.security_definer;
                    let is_foreign = runs && !self.is_trusted(routine.owner, object, asked);
                    is_foreign.then(|| (Some(at as u32), facts.label(object)))
                }
                // the facts leave out temporary schemas and the constructors of ranges
                None => asked.definers.then(|| (None, format!("routine {oid}"))),
            },
            Class::Operator => {
                let (at, operator) = (0..).zip(&facts.standalone).find(|(_, o)| o.class == class && o.oid == oid)?;
                let object = Object::Standalone(at);
                // it runs its function, which is looked at by itself
                let is_foreign = asked.definers && !self.is_trusted(operator.owner, object, asked);
                is_foreign.then(|| (None, format!("operator {}", facts.label(object))))
            }
            Class::Relation => {
                let at = facts.relation(oid)?;
                let row = &facts.relations[at];
                // planning may ask the other server
                let is_foreign =
                    asked.definers && row.kind == RelationKind::ForeignTable && !asked.own.contains(&row.owner);
                is_foreign.then(|| (None, format!("foreign table {}", facts.label(Object::Relation(at as u32)))))
            }
            _ => None,
        }
    }

    /// Tells whether code is the user's own, or came with an extension and belongs to a superuser.
    fn is_trusted(&self, owner: RoleId, object: Object, asked: Asked<'_>) -> bool {
        let by_extension = self.facts.roles[owner].superuser && self.facts.is_extension_member(object);
        asked.own.contains(&owner) || by_extension
    }

    /// Gives what a node leads to.
    fn next(&self, (class, oid): Node, asked: Asked<'_>) -> Vec<Node> {
        let facts = self.facts;
        let depends = facts.dependencies.of(class, oid).filter(|d| !d.extension);
        let depends = depends.map(|d| (d.ref_class, d.ref_oid));
        let mut next: Vec<Node> = match class {
            Class::Routine => self.of_routine(oid, asked),
            Class::Relation => self.of_relation(oid, asked),
            Class::Type => {
                let of_domain = self.of_domain.get(&oid).into_iter().flatten();
                let mut next: Vec<Node> = of_domain.map(|check| (Class::Constraint, *check)).collect();
                if let Some(at) = facts.type_(oid) {
                    let row = &facts.types[at];
                    next.extend((row.element != 0).then_some((Class::Type, row.element)));
                    let of_composite = facts.dependencies.of(Class::Relation, row.composite);
                    let of_composite = of_composite.filter(|d| row.composite != 0 && d.ref_class == Class::Type);
                    next.extend(of_composite.map(|d| (Class::Type, d.ref_oid)));
                }
                next.extend(depends);
                next
            }
            _ => depends.collect(),
        };
        next.retain(|(class, _)| is_code(*class) || is_part(*class));
        next
    }

    fn of_relation(&self, oid: u32, asked: Asked<'_>) -> Vec<Node> {
        let facts = self.facts;
        // planning looks at every part, execution only at those of the use
        let all = asked.definers;
        let writes = all || !asked.uses.intersection(WRITES).is_empty();
        let is_child = self.parents.contains_key(&oid);
        let mut next = Vec::new();
        for rule in facts.rules_of(oid).filter(|rule| rule.enabled) {
            let by = match rule.event {
                RuleEvent::Select => Privilege::Select,
                RuleEvent::Update => Privilege::Update,
                RuleEvent::Insert => Privilege::Insert,
                RuleEvent::Delete => Privilege::Delete,
            };
            // a write through a view runs its query too
            if all || by == Privilege::Select || asked.uses.contains(by) {
                next.push((Class::Rule, rule.oid));
            }
        }
        for (part, part_oid) in self.of_relation.get(&oid).into_iter().flatten() {
            let node = match part {
                Part::Index => Some(Class::Relation),
                Part::Statistics => Some(Class::Statistics),
                Part::Policy => Some(Class::Policy),
                Part::Check => (writes || is_child).then_some(Class::Constraint),
                Part::Default { generated } => (writes || *generated).then_some(Class::Default),
                Part::Trigger { at } => {
                    let fires = !facts.triggers[*at].events.intersection(asked.uses).is_empty();
                    (fires && !all).then_some(Class::Trigger)
                }
            };
            next.extend(node.map(|class| (class, *part_oid)));
        }
        let related = self.children.get(&oid).into_iter().chain(self.parents.get(&oid)).flatten();
        next.extend(related.map(|other| (Class::Relation, *other)));
        let own = facts.dependencies.of(Class::Relation, oid).filter(|d| !d.extension);
        // a column's type runs code when a value is made
        next.extend(own.filter(|d| writes || d.ref_class != Class::Type).map(|d| (d.ref_class, d.ref_oid)));
        next
    }

    /// Gives what planning a call looks into: argument types, and the body of SQL, which the planner may put in place.
    fn of_routine(&self, oid: u32, asked: Asked<'_>) -> Vec<Node> {
        let Some(at) = self.facts.routine(oid) else { return Vec::new() };
        let routine = &self.facts.routines[at];
        if !asked.definers && routine.security_definer {
            return Vec::new();
        }
        let is_sql = routine.language.as_str() == "sql";
        let all = self.facts.dependencies.of(Class::Routine, oid).filter(|d| !d.extension);
        // a body that the server has parsed reads relations as whoever calls
        let wanted = all.filter(|d| is_sql || d.ref_class == Class::Type || !asked.definers);
        wanted.map(|d| (d.ref_class, d.ref_oid)).collect()
    }

    /// Tells whether a table's policies are asked when it is used by this way: they do not bind the owner of a view,
    /// who also owns the table, unless they are forced.
    fn binds(&self, before: &HashMap<Node, Node>, start: Node, table: Node) -> bool {
        let row = |node: Node| self.facts.relation(node.1).map(|at| &self.facts.relations[at]);
        let Some(relation) = row(table).filter(|relation| relation.row_security) else { return false };
        let mut at = table;
        let mut by_invoker = false;
        while let Some(previous) = before.get(&at) {
            at = *previous;
            by_invoker |= at.0 == Class::Relation && row(at).is_some_and(|r| r.security_invoker);
        }
        relation.force_row_security || table == start || by_invoker
    }

    /// Says what leads to a node, without the node itself.
    fn through(&self, before: &HashMap<Node, Node>, node: Node) -> Vec<String> {
        let mut words = Vec::new();
        let mut at = node;
        while let Some(previous) = before.get(&at) {
            if *previous != at {
                words.extend(self.words(*previous));
            }
            at = *previous;
        }
        words.reverse();
        words
    }

    fn words(&self, node: Node) -> Option<String> {
        let facts = self.facts;
        if let Some(words) = self.parts.get(&node) {
            return Some(words.clone());
        }
        match node.0 {
            Class::Relation => {
                let at = facts.relation(node.1)?;
                let kind = facts.relations[at].kind.words();
                Some(format!("{kind} {}", facts.label(Object::Relation(at as u32))))
            }
            Class::Routine => facts.routine(node.1).map(|at| facts.label(Object::Routine(at as u32))),
            Class::Type => facts.type_(node.1).map(|at| format!("type {}", facts.label(Object::Type(at as u32)))),
            _ => None,
        }
    }
}

/// Tells whether a catalog's rows run code, or lead to some.
fn is_code(class: Class) -> bool {
    use Class::{AccessMethod, Cast, Operator, OperatorClass, OperatorFamily, Relation, Routine, Type};
    matches!(class, Relation | Routine | Operator | OperatorClass | OperatorFamily | Type | Cast | AccessMethod)
}

/// Tells whether a catalog's rows are parts of relations and types, which may call code.
fn is_part(class: Class) -> bool {
    matches!(
        class,
        Class::Rule | Class::Constraint | Class::Default | Class::Policy | Class::Statistics | Class::Trigger
    )
}
