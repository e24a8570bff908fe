//! Tries what the audit has deduced: as each principal, in read-only transactions that are rolled back.
//!
//! Statements are explained, or fail behind the check of privileges: nothing is written, no row is read, no function
//! is called, no sequence moves.

mod attempt;

use std::collections::{BTreeMap, HashMap};

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

use crate::audit::facts::Facts;
use crate::audit::facts::object::Object;
use crate::audit::facts::role::RoleId;
use crate::audit::proof::{Claim, Identity, Outcome};
use crate::ident::Ident;
use crate::pg::attempt::{SUCCEEDED, each};
use crate::pg::connect::Target;
use crate::pg::error::Error;
use crate::sql;
use crate::sql::Sql;
use attempt::Attempt;

/// How many statements one transaction tries: the locks of those that succeed may be held to its end.
const BATCH: usize = 500;

/// Logins with their secrets, by role: for principals that the administrator cannot become.
pub type Logins = BTreeMap<Ident, Target>;

/// Tries the claims; gives an outcome for each, in order.
///
/// A superuser becomes each principal; another administrator only those that it may SET ROLE to, and else logs in.
///
/// # Errors
/// The server could not be asked at all. A principal that cannot be assumed is no error but an outcome.
pub async fn prove(
    connection: &mut PgConnection,
    facts: &Facts,
    claims: &[Claim],
    logins: &Logins,
) -> Result<Vec<Outcome>, Error> {
    let columns = first_columns(connection, facts, claims).await?;
    let assumable = Assumable::find(connection, facts, claims).await?;
    let mut outcomes: Vec<Outcome> = vec![Outcome::Confirmed; claims.len()];
    let mut groups: BTreeMap<Identity, Vec<(usize, Vec<Attempt>)>> = BTreeMap::new();
    for (at, claim) in claims.iter().enumerate() {
        match attempt::of(facts, claim, &columns) {
            Ok(attempts) => groups.entry(claim.identity).or_default().push((at, attempts)),
            Err(why) => outcomes[at] = Outcome::NotTried(why),
        }
    }
    for (identity, group) in groups {
        for batch in group.chunks(BATCH) {
            let attempts: Vec<&Attempt> = batch.iter().flat_map(|(_, attempts)| attempts).collect();
            let answers = match assumable.how(facts, identity, logins) {
                Err(why) => Err(Outcome::NotTried(why)),
                Ok(How::Here(begin)) => make(connection, facts, identity, &begin, &attempts).await,
                Ok(How::Login(target)) => log_in(target, facts, identity, &attempts).await,
            };
            match answers {
                Err(outcome) => batch.iter().for_each(|(at, _)| outcomes[*at] = outcome.clone()),
                Ok(answers) => {
                    let mut answers = answers.into_iter();
                    for (at, attempts) in batch {
                        let own = attempts.iter().zip(answers.by_ref());
                        outcomes[*at] = judge(own);
                    }
                }
            }
        }
    }
    Ok(outcomes)
}

/// Puts the answers on one claim together: all its privileges must be had.
fn judge<'a>(answers: impl Iterator<Item = (&'a Attempt, Answer)>) -> Outcome {
    let (mut refused, mut untold) = (Vec::new(), None);
    for (attempt, answer) in answers {
        match answer {
            Answer::Reached => {}
            Answer::Refused => refused.push(attempt.privilege.to_string()),
            Answer::Untold(state) => untold = Some(state),
        }
    }
    match (refused.is_empty(), untold) {
        (false, _) => Outcome::Contradicted(format!("{} refused", refused.join(", "))),
        (true, Some(state)) => Outcome::NotTried(format!("the server answered {state}")),
        (true, None) => Outcome::Confirmed,
    }
}

/// Whom this session can become.
struct Assumable {
    superuser: bool,
    by_set: Vec<u32>,
}

/// How a principal is assumed.
enum How<'a> {
    /// In this session, by these statements.
    Here(Sql),
    /// In a session of its own.
    Login(&'a Target),
}

impl Assumable {
    async fn find(connection: &mut PgConnection, facts: &Facts, claims: &[Claim]) -> Result<Self, Error> {
        let me = facts.roles.find(&facts.session.role);
        let superuser = me.is_some_and(|role| facts.roles[role].superuser);
        let oids: Vec<i64> = claims.iter().map(|c| i64::from(facts.roles[c.identity.principal].oid)).collect();
        let rows = sqlx::query(include_str!("sql/may_set.sql"))
            .bind(oids)
            .fetch_all(connection)
            .await
            .map_err(|e| Error::new("read which roles can be assumed", &e))?;
        let by_set = rows.iter().filter_map(|row| u32::try_from(row.get::<i64, _>("role")).ok()).collect();
        Ok(Self { superuser, by_set })
    }

    fn how<'l>(&self, facts: &Facts, identity: Identity, logins: &'l Logins) -> Result<How<'l>, String> {
        let name = |role: RoleId| &facts.roles[role].name;
        let principal = name(identity.principal);
        let begin = sql!(
            "begin transaction read only; set local search_path = ''; set local statement_timeout = '60s'; \
             set local lock_timeout = '5s'; "
        );
        if self.superuser {
            let mut sql = sql!(begin, "set local session authorization ", principal);
            if let Some(role) = identity.role {
                sql.push(&sql!("; set local role ", name(role)));
            }
            return Ok(How::Here(sql));
        }
        if let Some(target) = logins.get(principal) {
            return Ok(How::Login(target));
        }
        if !self.by_set.contains(&facts.roles[identity.principal].oid) {
            return Err(format!("{} cannot become it, and no secret of it is at hand", facts.session.role));
        }
        // SET ROLE asks for the session's memberships, not for those of the role that was set before
        match identity.role {
            Some(_) => Err("only a session of its own can SET ROLE as it does".to_owned()),
            None => Ok(How::Here(sql!(begin, "set local role ", principal))),
        }
    }
}

/// Logs in as the principal, and tries there.
async fn log_in(
    target: &Target,
    facts: &Facts,
    identity: Identity,
    attempts: &[&Attempt],
) -> Result<Vec<Answer>, Outcome> {
    let connecting = target.connect("pgcleave audit --probe").await;
    let mut session = connecting.map_err(|error| Outcome::NotTried(format!("it could not log in: {error}")))?;
    let mut begin = sql!("begin transaction read only; set local search_path = ''; set local lock_timeout = '5s'");
    // an owner's login begins as the owner
    let role = facts.roles[identity.role.unwrap_or(identity.principal)].name.clone();
    begin.push(&sql!("; set local role ", role));
    let answers = make(&mut session, facts, identity, &begin, attempts).await;
    // the answers are there: how the session ends is of no interest
    let _ = session.close().await;
    answers
}

/// How the server answered one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Reached,
    /// For want of a privilege (42501).
    Refused,
    /// With a SQLSTATE that says nothing about privileges.
    Untold(String),
}

impl Answer {
    /// Reads what became of a statement; whatever fails later than the check of privileges has been let through.
    fn from_sqlstate(state: &str) -> Self {
        match state {
            // done and undone by ourselves; refused as a write in a read-only transaction
            SUCCEEDED | "25006" => Self::Reached,
            "42501" => Self::Refused,
            other => Self::Untold(other.to_owned()),
        }
    }
}

/// Makes the attempts as a principal; what has no statement, or whose statement told nothing, is asked.
async fn make(
    connection: &mut PgConnection,
    facts: &Facts,
    identity: Identity,
    begin: &Sql,
    attempts: &[&Attempt],
) -> Result<Vec<Answer>, Outcome> {
    let first: Vec<&str> = attempts.iter().map(|a| a.statement.as_ref().unwrap_or(&a.question).as_str()).collect();
    let failed = |error: Error| match (error.sqlstate(), identity.role) {
        (Some("42501"), Some(role)) => {
            Outcome::Contradicted(format!("SET ROLE {} refused", facts.roles[role].name.as_str()))
        }
        _ => Outcome::NotTried(error.to_string()),
    };
    let mut answers = run(connection, begin, &first).await.map_err(failed)?;
    let untold = |at: &usize| matches!(answers[*at], Answer::Untold(_)) && attempts[*at].statement.is_some();
    let again: Vec<usize> = (0..attempts.len()).filter(untold).collect();
    if !again.is_empty() {
        let questions: Vec<&str> = again.iter().map(|at| attempts[*at].question.as_str()).collect();
        let asked = run(connection, begin, &questions).await.map_err(failed)?;
        for (at, answer) in again.into_iter().zip(asked) {
            answers[at] = answer;
        }
    }
    Ok(answers)
}

/// Begins as the principal, tries, and rolls back whatever happened.
async fn run(connection: &mut PgConnection, begin: &Sql, statements: &[&str]) -> Result<Vec<Answer>, Error> {
    let states = each(connection, begin, statements).await?;
    Ok(states.iter().map(|state| Answer::from_sqlstate(state)).collect())
}

/// Reads the name of a column of each relation that is claimed: UPDATE has to name one.
async fn first_columns(
    connection: &mut PgConnection,
    facts: &Facts,
    claims: &[Claim],
) -> Result<HashMap<u32, Ident>, Error> {
    let oids = claims.iter().filter_map(|claim| match claim.object {
        Object::Relation(at) => Some(i64::from(facts.relations[at as usize].oid)),
        _ => None,
    });
    let rows = sqlx::query(include_str!("sql/first_columns.sql"))
        .bind(oids.collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(|e| Error::new("read the columns to try", &e))?;
    let named = rows.iter().filter_map(|row| {
        let name: Option<&str> = row.get("name");
        Some((u32::try_from(row.get::<i64, _>("relation")).ok()?, Ident::from_server(name?)))
    });
    Ok(named.collect())
}
