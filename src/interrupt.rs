//! How a person's Ctrl-C reaches the work: asked for between steps, never by dropping what is under way.

use tokio::sync::watch;

/// Tells all holders of its [`Interrupt`] to stop.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// Whether the work should stop.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<bool>);

/// Makes a pair: one to pull, one to watch.
#[must_use]
pub fn channel() -> (Trigger, Interrupt) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Interrupt(receiver))
}

impl Trigger {
    /// Tells them; once is enough.
    pub fn pull(&self) {
        self.0.send_replace(true);
    }
}

impl Interrupt {
    /// Makes one that nobody will ever pull.
    #[must_use]
    pub fn never() -> Self {
        channel().1
    }

    /// Tells whether the work should stop now.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the work should stop; for ever, if nobody is left to say so.
    pub async fn wait(&mut self) {
        if self.0.wait_for(|set| *set).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
