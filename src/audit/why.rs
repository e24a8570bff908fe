//! Whether a role can reach an object, and by which ways.

use std::collections::{BTreeSet, VecDeque};

use super::facts::Facts;
use super::facts::acl::AclId;
use super::facts::object::{Object, SchemaId};
use super::facts::relation::RelationKind;
use super::facts::role::RoleId;
use super::graph::{Edge, Reach};
use super::passage::{self, Beginning, Passage, beginnings};
use super::path::Path;
use super::rules::body::{Bodies, Used};
use super::rules::view::down;
use super::scene::Scene;
use super::services::Services;
use super::through::{Checked, bases, views_over};
use crate::model::acl::AclKind;
use crate::model::privilege::{Privilege, Privileges};

/// What was asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// Who.
    pub role: RoleId,
    /// What.
    pub object: Object,
    /// Which privilege.
    pub privilege: Privilege,
    /// Whether to give every way, not only the shortest.
    pub all: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Whether there is a way.
    pub reachable: bool,
    /// The ways, shortest first; one only unless all were asked for.
    pub paths: Vec<Path>,
    /// What was examined, in words.
    pub examined: Vec<String>,
}

/// Says why a question cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such role.
    #[error("there is no role {0:?}")]
    NoRole(String),
    /// There is no such object.
    #[error("there is no relation, routine, type, schema or database {0:?} that was read")]
    NoObject(String),
    /// The name fits several objects.
    #[error("{name:?} may be {}", .candidates.join(", "))]
    Ambiguous {
        /// What was given.
        name: String,
        /// What it may mean.
        candidates: Vec<String>,
    },
    /// The object has no such privilege.
    #[error("{object} has no privilege {privilege}; it has {offered}")]
    NoPrivilege {
        /// The object.
        object: String,
        /// The privilege asked for.
        privilege: Privilege,
        /// Those that it has.
        offered: Privileges,
    },
}

impl crate::error::Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NoRole(_) => "no-such-role",
            Self::NoObject(_) => "no-such-object",
            Self::Ambiguous { .. } => "ambiguous-object",
            Self::NoPrivilege { .. } => "no-such-privilege",
        }
    }

    fn verdict(&self) -> crate::error::Verdict {
        crate::error::Verdict::Invalid
    }
}

/// Finds the role, the object and the privilege that are meant.
///
/// An object is written as findings print it (`billing.invoices`, `schema billing`, `role billing_reader`); a routine
/// may be written without its arguments, and a prefix such as `table` or `function` is allowed.
///
/// # Errors
/// One of them is not there, or fits several.
pub fn question(
    facts: &Facts,
    role: &str,
    object: &str,
    privilege: Option<Privilege>,
    all: bool,
) -> Result<Question, Error> {
    let role = facts.roles.find(role).ok_or_else(|| Error::NoRole(role.to_owned()))?;
    let object = find_object(facts, object)?;
    let (kind, _) = acl_of(facts, object).ok_or_else(|| Error::NoObject(facts.label(object)))?;
    let offered = kind.all(facts.session.major);
    let privilege = privilege.or_else(|| default_of(offered)).unwrap_or(Privilege::Select);
    if !offered.contains(privilege) {
        return Err(Error::NoPrivilege { object: facts.label(object), privilege, offered });
    }
    Ok(Question { role, object, privilege, all })
}

fn default_of(offered: Privileges) -> Option<Privilege> {
    use Privilege::{Connect, Execute, Select, Usage};
    [Select, Execute, Usage, Connect].into_iter().find(|p| offered.contains(*p)).or_else(|| offered.iter().next())
}

fn find_object(facts: &Facts, name: &str) -> Result<Object, Error> {
    const WORDS: [&str; 10] = [
        "materialized view ",
        "foreign table ",
        "table ",
        "view ",
        "sequence ",
        "function ",
        "procedure ",
        "routine ",
        "type ",
        "domain ",
    ];
    let bare = WORDS.iter().find_map(|w| name.strip_prefix(w)).unwrap_or(name);
    let fits = |object: Object| {
        let label = facts.label(object);
        label == bare || (matches!(object, Object::Routine(_)) && label.split('(').next() == Some(bare))
    };
    let all = facts.securables().map(|s| s.object).filter(|o| !matches!(o, Object::SystemGrant(_)));
    let found: Vec<Object> = all.filter(|o| fits(*o)).collect();
    match found.as_slice() {
        [] => Err(Error::NoObject(name.to_owned())),
        [one] => Ok(*one),
        // a table and its type share a name: the table is meant
        [first, rest @ ..]
            if matches!(first, Object::Relation(_)) && rest.iter().all(|o| matches!(o, Object::Type(_))) =>
        {
            Ok(*first)
        }
        many => {
            Err(Error::Ambiguous { name: name.to_owned(), candidates: many.iter().map(|o| facts.label(*o)).collect() })
        }
    }
}

fn acl_of(facts: &Facts, object: Object) -> Option<(AclKind, AclId)> {
    facts.securables().find(|s| s.object == object).map(|s| (s.kind, s.acl))
}

/// Answers a question: as a session of the role, under every identity that it can take or grant itself.
#[must_use]
pub fn why(facts: &Facts, question: &Question) -> Answer {
    let services = Services::default();
    let scene = Scene::new(facts, &services);
    let (passages, definers) = match question.object {
        Object::Relation(_) => {
            let bodies = Bodies::new(&scene);
            (passage::all(&scene, &bodies), definers(&scene, &bodies))
        }
        _ => Default::default(),
    };
    let mut search = Search { scene: &scene, question, paths: Vec::new(), identities: 0, passages, definers };
    search.run();
    let examined = search.examined();
    let mut paths = search.paths;
    paths.sort_by_key(|p| (p.steps.len(), p.to_string()));
    paths.dedup();
    let reachable = !paths.is_empty();
    if !question.all {
        paths.truncate(1);
    }
    Answer { reachable, paths, examined }
}

/// An identity that the role comes to, and how.
struct Identity {
    role: RoleId,
    path: Path,
}

struct Search<'a> {
    scene: &'a Scene<'a>,
    question: &'a Question,
    paths: Vec<Path>,
    identities: usize,
    /// What using one relation does to another.
    passages: Vec<Passage>,
    /// The definer routines with what each is known to use.
    definers: Vec<(u32, Vec<Used>)>,
}

/// What is done to a parent table's children too.
const OF_CHILDREN: Privileges =
    Privileges::of(&[Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete, Privilege::Truncate]);

/// Reads the bodies of definer routines.
fn definers(scene: &Scene<'_>, bodies: &Bodies<'_>) -> Vec<(u32, Vec<Used>)> {
    let all = (0..).zip(&scene.facts.routines).filter(|(_, r)| r.security_definer);
    all.map(|(at, _)| (at, bodies.used(at))).collect()
}

impl Search<'_> {
    fn run(&mut self) {
        let (object, any) = (self.question.object, Privileges::from(self.question.privilege));
        let beginnings = match object {
            Object::Relation(relation) => beginnings(&self.passages, relation, any),
            _ => Vec::new(),
        };
        for identity in self.identities() {
            self.identities += 1;
            if self.scene.role(identity.role).superuser {
                self.paths.push(identity.path.using("superuser", self.scene.facts.label(object)));
                continue;
            }
            if beginnings.is_empty() {
                self.paths.extend(self.direct(&identity, object, any));
            }
            for beginning in &beginnings {
                for path in self.begin(&identity, beginning) {
                    let end = self.lead_on(path, beginning);
                    self.paths.push(end);
                }
            }
        }
    }

    /// Finds the ways to the first use of a chain of passages.
    fn begin(&self, identity: &Identity, beginning: &Beginning) -> Vec<Path> {
        let (relation, any) = (beginning.relation, beginning.any);
        let mut ways = Vec::new();
        if beginning.open.to(identity.role) {
            ways.extend(self.direct(identity, Object::Relation(relation), any));
            ways.extend(self.through_parents(identity, relation, any));
        }
        ways.extend(self.through_views(identity, beginning));
        ways.extend(self.through_routines(identity, beginning));
        ways
    }

    /// Leads a way to the first use on to the object itself.
    fn lead_on(&self, path: Path, beginning: &Beginning) -> Path {
        let passages: Vec<&Passage> = beginning.passages.iter().map(|at| &self.passages[*at]).collect();
        let next = passages.iter().skip(1).map(|passage| passage.by).chain([self.question.privilege.into()]);
        let led = passages.iter().zip(next);
        led.fold(path, |path, (passage, needed)| passage.lead(self.scene, path, passage.gives.intersection(needed)))
    }

    /// Goes through `set*`, and through what ADMIN OPTION and, before 16, CREATEROLE make of it.
    fn identities(&self) -> Vec<Identity> {
        let scene = self.scene;
        let start = self.question.role;
        let mut seen = BTreeSet::from([start]);
        let mut queue = VecDeque::from([Identity { role: start, path: Path::from(scene.name(start)) }]);
        let mut found = Vec::new();
        while let Some(identity) = queue.pop_front() {
            let role = identity.role;
            let mut next: Vec<(Path, RoleId)> = Vec::new();
            for to in scene.graph.next(role, Edge::Set) {
                next.push((identity.path.clone().then(Edge::Set.word(), scene.name(*to)), *to));
            }
            let inherited = scene.inherited(role);
            for holder in inherited.roles() {
                for to in scene.graph.next(holder, Edge::Admin) {
                    let path = self.inherit(&identity.path, &inherited, holder);
                    next.push((path.then(Edge::Admin.word(), scene.name(*to)), *to));
                }
            }
            if scene.facts.session.major < 16 && scene.role(role).create_role {
                let others = scene.facts.roles.iter().filter(|(_, r)| !r.superuser && !r.dangling);
                next.extend(
                    others.map(|(to, _)| (identity.path.clone().then(Edge::CreateRole.word(), scene.name(to)), to)),
                );
            }
            for (path, to) in next {
                if seen.insert(to) {
                    queue.push_back(Identity { role: to, path });
                }
            }
            found.push(identity);
        }
        found
    }

    fn inherit(&self, path: &Path, inherited: &Reach, role: RoleId) -> Path {
        let steps = inherited.steps_to(role).unwrap_or_default();
        steps.iter().fold(path.clone(), |path, (edge, role)| path.then(edge.word(), self.scene.name(*role)))
    }

    /// Tells whether an identity may use a schema, or owns it.
    fn may_use(&self, identity: RoleId, schema: Option<SchemaId>) -> bool {
        let Some(schema) = schema else { return true };
        self.scene.usage_is_public(schema) || self.scene.users_of(schema).contains(identity)
    }

    /// Finds what access lists, ownership and predefined roles give.
    fn direct(&self, identity: &Identity, object: Object, any: Privileges) -> Vec<Path> {
        let (scene, label) = (self.scene, self.scene.facts.label(object));
        let mut ways = Vec::new();
        let Some((kind, acl)) = acl_of(scene.facts, object) else { return ways };
        let schema = scene.facts.schema_of(object).filter(|_| !matches!(object, Object::Schema(_)));
        if !self.may_use(identity.role, schema) {
            return ways;
        }
        let inherited = scene.inherited(identity.role);
        if let Some(owner) = scene.facts.owner_of(object)
            && inherited.contains(owner)
        {
            ways.push(self.inherit(&identity.path, &inherited, owner).using("owner", &label));
        }
        ways.extend(self.granted(identity, &inherited, acl, any, &label));
        if let Object::Relation(relation) = object {
            ways.extend(self.columns(identity, &inherited, relation, any));
        }
        for role in inherited.roles().filter(|r| scene.role(*r).is_system()) {
            let name = scene.role(role).name.as_str();
            let given = super::scene::by_predefined_roles(kind, |n| n == name).intersection(any);
            if !given.is_empty() {
                ways.push(self.inherit(&identity.path, &inherited, role).using(given, &label));
            }
        }
        ways
    }

    /// Finds the entries of one access list that an identity holds.
    fn granted(
        &self,
        identity: &Identity,
        inherited: &Reach,
        acl: AclId,
        any: Privileges,
        label: &str,
    ) -> impl Iterator<Item = Path> {
        let entries = self.scene.facts.acls[acl].entries.iter();
        let given = entries.map(move |e| (e.grantee, e.privileges.intersection(any))).filter(|(_, p)| !p.is_empty());
        given.filter_map(move |(grantee, privileges)| {
            let path = match grantee {
                None => identity.path.clone().then("public", "PUBLIC"),
                Some(role) if inherited.contains(role) => self.inherit(&identity.path, inherited, role),
                Some(_) => return None,
            };
            Some(path.using(privileges, label))
        })
    }

    /// Finds what columns' own access lists give, for a relation that was asked for as a whole.
    fn columns(&self, identity: &Identity, inherited: &Reach, relation: u32, any: Privileges) -> Vec<Path> {
        let facts = self.scene.facts;
        let oid = facts.relations[relation as usize].oid;
        let from = facts.columns.partition_point(|c| c.relation < oid);
        let columns = (from as u32..).zip(facts.columns_of(oid));
        let ways = columns.flat_map(|(at, column)| {
            let label = facts.label(Object::Column(at));
            self.granted(identity, inherited, column.acl, any, &label).collect::<Vec<_>>()
        });
        ways.collect()
    }

    /// Finds definer routines that the identity may call and whose bodies are known to do this with the relation.
    fn through_routines(&self, identity: &Identity, beginning: &Beginning) -> Vec<Path> {
        let (scene, relation) = (self.scene, beginning.relation);
        let mut ways = Vec::new();
        for (at, used) in &self.definers {
            let routine = &scene.facts.routines[*at as usize];
            let may_call = scene.held(identity.role, routine.acl, AclKind::Routine).contains(Privilege::Execute);
            if !may_call || !self.may_use(identity.role, Some(routine.schema)) {
                continue;
            }
            for used in used.iter().filter(|used| used.relation == relation && beginning.open.to(used.by)) {
                let held = super::through::held(scene, used.by, relation, &[]);
                let does = used.privileges.intersection(beginning.any).intersection(held);
                if does.is_empty() {
                    continue;
                }
                let path = identity.path.clone().using(Privilege::Execute, scene.facts.label(Object::Routine(*at)));
                let path = path.then("definer", scene.name(used.by));
                ways.push(path.using(does, scene.facts.label(Object::Relation(relation))));
            }
        }
        ways
    }

    /// Finds every view, however far above, that the identity may use and that leads down to the relation, or to one that
    /// it is a child of.
    fn through_views(&self, identity: &Identity, beginning: &Beginning) -> Vec<Path> {
        let mut ways = self.through_views_of(identity, beginning, beginning.relation, beginning.any);
        let child = self.scene.facts.label(Object::Relation(beginning.relation));
        for (parent, any) in self.parents(beginning.relation, beginning.any) {
            let found = self.through_views_of(identity, beginning, parent, any).into_iter();
            ways.extend(found.map(|path| path.then("child, unchecked", &child)));
        }
        ways
    }

    fn through_views_of(
        &self,
        identity: &Identity,
        beginning: &Beginning,
        relation: u32,
        any: Privileges,
    ) -> Vec<Path> {
        let scene = self.scene;
        let mut ways = Vec::new();
        let mut seen = BTreeSet::new();
        let mut queue = VecDeque::from(views_over(scene, relation));
        while let Some(view) = queue.pop_front() {
            if !seen.insert(view) {
                continue;
            }
            queue.extend(views_over(scene, view));
            let row = &scene.facts.relations[view as usize];
            let held = super::through::held(scene, identity.role, view, &[]).intersection(any);
            if held.is_empty() || !self.may_use(identity.role, Some(row.schema)) {
                continue;
            }
            let found = bases(scene, row, Checked::by(identity.role)).into_iter();
            for base in found.filter(|base| base.relation == relation) {
                let does = held.intersection(base.privileges);
                let acting = base.checked_as.unwrap_or(identity.role);
                // what reads a copy uses nothing any more
                let goes_on = beginning.passages.is_empty() || (!base.copied && beginning.open.to(acting));
                if !does.is_empty() && goes_on {
                    ways.push(down(scene, identity.path.clone(), does, view, &base, identity.role));
                }
            }
        }
        ways
    }

    /// Gives the tables that a relation is a child of, however far above, with what of these privileges reaches its rows
    /// through each.
    fn parents(&self, relation: u32, any: Privileges) -> Vec<(u32, Privileges)> {
        let facts = self.scene.facts;
        let mut found: Vec<(u32, Privileges)> = Vec::new();
        let mut queue = VecDeque::from([(relation, any.intersection(OF_CHILDREN))]);
        while let Some((child, any)) = queue.pop_front() {
            let row = &facts.relations[child as usize];
            // an INSERT goes down to partitions only
            let any = if row.partition { any } else { any.without(Privilege::Insert.into()) };
            let above = facts.inheritance.iter().filter(|link| link.child == row.oid && !any.is_empty());
            for parent in above.filter_map(|link| facts.relation(link.parent)).map(|at| at as u32) {
                if !found.iter().any(|(known, _)| *known == parent) {
                    found.push((parent, any));
                    queue.push_back((parent, any));
                }
            }
        }
        found
    }

    /// Finds parents that the identity may use: their children are not checked.
    fn through_parents(&self, identity: &Identity, relation: u32, any: Privileges) -> Vec<Path> {
        let scene = self.scene;
        let mut ways = Vec::new();
        for (parent, any) in self.parents(relation, any) {
            let row = &scene.facts.relations[parent as usize];
            let held = super::through::held(scene, identity.role, parent, &[]).intersection(any);
            if !held.is_empty() && self.may_use(identity.role, Some(row.schema)) {
                let parent = scene.facts.label(Object::Relation(parent));
                let path = identity.path.clone().using(held, parent);
                ways.push(path.then("child, unchecked", scene.facts.label(Object::Relation(relation))));
            }
        }
        ways
    }

    fn examined(&self) -> Vec<String> {
        let facts = self.scene.facts;
        let mut examined =
            vec![format!("{} identities that {} can take", self.identities, self.scene.name(self.question.role))];
        if let Some((_, acl)) = acl_of(facts, self.question.object) {
            examined.push(format!("{} entries of the access list", facts.acls[acl].entries.len()));
        }
        if let Object::Relation(relation) = self.question.object {
            examined.push(format!("{} views that name it", views_over(self.scene, relation).len()));
            let using = self.definers.iter().filter(|(_, used)| used.iter().any(|u| u.relation == relation)).count();
            examined.push(format!("{} definer routines, {using} of which are known to use it", self.definers.len()));
            let here = self.passages.iter().filter(|passage| passage.to == relation).count();
            examined.push(format!(
                "{} rules, keys, triggers and foreign tables that reach others, {here} of them it",
                self.passages.len()
            ));
            if facts.relations[relation as usize].kind == RelationKind::Table {
                let oid = facts.relations[relation as usize].oid;
                let parents = facts.inheritance.iter().filter(|l| l.child == oid).count();
                examined.push(format!("{parents} parent tables"));
            }
        }
        examined
    }
}
