//! A histogram of durations.

use std::{collections::BTreeMap, time::Duration};

/// How many durations were of which length, in buckets that are the same everywhere: histograms of several minutes or
/// machines can be merged without loss.
///
/// Up to 16 µs, buckets are a microsecond wide; beyond, a sixteenth of the power of two that they begin with. So a
/// [quantile](Self::quantile) is at most 3.2 percent off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// The counts of the buckets that have any.
    counts: BTreeMap<u16, u64>,
}

/// Buckets of each power of two.
const PARTS: u64 = 16;
/// The bits of a number below it.
const BITS: u32 = PARTS.trailing_zeros();

impl Histogram {
    /// The number of buckets: the last one has the longest durations that microseconds in 64 bits can express, half a
    /// million years.
    pub const BUCKETS: u16 = (65 - BITS as u16) * PARTS as u16;

    /// Adds a duration.
    pub fn record(&mut self, duration: Duration) {
        *self.counts.entry(bucket(duration)).or_default() += 1;
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            let sum = self.counts.entry(*bucket).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// How many durations it has counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The duration below which this part of them is, by the nearest rank: `0.5` is the median. `None` while there are none.
    /// A part below 0 is 0, and one above 1 is 1.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        // A count beyond 2^53 loses its last digits, which no quantile shows.
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "above"
        )]
        let rank = ((part.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen: u64 = 0;
        for (bucket, in_it) in &self.counts {
            seen = seen.saturating_add(*in_it);
            if seen >= rank {
                return Some(middle(*bucket));
            }
        }
        None
    }

    /// The buckets that have any durations, shortest first, each with their number.
    pub fn buckets(&self) -> impl Iterator<Item = (u16, u64)> {
        self.counts.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// A histogram of these [buckets](Self::buckets). Those beyond [`BUCKETS`](Self::BUCKETS) are left out.
    pub fn from_buckets(buckets: impl IntoIterator<Item = (u16, u64)>) -> Self {
        let mut histogram = Self::default();
        for (bucket, count) in buckets {
            if bucket < Self::BUCKETS && count > 0 {
                let sum = histogram.counts.entry(bucket).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        histogram
    }
}

/// The bucket of a duration.
fn bucket(duration: Duration) -> u16 {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let power = (micros | 1).ilog2().max(BITS) - BITS;
    let number = u64::from(power) * PARTS + (micros >> power);
    u16::try_from(number).unwrap_or(Histogram::BUCKETS - 1)
}

/// The duration in the middle of a bucket.
fn middle(bucket: u16) -> Duration {
    let number = u64::from(bucket);
    if number < PARTS {
        return Duration::from_micros(number);
    }
    let power = number / PARTS - 1;
    let low = (number - power * PARTS) << power;
    Duration::from_micros(low + (1_u64 << power) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(n: u64) -> Duration {
        Duration::from_micros(n)
    }

    #[test]
    fn buckets_are_in_order_without_a_gap() {
        let mut last = 0;
        for n in 0..100_000 {
            let now = bucket(micros(n));
            assert!(now == last || now == last + 1, "{n}");
            last = now;
        }
        assert_eq!(bucket(micros(u64::MAX)), Histogram::BUCKETS - 1);
        assert_eq!(bucket(Duration::MAX), Histogram::BUCKETS - 1);
    }

    #[test]
    fn a_quantile_is_at_most_three_percent_off() {
        for power in 0..63 {
            for part in 0..37 {
                let n = (1_u64 << power) + ((1_u64 << power) / 37) * part;
                let mut histogram = Histogram::default();
                histogram.record(micros(n));
                let found = u64::try_from(histogram.quantile(0.5).unwrap().as_micros()).unwrap();
                assert!(found.abs_diff(n) <= n / 31, "{n}: {found}");
            }
        }
    }

    #[test]
    fn quantiles_are_by_the_nearest_rank() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.quantile(0.5), histogram.count()), (None, 0));
        for n in 1..=10 {
            histogram.record(micros(n));
        }
        let at = |part| histogram.quantile(part).unwrap();
        assert_eq!((at(0.0), at(0.1), at(0.5)), (micros(1), micros(1), micros(5)));
        assert_eq!((at(0.51), at(0.99), at(1.0)), (micros(6), micros(10), micros(10)));
        assert_eq!((at(-1.0), at(7.0), at(f64::NAN)), (micros(1), micros(10), micros(1)));
    }

    #[test]
    fn merged_histograms_are_as_one() {
        let (mut one, mut other, mut all) = (Histogram::default(), Histogram::default(), Histogram::default());
        for n in 0..1000_u64 {
            let duration = micros(n * n * 13);
            let part = if n % 3 == 0 { &mut one } else { &mut other };
            part.record(duration);
            all.record(duration);
        }
        one.merge(&other);
        assert_eq!(one, all);
        assert_eq!(Histogram::from_buckets(all.buckets()), all);
    }

    #[test]
    fn numbers_from_elsewhere_break_nothing() {
        let odd = [(u16::MAX, 3), (5, 0), (7, u64::MAX), (7, 2), (Histogram::BUCKETS - 1, u64::MAX)];
        let mut histogram = Histogram::from_buckets(odd);
        histogram.merge(&histogram.clone());
        assert_eq!(histogram.count(), u64::MAX);
        assert_eq!(histogram.quantile(0.5), Some(micros(7)));
        assert!(histogram.quantile(1.0).unwrap() >= micros(7));
    }
}
