//! Answers against expectations: the matrix of every credential and every service.

use super::attempt::{Action, Attempt, Kind};
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
    /// How many attempts were made.
    pub attempts: usize,
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
    /// Tells whether the credential reaches all that it should and nothing else.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.leaks.is_empty() && self.missing.is_empty() && self.untold.is_empty()
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

    /// Tells whether every credential was tried and reaches what it should and nothing else.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.credentials.iter().all(|row| row.problem.is_none() && row.cells.iter().all(Cell::is_right))
    }

    /// Tells whether some credential reaches what it should not, or not what it should.
    #[must_use]
    pub fn has_findings(&self) -> bool {
        self.credentials.iter().flat_map(|row| &row.cells).any(|c| !c.leaks.is_empty() || !c.missing.is_empty())
    }
}

/// Judges one credential's answers on one service.
#[must_use]
pub fn judge<'a>(
    project: &Project,
    service: &Service,
    access: Access,
    owner: &Service,
    answers: impl Iterator<Item = (&'a Attempt, Answer)>,
) -> Cell {
    let mut cell = Cell {
        service: owner.name.clone(),
        declared: declared(service, access, owner),
        leaks: Vec::new(),
        missing: Vec::new(),
        untold: Vec::new(),
        attempts: 0,
    };
    let mut wanted: Vec<_> = contracts(owner, service).filter(|_| service.name != owner.name).collect();
    let mut leaked = Vec::new();
    for (attempt, answer) in answers {
        cell.attempts += 1;
        wanted.retain(|exposed| !is_about(exposed, attempt));
        let words = words(attempt);
        match (expected(project, service, access, owner, attempt), answer) {
            (Expected::Refuse, Answer::Reached) if is_said_by(&leaked, attempt) => {}
            (Expected::Refuse, Answer::Reached) => {
                leaked.push(attempt);
                cell.leaks.push(words);
            }
            (Expected::Reach, Answer::Refused) => cell.missing.push(words),
            (Expected::Reach | Expected::Refuse, Answer::Untold) => cell.untold.push(words),
            _ => {}
        }
    }
    cell.missing.extend(wanted.iter().map(|exposed| {
        let arguments = exposed.arguments.as_ref().map(|a| format!("({a})")).unwrap_or_default();
        format!("find {}.{}{arguments}, which is not there", owner.schema.as_str(), exposed.name.as_str())
    }));
    cell
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

fn words(attempt: &Attempt) -> String {
    match attempt.kind {
        Kind::Schema => format!("create in {}", attempt.object()),
        Kind::Role => format!("become {}", attempt.object()),
        _ => format!("{} {}", attempt.action.as_str(), attempt.object()),
    }
}
