//! What the catalog says a credential reaches, and which attempts run nobody else's code.

use std::collections::HashSet;

use super::attempt::{Action, Attempt, Kind, Means};
use super::expect::{contracts, is_about};
use super::probe::Answer;
use crate::audit::access::{Access, Held};
use crate::audit::facts::Facts;
use crate::audit::facts::dependency::Class;
use crate::audit::facts::object::{Object, SchemaId};
use crate::audit::facts::relation::{RelationKind, RuleEvent};
use crate::audit::facts::role::{Role, RoleId};
use crate::audit::foreign_code::{Asked, ForeignCode};
use crate::audit::graph::Graph;
use crate::ident::Ident;
use crate::manifest::service::{Project, Service};
use crate::model::naming::{Access as Level, Slot};
use crate::model::privilege::{Privilege, Privileges};

/// How an attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// Its own statement is run.
    Statement,
    /// Its own statement asks the server's functions about privileges.
    Question,
    /// The weakest lock is taken in its place, which runs nobody's code.
    Lock,
    /// Nothing is run: the catalog alone answers.
    Nothing,
}

/// An answer, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The answer.
    pub answer: Answer,
    /// Whether the server was tried, as the login; else it is the catalog's answer.
    pub tried: bool,
    /// The role that the login must SET to reach it.
    pub by_set: Option<Ident>,
    /// What else stands in the way, in words.
    pub because: Option<String>,
}

/// The facts of one database, with what is derived from them once.
#[derive(Debug)]
pub struct Closure<'a> {
    facts: &'a Facts,
    graph: Graph,
    code: ForeignCode<'a>,
    /// Whether DDL would run an event trigger's function that does not belong to a superuser.
    ddl_runs_code: bool,
}

impl<'a> Closure<'a> {
    /// Derives everything.
    #[must_use]
    pub fn new(facts: &'a Facts) -> Self {
        let by_others = |owner: RoleId| !facts.roles[owner].superuser;
        let ddl_runs_code = facts.event_triggers.iter().any(|t| t.enabled && by_others(t.function_owner));
        Self { facts, graph: Graph::new(facts), code: ForeignCode::new(facts), ddl_runs_code }
    }

    /// Looks from one login; nothing when it was not there when the facts were read.
    #[must_use]
    pub fn of<'p>(
        &'a self,
        project: &'p Project,
        service: &'p Service,
        level: Level,
        login: &Ident,
    ) -> Option<Login<'a, 'p>> {
        let role = self.facts.roles.find(login.as_str())?;
        let own = own_roles(project, service).filter_map(|name| self.facts.roles.find(name.as_str())).collect();
        Some(Login {
            closure: self,
            project,
            service,
            level,
            role,
            access: Access::new(self.facts, &self.graph, role),
            own,
        })
    }
}

/// Names the roles that belong to a service.
fn own_roles(project: &Project, service: &Service) -> impl Iterator<Item = Ident> {
    let naming = &project.naming;
    let name = service.name.as_str();
    let groups = [Level::Owner, Level::Write, Level::Read].map(|level| naming.access(name, level));
    let logins = service.credentials.keys().flat_map(|c| Slot::BOTH.map(|slot| naming.login(name, c, slot)));
    let all: Vec<Ident> = groups.into_iter().chain(logins).flatten().collect();
    all.into_iter()
}

/// One credential's login.
#[derive(Debug)]
pub struct Login<'a, 'p> {
    closure: &'a Closure<'a>,
    project: &'p Project,
    service: &'p Service,
    level: Level,
    role: RoleId,
    access: Access<'a>,
    own: HashSet<RoleId>,
}

impl Login<'_, '_> {
    /// Chooses how an attempt is made, so that no code runs but the server's and the login's own service's.
    #[must_use]
    pub fn trial(&self, owner: &Service, attempt: &Attempt) -> Trial {
        let is_own = owner.name == self.service.name;
        let is_contract = || contracts(owner, self.service).any(|exposed| is_about(exposed, attempt));
        match attempt.means {
            Means::Call => Trial::Statement,
            Means::Ask if is_own => Trial::Question,
            Means::Create if is_own && !self.closure.ddl_runs_code => Trial::Statement,
            Means::Plan if (is_own || (self.level == Level::Read && is_contract())) && self.is_safe(attempt) => {
                Trial::Statement
            }
            Means::Plan if attempt.action == Action::Select && attempt.lock().is_some() => Trial::Lock,
            _ => Trial::Nothing,
        }
    }

    /// Tells whether planning an attempt reaches no code but the server's and the service's own.
    fn is_safe(&self, attempt: &Attempt) -> bool {
        let Some(object) = self.object(attempt) else { return false };
        let code = &self.closure.code;
        let uses = Privileges::NONE;
        let reached = code.reached(object, Asked { own: &self.own, uses, definers: true });
        reached.is_empty() && (self.level == Level::Read || code.foreign_relation(object, &self.own).is_none())
    }

    fn object(&self, attempt: &Attempt) -> Option<Object> {
        let facts = self.closure.facts;
        match (attempt.kind, attempt.oid) {
            (Kind::Relation | Kind::Sequence, Some(oid)) => facts.relation(oid).map(|at| Object::Relation(at as u32)),
            (Kind::Routine, Some(oid)) => facts.routine(oid).map(|at| Object::Routine(at as u32)),
            (Kind::Type, Some(oid)) => facts.type_(oid).map(|at| Object::Type(at as u32)),
            (Kind::Schema, _) => {
                let mut schemas = (0..).map(SchemaId).zip(&facts.schemas);
                schemas.find(|(_, row)| row.name == attempt.name).map(|(id, _)| Object::Schema(id))
            }
            _ => None,
        }
    }

    /// Puts the server's answer and the catalog's together.
    #[must_use]
    pub fn find(&self, attempt: &Attempt, trial: Trial, tried: Option<Answer>) -> Found {
        let plain = |answer, tried| Found { answer, tried, by_set: None, because: None };
        let Some(object) = self.object(attempt) else {
            let is_role = attempt.kind == Kind::Role;
            return plain(tried.unwrap_or(Answer::Gone), tried.is_some() && (is_role || trial != Trial::Question));
        };
        let held = self.held(object, attempt);
        let lacking = held.and_then(|_| self.lacks_execute(object, attempt.action));
        let by_catalog = match (held, lacking) {
            (Some(held), None) => Found {
                by_set: (!held.at_once).then(|| self.closure.facts.roles[held.identity].name.clone()),
                ..plain(Answer::Reached, false)
            },
            (Some(_), because @ Some(_)) => Found { because, ..plain(Answer::Refused, false) },
            (None, _) => plain(Answer::Refused, false),
        };
        match (trial, tried) {
            (Trial::Question, Some(answer @ (Answer::Reached | Answer::Refused | Answer::Gone))) => {
                plain(answer, false)
            }
            (Trial::Statement, Some(answer @ (Answer::Reached | Answer::Gone))) => plain(answer, true),
            // from 16 on, whoever may write takes the lock too
            (Trial::Lock, Some(Answer::Reached))
                if by_catalog.because.is_none()
                    && (by_catalog.answer == Answer::Reached || self.closure.facts.session.major < 16) =>
            {
                plain(Answer::Reached, true)
            }
            (Trial::Lock, Some(answer @ Answer::Gone)) => plain(answer, true),
            (Trial::Statement | Trial::Lock, Some(Answer::Refused)) => {
                // this session did not SET ROLE, and the lock asks for the whole relation
                let other_way = held.is_some_and(|held| !held.at_once || (trial == Trial::Lock && !held.whole));
                if other_way {
                    by_catalog
                } else {
                    Found { because: by_catalog.because, ..plain(Answer::Refused, true) }
                }
            }
            _ => by_catalog,
        }
    }

    fn held(&self, object: Object, attempt: &Attempt) -> Option<Held> {
        use Privilege::{
            Create, Delete, Execute, Insert, Maintain, References, Select, Trigger, Truncate, Update, Usage,
        };
        let any = match (attempt.action, attempt.kind) {
            (Action::Select, _) => Select.into(),
            (Action::Insert, _) => Insert.into(),
            (Action::Update, _) => Update.into(),
            (Action::Delete, _) => Delete.into(),
            (Action::WriteColumns, _) => Privileges::of(&[Insert, Update]),
            (Action::Other, _) => Privileges::of(&[Truncate, References, Trigger, Maintain]),
            (Action::Usage, Kind::Sequence) => Privileges::of(&[Usage, Update]),
            (Action::Usage, _) => Usage.into(),
            (Action::Execute, _) => Execute.into(),
            (Action::Create, _) => Create.into(),
            (Action::SetRole, _) => Privileges::NONE,
        };
        // UPDATE of single columns is another attempt
        self.access.holds(object, any).filter(|held| held.whole || attempt.action != Action::Update)
    }

    /// Names a function that a view calls and the login may not: the view is refused to it.
    fn lacks_execute(&self, object: Object, action: Action) -> Option<String> {
        let Object::Relation(start) = object else { return None };
        let facts = self.closure.facts;
        let is_view = |at: u32| facts.relations[at as usize].kind == RelationKind::View;
        let (mut seen, mut queue) = (HashSet::from([start]), vec![start]);
        while let Some(view) = queue.pop().filter(|_| action == Action::Select) {
            let rules = facts.rules_of(facts.relations[view as usize].oid).filter(|r| r.event == RuleEvent::Select);
            for used in rules.filter(|_| is_view(view)).flat_map(|rule| facts.dependencies.of(Class::Rule, rule.oid)) {
                match used.ref_class {
                    Class::Routine => {
                        let routine = facts.routine(used.ref_oid).map(|at| Object::Routine(at as u32));
                        if let Some(lacking) = routine.filter(|routine| !self.access.may_execute(*routine)) {
                            return Some(format!("needs EXECUTE on {}", facts.label(lacking)));
                        }
                    }
                    Class::Relation => {
                        let under = facts.relation(used.ref_oid).map(|at| at as u32);
                        queue.extend(under.filter(|under| is_view(*under) && seen.insert(*under)));
                    }
                    _ => {}
                }
            }
        }
        None
    }

    /// Says what the login comes to act as beyond its access level, each with the way.
    #[must_use]
    pub fn beyond(&self) -> Vec<String> {
        let facts = self.closure.facts;
        let mut found: Vec<String> = powers(&facts.roles[self.role])
            .map(|power| format!("{power}: {}", facts.roles[self.role].name.as_str()))
            .collect();
        for role in self.access.roles().filter(|role| !self.is_due(*role)) {
            let row = &facts.roles[role];
            let is_of_project = || self.is_of_project(row);
            let power = powers(row).next();
            if power.is_some() || row.is_system() || is_of_project() {
                let what = power.map_or_else(|| "the rights".to_owned(), |power| format!("the rights and {power}"));
                found.push(format!("{what} of {}: {}", row.name.as_str(), self.access.way(role)));
            }
        }
        found
    }

    /// Tells whether the credential's access level contains a role.
    fn is_due(&self, role: RoleId) -> bool {
        let naming = &self.project.naming;
        let name = &self.closure.facts.roles[role].name;
        let levels: &[Level] = match self.level {
            Level::Owner => &[Level::Owner, Level::Write, Level::Read],
            Level::Write => &[Level::Write, Level::Read],
            Level::Read => &[Level::Read],
        };
        let service = self.service.name.as_str();
        let mut groups = levels.iter().map(|level| naming.access(service, *level));
        groups.any(|group| group.as_ref() == Ok(name))
    }

    /// Tells whether a role belongs to a service of the project: an access group, a login, or one for bridges.
    fn is_of_project(&self, row: &Role) -> bool {
        let all = self.project.here().into_iter().chain(self.project.elsewhere.values());
        let mut of_services = all.flat_map(|service| own_roles(self.project, service));
        of_services.any(|name| name == row.name)
    }
}

/// Names the attributes that reach further than any grant.
fn powers(role: &Role) -> impl Iterator<Item = &'static str> {
    let all = [
        (role.superuser, "SUPERUSER"),
        (role.bypass_rls, "BYPASSRLS"),
        (role.create_role, "CREATEROLE"),
        (role.create_db, "CREATEDB"),
        (role.replication, "REPLICATION"),
    ];
    all.into_iter().filter_map(|(has, word)| has.then_some(word))
}
