//! Changes → the statements of each transaction, in the order in which they run.

use std::collections::BTreeSet;

use super::change::{Action, Change, Kind, Phase, Stage};
use crate::ident::Ident;
use crate::model::extension_schema;
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
    let mut borrowing = Borrowing::new(changes, observed);
    let mut statements = vec![
        sql!("set local lock_timeout = ", LOCK_TIMEOUT_MILLIS),
        // nobody's objects can stand before PostgreSQL's own
        sql!("set local search_path = pg_catalog"),
    ];
    let (mut lock_at, mut locks) = (None, BTreeSet::<&Sql>::new());
    let mut role: Option<&Ident> = None;
    for change in changes {
        if change.phase >= Phase::Schemas {
            statements.extend(borrowing.take());
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
        statements.extend(change.refusal.as_ref().map(extension_schema::guard));
        statements.extend(change.sql.iter().cloned());
    }
    let lock = lock_at.map(|at| (at, sql!("lock table ", Comma(locks.iter().copied()), " in access share mode")));
    if role.is_some() {
        statements.push(sql!("reset role"));
    }
    statements.extend(borrowing.give_back());
    let issue = |change: &&&Change| change.action == Action::Issue;
    let names = changes.iter().filter(issue).filter_map(|change| change.object.split_once('/'));
    let issues = names.map(|(_, name)| name.to_owned()).collect();
    Transaction { service, stage, statements, lock, issues, changes: changes.len() }
}

/// Memberships in the roles that it acts as, which an administrator who is no superuser gives itself for one
/// transaction.
///
/// From 16 on CREATEROLE gives ADMIN on a new role but neither SET nor INHERIT; before, membership is all or nothing.
/// Afterwards the administrator can read nothing of the service's.
struct Borrowing<'a> {
    roles: BTreeSet<&'a Ident>,
    administrator: &'a Ident,
    per_option: bool,
    /// Whether objects change owners: the administrator then has to find them in a schema that it has just given away.
    inherit: bool,
    taken: bool,
}

impl<'a> Borrowing<'a> {
    fn new(changes: &[&'a Change], observed: &'a Observed) -> Self {
        let administrator = &observed.administrator;
        let has_it = |role: &Ident| {
            observed.state.memberships.iter().any(|(membership, options)| {
                // from 16 on the plan takes back what the administrator gave itself
                let stays = observed.major() < 16 || membership.grantor != administrator.name;
                let has = membership.role == *role && membership.member == administrator.name;
                has && stays && options.set && !options.admin
            })
        };
        let acted_as = changes.iter().filter_map(|change| change.run_as.as_ref());
        let roles = if administrator.superuser { BTreeSet::new() } else { acted_as.filter(|r| !has_it(r)).collect() };
        let inherit = changes.iter().any(|change| change.kind == Kind::Owner);
        Self { roles, administrator: &administrator.name, per_option: observed.major() >= 16, inherit, taken: false }
    }

    /// Gives the statements that take the memberships; none the second time.
    fn take(&mut self) -> Vec<Sql> {
        if std::mem::replace(&mut self.taken, true) {
            return Vec::new();
        }
        let take = |role: &&Ident| {
            let mut sql = sql!("grant ", role, " to ", self.administrator);
            if self.per_option {
                sql.push_static(" with inherit ");
                sql.push_static(if self.inherit { "true" } else { "false" });
                sql.push_static(", set true");
            }
            sql
        };
        self.roles.iter().map(take).collect()
    }

    /// Gives the statements that end what was taken.
    ///
    /// Who the grantor was is left to the server, which finds it as it did for the grant: from 16 on that is another
    /// role when the administrator has ADMIN by membership in it.
    fn give_back(&self) -> Vec<Sql> {
        let give_back = |role: &&Ident| sql!("revoke ", role, " from ", self.administrator);
        self.roles.iter().filter(|_| self.taken).map(give_back).collect()
    }
}
