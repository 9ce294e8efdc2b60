//! Ends waits for a disk that does not answer.
//!
//! SQLite's busy time-out ends a wait for another process's lock. Nothing ends a wait for a silent disk: the thread
//! hangs in the system and cannot be woken. So the callers that wait for such a thread are notified after a while. A
//! separate thread does this in real time: it works without tokio's timers, while all of tokio's threads are blocked,
//! and during a test with a paused clock.

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

/// The interval at which waits are checked.
const TICK: Duration = Duration::from_millis(250);
/// The number of checks without a wait after which the thread sleeps until the next wait.
const QUIET: u32 = 8;

/// Notifies callers that have waited for too long.
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
    waits: VecDeque<Arc<WaitGroup>>,
    asleep: bool,
    over: bool,
}

/// The waits that began within one tick: most calls end long before the limit, so they share one notification.
struct WaitGroup {
    began: Instant,
    over: AtomicBool,
    notify: Notify,
}

/// A caller's wait.
pub(crate) struct Wait(Arc<WaitGroup>);

impl Patience {
    /// Ends every wait after about `limit`.
    pub(crate) fn new(limit: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { limit, state: Mutex::default(), wake: Condvar::new() });
        let watched = shared.clone();
        let thread = thread::Builder::new().name("lamplighter-patience".into()).spawn(move || watched.watch())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The longest wait.
    pub(crate) fn limit(&self) -> Duration {
        self.shared.limit
    }

    /// Begins a wait.
    pub(crate) fn begin(&self) -> Wait {
        let now = Instant::now();
        let mut state = self.shared.state();
        let group = match state.waits.back() {
            Some(last) if now.saturating_duration_since(last.began) < TICK => last.clone(),
            _ => {
                let new = Arc::new(WaitGroup { began: now, over: AtomicBool::new(false), notify: Notify::new() });
                state.waits.push_back(new.clone());
                new
            }
        };
        if std::mem::take(&mut state.asleep) {
            self.shared.wake.notify_one();
        }
        drop(state);
        Wait(group)
    }
}

impl Wait {
    /// Resolves when the wait has reached the limit.
    pub(crate) async fn over(&mut self) {
        // Registered before the check, so that no notification is missed.
        let notified = self.0.notify.notified();
        if !self.0.over.load(Ordering::Acquire) {
            notified.await;
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
                // Until its tick is over, other waits may join; they are shorter than the first.
                let age = first.began.elapsed();
                if age < TICK || (age < self.limit + TICK && Arc::strong_count(first) > 1) {
                    break;
                }
                first.over.store(true, Ordering::Release);
                first.notify.notify_waiters();
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
            // The thread only reads a map.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_end_at_the_limit_even_after_an_idle_time() {
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
