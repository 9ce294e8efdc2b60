//! The behaviour of a job library, independent of what keeps its process alive.

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

/// The properties of a job library and its storage that the replay needs.
#[derive(Debug, Clone)]
pub(crate) struct Library {
    /// The number of concurrent jobs of one process.
    pub(crate) workers: usize,
    /// The longest time until a live process takes a job that is ready. Each job waits a part of it.
    pub(crate) pickup: u64,
    /// How a passed delay is noticed.
    pub(crate) delays: Timing,
    /// How a due schedule is noticed.
    pub(crate) ticks: Timing,
    pub(crate) stop: Stop,
    pub(crate) recovery: Recovery,
    pub(crate) retries: Retry,
    /// The number of deliveries after which a message is a dead letter.
    pub(crate) max_receives: Option<u32>,
    /// Whether deliveries are counted from the last attempt that failed by itself.
    pub(crate) retry_is_a_new_message: bool,
}

/// How and when a due job is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timing {
    /// A live process checks periodically, from its start on. Of several ticks of one schedule that it finds, one runs.
    Polled(u64),
    /// A live process, at once. The same holds for missed ticks.
    Exact,
    /// A platform, independent of processes, at most this much later.
    Platform(u64),
}

impl Timing {
    /// Returns when a process that is alive since `start` finds a job that is due at `due`.
    pub(crate) fn found(self, start: Moment, due: Moment) -> Moment {
        match self {
            Self::Polled(every) => crate::clock::next_step(start, every, due),
            Self::Exact | Self::Platform(_) => start.max(due),
        }
    }
}

/// A clean stop. All times are from the stop on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop {
    /// No further job is begun.
    pub(crate) noticed: u64,
    /// Jobs are notified. Those that react end, and are handed back.
    pub(crate) told: u64,
    /// Jobs that still run are interrupted.
    pub(crate) limit: u64,
    /// What happens to those jobs.
    pub(crate) at_the_limit: AtTheLimit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtTheLimit {
    /// They are handed back: another process can begin them at once.
    HandedBack,
    /// They are abandoned, and found again as after a kill.
    Abandoned,
}

/// When a job whose process has died can be begun again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// When it has not been touched for this long; while it runs it is touched periodically.
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
    /// Returns the earliest moment at which a job that was begun at `begun` and lost its process at `died` can be begun
    /// again.
    pub(crate) fn visible(self, begun: Moment, died: Moment) -> Moment {
        match self {
            Self::Untouched { timeout, every } => died - (died - begun) % every + timeout,
            Self::Hidden(timeout) => begun + timeout,
            Self::NextStart => died,
        }
        .max(died)
    }
}

/// Returns the attempts of a policy plus the additional receives that SQS allows.
fn receives(retries: &Retry) -> u32 {
    retries.max_attempts() + crate::numbers::ours::RECEIVE_SLACK
}

/// Returns a platform's precision, in virtual time.
const fn precision(precision: std::time::Duration) -> Timing {
    Timing::Platform(ms(precision))
}
