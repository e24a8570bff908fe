//! SELECT on whole relations, tried with the weakest lock by temporary logins that become the principals.

use std::collections::{BTreeMap, HashSet};

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

use crate::audit::facts::Facts;
use crate::audit::facts::object::Object;
use crate::audit::facts::relation::RelationKind;
use crate::audit::facts::role::RoleId;
use crate::audit::graph::Graph;
use crate::audit::proof::{Claim, Identity};
use crate::model::privilege::Privilege;
use crate::pg::attempt::{REFUSED, SUCCEEDED, Statement, each};
use crate::pg::connect::Target;
use crate::pg::error::Error;
use crate::pg::session::SessionKind;
use crate::sql;
use crate::sql::{Qualified, Sql};
use crate::temporary_login::{self, Server, Wanted};

/// How many locks one transaction takes: they may be held to its end.
const BATCH: usize = 500;

/// What `pg_stat_activity` shows.
const APPLICATION: &str = "pgcleave audit --probe";

/// How the server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It gave the lock.
    Given,
    /// It refused the lock, or to become the role that the claim names, for want of a privilege.
    Refused,
}

/// What was tried, and why some principals were not.
#[derive(Debug, Default)]
pub(super) struct Tried {
    /// The answers, by the claim's position.
    pub(super) answers: BTreeMap<usize, Answer>,
    /// How many claims were not tried, by the reason.
    pub(super) untried: BTreeMap<String, usize>,
}

/// Tries every claim that a lock can try.
///
/// # Errors
/// The server could not be asked, or a login that was made could not be dropped.
pub(super) async fn attempt(
    admin: &mut PgConnection,
    target: &Target,
    facts: &Facts,
    claims: &[Claim],
) -> Result<Tried, temporary_login::Error> {
    let mut by_principal: BTreeMap<RoleId, BTreeMap<Identity, Vec<(usize, Sql)>>> = BTreeMap::new();
    for (at, claim) in claims.iter().enumerate() {
        if let Some(lock) = lock(facts, claim) {
            let of = by_principal.entry(claim.identity.principal).or_default();
            of.entry(claim.identity).or_default().push((at, lock));
        }
    }
    let mut tried = Tried::default();
    if by_principal.is_empty() {
        return Ok(tried);
    }
    let grantable = grantable(admin, facts, by_principal.keys().copied()).await?;
    let graph = Graph::new(facts);
    let server = Server::read(admin).await?;
    for (principal, identities) in by_principal {
        let count: usize = identities.values().map(Vec::len).sum();
        let mut leave = |why: &str| *tried.untried.entry(why.to_owned()).or_default() += count;
        let led_to = graph.led_to([principal]);
        if facts.roles.iter().any(|(role, row)| row.superuser && led_to.contains(role)) {
            leave("the principal is a superuser or comes to act as one");
            continue;
        }
        // dropping the login makes the administrator a member of it, which would be a circle
        if facts.roles.find(&facts.session.role).is_some_and(|me| led_to.contains(me)) {
            leave("the principal is the administrator or comes to act as it");
            continue;
        }
        if !grantable.contains(&facts.roles[principal].oid) {
            leave("the administrator cannot grant the principal");
            continue;
        }
        match as_principal(admin, target, facts, &server, principal, &identities).await {
            Ok(answers) => tried.answers.extend(answers),
            Err(temporary_login::Error::Refused { .. }) => leave("the server refuses a temporary login"),
            // roles belong to the server: one may be dropped since the catalog was read
            Err(temporary_login::Error::Server(error)) if error.sqlstate().is_some() => {
                leave("the principal changed while it was to be tried");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(tried)
}

/// Gives the statement that asks for SELECT on a whole relation; nothing for other claims, and for what takes no lock.
fn lock(facts: &Facts, claim: &Claim) -> Option<Sql> {
    let Object::Relation(at) = claim.object else { return None };
    let relation = &facts.relations[at as usize];
    let takes_it = matches!(relation.kind, RelationKind::Table | RelationKind::PartitionedTable | RelationKind::View);
    let name = Qualified(&facts.schema_row(relation.schema).name, &relation.name);
    let lock = sql!("lock table only ", name, " in access share mode nowait");
    (takes_it && claim.privileges.contains(Privilege::Select)).then_some(lock)
}

async fn grantable(
    admin: &mut PgConnection,
    facts: &Facts,
    principals: impl Iterator<Item = RoleId>,
) -> Result<HashSet<u32>, Error> {
    let oids: Vec<i64> = principals.map(|role| i64::from(facts.roles[role].oid)).collect();
    let rows = sqlx::query(include_str!("sql/grantable.sql")).bind(oids).fetch_all(admin).await;
    let rows = rows.map_err(|e| Error::new("read which roles can be granted", &e))?;
    Ok(rows.iter().filter_map(|row| u32::try_from(row.get::<i64, _>("role")).ok()).collect())
}

/// Makes a login that is a member of one principal, tries as it, and drops it.
async fn as_principal(
    admin: &mut PgConnection,
    target: &Target,
    facts: &Facts,
    server: &Server,
    principal: RoleId,
    identities: &BTreeMap<Identity, Vec<(usize, Sql)>>,
) -> Result<BTreeMap<usize, Answer>, temporary_login::Error> {
    let member_of = [facts.roles[principal].name.clone()];
    let wanted = Wanted { member_of: &member_of, connection_limit: 1, ..Wanted::default() };
    let made = temporary_login::create(admin, server, &wanted, target, SessionKind::Administrator, APPLICATION).await?;
    let (login, mut session) = made;
    let mut answers = BTreeMap::new();
    let mut failed = None;
    for (identity, locks) in identities {
        match as_identity(&mut session, facts, *identity, locks).await {
            Ok(more) => answers.extend(more),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    // the answers are there: how the session ends is of no interest
    let _ = session.close().await;
    temporary_login::remove(admin, server, &login.name).await?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(answers),
    }
}

async fn as_identity(
    session: &mut PgConnection,
    facts: &Facts,
    identity: Identity,
    locks: &[(usize, Sql)],
) -> Result<BTreeMap<usize, Answer>, Error> {
    let role = &facts.roles[identity.role.unwrap_or(identity.principal)].name;
    let begin = sql!("begin transaction read only; set local statement_timeout = '60s'; set local role ", role);
    let mut answers = BTreeMap::new();
    for batch in locks.chunks(BATCH) {
        let statements: Vec<_> = batch.iter().map(|(_, lock)| Statement { sql: lock.as_str(), asks: false }).collect();
        let states = match each(session, &begin, &statements).await {
            Ok(states) => states,
            Err(error) if error.sqlstate() == Some(REFUSED) && identity.role.is_some() => {
                answers.extend(batch.iter().map(|(at, _)| (*at, Answer::Refused)));
                continue;
            }
            Err(error) => return Err(error),
        };
        for ((at, _), state) in batch.iter().zip(&states) {
            match state.as_str() {
                SUCCEEDED => drop(answers.insert(*at, Answer::Given)),
                REFUSED => drop(answers.insert(*at, Answer::Refused)),
                // locked by another, gone meanwhile: the catalog answers
                _ => {}
            }
        }
    }
    Ok(answers)
}
