//! How fast messages come in and jobs end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Accuracy, QueueStatus};

/// What comes into a queue and what ends, a minute, over the last [`MINUTES`](Self::MINUTES).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QueueFlow {
    /// The queue.
    pub queue: String,
    /// Messages that came in, a minute; `None` where the backend does not know.
    pub in_per_minute: Option<f64>,
    /// Jobs that ended, a minute; `None` where the backend does not know.
    pub out_per_minute: Option<f64>,
    /// Whether the numbers are exact.
    pub accuracy: Accuracy,
}

impl QueueFlow {
    /// The minutes that a flow looks back.
    pub const MINUTES: u32 = 5;

    /// Of a queue, about which nothing is known.
    #[must_use]
    pub fn new(queue: impl Into<String>, accuracy: Accuracy) -> Self {
        Self { queue: queue.into(), in_per_minute: None, out_per_minute: None, accuracy }
    }

    /// With so many messages and so many ends in the whole time.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for people, and far below 2^52")]
    pub fn with_totals(mut self, came: Option<u64>, ended: Option<u64>) -> Self {
        let a_minute = |total: u64| total as f64 / f64::from(Self::MINUTES);
        (self.in_per_minute, self.out_per_minute) = (came.map(a_minute), ended.map(a_minute));
        self
    }
}

/// Why it is not known when a queue will be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NoDrain {
    /// Nothing waits.
    #[error("nothing waits")]
    Empty,
    /// As much comes in as ends, or more.
    #[error("it does not get shorter: as much comes in as ends, or more")]
    Growing,
    /// Nothing has ended lately.
    #[error("nothing has ended in the last minutes")]
    NothingEnds,
    /// The backend does not know how much comes in and ends.
    #[error("it is not known how much comes in and ends")]
    Unknown,
}

impl QueueStatus {
    /// How long it takes until nothing waits any more, if messages come in and jobs end as they did lately.
    ///
    /// # Errors
    /// Why that cannot be said.
    #[expect(clippy::cast_precision_loss, reason = "an estimate, for people")]
    pub fn time_to_drain(&self, flow: &QueueFlow) -> Result<Duration, NoDrain> {
        if self.waiting == 0 {
            return Err(NoDrain::Empty);
        }
        let (Some(came), Some(ended)) = (flow.in_per_minute, flow.out_per_minute) else { return Err(NoDrain::Unknown) };
        if ended <= 0.0 {
            return Err(NoDrain::NothingEnds);
        }
        let minutes = match ended > came {
            true => self.waiting as f64 / (ended - came),
            false => return Err(NoDrain::Growing),
        };
        Ok(Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Consumer, ConsumerKind, ConsumerState};

    fn waiting(waiting: u64) -> QueueStatus {
        let consumer = Consumer { kind: ConsumerKind::Engine, state: ConsumerState::Active };
        let mut status = QueueStatus::new("work", false, consumer, Accuracy::Exact);
        status.waiting = waiting;
        status
    }

    fn flow(came: Option<u64>, ended: Option<u64>) -> QueueFlow {
        QueueFlow::new("work", Accuracy::Exact).with_totals(came, ended)
    }

    #[test]
    fn a_queue_drains_by_what_ends_beyond_what_comes_in() {
        let flow = flow(Some(100), Some(400));
        assert_eq!((flow.in_per_minute, flow.out_per_minute), (Some(20.0), Some(80.0)));
        assert_eq!(waiting(120).time_to_drain(&flow), Ok(Duration::from_secs(120)));
    }

    #[test]
    fn it_is_said_why_a_queue_does_not_drain() {
        let of = |queue: u64, came, ended| waiting(queue).time_to_drain(&flow(came, ended)).unwrap_err();
        assert_eq!(of(0, Some(1), Some(2)), NoDrain::Empty);
        assert_eq!(of(1, Some(5), Some(5)), NoDrain::Growing);
        assert_eq!(of(1, Some(5), Some(0)), NoDrain::NothingEnds);
        assert_eq!(of(1, None, Some(1)), NoDrain::Unknown);
        assert_eq!(of(1, Some(1), None), NoDrain::Unknown);
        let slow = QueueFlow { out_per_minute: Some(1e-300), in_per_minute: Some(0.0), ..flow(None, None) };
        assert_eq!(waiting(u64::MAX).time_to_drain(&slow), Ok(Duration::MAX));
    }
}
