//! PRB and WVR: what is found about the audit itself: by `audit --probe`, and of its waivers.

use super::Rule;
use crate::audit::finding::Severity;

/// What was deduced and what the server does are not the same.
pub(in crate::audit) static PRB01: Rule = Rule {
    id: "PRB01",
    title: "the server answered otherwise than deduced",
    severity: Severity::Error,
    explanation: "With --probe each claim is checked as the principal. SELECT on a table or view is tried with the weakest \
                  lock, by a temporary login that becomes the principal; for all else the server's functions answer from \
                  the catalog. Nothing is planned, since planning runs code of the object's owner. A warning: the \
                  server refused what a rule had deduced, so something else stands in the way (a view whose owner lost \
                  its rights, a change in between). An error: the server let a login through where nothing had been \
                  deduced.",
    fix: "Look at it with pgcleave why, run the audit again, and report it: a rule is missing or wrong.",
    // only the probe can find it
    check: |_, _| {},
};

/// A waiver covers nothing, or its date has passed.
pub(in crate::audit) static WVR01: Rule = Rule {
    id: "WVR01",
    title: "stale or expired waiver",
    severity: Severity::Warning,
    explanation: "A waiver accepts a finding for a reason and until a date. Past its date it covers nothing any more; one \
                  that no finding matches was forgotten, and would silently accept the next of its kind.",
    fix: "Take it out of pgcleave.yaml, or renew it with its reason.",
    // only the waivers themselves can tell
    check: |_, _| {},
};
