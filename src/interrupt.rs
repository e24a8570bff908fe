//! A request to stop, checked between steps; a statement under way is never cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Carries a request to stop from the terminal to the work.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks the work to stop at its next step.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tells whether the work should stop.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
