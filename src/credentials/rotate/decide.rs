//! What a rotation does next, from what it sees.

use crate::registry::credential::Phase;

/// What a rotation sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What the registry says.
    pub phase: Phase,
    /// What the sink holds.
    pub sink: Holds,
    /// Whether the phase was already `publishing` when this run began: another run was cut off there.
    pub resumed: bool,
    /// How many sessions are on the login that retires.
    pub sessions_on_old: usize,
    /// Whether the new secret has been published long enough for a client that had just read the old one.
    pub settled: bool,
    /// How long the old login may be kept for those who are still on it.
    pub grace: Grace,
    /// What this run is to do.
    pub goal: Goal,
    /// Whether this run has published a new secret.
    pub published: bool,
}

/// What the sink holds while a new secret is being published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The idle login's secret, and it logs in.
    Idle,
    /// Anything else: the active login's, nothing, or one that the server refuses.
    Other,
    /// It cannot be read back, and this run has not written to it.
    Unknown,
}

/// How long a retiring login is kept although sessions are on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// Until they have left.
    Unlimited,
    /// For some time that is not over.
    Running,
    /// The time is over.
    Over,
}

/// What a run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Publish a new secret.
    Rotate,
    /// Finish what earlier runs have begun, and no more.
    Finish,
}

/// What to do next; each act is announced in the registry before it, and can be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Write to the registry that the idle login is about to be published.
    Announce,
    /// Give the idle login a new password, try it, publish it.
    Publish,
    /// The same inside one transaction: the sink cannot tell whether it holds the idle login's last password, so that
    /// password stays good until the sink has taken the next one.
    PublishBeforeCommit,
    /// Make the published login the active one.
    Switch,
    /// Close the old login.
    Retire,
}

/// The verdict, with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Do this, and look again.
    Go(Step),
    /// Look again in a while.
    Wait(Why),
    /// End here, well.
    Done,
    /// End here, well, with the old login still open for those who are on it.
    LeftOpen,
    /// Refuse: an earlier rotation's old login is still in use.
    Refuse,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Clients that had just read the old secret.
    Settling,
    /// Sessions on the old login.
    Sessions,
}

/// Decides.
#[must_use]
pub fn decide(seen: &Seen) -> Decision {
    match seen.phase {
        Phase::Steady if seen.published || seen.goal == Goal::Finish => Decision::Done,
        Phase::Steady => Decision::Go(Step::Announce),
        Phase::Publishing => match seen.sink {
            Holds::Idle => Decision::Go(Step::Switch),
            Holds::Unknown if seen.resumed => Decision::Go(Step::PublishBeforeCommit),
            Holds::Unknown | Holds::Other => Decision::Go(Step::Publish),
        },
        Phase::Retiring if !seen.settled => Decision::Wait(Why::Settling),
        Phase::Retiring if seen.sessions_on_old == 0 || seen.grace == Grace::Over => Decision::Go(Step::Retire),
        Phase::Retiring if seen.grace == Grace::Running => Decision::Wait(Why::Sessions),
        Phase::Retiring if seen.published || seen.goal == Goal::Finish => Decision::LeftOpen,
        Phase::Retiring => Decision::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Seen = Seen {
        phase: Phase::Steady,
        sink: Holds::Other,
        resumed: false,
        sessions_on_old: 0,
        settled: true,
        grace: Grace::Unlimited,
        goal: Goal::Rotate,
        published: false,
    };

    #[test]
    fn announces_before_it_touches_anything() {
        assert_eq!(decide(&SEEN), Decision::Go(Step::Announce));
        assert_eq!(decide(&Seen { goal: Goal::Finish, ..SEEN }), Decision::Done);
        assert_eq!(decide(&Seen { published: true, ..SEEN }), Decision::Done);
    }

    #[test]
    fn a_cut_off_publication_goes_on_where_the_sink_is() {
        let seen = Seen { phase: Phase::Publishing, resumed: true, ..SEEN };
        assert_eq!(decide(&Seen { sink: Holds::Idle, ..seen }), Decision::Go(Step::Switch));
        assert_eq!(decide(&seen), Decision::Go(Step::Publish));
        assert_eq!(decide(&Seen { sink: Holds::Unknown, ..seen }), Decision::Go(Step::PublishBeforeCommit));
        assert_eq!(decide(&Seen { sink: Holds::Unknown, resumed: false, ..seen }), Decision::Go(Step::Publish));
    }

    #[test]
    fn an_old_login_in_use_is_never_closed_without_a_grace_that_is_over() {
        let seen = Seen { phase: Phase::Retiring, sessions_on_old: 1, published: true, ..SEEN };
        assert_eq!(decide(&seen), Decision::LeftOpen);
        assert_eq!(decide(&Seen { grace: Grace::Running, ..seen }), Decision::Wait(Why::Sessions));
        assert_eq!(decide(&Seen { grace: Grace::Over, ..seen }), Decision::Go(Step::Retire));
        assert_eq!(decide(&Seen { sessions_on_old: 0, ..seen }), Decision::Go(Step::Retire));
        assert_eq!(decide(&Seen { sessions_on_old: 0, settled: false, ..seen }), Decision::Wait(Why::Settling));
    }

    #[test]
    fn a_second_rotation_waits_for_the_first() {
        let seen = Seen { phase: Phase::Retiring, sessions_on_old: 1, ..SEEN };
        assert_eq!(decide(&seen), Decision::Refuse);
        assert_eq!(decide(&Seen { goal: Goal::Finish, ..seen }), Decision::LeftOpen);
    }
}
