//! What a job library does with jobs, whatever keeps its process alive.

mod azure;
mod embedded;
mod hangfire;
mod lambda;
mod poller;

pub(crate) use self::{
    azure::functions,
    embedded::engine,
    hangfire::{in_asp_net, in_process},
    lambda::lambda,
    poller::{Drain, poller},
};

use lamplighter::Retry;

use crate::clock::{Moment, ms};

/// A job library and its storage, as far as the replay needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Library {
    /// Jobs that one process runs at a time.
    pub(crate) workers: usize,
    /// The longest time from a job's being ready until a process that is alive takes it. Each job waits a part of it.
    pub(crate) pickup: u64,
    /// Who notices that a delay has passed.
    pub(crate) delays: Timing,
    /// Who notices that a schedule is due.
    pub(crate) ticks: Timing,
    pub(crate) stop: Stop,
    pub(crate) recovery: Recovery,
    pub(crate) retries: Retry,
    /// Deliveries of one message after which it is given up, and kept for people: a dead letter.
    pub(crate) max_receives: Option<u32>,
    /// Whether deliveries are counted from the last attempt that failed by itself.
    pub(crate) retry_is_a_new_message: bool,
}

/// Who notices that it is time, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timing {
    /// A process that is alive looks every so often, from its start on. Of several ticks of one schedule that it finds, one
    /// runs.
    Polled(u64),
    /// A process that is alive, at once. The same holds for missed ticks.
    Exact,
    /// A platform, whatever is alive, at most this much later.
    Platform(u64),
}

impl Timing {
    /// When what is due now is found by a process that is alive since `start`.
    pub(crate) fn found(self, start: Moment, due: Moment) -> Moment {
        match self {
            Self::Polled(every) => crate::clock::next_step(start, every, due),
            Self::Exact | Self::Platform(_) => start.max(due),
        }
    }
}

/// A stop in order. All from the stop on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop {
    /// No job is begun any more.
    pub(crate) noticed: u64,
    /// Jobs are told. Those that heed it end, and are handed back.
    pub(crate) told: u64,
    /// What still runs is cut off.
    pub(crate) limit: u64,
    /// What happens to those.
    pub(crate) at_the_limit: AtTheLimit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtTheLimit {
    /// They are handed back: another process can begin them at once.
    HandedBack,
    /// They are left as they are, and found again as after a kill.
    Abandoned,
}

/// When a job can be begun again whose process is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// When it has not been touched for so long; while it runs it is touched every so often.
    Untouched {
        /// Since the last touch.
        timeout: u64,
        /// From one touch to the next.
        every: u64,
    },
    /// When this long has passed since it was taken.
    Hidden(u64),
    /// When the next process starts.
    NextStart,
}

impl Recovery {
    /// When a job that was begun at `begun` and lost its process at `died` can be begun again, at the earliest.
    pub(crate) fn visible(self, begun: Moment, died: Moment) -> Moment {
        match self {
            Self::Untouched { timeout, every } => died - (died - begun) % every + timeout,
            Self::Hidden(timeout) => begun + timeout,
            Self::NextStart => died,
        }
        .max(died)
    }
}

/// The attempts of a policy and what SQS allows beyond them.
fn receives(retries: &Retry) -> u32 {
    retries.max_attempts() + crate::numbers::ours::RECEIVE_SLACK
}

/// A platform's precision, in virtual time.
const fn precision(precision: std::time::Duration) -> Timing {
    Timing::Platform(ms(precision))
}
