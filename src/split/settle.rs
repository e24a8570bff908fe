//! What two records mean together, and what a change of sides that was cut off leads to. Pure.

use super::state::{Phase, Split, Step};

/// Picks the newer of both records; `None` where there is none.
///
/// # Errors
/// They are of different splits that are both under way.
pub(super) fn newest(source: Option<Split>, target: Option<Split>) -> Result<Option<Split>, String> {
    let over = |split: &Split| matches!(split.phase, Phase::Aborted | Phase::Finished);
    match (source, target) {
        (Some(a), Some(b)) if a.id == b.id => Ok(Some(if b.revision > a.revision { b } else { a })),
        (Some(a), Some(b)) if over(&b) => Ok(Some(a)),
        (Some(a), Some(b)) if over(&a) => Ok(Some(b)),
        (Some(a), Some(b)) => {
            Err(format!("the two databases know different splits of service {}: {} and {}", a.service, a.id, b.id))
        }
        (one, other) => Ok(one.or(other)),
    }
}

/// What to do first about a split that was left in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// No change of sides is under way.
    Steady,
    /// The new side was never opened: the old one is opened again.
    Reopen,
    /// The new side is open: there is only forward.
    Forward(Step),
}

/// Judges the newest record.
pub(super) fn settle(split: &Split) -> Settled {
    let Some(turn) = split.turn.as_ref().filter(|_| matches!(split.phase, Phase::Fenced | Phase::Switched)) else {
        return Settled::Steady;
    };
    match turn.step {
        Step::Fencing | Step::Closed => Settled::Reopen,
        step @ (Step::Opened | Step::Routed | Step::Turned) => Settled::Forward(step),
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::{Side, Turn, example};
    use super::*;

    fn split(id: &str, revision: i64, phase: Phase, step: Option<Step>) -> Split {
        let turn = step.map(|step| Turn { step, ..Turn::begin(Side::Target) });
        Split { id: id.to_owned(), revision, phase, turn, ..example() }
    }

    #[test]
    fn the_side_that_was_written_last_tells() {
        let (a, b) = (split("a", 2, Phase::Ready, None), split("a", 3, Phase::Fenced, None));
        assert_eq!(newest(Some(a.clone()), Some(b.clone())), Ok(Some(b.clone())));
        assert_eq!(newest(Some(b.clone()), Some(a.clone())), Ok(Some(b)));
        assert_eq!(newest(None, Some(a.clone())), Ok(Some(a)));
        assert_eq!(newest(None, None), Ok(None));
    }

    #[test]
    fn an_ended_split_gives_way_and_a_running_one_does_not() {
        let (a, b) = (split("a", 9, Phase::Aborted, None), split("b", 1, Phase::Prepared, None));
        assert_eq!(newest(Some(a), Some(b.clone())), Ok(Some(b.clone())));
        assert!(newest(Some(split("a", 9, Phase::Ready, None)), Some(b)).is_err());
    }

    #[test]
    fn only_an_opened_side_leads_forward() {
        let settled = |phase, step| settle(&split("a", 1, phase, Some(step)));
        assert_eq!(settled(Phase::Fenced, Step::Fencing), Settled::Reopen);
        assert_eq!(settled(Phase::Fenced, Step::Closed), Settled::Reopen);
        assert_eq!(settled(Phase::Switched, Step::Opened), Settled::Forward(Step::Opened));
        assert_eq!(settled(Phase::Reversed, Step::Turned), Settled::Steady);
    }
}
