//! The values that one cron field allows.

/// A set of small numbers out of a fixed range. The widest field is the year with 230 values, so four words hold any
/// of them, and "the next value that fits" is a bit scan instead of a search.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Set {
    min: u16,
    max: u16,
    bits: [u64; 4],
}

impl Set {
    /// The empty set over `min..=max`; the range holds at most 256 values.
    pub(super) const fn empty(min: u16, max: u16) -> Self {
        assert!(min <= max && max - min < 256);
        Self { min, max, bits: [0; 4] }
    }

    /// Every value of `min..=max`.
    pub(super) fn full(min: u16, max: u16) -> Self {
        let mut set = Self::empty(min, max);
        for value in min..=max {
            set.insert(value);
        }
        set
    }

    /// Adds a value; one outside of the range is ignored.
    pub(super) fn insert(&mut self, value: u16) {
        if (self.min..=self.max).contains(&value) {
            let at = value - self.min;
            self.bits[usize::from(at / 64)] |= 1 << (at % 64);
        }
    }

    pub(super) fn contains(&self, value: u16) -> bool {
        (self.min..=self.max).contains(&value) && {
            let at = value - self.min;
            self.bits[usize::from(at / 64)] & (1 << (at % 64)) != 0
        }
    }

    pub(super) fn is_full(&self) -> bool {
        *self == Self::full(self.min, self.max)
    }

    pub(super) fn max(&self) -> u16 {
        self.max
    }

    pub(super) fn min(&self) -> u16 {
        self.min
    }

    /// The values from `first` up, ascending.
    pub(super) fn from(self, first: u16) -> impl Iterator<Item = u16> {
        let mut next = Some(first.max(self.min));
        std::iter::from_fn(move || {
            let value = self.at_or_after(next?)?;
            next = value.checked_add(1);
            Some(value)
        })
    }

    /// The values from `last` down, descending.
    pub(super) fn down_from(self, last: u16) -> impl Iterator<Item = u16> {
        let mut next = Some(last.min(self.max));
        std::iter::from_fn(move || {
            let value = self.at_or_before(next?)?;
            next = value.checked_sub(1);
            Some(value)
        })
    }

    /// All values, ascending.
    pub(super) fn iter(self) -> impl Iterator<Item = u16> {
        self.from(self.min)
    }

    fn at_or_after(&self, value: u16) -> Option<u16> {
        let at = usize::from(value.checked_sub(self.min)?);
        let (first, bit) = (at / 64, at % 64);
        (first..4).find_map(|word| {
            let mask = if word == first { u64::MAX << bit } else { u64::MAX };
            let bits = self.bits[word] & mask;
            // Below 256 by construction.
            (bits != 0).then(|| self.min + (word * 64) as u16 + bits.trailing_zeros() as u16)
        })
    }

    fn at_or_before(&self, value: u16) -> Option<u16> {
        let at = usize::from(value.checked_sub(self.min)?);
        let (last, bit) = ((at / 64).min(3), at % 64);
        (0..=last).rev().find_map(|word| {
            let mask = if word == last { u64::MAX >> (63 - bit) } else { u64::MAX };
            let bits = self.bits[word] & mask;
            (bits != 0).then(|| self.min + (word * 64) as u16 + 63 - bits.leading_zeros() as u16)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Set;

    #[test]
    fn walks_up_and_down_over_word_borders() {
        let mut set = Set::empty(1970, 2199);
        for year in [1970, 2033, 2034, 2098, 2199] {
            set.insert(year);
        }
        set.insert(1969);
        set.insert(2200);
        assert_eq!(set.iter().collect::<Vec<_>>(), [1970, 2033, 2034, 2098, 2199]);
        assert_eq!(set.from(2034).collect::<Vec<_>>(), [2034, 2098, 2199]);
        assert_eq!(set.from(2200).next(), None);
        assert_eq!(set.from(9999).next(), None);
        assert_eq!(set.down_from(u16::MAX).collect::<Vec<_>>(), [2199, 2098, 2034, 2033, 1970]);
        assert_eq!(set.down_from(2097).collect::<Vec<_>>(), [2034, 2033, 1970]);
        assert_eq!(set.down_from(5).next(), None);
        assert!(set.contains(2098) && !set.contains(2099) && !set.contains(7));
        assert!(Set::full(0, 59).is_full() && !set.is_full());
    }
}
