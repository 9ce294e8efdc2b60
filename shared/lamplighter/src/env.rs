//! The clock and the randomness that the core uses. Tests control both.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

/// A source of the current time.
pub trait Clock: Send + Sync + 'static {
    /// The current moment.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that starts at a given moment and then follows tokio's timer, paused time included: a test that pauses
/// and advances tokio's time moves this clock with it.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    start: Timestamp,
    origin: Instant,
}

impl TokioClock {
    /// A clock that shows `start` now. Call it inside the runtime whose time it is to follow.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, origin: Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.start.saturating_add(self.origin.elapsed()).unwrap_or(Timestamp::MAX)
    }
}

/// A source of randomness for ids, lease owners and jitter. Not for secrets.
pub trait Random: Send + Sync + 'static {
    /// 64 uniformly distributed bits.
    fn next_u64(&self) -> u64;

    /// A number in `0.0..1.0`, uniformly distributed.
    fn unit(&self) -> f64 {
        // 53 bits are what an f64 can hold exactly.
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The process's own generator, seeded by the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn next_u64(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// A generator that returns the same numbers for the same seed.
#[derive(Debug)]
pub struct SeededRandom(Mutex<fastrand::Rng>);

impl SeededRandom {
    /// A generator for `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Random for SeededRandom {
    fn next_u64(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).u64(..)
    }
}

/// A [`Clock`] and a source of [`Random`] numbers, passed to everything that needs either.
#[derive(Clone)]
pub struct Env {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random numbers.
    pub random: Arc<dyn Random>,
}

impl Env {
    /// The machine's clock and the process's random numbers.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) }
    }

    /// A clock that starts at `start` and follows tokio's timer, and random numbers made from `seed`.
    #[must_use]
    pub fn driven(start: Timestamp, seed: u64) -> Self {
        Self { clock: Arc::new(TokioClock::starting_at(start)), random: Arc::new(SeededRandom::new(seed)) }
    }

    /// A clock that stands still at `at`, and random numbers made from `seed`.
    #[must_use]
    pub fn seeded(at: Timestamp, seed: u64) -> Self {
        Self { clock: Arc::new(FixedClock(at)), random: Arc::new(SeededRandom::new(seed)) }
    }

    /// The current moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time from now until `moment`; zero when it has passed.
    #[must_use]
    pub fn until(&self, moment: Timestamp) -> Duration {
        Duration::try_from(moment.duration_since(self.now())).unwrap_or(Duration::ZERO)
    }
}

impl Default for Env {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("now", &self.now()).finish_non_exhaustive()
    }
}

struct FixedClock(Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_driven_clock_follows_paused_time() {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let env = Env::driven(start, 1);
        tokio::time::advance(Duration::from_secs(7200)).await;
        assert_eq!(env.now(), start + Duration::from_secs(7200));
        assert_eq!(env.until(start), Duration::ZERO);
        assert_eq!(env.until(start + Duration::from_secs(7260)), Duration::from_secs(60));
    }

    #[test]
    fn unit_numbers_stay_below_one_and_repeat_for_a_seed() {
        let (a, b) = (SeededRandom::new(3), SeededRandom::new(3));
        for _ in 0..1000 {
            let number = a.unit();
            assert!((0.0..1.0).contains(&number));
            assert_eq!(number, b.unit());
        }
    }
}
