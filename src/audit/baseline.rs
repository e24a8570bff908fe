//! Findings that a former audit told already, so that only what is new fails.

use std::collections::BTreeSet;

use serde::Deserialize;
use thiserror::Error;

use super::finding::{Finding, Report};
use crate::error::{Coded, Verdict};

/// Why a baseline cannot be used.
#[derive(Debug, Error)]
pub enum Error {
    /// It is no JSON, or lacks what an audit writes.
    #[error("the baseline is no audit in JSON")]
    NotAnAudit(#[source] serde_json::Error),
    /// It is of another format.
    #[error("the baseline is of format {found:?}, and this version reads {expected:?}")]
    OtherFormat {
        /// What it says.
        found: String,
        /// What is read.
        expected: &'static str,
    },
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NotAnAudit(_) => "baseline-not-an-audit",
            Self::OtherFormat { .. } => "baseline-other-format",
        }
    }

    fn verdict(&self) -> Verdict {
        Verdict::Invalid
    }
}

/// The fingerprints of a former audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    fingerprints: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Document {
    format: String,
    findings: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    fingerprint: String,
}

impl Baseline {
    /// Reads what `pgcleave audit --format json` wrote.
    ///
    /// # Errors
    /// The text is no such document, or of another version than `format`.
    pub fn parse(text: &str, format: &'static str) -> Result<Self, Error> {
        let document: Document = serde_json::from_str(text).map_err(Error::NotAnAudit)?;
        if document.format != format {
            return Err(Error::OtherFormat { found: document.format, expected: format });
        }
        Ok(Self { fingerprints: document.findings.into_iter().map(|row| row.fingerprint).collect() })
    }

    /// Tells whether an audit of an earlier version told a cause whole: once for each login and rule.
    fn told_earlier(&self, finding: &Finding) -> bool {
        finding.earlier_fingerprints().all(|fingerprint| self.fingerprints.contains(&fingerprint))
    }

    /// Marks the findings that the former audit told.
    pub fn apply(&self, report: &mut Report) {
        for finding in &mut report.findings {
            finding.known = self.fingerprints.contains(&finding.fingerprint()) || self.told_earlier(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_audit() {
        let code = |text: &str| Baseline::parse(text, "pgcleave.audit/1").map(|_| ()).map_err(|e| e.code());
        assert_eq!(code("{"), Err("baseline-not-an-audit"));
        assert_eq!(code(r#"{"format": "pgcleave.plan/1", "findings": []}"#), Err("baseline-other-format"));
        assert_eq!(code(r#"{"format": "pgcleave.audit/1", "findings": [{"fingerprint": "x"}]}"#), Ok(()));
    }
}
