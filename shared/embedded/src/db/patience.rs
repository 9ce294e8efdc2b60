//! Ends waits for a disk that does not answer.
//!
//! A lock of another process ends a call by SQLite's busy time-out. A disk that is silent ends nothing: the thread hangs
//! in the system, and nobody can wake it. So whoever waits for such a thread is told after a while. This is done by a
//! thread of its own and in real time: it works without tokio's timers, while all of its threads are blocked, and beside
//! a test's paused clock.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// How often it is looked whether somebody has waited for too long.
const TICK: Duration = Duration::from_millis(250);
/// Looks without anybody who waits, after which the thread sleeps until somebody does.
const QUIET: u32 = 8;

/// Tells those who wait that it has been long enough.
pub(crate) struct Patience {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    limit: Duration,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// In the order in which they began.
    waits: VecDeque<Arc<Together>>,
    asleep: bool,
    over: bool,
}

/// Those who began to wait within one tick: most calls are over long before, so they share what it takes to tell them.
struct Together {
    began: Instant,
    over: AtomicBool,
    tell: Notify,
}

/// Somebody who waits.
pub(crate) struct Wait(Arc<Together>);

impl Patience {
    /// Nobody waits for longer than about `limit`.
    pub(crate) fn new(limit: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { limit, state: Mutex::default(), wake: Condvar::new() });
        let watched = shared.clone();
        let thread = thread::Builder::new().name("lamplighter-patience".into()).spawn(move || watched.watch())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// How long somebody may wait.
    pub(crate) fn limit(&self) -> Duration {
        self.shared.limit
    }

    /// Somebody begins to wait.
    pub(crate) fn begin(&self) -> Wait {
        let now = Instant::now();
        let mut state = self.shared.state();
        let together = match state.waits.back() {
            Some(last) if now.saturating_duration_since(last.began) < TICK => last.clone(),
            _ => {
                let new = Arc::new(Together { began: now, over: AtomicBool::new(false), tell: Notify::new() });
                state.waits.push_back(new.clone());
                new
            }
        };
        if std::mem::take(&mut state.asleep) {
            self.shared.wake.notify_one();
        }
        drop(state);
        Wait(together)
    }
}

impl Wait {
    /// Resolves when it has been long enough.
    pub(crate) async fn over(&mut self) {
        // The watch begins before the look.
        let told = self.0.tell.notified();
        if !self.0.over.load(Ordering::Acquire) {
            told.await;
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let mut quiet = 0;
        let mut state = self.state();
        while !state.over {
            while let Some(first) = state.waits.front() {
                // Until its tick is over somebody may join, and then has waited for less than the first.
                let age = first.began.elapsed();
                if age < TICK || (age < self.limit + TICK && Arc::strong_count(first) > 1) {
                    break;
                }
                first.over.store(true, Ordering::Release);
                first.tell.notify_waiters();
                state.waits.pop_front();
            }
            quiet = if state.waits.is_empty() { quiet + 1 } else { 0 };
            state = if quiet > QUIET {
                state.asleep = true;
                self.wake.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                let tick = TICK.min(self.limit);
                self.wake.wait_timeout(state, tick).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        self.shared.state().over = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // It does nothing but look at a map.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_who_wait_are_told_after_the_limit_and_not_before_also_after_a_long_quiet_time() {
        let limit = Duration::from_millis(30);
        let patience = Patience::new(limit).unwrap();
        for asleep in [false, true] {
            while asleep && !patience.shared.state().asleep {
                tokio::task::yield_now().await;
            }
            let began = Instant::now();
            let mut wait = patience.begin();
            wait.over().await;
            assert!(began.elapsed() >= limit);
        }
        drop(patience.begin());
        while !patience.shared.state().waits.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}
