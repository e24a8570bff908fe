//! What all errors of this crate have in common.

/// How a command ended; its number is the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Done, nothing to report.
    Done = 0,
    /// Something failed on the way.
    Failed = 1,
    /// The command line or the manifests are invalid.
    Invalid = 2,
    /// Changes are pending, or blockers are left.
    Pending = 3,
    /// Findings at or above the threshold.
    Findings = 4,
    /// Refused: a hazard, drift since the plan, or a lock that another holds.
    Refused = 5,
    /// Interrupted from the terminal.
    Interrupted = 130,
}

/// An error with a stable code, listed in docs/errors.md.
pub trait Coded: std::error::Error + Send + Sync + 'static {
    /// Gives the stable kebab-case code.
    fn code(&self) -> &'static str;

    /// Gives the exit code's meaning.
    fn verdict(&self) -> Verdict {
        Verdict::Failed
    }
}
