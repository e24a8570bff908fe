//! PRB: what `audit --probe` tried and the server answered otherwise.

use super::Rule;
use crate::audit::finding::Severity;

/// What was deduced and what the server does are not the same.
pub(in crate::audit) static PRB01: Rule = Rule {
    id: "PRB01",
    title: "the server answered otherwise than deduced",
    severity: Severity::Error,
    explanation: "With --probe each claim is tried as the principal, in a transaction that is rolled back. A warning: the \
                  server refused what a rule had deduced, so something else stands in the way (row security that raises, \
                  an extension's hook, a change in between). An error: the server let a login through where nothing had \
                  been deduced.",
    fix: "Look at it with pgcleave why, run the audit again, and report it: a rule is missing or wrong.",
    // only the probe can find it
    check: |_, _| {},
};
