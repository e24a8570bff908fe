//! `pgcleave audit --probe`: checks what the audit has deduced.

use pgcleave::audit::facts::Facts;
use pgcleave::audit::finding::Report;
use pgcleave::audit::proof::{self, By, Index, Outcome, Proof};
use pgcleave::audit::services::Services;
use pgcleave::pg::connect::Target;
use pgcleave::probe;
use pgcleave::temporary_login::{self, Error};
use sqlx::PgConnection;

/// How many pairs without a finding are checked.
const MOST_PAIRS: usize = 2_000;

/// Checks every finding's claim and a sample of what is closed, and adds the differences to the findings.
pub(crate) async fn run(
    connection: &mut PgConnection,
    target: &Target,
    facts: &Facts,
    services: &Services,
    report: &mut Report,
) -> Result<Proof, Error> {
    let index = Index::new(facts);
    let mut proof = Proof::default();
    let (mut claims, mut of) = (Vec::new(), Vec::new());
    for finding in &report.findings {
        match proof::claim(&index, finding) {
            Ok(claim) => {
                claims.push(claim);
                of.push(finding.fingerprint());
            }
            Err(why) => drop(proof.outcomes.insert(finding.fingerprint(), Outcome::NotTried(why))),
        }
    }
    // what a killed run left is no finding of this one
    temporary_login::sweep(connection, &|_| ()).await?;
    let checked = probe::prove(connection, target, facts, &claims).await?;
    proof.outcomes.extend(of.into_iter().zip(checked.outcomes));
    proof.untried = checked.untried;

    let sample = proof::sample(facts, services, report, MOST_PAIRS);
    let checked = probe::prove(connection, target, facts, &sample.claims).await?;
    for (why, count) in checked.untried {
        *proof.untried.entry(why).or_default() += count;
    }
    let outcomes = checked.outcomes;
    proof.pairs = sample.pairs;
    proof.sampled = outcomes.iter().filter(|outcome| outcome.by().is_some()).count();
    proof.sampled_tried = outcomes.iter().filter(|outcome| outcome.by() == Some(By::Tried)).count();
    let open = sample.claims.into_iter().zip(outcomes).filter(|(_, outcome)| matches!(outcome, Outcome::Confirmed(_)));
    proof.undeduced = open.map(|(claim, _)| claim).collect();
    proof::tell(facts, report, &proof);
    Ok(proof)
}
