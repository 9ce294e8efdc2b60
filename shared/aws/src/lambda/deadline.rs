//! The time limit of an invocation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// More than any invocation gets (90 minutes on Managed Instances): a later deadline is ignored.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The time that an invocation has from `now`, given the `deadline` of its context in milliseconds since 1970. A
/// deadline in the past means that there is none (`cargo lambda watch` sends ten minutes past 1970); then the result is
/// `otherwise`.
#[must_use]
pub fn time_left(deadline: u64, now: SystemTime, otherwise: Duration) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    match Duration::from_millis(deadline).checked_sub(now) {
        Some(left) if !left.is_zero() && left <= LONGEST => left,
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implausible_deadlines_are_ignored() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let left = |deadline| time_left(deadline, now, Duration::from_secs(35));
        assert_eq!(left(1_800_000_030_000), Duration::from_secs(30));
        for none in [0, 600_000, 1_800_000_000_000, u64::MAX] {
            assert_eq!(left(none), Duration::from_secs(35), "{none}");
        }
    }
}
