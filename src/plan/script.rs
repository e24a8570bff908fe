//! Changes → the statements of each transaction, in the order in which they run.

use super::change::{Action, Change, Kind, Phase, Stage};
use crate::ident::Ident;
use crate::model::state::Observed;
use crate::sql;
use crate::sql::{Comma, Sql};

/// How long a statement may wait for a lock before its transaction is tried again, in milliseconds.
pub const LOCK_TIMEOUT_MILLIS: i64 = 3_000;

/// All statements of one service in one stage, between BEGIN and COMMIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The service; nothing for what all share.
    pub service: Option<Ident>,
    /// The stage.
    pub stage: Stage,
    /// The statements without BEGIN and COMMIT.
    pub statements: Vec<Sql>,
    /// What locks the tables first, and before which statement: for another try after `tuple concurrently updated`.
    pub lock: Option<(usize, Sql)>,
    /// The credentials, by short name, that get their first password in it.
    pub issues: Vec<String>,
    /// How many of the plan's changes they carry out.
    pub changes: usize,
}

/// Groups the changes of a stage into transactions; the changes are sorted as a plan has them.
#[must_use]
pub fn transactions(changes: &[Change], stage: Stage, observed: &Observed) -> Vec<Transaction> {
    let of_stage: Vec<&Change> = changes.iter().filter(|change| change.stage == stage).collect();
    let groups = of_stage.chunk_by(|a, b| a.service == b.service);
    groups.map(|group| transaction(group, stage, observed)).collect()
}

fn transaction(changes: &[&Change], stage: Stage, observed: &Observed) -> Transaction {
    let service = changes.first().and_then(|change| change.service.clone());
    let become_owner = Borrowed::needed(changes, observed);
    let mut statements = vec![
        sql!("set local lock_timeout = ", LOCK_TIMEOUT_MILLIS),
        // nobody's objects can stand before PostgreSQL's own
        sql!("set local search_path = pg_catalog"),
    ];
    let (mut lock_at, mut locks) = (None, std::collections::BTreeSet::<&Sql>::new());
    let mut role: Option<&Ident> = None;
    let mut borrowed = false;
    for change in changes {
        if let Some(become_owner) = &become_owner
            && !borrowed
            && change.phase >= Phase::Schemas
        {
            statements.push(become_owner.take());
            borrowed = true;
        }
        if change.run_as.as_ref() != role {
            statements.push(match &change.run_as {
                Some(owner) => sql!("set local role ", owner),
                None => sql!("reset role"),
            });
            role = change.run_as.as_ref();
        }
        if !change.locks.is_empty() {
            lock_at.get_or_insert(statements.len());
            locks.extend(&change.locks);
        }
        statements.extend(change.sql.iter().cloned());
    }
    let lock = lock_at.map(|at| (at, sql!("lock table ", Comma(locks.iter().copied()), " in access share mode")));
    if role.is_some() {
        statements.push(sql!("reset role"));
    }
    if let Some(become_owner) = become_owner.filter(|_| borrowed) {
        statements.push(become_owner.give_back());
    }
    let issue = |change: &&&Change| change.action == Action::Issue;
    let names = changes.iter().filter(issue).filter_map(|change| change.object.split_once('/'));
    let issues = names.map(|(_, name)| name.to_owned()).collect();
    Transaction { service, stage, statements, lock, issues, changes: changes.len() }
}

/// A membership in the owner role that an administrator who is no superuser gives itself for one transaction.
///
/// From 16 on CREATEROLE gives ADMIN on a new role but neither SET nor INHERIT; before, membership is all or nothing.
/// Afterwards the administrator can read nothing of the service's.
struct Borrowed<'a> {
    owner: &'a Ident,
    administrator: &'a Ident,
    per_option: bool,
    /// Whether objects change owners: the administrator then has to find them in a schema that it has just given away.
    inherit: bool,
}

impl<'a> Borrowed<'a> {
    fn needed(changes: &[&'a Change], observed: &'a Observed) -> Option<Self> {
        let administrator = &observed.administrator;
        if administrator.superuser {
            return None;
        }
        let owner = changes.iter().find_map(|change| change.run_as.as_ref())?;
        let per_option = observed.major() >= 16;
        let has_it = observed.state.memberships.iter().any(|(membership, options)| {
            membership.role == *owner && membership.member == administrator.name && options.set && !options.admin
        });
        let inherit = changes.iter().any(|change| change.kind == Kind::Owner);
        (!has_it).then_some(Self { owner, administrator: &administrator.name, per_option, inherit })
    }

    fn take(&self) -> Sql {
        let mut sql = sql!("grant ", self.owner, " to ", self.administrator);
        if self.per_option {
            sql.push_static(" with inherit ");
            sql.push_static(if self.inherit { "true" } else { "false" });
            sql.push_static(", set true");
        }
        sql
    }

    fn give_back(&self) -> Sql {
        let mut sql = sql!("revoke ", self.owner, " from ", self.administrator);
        if self.per_option {
            sql.push(&sql!(" granted by ", self.administrator));
        }
        sql
    }
}
