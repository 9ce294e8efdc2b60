//! Moments as stored in the file: nanoseconds since 1970 in an `i64`, which reaches from 1677 to 2262.

use std::time::Duration;

use jiff::Timestamp;

/// The visibility of a message that waits behind another of its FIFO group: never.
pub(crate) const HELD: i64 = i64::MAX;

/// The last moment that the file can store.
pub(crate) const LAST: i64 = HELD - 1;

/// The moment, if the file can store it.
pub(crate) fn exactly(moment: Timestamp) -> Option<i64> {
    i64::try_from(moment.as_nanosecond()).ok().filter(|nanos| *nanos <= LAST)
}

/// The moment, or the last or first one that the file can store.
pub(crate) fn nearest(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_nanosecond())
        .unwrap_or(if moment < Timestamp::UNIX_EPOCH { i64::MIN } else { LAST })
        .min(LAST)
}

/// The moment of a number in the file.
pub(crate) fn moment(nanos: i64) -> Timestamp {
    // Every i64 is within a timestamp's years, -9999 to 9999.
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MAX)
}

/// The moment `time` after `nanos`, or the last one that the file can store.
pub(crate) fn after(nanos: i64, time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).map_or(LAST, |time| nanos.saturating_add(time).min(LAST))
}

/// The moment `time` before `nanos`, or the first one that the file can store.
pub(crate) fn before(nanos: i64, time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).map_or(i64::MIN, |time| nanos.saturating_sub(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_keep_their_nanoseconds() {
        for text in ["2026-11-23T22:43:10.123456789Z", "1677-09-21T00:12:44Z", "2262-04-11T23:47:16Z"] {
            let at: Timestamp = text.parse().unwrap();
            assert_eq!(moment(exactly(at).unwrap()), at);
        }
    }

    #[test]
    fn moments_out_of_range_are_none_or_clamped() {
        assert_eq!(exactly(Timestamp::MAX), None);
        assert_eq!((nearest(Timestamp::MAX), nearest(Timestamp::MIN)), (LAST, i64::MIN));
        assert_eq!(after(5, Duration::MAX), LAST);
        assert_eq!(after(5, Duration::from_nanos(7)), 12);
        assert_eq!((before(5, Duration::MAX), before(5, Duration::from_nanos(7))), (i64::MIN, -2));
    }
}
