//! How a host tells a worker to come to an end.

use tokio_util::sync::CancellationToken;

/// How a host tells a worker to come to an end, in two steps. Clones tell the same worker.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    draining: CancellationToken,
    aborting: CancellationToken,
}

impl Stop {
    /// Nothing to stop yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// First step: begin no further job, hand back what has not begun, and tell the running handlers.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Second step: end what still runs and hand it back at once, uncounted.
    pub fn abort(&self) {
        self.draining.cancel();
        self.aborting.cancel();
    }

    /// Whether the first step has been taken.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Whether the second step has been taken.
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
}
