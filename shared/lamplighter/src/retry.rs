//! Retry policies.

use std::time::Duration;

/// A retry policy: when and how often a failed job is tried again.
///
/// ```
/// use lamplighter::{Retry, secs};
/// let retry = Retry::exponential(secs(5)).attempts(8);
/// assert_eq!(retry.max_attempts(), 8);
/// assert_eq!(retry.delay(1, 0.5), Some(secs(5) / 2)); // full jitter: half of 5 s
/// assert_eq!(retry.delay(8, 0.5), None); // the eighth attempt was the last
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    curve: Curve,
    attempts: u32,
}

#[derive(Debug, Clone, PartialEq)]
enum Curve {
    Exponential { base: Duration, cap: Duration },
    Fixed(Duration),
    Listed(Vec<Duration>),
    Hangfire,
}

impl Retry {
    /// The attempts of a policy that does not set their number.
    pub const DEFAULT_ATTEMPTS: u32 = 10;
    /// The longest delay of [`Retry::exponential`] unless [capped](Self::cap) otherwise.
    pub const DEFAULT_CAP: Duration = Duration::from_secs(3600);

    /// Doubles the ceiling with each attempt, from `base` up to an hour (see [`cap`](Self::cap)), and waits a random
    /// time below that ceiling ("full jitter"), so that many jobs that failed together are not retried together. Ten
    /// attempts.
    #[must_use]
    pub fn exponential(base: Duration) -> Self {
        Self { curve: Curve::Exponential { base, cap: Self::DEFAULT_CAP }, attempts: Self::DEFAULT_ATTEMPTS }
    }

    /// Waits the same time after each failure. Ten attempts.
    #[must_use]
    pub fn fixed(delay: Duration) -> Self {
        Self { curve: Curve::Fixed(delay), attempts: Self::DEFAULT_ATTEMPTS }
    }

    /// Waits `delays[0]` after the first failure, `delays[1]` after the second, and so on: one attempt more than there
    /// are delays. With more [attempts](Self::attempts) than that, the last delay repeats.
    #[must_use]
    pub fn listed(delays: impl IntoIterator<Item = Duration>) -> Self {
        let delays: Vec<_> = delays.into_iter().collect();
        let attempts = u32::try_from(delays.len()).unwrap_or(u32::MAX).saturating_add(1);
        Self { curve: Curve::Listed(delays), attempts }
    }

    /// Hangfire's curve: after failure `n`, `(n−1)⁴ + 15 + random(0..30)·n` seconds; ten retries, so eleven attempts.
    #[must_use]
    pub fn hangfire() -> Self {
        Self { curve: Curve::Hangfire, attempts: 11 }
    }

    /// Never tries again.
    #[must_use]
    pub fn never() -> Self {
        Self { curve: Curve::Fixed(Duration::ZERO), attempts: 1 }
    }

    /// Sets the most executions of the job, the first one included. At least 1.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The longest delay of an exponential policy. Other policies ignore it.
    #[must_use]
    pub fn cap(mut self, longest: Duration) -> Self {
        if let Curve::Exponential { cap, .. } = &mut self.curve {
            *cap = longest;
        }
        self
    }

    /// The most executions of the job, the first one included.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.attempts
    }

    /// The delay after attempt number `attempt` (from 1) failed, or `None` when it was the last. `unit` is one random
    /// number in `0.0..1.0`: the jitter.
    #[must_use]
    pub fn delay(&self, attempt: u32, unit: f64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let attempt = attempt.max(1);
        Some(match &self.curve {
            Curve::Exponential { .. } => self.ceiling(attempt).mul_f64(unit.clamp(0.0, 1.0)),
            Curve::Hangfire => {
                let random = (unit.clamp(0.0, 1.0) * 30.0).floor().min(29.0) as u64;
                Duration::from_secs(hangfire_floor(attempt).saturating_add(random * u64::from(attempt)))
            }
            Curve::Fixed(_) | Curve::Listed(_) => self.ceiling(attempt),
        })
    }

    /// The longest time that [`delay`](Self::delay) may return after attempt number `attempt`.
    #[must_use]
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let attempt = attempt.max(1);
        match &self.curve {
            Curve::Exponential { base, cap } => base.saturating_mul(2u32.saturating_pow(attempt - 1)).min(*cap),
            Curve::Fixed(delay) => *delay,
            Curve::Listed(delays) => {
                let index = (attempt as usize - 1).min(delays.len().saturating_sub(1));
                delays.get(index).copied().unwrap_or(Duration::ZERO)
            }
            Curve::Hangfire => Duration::from_secs(hangfire_floor(attempt).saturating_add(29 * u64::from(attempt))),
        }
    }

    /// The longest time from the first failure to the start of the last attempt, the attempts' own time not counted.
    #[must_use]
    pub fn span(&self) -> Duration {
        // Beyond some attempt every ceiling is the same: no need to add them one by one.
        let summed = self.attempts.min(200);
        let sum = (1..summed).fold(Duration::ZERO, |sum, attempt| sum.saturating_add(self.ceiling(attempt)));
        sum.saturating_add(self.ceiling(self.attempts).saturating_mul(self.attempts - summed))
    }
}

impl Default for Retry {
    /// Exponential from 15 seconds, capped at an hour, ten attempts.
    fn default() -> Self {
        Self::exponential(Duration::from_secs(15))
    }
}

fn hangfire_floor(attempt: u32) -> u64 {
    u64::from(attempt - 1).saturating_pow(4).saturating_add(15)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policies() -> impl Strategy<Value = Retry> {
        let duration = (0u64..10_000_000).prop_map(Duration::from_millis);
        prop_oneof![
            (duration.clone(), duration.clone()).prop_map(|(base, cap)| Retry::exponential(base).cap(cap)),
            duration.clone().prop_map(Retry::fixed),
            proptest::collection::vec(duration, 0..6).prop_map(Retry::listed),
            Just(Retry::hangfire()),
            Just(Retry::never()),
        ]
    }

    proptest! {
        #[test]
        fn delays_stay_below_the_ceiling_and_end_with_attempts(
            retry in policies(), attempts in 1u32..40, attempt in 0u32..60, unit in 0.0f64..1.0
        ) {
            let retry = retry.attempts(attempts);
            match retry.delay(attempt, unit) {
                Some(delay) => {
                    prop_assert!(attempt < attempts);
                    prop_assert!(delay <= retry.ceiling(attempt));
                }
                None => prop_assert!(attempt >= attempts),
            }
        }

        #[test]
        fn nothing_overflows(retry in policies(), attempt in any::<u32>(), attempts in any::<u32>(), unit in any::<f64>()) {
            let retry = retry.attempts(attempts);
            let _ = (retry.delay(attempt, unit), retry.ceiling(attempt), retry.span());
        }

        #[test]
        fn delay_grows_with_the_random_unit(retry in policies(), attempt in 1u32..30, a in 0.0f64..1.0, b in 0.0f64..1.0) {
            let retry = retry.attempts(31);
            prop_assert!(retry.delay(attempt, a.min(b)) <= retry.delay(attempt, a.max(b)));
        }
    }

    #[test]
    fn hangfire_delays_match_hangfire() {
        // Seconds after failures 1..=10 without the random part: (n-1)^4 + 15.
        let floors = [15, 16, 31, 96, 271, 640, 1311, 2416, 4111, 6576];
        let retry = Retry::hangfire();
        for (attempt, floor) in (1u32..).zip(floors) {
            assert_eq!(retry.delay(attempt, 0.0), Some(Duration::from_secs(floor)));
            let top = floor + 29 * u64::from(attempt);
            assert_eq!(retry.delay(attempt, 0.999_999), Some(Duration::from_secs(top)));
        }
        assert_eq!(retry.delay(11, 0.0), None);
    }

    #[test]
    fn full_jitter_is_spread_evenly_below_the_ceiling() {
        use crate::env::{Random, SeededRandom};
        let (retry, random) = (Retry::exponential(Duration::from_secs(8)), SeededRandom::new(11));
        let mean = (0..10_000).map(|_| retry.delay(3, random.unit()).unwrap().as_secs_f64()).sum::<f64>() / 10_000.0;
        assert!((15.5..16.5).contains(&mean), "the mean of 0..32 s was {mean}");
    }

    #[test]
    fn listed_delays_come_in_order_and_the_last_repeats() {
        let retry = Retry::listed([1, 5, 60].map(Duration::from_secs));
        assert_eq!(retry.max_attempts(), 4);
        let seconds = |retry: &Retry, attempt| retry.delay(attempt, 0.3).map(|d| d.as_secs());
        assert_eq!([1, 2, 3, 4].map(|n| seconds(&retry, n)), [Some(1), Some(5), Some(60), None]);
        assert_eq!(seconds(&retry.clone().attempts(9), 8), Some(60));
        assert_eq!(retry.span(), Duration::from_secs(66));
    }
}
