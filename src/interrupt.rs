//! A request to stop, checked between steps; a statement under way is never cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Carries a request to stop from the terminal to the work.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    requested: AtomicBool,
    told: Notify,
}

impl Interrupt {
    /// Asks the work to stop at its next step.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::Release);
        self.0.told.notify_waiters();
    }

    /// Tells whether the work should stop.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.0.requested.load(Ordering::Acquire)
    }

    /// Waits until the work should stop.
    pub async fn wait(&self) {
        let mut told = std::pin::pin!(self.0.told.notified());
        // Whoever asks after this line wakes us, whoever asked before it is seen by the next.
        told.as_mut().enable();
        if !self.requested() {
            told.await;
        }
    }
}
