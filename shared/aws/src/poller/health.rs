//! The health of a poller.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lamplighter::{backend::StoreError, host::SourceHealth};
use tokio::time::Instant;

/// The values from which a poller's health is computed.
#[derive(Debug)]
pub(super) struct Gauge {
    slots: usize,
    wait: Duration,
    in_flight: AtomicUsize,
    settling: AtomicUsize,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// When the loop last turned.
    turned: Instant,
    /// When a receive last succeeded.
    reached: Option<Instant>,
    error: Option<String>,
}

/// The maximum time between two turns of the loop.
const TURN: Duration = Duration::from_secs(5);
/// A loop that has not turned for this long is stuck.
const STUCK: Duration = Duration::from_secs(60);
/// The maximum delay of a successful receive beyond the expected time.
const LATE: Duration = Duration::from_secs(30);

impl Gauge {
    pub(super) fn new(slots: usize, wait: Duration) -> Self {
        let seen = Seen { turned: Instant::now(), reached: None, error: None };
        Self { slots, wait, in_flight: AtomicUsize::new(0), settling: AtomicUsize::new(0), seen: Mutex::new(seen) }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn turn(&self) -> Duration {
        TURN
    }

    pub(super) fn turned(&self) {
        self.seen().turned = Instant::now();
    }

    pub(super) fn reached(&self) {
        let mut seen = self.seen();
        (seen.reached, seen.error) = (Some(Instant::now()), None);
    }

    pub(super) fn failed(&self, error: &StoreError) {
        self.seen().error = Some(error.to_string());
    }

    /// Counts messages as in flight until the answer is dropped.
    pub(super) fn take(&self, messages: usize) -> impl Drop + use<'_> {
        Counted::of(&self.in_flight, messages)
    }

    /// Counts a settlement as in progress until the answer is dropped.
    pub(super) fn settling(&self) -> impl Drop + use<'_> {
        Counted::of(&self.settling, 1)
    }

    pub(super) fn is_settling(&self) -> bool {
        self.settling.load(Ordering::Relaxed) > 0
    }

    pub(super) fn health(&self, name: String) -> SourceHealth {
        let seen = self.seen();
        let mut health = SourceHealth::new(name);
        health.in_flight = self.in_flight.load(Ordering::Relaxed);
        // A poller without free slots receives nothing, and is healthy.
        let is_full = health.in_flight >= self.slots;
        let is_fresh = seen.reached.is_some_and(|reached| reached.elapsed() <= self.wait + LATE);
        health.is_ready = is_fresh || (is_full && seen.reached.is_some());
        health.is_live = seen.turned.elapsed() <= STUCK;
        health.problem = seen.error.clone();
        health
    }
}

struct Counted<'a>(&'a AtomicUsize, usize);

impl<'a> Counted<'a> {
    fn of(counter: &'a AtomicUsize, count: usize) -> Self {
        counter.fetch_add(count, Ordering::Relaxed);
        Self(counter, count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}
