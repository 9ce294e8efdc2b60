//! How long to wait for a service that starts or stops.

use std::time::Duration;

/// How often its state is asked for, at least and at most ("Starting a Service", Microsoft Learn, has a tenth of the wait
/// hint and longer limits, for services that report less often).
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The least time that a service has between two checkpoints, whatever it says.
const LEAST_HINT: Duration = Duration::from_secs(10);

/// Waits for a service as long as its checkpoint grows within its wait hint.
#[derive(Debug, Default)]
pub(super) struct Patience {
    checkpoint: Option<u32>,
    since: Duration,
}

impl Patience {
    /// How long to wait until the next look at it; `None` when it has shown no progress for its wait hint. `now` counts from
    /// any moment.
    pub(super) fn pause(&mut self, checkpoint: u32, hint: Duration, now: Duration) -> Option<Duration> {
        if self.checkpoint.is_none_or(|last| last < checkpoint) {
            self.checkpoint = Some(checkpoint);
            self.since = now;
        }
        let is_hung = now.saturating_sub(self.since) > hint.max(LEAST_HINT);
        (!is_hung).then(|| (hint / 10).clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn progress_is_waited_for_without_limit() {
        let mut patience = Patience::default();
        for checkpoint in 1..1_000 {
            let now = checkpoint * 10 * SECOND;
            assert_eq!(patience.pause(checkpoint, 10 * SECOND, now), Some(SECOND));
        }
    }

    #[test]
    fn a_checkpoint_that_stands_still_is_waited_for_as_long_as_its_hint_says() {
        let mut patience = Patience::default();
        assert!(patience.pause(3, 30 * SECOND, SECOND).is_some());
        assert!(patience.pause(3, 30 * SECOND, 31 * SECOND).is_some());
        assert_eq!(patience.pause(3, 30 * SECOND, 32 * SECOND), None);
        assert!(patience.pause(4, 30 * SECOND, 33 * SECOND).is_some());
    }

    #[test]
    fn one_that_gives_no_hint_has_a_moment_all_the_same() {
        let mut patience = Patience::default();
        assert_eq!(patience.pause(0, Duration::ZERO, SECOND), Some(SHORTEST_PAUSE));
        assert!(patience.pause(0, Duration::ZERO, 11 * SECOND).is_some());
        assert_eq!(patience.pause(0, Duration::ZERO, 12 * SECOND), None);
    }
}
