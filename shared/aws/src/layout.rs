//! How a table spreads its writes: numbers for those who reckon how much it takes.

/// Shards of each class of the listing, in each month: keys of the index, each of which is on a partition of its own.
pub const LISTING_SHARDS: u8 = 4;

/// Jobs of a part of a batch: few enough for their ends not to be in each other's way, if there are not too many parts
/// then.
const PART: usize = 64;
/// The most parts of a lot, as long as none of them has more jobs than [`LARGEST_PART`].
const PARTS: usize = 256;
/// Jobs of a part in a large lot: the places of those that are counted, and all else in its item, are less than a
/// kilobyte.
const LARGEST_PART: usize = 256;
/// The parts of a lot of any size: their numbers stand in the batch's record, which has at most 400 KB.
const MOST_PARTS: usize = 4096;

/// Returns the parts that count so many jobs that are added to a batch together: items, each with a key of its own.
#[must_use]
pub fn batch_parts(jobs: usize) -> usize {
    jobs.div_ceil(PART).min(PARTS).max(jobs.div_ceil(LARGEST_PART)).min(MOST_PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_with_the_jobs_up_to_a_limit() {
        let parts = [0, 1, 64, 65, 16_384, 65_536, 65_537, 1_000_000, 10_000_000].map(batch_parts);
        assert_eq!(parts, [0, 1, 1, 2, 256, 256, 257, 3_907, 4_096]);
    }
}
