//! A clock that runs ahead of the machine's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lamplighter::{
    Timestamp,
    env::{Clock, Env},
};

/// The machine's clock, plus the time that a test has let pass.
#[derive(Debug, Clone, Default)]
pub struct Ahead(Arc<AtomicU64>);

impl Ahead {
    /// Returns an environment with this clock.
    #[must_use]
    pub fn env(&self) -> Env {
        Env { clock: Arc::new(self.clone()), ..Env::system() }
    }

    /// Advances it by this time, in whole milliseconds.
    pub fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_millis().try_into().unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        let ahead = Duration::from_millis(self.0.load(Ordering::SeqCst));
        Timestamp::now().saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }
}
