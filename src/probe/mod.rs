//! Checks what the audit has deduced: asks the server's own functions, and tries what can be tried without running
//! anybody's code.
//!
//! Planning a statement runs functions of the object's owner before any privilege is checked, so nothing is planned.
//! SELECT on a whole relation is tried with the weakest lock, which asks for the same privilege, in a session of a
//! temporary login that is a member of the principal. Nothing is written, no row is read, no function is called.

mod held;
mod lock;

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;

use crate::audit::facts::Facts;
use crate::audit::proof::{By, Claim, Outcome};
use crate::model::privilege::Privilege;
use crate::pg::connect::Target;
use crate::temporary_login::Error;
use held::Held;
use lock::Answer;

/// What became of claims.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// The outcome of each, in order.
    pub outcomes: Vec<Outcome>,
    /// How many that a lock could try were answered from the catalog, by the reason.
    pub untried: BTreeMap<String, usize>,
}

/// Checks the claims.
///
/// # Errors
/// The server could not be asked at all, or a temporary login could not be dropped.
pub async fn prove(
    admin: &mut PgConnection,
    target: &Target,
    facts: &Facts,
    claims: &[Claim],
) -> Result<Checked, Error> {
    let held = held::ask(admin, facts, claims).await?;
    let tried = lock::attempt(admin, target, facts, claims).await?;
    let outcome = |(at, (claim, held)): (usize, (&Claim, &Held))| match tried.answers.get(&at) {
        Some(answer) => together(facts, claim, held, *answer),
        None => by_catalog(facts, claim, held),
    };
    let outcomes = claims.iter().zip(&held).enumerate().map(outcome).collect();
    Ok(Checked { outcomes, untried: tried.untried })
}

/// Puts the lock's answer and the catalog's together.
fn together(facts: &Facts, claim: &Claim, held: &Held, answer: Answer) -> Outcome {
    let is_read = claim.privileges == Privilege::Select.into();
    match (answer, held) {
        (Answer::Given, Held::All { whole: true }) if is_read => Outcome::Confirmed(By::Tried),
        // from 16 on whoever may write takes the lock too, so that it says nothing more than the catalog
        (Answer::Given, Held::Not(_)) if is_read && facts.session.major < 16 => Outcome::Confirmed(By::Tried),
        // the lock asks for the whole relation
        (Answer::Refused, Held::All { whole: false }) => by_catalog(facts, claim, held),
        (Answer::Refused, Held::All { whole: true }) => {
            Outcome::Contradicted(By::Tried, format!("{} refused", Privilege::Select))
        }
        (Answer::Refused, Held::Not(_) | Held::NoSet) => match by_catalog(facts, claim, held) {
            Outcome::Contradicted(_, why) => Outcome::Contradicted(By::Tried, why),
            other => other,
        },
        _ => by_catalog(facts, claim, held),
    }
}

/// Says what the server's functions make of a claim.
fn by_catalog(facts: &Facts, claim: &Claim, held: &Held) -> Outcome {
    match held {
        Held::All { .. } => Outcome::Confirmed(By::Catalog),
        Held::Not(missing) => {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            Outcome::Contradicted(By::Catalog, format!("{} refused", missing.join(", ")))
        }
        Held::NoSet => {
            let role = claim.identity.role.map_or("", |role| facts.roles[role].name.as_str());
            Outcome::Contradicted(By::Catalog, format!("SET ROLE {role} refused"))
        }
        Held::Unknown => Outcome::NotTried("the server has no function that tells".to_owned()),
    }
}
