//! The audit against real servers: every leak of the zoo, the closure against the server's own answer, odd names.

mod cause;
mod closure;
mod command;
mod couplings;
mod hostile;
mod outputs;
mod own_objects;
mod quiet;
mod schema;
mod zoo;

use pgcleave::audit::facts::Facts;
use pgcleave::audit::finding::Finding;
use pgcleave::audit::services::Services;
use pgcleave::audit::{self, Options};
use sqlx::PgConnection;

/// Reads the facts of a database.
async fn facts(connection: &mut PgConnection) -> Facts {
    pgcleave::catalog::facts::read(connection).await.expect("the catalogs can be read")
}

/// Judges a database without manifests.
async fn findings(connection: &mut PgConnection) -> Vec<Finding> {
    audit::run(&facts(connection).await, &Services::inferred(), &Options::default()).findings
}

/// Tells whether a rule has told of a principal and an object.
fn tells(findings: &[Finding], rule: &str, principal: &str, object: &str) -> bool {
    findings.iter().any(|f| f.rule == rule && f.principal == principal && f.object == object)
}
