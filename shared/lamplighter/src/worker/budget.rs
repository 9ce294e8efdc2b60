//! The division of an invocation's time: no call to a store, a queue or a bus is awaited for longer than its share, and
//! each share leaves time to handle a call that does not answer.
//!
//! ```text
//! began                                        handlers_end  cut_off       answers_end  deadline
//!   |--- handlers, claims, settlements -------------|-- grace --|-- settling --|-- host --|
//! ```

use std::time::Duration;

use tokio::time::Instant;

/// The shares of one invocation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) began: Instant,
    /// No handler runs beyond this.
    pub(super) handlers_end: Instant,
    /// A handler that blocks its thread cannot be stopped; it is abandoned here.
    pub(super) cut_off: Instant,
    /// The last answer is returned here. The time left until the deadline belongs to the host, which acts on it.
    pub(super) answers_end: Instant,
    pub(super) deadline: Instant,
}

/// Time reserved before the deadline: a tenth of the whole, between these two.
const MARGIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long a lease outlasts its invocation's deadline: the host may still be settling then.
const LEASE_GRACE: Duration = Duration::from_secs(5);
/// The longest time that a store has for one claim or settlement of a batch.
const LONGEST_CALL: Duration = Duration::from_secs(20);
/// The longest time that a store has for settlements that came as messages.
const LONGEST_CARRIED: Duration = Duration::from_secs(10);

impl Budget {
    pub(super) fn new(began: Instant, deadline: Instant) -> Self {
        let all = deadline.saturating_duration_since(began);
        let margin = (all / 10).clamp(MARGIN.0, MARGIN.1).min(all);
        let handlers_end = deadline - margin;
        Self { began, handlers_end, cut_off: handlers_end + margin / 4, answers_end: deadline - margin / 4, deadline }
    }

    /// The deadline of a claim: half of the time, since a job that is claimed later could hardly run any more.
    pub(super) fn claim_by(&self) -> Instant {
        self.half_until(self.handlers_end, LONGEST_CALL)
    }

    /// The deadline of settlements that came as messages. No answer waits for them.
    pub(super) fn carried_by(&self) -> Instant {
        self.half_until(self.handlers_end, LONGEST_CARRIED)
    }

    /// The deadline of a settlement: half of the time left; the other half is reserved for sending it as a message.
    pub(super) fn settle_by(&self) -> Instant {
        self.half_until(self.answers_end, LONGEST_CALL)
    }

    /// The time left on the leases of this invocation's jobs.
    pub(super) fn lease_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()) + LEASE_GRACE
    }

    fn half_until(&self, end: Instant, longest: Duration) -> Instant {
        let now = Instant::now();
        now + (end.saturating_duration_since(now) / 2).min(longest)
    }
}

/// The deadline to pass to a callee: a little earlier, so that its answer comes before ours.
pub(super) fn callee_deadline(by: Instant) -> Instant {
    by - by.saturating_duration_since(Instant::now()) / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_share_leaves_time_for_the_next() {
        let began = Instant::now();
        for milliseconds in [0, 1, 200, 1_000, 12_000, 35_000, 900_000] {
            let deadline = began + Duration::from_millis(milliseconds);
            let budget = Budget::new(began, deadline);
            let Budget { handlers_end, cut_off, answers_end, .. } = budget;
            let ordered = [began, handlers_end, cut_off, answers_end, deadline];
            assert!(ordered.is_sorted(), "{milliseconds} ms: {ordered:?}");
            assert!(budget.claim_by() <= handlers_end && budget.settle_by() <= answers_end);
            assert!(callee_deadline(budget.settle_by()) <= budget.settle_by());
        }
        let budget = Budget::new(began, began + Duration::from_secs(900));
        assert_eq!(budget.claim_by(), began + LONGEST_CALL);
        assert_eq!(budget.answers_end, began + Duration::from_millis(899_500));
    }
}
