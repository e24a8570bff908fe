//! What a routine's body uses, with whose rights: by `pg_depend` where the server has parsed it, else by its text.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::coupling_outside::schemas_of_path;
use crate::analyze::Certainty;
use crate::audit::facts::dependency::Class;
use crate::audit::facts::object::{Object, SchemaId};
use crate::audit::facts::role::RoleId;
use crate::audit::facts::routine::Routine;
use crate::audit::scene::Scene;
use crate::model::acl::AclKind;
use crate::model::privilege::{Privilege, Privileges};

/// How many routines a call is followed through.
const MOST_CALLS: usize = 50;

/// How many relations a path names; the rest are counted.
const MOST_NAMES: usize = 4;

/// Bodies by what they use; each is read once.
pub(in crate::audit) struct Bodies<'s> {
    scene: &'s Scene<'s>,
    relations: HashMap<(SchemaId, &'s str), u32>,
    routines: HashMap<(SchemaId, &'s str), Vec<u32>>,
    schemas: HashMap<&'s str, SchemaId>,
    /// What each body names, by the routine's OID.
    named: RefCell<HashMap<u32, Rc<Named>>>,
}

/// What a body names, with what is done to it.
type Named = Vec<(Object, Privileges)>;

/// One relation that a routine uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audit) struct Used {
    /// Its position.
    pub(in crate::audit) relation: u32,
    /// What is done with it, as far as that is known.
    pub(in crate::audit) privileges: Privileges,
    /// With whose rights.
    pub(in crate::audit) by: RoleId,
}

impl<'s> Bodies<'s> {
    pub(in crate::audit) fn new(scene: &'s Scene<'s>) -> Self {
        let facts = scene.facts;
        let relations = (0..).zip(&facts.relations).map(|(at, r)| ((r.schema, r.name.as_str()), at)).collect();
        let mut routines: HashMap<_, Vec<u32>> = HashMap::new();
        for (at, r) in (0..).zip(&facts.routines) {
            routines.entry((r.schema, r.name.as_str())).or_default().push(at);
        }
        let schemas = (0..).map(SchemaId).zip(&facts.schemas).map(|(id, s)| (s.name.as_str(), id)).collect();
        Self { scene, relations, routines, schemas, named: RefCell::default() }
    }

    /// Finds a relation by its schema and name.
    pub(in crate::audit) fn relation(&self, schema: &str, name: &str) -> Option<u32> {
        let schema = self.schemas.get(schema)?;
        self.relations.get(&(*schema, name)).copied()
    }

    /// Gives what a definer routine uses, the routines that it calls included, by relation.
    pub(in crate::audit) fn used(&self, routine: u32) -> Vec<Used> {
        let mut found: BTreeMap<(u32, RoleId), Privileges> = BTreeMap::new();
        let owner = self.scene.facts.routines[routine as usize].owner;
        let (mut queue, mut seen) = (vec![(routine, owner)], HashSet::from([routine]));
        while let Some((at, by)) = queue.pop() {
            let row = &self.scene.facts.routines[at as usize];
            let by = if row.security_definer { row.owner } else { by };
            for (object, privileges) in self.named(row).iter() {
                match *object {
                    Object::Relation(relation) => {
                        let held = found.entry((relation, by)).or_default();
                        *held = held.union(*privileges);
                    }
                    Object::Routine(called) if seen.len() < MOST_CALLS && seen.insert(called) => {
                        queue.push((called, by));
                    }
                    _ => {}
                }
            }
        }
        found.into_iter().map(|((relation, by), privileges)| Used { relation, privileges, by }).collect()
    }

    /// Gives the definer routines of other owners that a definer routine calls and may: with its own owner's rights.
    pub(super) fn definers_called(&self, routine: u32) -> Vec<u32> {
        let facts = self.scene.facts;
        let owner = facts.routines[routine as usize].owner;
        let (mut queue, mut seen) = (vec![routine], HashSet::from([routine]));
        let mut found = Vec::new();
        while let Some(at) = queue.pop() {
            let caller = &facts.routines[at as usize];
            for (object, _) in self.named(caller).iter() {
                let Object::Routine(called) = *object else { continue };
                let row = &facts.routines[called as usize];
                let may = self.scene.held(owner, row.acl, AclKind::Routine).contains(Privilege::Execute)
                    // a parsed body has looked its names up already
                    && (caller.body.is_none()
                        || self.scene.usage_is_public(row.schema)
                        || self.scene.users_of(row.schema).contains(owner));
                if !may || seen.len() >= MOST_CALLS || !seen.insert(called) {
                    continue;
                }
                match row.security_definer && row.owner != owner {
                    true => found.push(called),
                    false => queue.push(called),
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// Gives the relations and routines that a body names.
    fn named(&self, routine: &'s Routine) -> Rc<Named> {
        if let Some(named) = self.named.borrow().get(&routine.oid) {
            return Rc::clone(named);
        }
        let named = Rc::new(self.read(routine));
        self.named.borrow_mut().insert(routine.oid, Rc::clone(&named));
        named
    }

    fn read(&self, routine: &'s Routine) -> Named {
        let facts = self.scene.facts;
        let Some(body) = self.scene.body(routine) else {
            let parsed = facts.dependencies.of(Class::Routine, routine.oid);
            let objects = parsed.filter_map(|d| match d.ref_class {
                Class::Relation => facts.relation(d.ref_oid).map(|at| Object::Relation(at as u32)),
                Class::Routine => facts.routine(d.ref_oid).map(|at| Object::Routine(at as u32)),
                _ => None,
            });
            return objects.map(|object| (object, Privilege::Select.into())).collect();
        };
        let path = routine.setting("search_path").map(schemas_of_path).unwrap_or_default();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let references = body.along(&path);
        let sure = references.iter().filter(|r| r.certainty != Certainty::Unprovable);
        let mut named = Vec::new();
        for reference in sure {
            let schema = reference.schema.as_deref().and_then(|schema| self.schemas.get(schema));
            let (Some(schema), Some(name)) = (schema, reference.name.as_deref()) else { continue };
            if let Some(relation) = self.relations.get(&(*schema, name)) {
                named.push((Object::Relation(*relation), reference.needs));
            }
            for called in self.routines.get(&(*schema, name)).into_iter().flatten() {
                named.push((Object::Routine(*called), reference.needs));
            }
        }
        named
    }

    /// Names relations for a path.
    pub(in crate::audit) fn names(&self, used: &[Used]) -> String {
        let label = |used: &Used| self.scene.facts.label(Object::Relation(used.relation));
        let mut names: Vec<String> = used.iter().map(label).collect();
        names.sort_unstable();
        names.dedup();
        let more = names.len().saturating_sub(MOST_NAMES);
        names.truncate(MOST_NAMES);
        let names = names.join(", ");
        if more == 0 { names } else { format!("{names} and {more} more") }
    }

    /// Gives all that is done with relations, or `all that it holds` where the text says of none what.
    pub(in crate::audit) fn privileges(used: &[Used]) -> String {
        let all = used.iter().fold(Privileges::NONE, |all, used| all.union(used.privileges));
        if all.is_empty() { "all that it holds".to_owned() } else { all.to_string() }
    }
}
