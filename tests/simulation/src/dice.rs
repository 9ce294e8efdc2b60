//! The randomness of a simulation. Every choice is a throw of these, so a seed is a whole story.

/// A seeded generator.
#[derive(Debug, Clone)]
pub(crate) struct Dice(fastrand::Rng);

impl Dice {
    /// The dice of a seed, for one purpose: two purposes of one seed throw different numbers.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        // SplitMix's constant spreads neighbouring seeds.
        Self(fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ purpose.rotate_left(32)))
    }

    /// True in so many of a hundred throws.
    pub(crate) fn percent(&mut self, of_hundred: u32) -> bool {
        self.0.u32(0..100) < of_hundred
    }

    /// A number from `from` up to, and without, `to`; `from` where there is none.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        if from < to { self.0.u64(from..to) } else { from }
    }

    /// An index of a list of that length; 0 where it is empty.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        if length == 0 { 0 } else { self.0.usize(0..length) }
    }

    /// Changes the order of a list.
    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        self.0.shuffle(list);
    }
}
