//! `pgcleave audit --probe`: tries what the audit has deduced.

use pgcleave::audit::facts::Facts;
use pgcleave::audit::finding::Report;
use pgcleave::audit::proof::{self, Index, Outcome, Proof};
use pgcleave::audit::services::Services;
use pgcleave::credentials::sink::Sink;
use pgcleave::manifest::service::Project;
use pgcleave::pg::connect::Target;
use pgcleave::pg::error::Error;
use pgcleave::probe::{self, Logins};
use sqlx::PgConnection;

/// How many pairs without a finding are tried.
const MOST_PAIRS: usize = 2_000;

/// Tries every finding's claim and a sample of what is closed, and adds the differences to the findings.
pub(crate) async fn run(
    connection: &mut PgConnection,
    facts: &Facts,
    services: &Services,
    logins: &Logins,
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
    let outcomes = probe::prove(connection, facts, &claims, logins).await?;
    proof.outcomes.extend(of.into_iter().zip(outcomes));

    let sample = proof::sample(facts, services, report, MOST_PAIRS);
    let outcomes = probe::prove(connection, facts, &sample.claims, logins).await?;
    proof.pairs = sample.pairs;
    proof.sampled = outcomes.iter().filter(|outcome| !matches!(outcome, Outcome::NotTried(_))).count();
    let open = sample.claims.into_iter().zip(outcomes).filter(|(_, outcome)| *outcome == Outcome::Confirmed);
    proof.undeduced = open.map(|(claim, _)| claim).collect();
    proof::tell(facts, report, &proof);
    Ok(proof)
}

/// Reads the secrets of the project's credentials, where the sink can be read; what is missing is left out.
pub(crate) async fn logins(project: Option<&Project>, target: &Target) -> Logins {
    let mut logins = Logins::new();
    let Some(project) = project else { return logins };
    let sink = Sink::new(&project.secrets, &project.root, &project.naming);
    for (name, service) in &project.services {
        for credential in service.credentials.keys() {
            if let Ok(Some(secret)) = sink.read(name.as_str(), credential).await {
                logins.insert(secret.role.clone(), target.with_login(&secret.role, &secret.password));
            }
        }
    }
    logins
}
