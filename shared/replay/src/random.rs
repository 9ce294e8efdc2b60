//! Random numbers that are the same on every machine and in every version: the year of a seed must not change.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns another source, for another purpose.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, part: f64) -> bool {
        self.unit() < part
    }

    /// Returns a number in `from..to`, evenly distributed.
    pub(crate) fn between(&mut self, (from, to): (u64, u64)) -> u64 {
        from + (self.unit() * to.saturating_sub(from) as f64) as u64
    }

    /// Returns a number in `from..to`, evenly distributed by order of magnitude: many short, few long.
    pub(crate) fn spread(&mut self, (from, to): (u64, u64)) -> u64 {
        let (low, high) = ((from.max(1) as f64).ln(), (to.max(1) as f64).ln());
        (low + self.unit() * (high - low)).exp() as u64
    }

    /// Returns the time until the next of events that happen `rate` times in a unit of time.
    pub(crate) fn until_next(&mut self, rate: f64) -> f64 {
        -(1.0 - self.unit()).ln() / rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_generator() {
        // The first outputs for the seed 1234567, as in the author's reference.
        let mut random = Random::new(1_234_567);
        let first: [u64; 3] = std::array::from_fn(|_| random.next());
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn numbers_keep_to_their_ranges() {
        let mut random = Random::new(7);
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&random.unit()));
            assert!((10..20).contains(&random.between((10, 20))));
            assert!((200..=15_000).contains(&random.spread((200, 15_000))));
            assert!(random.until_next(2.0) >= 0.0);
        }
    }
}
