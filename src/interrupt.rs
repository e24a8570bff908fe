//! A request to stop, checked between steps; a statement under way is never cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Carries a request to stop from the terminal to the work.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    requested: AtomicBool,
    /// How many acts are under way that nothing may cut in two.
    held: AtomicUsize,
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

    /// Keeps the process alive while an act is finished or reversed: until the value goes, further requests change nothing.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.0.held.fetch_add(1, Ordering::AcqRel);
        Hold(self.clone())
    }

    /// Tells whether an act is under way that must be finished or reversed first.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.held.load(Ordering::Acquire) > 0
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

/// An act under way, see [`Interrupt::hold`].
#[derive(Debug)]
pub struct Hold(Interrupt);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.held.fetch_sub(1, Ordering::AcqRel);
    }
}
