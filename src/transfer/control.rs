//! What all workers share: how far they are, how fast they may go, and whether they should stop.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::error::Error;
use crate::event::{Event, Listener};
use crate::interrupt::Interrupt;

/// How often progress is told, in milliseconds.
const TELL_MILLIS: u64 = 250;
/// How long workers that wait for the server have to stop by themselves after the first failure, in seconds.
const GRACE_SECONDS: u64 = 5;

/// How far behind the allowed speed may be made up for.
const CREDIT: Duration = Duration::from_millis(10);

/// What all workers of one run share.
#[derive(Debug)]
pub struct Control {
    interrupt: Interrupt,
    failed: AtomicBool,
    bytes: AtomicU64,
    rows: AtomicU64,
    /// What was reckoned for the pieces that are done, in bytes, and what they had.
    reckoned: AtomicU64,
    had: AtomicU64,
    rate: Option<Rate>,
}

/// A limit on bytes a second; a worker that was too fast sleeps.
#[derive(Debug)]
struct Rate {
    bytes_per_second: u64,
    /// When the bytes passed so far would have passed at the allowed speed.
    due: Mutex<Option<Instant>>,
}

impl Control {
    /// Starts a run.
    #[must_use]
    pub fn new(interrupt: Interrupt, max_bytes_per_second: Option<u64>) -> Arc<Self> {
        let rate = max_bytes_per_second.map(|limit| Rate { bytes_per_second: limit.max(1), due: Mutex::new(None) });
        Arc::new(Self {
            interrupt,
            failed: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            reckoned: AtomicU64::new(0),
            had: AtomicU64::new(0),
            rate,
        })
    }

    /// Stops whoever should not go on.
    ///
    /// # Errors
    /// Somebody asked to stop, or another worker failed.
    pub fn check(&self) -> Result<(), Error> {
        if self.interrupt.requested() {
            return Err(Error::Interrupted);
        }
        if self.failed.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Makes all others stop, since this one has failed.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Counts what has passed, and sleeps if that was too fast.
    ///
    /// # Errors
    /// As [`Control::check`].
    pub async fn passed(&self, bytes: usize, rows: u64) -> Result<(), Error> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        if let Some(rate) = &self.rate {
            rate.pass(bytes).await;
        }
        self.check()
    }

    /// Takes back what has passed of a piece that starts anew, so that progress counts it once.
    pub fn take_back(&self, bytes: u64) {
        let left = |passed: u64| Some(passed.saturating_sub(bytes));
        let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
    }

    /// Says that a piece is done, for which so many bytes were reckoned, and which had so many: from that, what is left is
    /// reckoned anew.
    pub fn done(&self, reckoned: u64, had: u64) {
        self.reckoned.fetch_add(reckoned, Ordering::Relaxed);
        self.had.fetch_add(had, Ordering::Relaxed);
    }

    /// Gives about how many bytes there are in all, of which so many were reckoned at first.
    fn total(&self, reckoned_at_first: u64) -> u64 {
        let (reckoned, had) = (self.reckoned.load(Ordering::Relaxed), self.had.load(Ordering::Relaxed));
        let left = reckoned_at_first.saturating_sub(reckoned);
        let left = u128::from(left) * u128::from(had) / u128::from(reckoned.max(1));
        if reckoned == 0 { reckoned_at_first } else { had + u64::try_from(left).unwrap_or(0) }
    }

    /// Tells whether there is a limit on bytes a second.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.rate.is_some()
    }

    /// Gives the rows that have passed so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Gives the bytes that have passed so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Runs workers at once until all have ended; after the first failure the others stop at their next batch.
    ///
    /// # Errors
    /// The first failure.
    ///
    /// # Panics
    /// When a worker does.
    pub async fn run<T, F>(self: &Arc<Self>, step: &Step<'_>, workers: Vec<F>) -> Result<Vec<T>, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let mut running = JoinSet::new();
        for worker in workers {
            let control = Arc::clone(self);
            running.spawn(async move {
                let result = worker.await;
                if result.is_err() {
                    control.fail();
                }
                result
            });
        }
        let (mut done, mut failure) = (Vec::new(), None);
        let mut stopping: Option<Instant> = None;
        loop {
            if self.check().is_err() {
                let since = *stopping.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_secs(GRACE_SECONDS) {
                    // Their connections go with them.
                    running.abort_all();
                }
            }
            let ended = tokio::time::timeout(Duration::from_millis(TELL_MILLIS), running.join_next()).await;
            (step.listener)(self.progress(step));
            match ended {
                Err(_) => {}
                Ok(None) => break,
                Ok(Some(Ok(Ok(value)))) => done.push(value),
                Ok(Some(Ok(Err(error)))) => {
                    if matches!(failure, None | Some(Error::Stopped)) {
                        failure = Some(error);
                    }
                }
                Ok(Some(Err(error))) if error.is_cancelled() => {
                    failure.get_or_insert(if self.interrupt.requested() { Error::Interrupted } else { Error::Stopped });
                }
                Ok(Some(Err(error))) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        failure.map_or(Ok(done), Err)
    }

    fn progress(&self, step: &Step<'_>) -> Event {
        Event::Progress {
            service: Some(step.service.to_owned()),
            step: step.step.to_owned(),
            bytes: self.bytes(),
            total_bytes: self.total(step.total_bytes),
            rows: self.rows(),
        }
    }
}

/// What is told while workers run.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// The service or schema.
    pub service: &'a str,
    /// What is being done.
    pub step: &'a str,
    /// About how many bytes there are.
    pub total_bytes: u64,
    /// Whoever listens.
    pub listener: Listener<'a>,
}

impl Rate {
    async fn pass(&self, bytes: u64) {
        let wait = {
            let mut due = self.due.lock().await;
            let next = self.next(*due, Instant::now(), bytes);
            *due = Some(next);
            next
        };
        tokio::time::sleep_until(wait).await;
    }

    /// Tells when so many bytes more will have passed at the allowed speed.
    fn next(&self, due: Option<Instant>, now: Instant, bytes: u64) -> Instant {
        // Little credit for the time before: timers are coarse, but a pause is not made up for by a burst.
        let from = due.map_or(now, |due| due.max(now.checked_sub(CREDIT).unwrap_or(now)));
        let micros = u128::from(bytes) * 1_000_000 / u128::from(self.bytes_per_second);
        from + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_reckoned_by_what_the_pieces_had_that_are_done() {
        let control = Control::new(Interrupt::default(), None);
        assert_eq!(control.total(1_000_000), 1_000_000, "nothing is known yet");
        // Thousands of tables of one row take far more on disk than their rows do.
        control.done(250_000, 1_000);
        assert_eq!(control.total(1_000_000), 4_000);
        control.done(750_000, 3_000_000);
        assert_eq!(control.total(1_000_000), 3_001_000, "all is done");
        assert_eq!(control.total(900_000), 3_001_000, "more was done than reckoned");
    }

    #[test]
    fn what_a_timer_overslept_is_made_up_for_and_a_pause_is_not() {
        let rate = Rate { bytes_per_second: 1_000_000, due: Mutex::default() };
        let (start, millis) = (Instant::now() + Duration::from_secs(60), Duration::from_millis);
        assert_eq!(rate.next(None, start, 3_000), start + millis(3), "nothing is owed at first");
        let due = Some(start);
        assert_eq!(rate.next(due, start + millis(1), 3_000), start + millis(3), "overslept by 1 ms");
        assert_eq!(rate.next(due, start + millis(1_000), 3_000), start + millis(993), "a second's pause");
        assert_eq!(rate.next(due, start - millis(5), 3_000), start + millis(3), "too fast by 5 ms");
    }
}
