//! The signal with which a host stops a worker.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio_util::sync::CancellationToken;

/// The signal with which a host stops a worker, in two steps. Clones share the signal.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    draining: CancellationToken,
    aborting: CancellationToken,
    tally: Arc<Tally>,
}

/// What its workers have answered since the first step was taken.
#[derive(Debug, Default)]
struct Tally {
    ended: AtomicUsize,
    handed_back: AtomicUsize,
}

impl Stop {
    /// A signal that has not been given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// First step: start no further job, hand back jobs that have not begun, and notify the running handlers.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Second step: end jobs that still run and hand them back immediately, uncounted.
    pub fn abort(&self) {
        self.draining.cancel();
        self.aborting.cancel();
    }

    /// Returns whether the first step has been taken.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Returns whether the second step has been taken.
    #[must_use]
    pub fn is_aborting(&self) -> bool {
        self.aborting.is_cancelled()
    }

    /// Resolves when the first step is taken.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Resolves when the second step is taken.
    pub async fn aborting(&self) {
        self.aborting.cancelled().await;
    }

    /// Counts answers of a worker, once the first step has been taken.
    pub(crate) fn count(&self, ended: usize, handed_back: usize) {
        self.tally.ended.fetch_add(ended, Ordering::Relaxed);
        self.tally.handed_back.fetch_add(handed_back, Ordering::Relaxed);
    }

    /// The numbers of jobs that ended, and that were handed back, since the first step was taken.
    pub(super) fn tally(&self) -> (usize, usize) {
        (self.tally.ended.load(Ordering::Relaxed), self.tally.handed_back.load(Ordering::Relaxed))
    }
}
