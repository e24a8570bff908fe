//! Answers against expectations: the matrix of every credential and every service.

use std::collections::BTreeMap;

use super::attempt::{Action, Attempt, Kind, Means};
use super::closure::Found;
use super::expect::{Expected, contracts, expected, is_about};
use super::probe::Answer;
use crate::ident::Ident;
use crate::manifest::service::{ContractKind, Project, Service};
use crate::model::naming::Access;

/// What every credential reaches of every service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matrix {
    /// The columns, in order.
    pub services: Vec<Ident>,
    /// The rows, by service and credential.
    pub credentials: Vec<Reaches>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaches {
    /// The credential's service.
    pub service: Ident,
    /// Its short name.
    pub credential: String,
    /// Which of the service's roles it belongs to.
    pub access: Access,
    /// The login that was tried.
    pub login: Option<Ident>,
    /// Why it could not be tried at all.
    pub problem: Option<String>,
    /// What it comes to act as beyond its access level, in words, each with the way.
    pub beyond: Vec<String>,
    /// One cell for each service of its database, in the columns' order; none where there is a problem.
    pub cells: Vec<Cell>,
}

/// What one credential reaches of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The service.
    pub service: Ident,
    /// What it should reach.
    pub declared: Declared,
    /// What it reaches and should not, in words.
    pub leaks: Vec<String>,
    /// What it should reach and does not, in words.
    pub missing: Vec<String>,
    /// What could not be tried, in words.
    pub untold: Vec<String>,
    /// Objects of its own service that no statement tried: the catalog alone answers for them.
    pub untried: Vec<String>,
    /// How many answers there are: the sum of `tried` and `catalog`.
    pub attempts: usize,
    /// How many answers the server gave to the login itself.
    pub tried: usize,
    /// How many answers the catalog gave.
    pub catalog: usize,
    /// Where the cell's answer comes from.
    pub source: Source,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// All that the cell is about was tried as the login.
    Tried,
    /// Part of it was answered from the catalog, since trying it would run code of others.
    Catalog,
}

impl Source {
    /// Gives the word that reports print.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tried => "tried",
            Self::Catalog => "catalog",
        }
    }
}

/// What a credential should reach of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declared {
    /// Nothing.
    Nothing,
    /// The objects of contracts, named.
    Contracts(Vec<String>),
    /// Its own service, as it is declared.
    Own(Access),
}

impl Cell {
    /// Tells whether the credential reaches all that it should and nothing else, and its own objects were tried.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.leaks.is_empty() && self.missing.is_empty() && self.untold.is_empty() && self.untried.is_empty()
    }
}

impl Matrix {
    /// Adds what was proven in another database.
    pub fn add(&mut self, other: Self) {
        self.services.extend(other.services);
        self.services.sort();
        self.services.dedup();
        self.credentials.extend(other.credentials);
        self.credentials.sort_by(|a, b| (&a.service, &a.credential).cmp(&(&b.service, &b.credential)));
    }

    /// Tells whether every credential was tried and reaches what it should and nothing else. Nothing tried is not right.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let is_right =
            |row: &Reaches| row.problem.is_none() && row.beyond.is_empty() && row.cells.iter().all(Cell::is_right);
        self.tried() > 0 && self.credentials.iter().all(is_right)
    }

    /// Tells whether some credential reaches what it should not, or not what it should, or nothing was tried of what
    /// it reaches.
    #[must_use]
    pub fn has_findings(&self) -> bool {
        let is_wrong = |c: &Cell| !c.leaks.is_empty() || !c.missing.is_empty() || !c.untried.is_empty();
        self.credentials.iter().any(|row| !row.beyond.is_empty() || row.cells.iter().any(is_wrong))
    }

    /// Gives how many answers the server gave to the logins themselves.
    #[must_use]
    pub fn tried(&self) -> usize {
        self.cells().map(|cell| cell.tried).sum()
    }

    /// Gives how many answers the catalog gave.
    #[must_use]
    pub fn from_catalog(&self) -> usize {
        self.cells().map(|cell| cell.catalog).sum()
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.credentials.iter().flat_map(|row| &row.cells)
    }
}

/// Judges one credential's answers on one service.
#[must_use]
pub fn judge(
    project: &Project,
    service: &Service,
    access: Access,
    owner: &Service,
    answers: &[(&Attempt, &Found)],
) -> Cell {
    let mut cell = Cell {
        service: owner.name.clone(),
        declared: declared(service, access, owner),
        leaks: Vec::new(),
        missing: Vec::new(),
        untold: Vec::new(),
        untried: Vec::new(),
        attempts: answers.len(),
        tried: answers.iter().filter(|(_, found)| found.tried).count(),
        catalog: answers.iter().filter(|(_, found)| !found.tried).count(),
        source: Source::Catalog,
    };
    let is_own = service.name == owner.name;
    let mut wanted: Vec<_> = contracts(owner, service).filter(|_| !is_own).collect();
    let mut leaked = Vec::new();
    // an answer by the catalog where a contract asks for one
    let mut is_deduced = false;
    for (attempt, found) in answers {
        wanted.retain(|exposed| !is_about(exposed, attempt));
        let words = words(attempt, found);
        let should = expected(project, service, access, owner, attempt);
        is_deduced |= should == Expected::Reach && !found.tried;
        match (should, found.answer) {
            (Expected::Refuse, Answer::Reached) if is_said_by(&leaked, attempt) || is_entered(project, found) => {}
            (Expected::Refuse, Answer::Reached) => {
                leaked.push(*attempt);
                cell.leaks.push(words);
            }
            (Expected::Reach, Answer::Refused) => cell.missing.push(words),
            (Expected::Reach | Expected::Refuse, Answer::Untold) => cell.untold.push(words),
            _ => {}
        }
    }
    if is_own {
        cell.untried = untried(answers);
    }
    let is_tried = match &cell.declared {
        Declared::Own(_) => cell.untried.is_empty(),
        Declared::Contracts(_) => !is_deduced,
        Declared::Nothing => cell.catalog == 0,
    };
    if is_tried {
        cell.source = Source::Tried;
    }
    cell.missing.extend(wanted.iter().map(|exposed| {
        let arguments = exposed.arguments.as_ref().map(|a| format!("({a})")).unwrap_or_default();
        format!("find {}.{}{arguments}, which is not there", owner.schema.as_str(), exposed.name.as_str())
    }));
    cell
}

/// Names the objects that have a statement which tries them, and of which no such statement was tried.
fn untried(answers: &[(&Attempt, &Found)]) -> Vec<String> {
    let mut tried: BTreeMap<String, bool> = BTreeMap::new();
    for (attempt, found) in answers.iter().filter(|(a, f)| a.means != Means::Ask && f.answer != Answer::Gone) {
        *tried.entry(attempt.object()).or_default() |= found.tried;
    }
    tried.into_iter().filter(|(_, tried)| !tried).map(|(object, _)| object).collect()
}

/// Tells whether an object is reached by becoming a role of a service: that this can be done is told once.
fn is_entered(project: &Project, found: &Found) -> bool {
    let Some(role) = &found.by_set else { return false };
    let all = project.here().into_iter().chain(project.elsewhere.values());
    let mut services = all.map(|service| service.name.as_str().to_owned());
    services.any(|name| {
        let groups = [Access::Owner, Access::Write, Access::Read].map(|level| project.naming.access(&name, level));
        groups.into_iter().flatten().any(|group| group == *role)
    })
}

/// An INSERT or UPDATE that was reached says already that columns can be written.
fn is_said_by(leaked: &[&Attempt], attempt: &Attempt) -> bool {
    let is_same = |l: &&&Attempt| (&l.schema, l.kind, &l.name) == (&attempt.schema, attempt.kind, &attempt.name);
    attempt.action == Action::WriteColumns
        && leaked.iter().rev().take_while(is_same).any(|l| matches!(l.action, Action::Insert | Action::Update))
}

fn declared(service: &Service, access: Access, owner: &Service) -> Declared {
    if service.name == owner.name {
        return Declared::Own(access);
    }
    let names: Vec<_> = contracts(owner, service)
        .map(|exposed| match (exposed.kind, &exposed.arguments) {
            (ContractKind::Function, Some(arguments)) => format!("{}({arguments})", exposed.name.as_str()),
            _ => exposed.name.as_str().to_owned(),
        })
        .collect();
    if names.is_empty() { Declared::Nothing } else { Declared::Contracts(names) }
}

fn words(attempt: &Attempt, found: &Found) -> String {
    let plain = match attempt.kind {
        Kind::Schema => format!("create in {}", attempt.object()),
        Kind::Role => format!("become {}", attempt.object()),
        _ => format!("{} {}", attempt.action.as_str(), attempt.object()),
    };
    match (&found.by_set, &found.because) {
        (Some(role), _) if found.answer == Answer::Reached => format!("{plain} (by SET ROLE {})", role.as_str()),
        (_, Some(because)) if found.answer == Answer::Refused => format!("{plain} ({because})"),
        _ => plain,
    }
}
