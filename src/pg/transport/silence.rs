//! A server that says nothing: does it work, or is it frozen?
//!
//! The system of a frozen server still acknowledges what it is sent, and a long statement is legitimate. So a connection
//! that has been silent for a while is not ended: another one is opened. Only if that gets no answer either, the server
//! does not answer.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::dial::{self, Peer};
use super::settings::{Host, Settings};

/// How long a connection may be silent before the server is asked, in seconds.
const SILENT_SECONDS: u64 = 30;

/// How long the server may take to answer then, in seconds.
const ANSWER_SECONDS: u64 = 30;

/// How long a server may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub(in crate::pg) struct Patience {
    /// How long a connection may be silent before the server is asked.
    pub(in crate::pg) silent: Duration,
    /// How long the server may take to answer.
    pub(in crate::pg) answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silent: Duration::from_secs(SILENT_SECONDS), answer: Duration::from_secs(ANSWER_SECONDS) }
    }
}

/// What has passed through a connection, as far as it matters here.
pub(super) struct Traffic {
    state: Mutex<State>,
}

struct State {
    last: Instant,
    /// How many of the client's requests have not been answered to the end.
    unanswered: u64,
    /// Whether an answer waits for the client to read it.
    delivers: bool,
}

impl Traffic {
    /// A connection begins with a request, its startup message.
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State { last: Instant::now(), unanswered: 0, delivers: false }) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Bytes went one way or the other.
    pub(super) fn moved(&self) {
        self.with(|state| state.last = Instant::now());
    }

    /// The client has sent something that the server answers with its ReadyForQuery.
    pub(super) fn asked(&self) {
        self.with(|state| state.unanswered += 1);
    }

    /// The server has sent its ReadyForQuery.
    pub(super) fn answered(&self) {
        self.with(|state| state.unanswered = state.unanswered.saturating_sub(1));
    }

    /// An answer is handed to the client, or has been.
    pub(super) fn delivers(&self, delivers: bool) {
        self.with(|state| {
            state.delivers = delivers;
            state.last = Instant::now();
        });
    }

    /// Returns since when the server has owed an answer without a sign of life.
    fn silent_since(&self) -> Option<Instant> {
        self.with(|state| (state.unanswered > 0 && !state.delivers).then_some(state.last))
    }
}

/// Ends once the server does not answer.
pub(super) async fn watch(settings: &Settings, host: &Host, peer: &Peer, traffic: &Traffic) {
    let Patience { silent, answer } = settings.patience;
    let mut asked = Instant::now();
    loop {
        let since = traffic.silent_since();
        let due = since.map_or_else(|| Instant::now() + silent, |since| since.max(asked) + silent);
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
            continue;
        }
        let answered = tokio::time::timeout(answer, dial::answers(settings, host, peer)).await.is_ok();
        // A refused connection is an answer of the system; the silent connection will break by itself, if it has to.
        if !answered && traffic.silent_since() == since {
            return;
        }
        asked = Instant::now();
    }
}
