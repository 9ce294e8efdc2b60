//! The time that a drain may take.

use std::time::Duration;

/// The time that a drain may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainBudget {
    /// How long running handlers have to end.
    pub handlers: Duration,
    /// How long handing back what they have not ended may take, after that: a call or two to the queue.
    pub hand_back: Duration,
}

impl DrainBudget {
    /// The time for handing back where nothing limits it.
    pub const HAND_BACK: Duration = Duration::from_secs(10);
    /// The least time for handing back.
    const LEAST_HAND_BACK: Duration = Duration::from_millis(100);

    /// A budget that is used up within `limit`, since the process is killed then: four fifths for the handlers, at least a
    /// tenth of a second for handing back, and a tenth of that for what comes after.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        let reserve = (limit / 5).clamp(Self::LEAST_HAND_BACK.min(limit), Self::HAND_BACK);
        Self { handlers: limit.saturating_sub(reserve), hand_back: reserve - reserve / 10 }
    }

    /// The shorter of two budgets.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self { handlers: self.handlers.min(other.handlers), hand_back: self.hand_back.min(other.hand_back) }
    }

    /// All of it.
    #[must_use]
    pub fn total(self) -> Duration {
        self.handlers.saturating_add(self.hand_back)
    }
}

/// This long for the handlers, and [`DrainBudget::HAND_BACK`] for handing back.
impl From<Duration> for DrainBudget {
    fn from(handlers: Duration) -> Self {
        Self { handlers, hand_back: Self::HAND_BACK }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_all_of_it() {
        for milliseconds in [0, 1, 50, 99, 400, 5_000, 30_000, 90_000, 3_600_000] {
            let limit = Duration::from_millis(milliseconds);
            let budget = DrainBudget::within(limit);
            assert!(budget.total() <= limit, "{limit:?}: {budget:?}");
            assert!(budget.hand_back <= DrainBudget::HAND_BACK);
        }
        let short = DrainBudget::within(Duration::from_secs(5));
        assert_eq!((short.handlers, short.hand_back), (Duration::from_secs(4), Duration::from_millis(900)));
        assert_eq!(DrainBudget::from(Duration::from_secs(20)).min(short), short);
    }
}
