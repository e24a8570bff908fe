//! What a credential should reach, by the manifests alone.

use super::attempt::{Action, Attempt, Kind};
use crate::manifest::service::{ContractKind, Exposed, Project, Service};
use crate::model::naming::Access;
use crate::model::privilege::{Privilege, Privileges};
use crate::plan::desired::HISTORY_TABLE;

/// What should come of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    /// The server must let the login through.
    Reach,
    /// Either is right.
    Any,
    /// The server must refuse.
    Refuse,
}

/// Tells what should come of an attempt by a credential of `service` on something of `owner`.
#[must_use]
pub fn expected(project: &Project, service: &Service, access: Access, owner: &Service, attempt: &Attempt) -> Expected {
    if service.name != owner.name {
        return foreign(service, owner, attempt);
    }
    if attempt.kind == Kind::Role {
        return own_role(project, service, access, attempt);
    }
    match access {
        Access::Owner => own_by_owner(attempt),
        Access::Write => own_by_writer(attempt),
        Access::Read => own_by_reader(attempt),
    }
}

/// Goes through what a service exposes to another.
pub fn contracts<'a>(owner: &'a Service, consumer: &'a Service) -> impl Iterator<Item = &'a Exposed> {
    owner.exposes.iter().filter(|exposed| exposed.to.contains(&consumer.name))
}

/// Tells whether an attempt is on the object of a contract.
#[must_use]
pub fn is_about(exposed: &Exposed, attempt: &Attempt) -> bool {
    let kind = match exposed.kind {
        ContractKind::View | ContractKind::Table => Kind::Relation,
        ContractKind::Function => Kind::Routine,
        ContractKind::Sequence => Kind::Sequence,
        ContractKind::Type => Kind::Type,
    };
    let arguments = (kind == Kind::Routine).then(|| exposed.arguments.clone().unwrap_or_default());
    kind == attempt.kind && exposed.name == attempt.name && arguments == attempt.arguments
}

fn foreign(service: &Service, owner: &Service, attempt: &Attempt) -> Expected {
    let granted = contracts(owner, service)
        .filter(|exposed| is_about(exposed, attempt))
        .fold(Privileges::NONE, |all, exposed| all.union(exposed.privileges));
    let any = |list: &[Privilege]| !granted.intersection(Privileges::of(list)).is_empty();
    let must = |privilege| if granted.contains(privilege) { Expected::Reach } else { Expected::Refuse };
    let may = |list: &[Privilege]| if any(list) { Expected::Any } else { Expected::Refuse };
    match attempt.action {
        Action::Select => must(Privilege::Select),
        Action::Insert => must(Privilege::Insert),
        Action::Update => must(Privilege::Update),
        Action::Delete => must(Privilege::Delete),
        Action::Execute => must(Privilege::Execute),
        Action::Usage if granted.contains(Privilege::Update) => Expected::Any,
        Action::Usage => must(Privilege::Usage),
        Action::WriteColumns => may(&[Privilege::Insert, Privilege::Update]),
        Action::Other => may(&[Privilege::Truncate, Privilege::References, Privilege::Trigger, Privilege::Maintain]),
        Action::Create | Action::SetRole => Expected::Refuse,
    }
}

fn own_role(project: &Project, service: &Service, access: Access, attempt: &Attempt) -> Expected {
    let name = service.name.as_str();
    let is = |access| project.naming.access(name, access).is_ok_and(|role| role == attempt.name);
    // before 16 a member can always become the role; nothing is gained by it downwards
    let downwards = match access {
        Access::Owner => is(Access::Owner) || is(Access::Write) || is(Access::Read),
        Access::Write => is(Access::Write) || is(Access::Read),
        Access::Read => is(Access::Read),
    };
    if downwards { Expected::Any } else { Expected::Refuse }
}

fn own_by_owner(attempt: &Attempt) -> Expected {
    match (attempt.kind, attempt.action) {
        (Kind::Relation, Action::Select) => Expected::Reach,
        (Kind::Relation, Action::Insert | Action::Update | Action::Delete) if attempt.is_table => Expected::Reach,
        (Kind::Relation, _) => Expected::Any,
        (Kind::Sequence, _) if attempt.is_internal => Expected::Any,
        _ => Expected::Reach,
    }
}

fn own_by_writer(attempt: &Attempt) -> Expected {
    let is_history = attempt.kind == Kind::Relation && attempt.name.as_str() == HISTORY_TABLE;
    match (attempt.kind, attempt.action) {
        (Kind::Relation, Action::Select) => Expected::Reach,
        (Kind::Relation, Action::Other) => Expected::Refuse,
        (Kind::Relation, _) if is_history => Expected::Refuse,
        (Kind::Relation, Action::Insert | Action::Update | Action::Delete) if attempt.is_table => Expected::Reach,
        (Kind::Relation, _) => Expected::Any,
        (Kind::Sequence, Action::Update) => Expected::Refuse,
        (Kind::Sequence, _) if attempt.is_internal => Expected::Any,
        (Kind::Sequence | Kind::Routine | Kind::Type, _) => Expected::Reach,
        (Kind::Schema | Kind::Role, _) => Expected::Refuse,
    }
}

fn own_by_reader(attempt: &Attempt) -> Expected {
    match (attempt.kind, attempt.action) {
        (Kind::Relation, Action::Select) => Expected::Reach,
        (Kind::Sequence, Action::Select) if attempt.is_internal => Expected::Any,
        (Kind::Sequence, Action::Select) | (Kind::Type, _) => Expected::Reach,
        (Kind::Routine, _) if attempt.is_for_readers => Expected::Reach,
        _ => Expected::Refuse,
    }
}
