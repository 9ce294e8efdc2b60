//! The clock of an engine's life: it follows tokio's timer, goes on in the next life, and is set by hand.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread::ThreadId,
    time::Duration,
};

use lamplighter::{
    Timestamp,
    env::{Clock, Env, SeededRandom},
};
use tokio::{sync::Notify, time::Instant};

/// When every simulation begins: the first second of 2027.
const START: i64 = 1_798_761_600;

/// What goes on from one life to the next.
pub(super) struct Clockwork {
    seed: u64,
    /// Milliseconds that earlier lives have taken, and by how many the clock is ahead.
    before: AtomicU64,
    ahead: Arc<AtomicI64>,
    wall: Mutex<Option<Wall>>,
}

/// The clock on the wall in one life.
#[derive(Clone)]
pub(crate) struct Wall {
    seed: u64,
    before: u64,
    ahead: Arc<AtomicI64>,
    origin: Instant,
    death: Death,
}

impl Clockwork {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, before: AtomicU64::new(0), ahead: Arc::default(), wall: Mutex::new(None) }
    }

    /// Begins a life, inside of its runtime.
    pub(super) fn start(&self, death: &Death) -> Wall {
        let before = self.before.load(Ordering::Relaxed);
        let wall =
            Wall { seed: self.seed, before, ahead: self.ahead.clone(), origin: Instant::now(), death: death.clone() };
        *self.wall.lock().unwrap_or_else(PoisonError::into_inner) = Some(wall.clone());
        wall
    }

    /// Ends a life; the next one begins a second later.
    pub(super) fn stop(&self) {
        if let Some(at) = self.wall.lock().unwrap_or_else(PoisonError::into_inner).take().map(|wall| wall.last()) {
            self.before.store(at + 1000, Ordering::Relaxed);
        }
    }
}

impl Wall {
    /// Milliseconds since the beginning of the first life.
    pub(crate) fn now(&self) -> u64 {
        // Outside of the runtime, tokio's timer shows the machine's time.
        if tokio::runtime::Handle::try_current().is_err() {
            return self.last();
        }
        let now = self.before + u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(0);
        self.death.last.fetch_max(now, Ordering::Relaxed).max(now)
    }

    fn last(&self) -> u64 {
        self.death.last.load(Ordering::Relaxed).max(self.before)
    }

    /// Sets the clock to be so many milliseconds ahead of the right time.
    pub(super) fn set(&self, ahead: i64) {
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    pub(super) fn env(&self) -> Env {
        // Another life draws other numbers.
        let random = SeededRandom::new(self.seed ^ self.before.rotate_left(40));
        Env { clock: Arc::new(self.clone()), random: Arc::new(random) }
    }
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        self.death.reads();
        let start = Timestamp::from_second(START).unwrap_or(Timestamp::UNIX_EPOCH);
        let ahead = self.ahead.load(Ordering::Relaxed);
        let step = Duration::from_millis(ahead.unsigned_abs());
        let right = start + Duration::from_millis(Self::now(self));
        if ahead < 0 { right - step } else { right + step }
    }
}

/// The moment at which a life ends, counted in events.
#[derive(Clone)]
pub(crate) struct Death {
    handlers: Arc<AtomicU64>,
    readings: Arc<AtomicU64>,
    now: Arc<Notify>,
    /// The last moment that was seen.
    last: Arc<AtomicU64>,
    /// The thread of the engine's tasks. How often the one that writes reads the clock depends on how fast it is.
    thread: ThreadId,
}

impl Death {
    fn after(handlers: u64, readings: u64) -> Self {
        Self {
            handlers: Arc::new(AtomicU64::new(handlers)),
            readings: Arc::new(AtomicU64::new(readings)),
            now: Arc::default(),
            last: Arc::default(),
            thread: std::thread::current().id(),
        }
    }

    pub(super) fn none() -> Self {
        Self::after(0, 0)
    }

    pub(super) fn by_handler(nth: u64) -> Self {
        Self::after(nth, 0)
    }

    pub(super) fn by_reading(nth: u64) -> Self {
        Self::after(0, nth)
    }

    /// A handler begins or ends.
    pub(super) fn handler(&self) {
        self.count(&self.handlers);
    }

    fn reads(&self) {
        if std::thread::current().id() == self.thread {
            self.count(&self.readings);
        }
    }

    fn count(&self, left: &AtomicU64) {
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if before == Ok(1) {
            self.now.notify_one();
        }
    }

    /// Resolves when the life ends.
    pub(super) async fn comes(&self) {
        self.now.notified().await;
    }
}
