//! What a job asks of its worker.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::retry::Retry;

/// How a job runs. Everything has a default. The fields are to be read; the methods of the same names set them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How often a failed job is tried, and when.
    pub retry: Retry,
    /// Which records are kept.
    pub tracking: Tracking,
    /// Whether successes are published as events; failures always are.
    pub announce_success: bool,
    /// How long records of ended jobs are kept.
    pub retention: Retention,
    /// What happens when a schedule's job is due while its last one still runs.
    pub overlap: Overlap,
}

/// Which records are kept of a job, where there is a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tracking {
    /// None.
    Untracked,
    /// A record from the moment it is claimed, which is listed while the job is delayed, runs for long, is retried, has
    /// failed or was cancelled. A backend that lists everything at no further cost may do so.
    Lean,
    /// A record from the moment it is enqueued, listed in every state.
    #[default]
    Full,
}

impl Tracking {
    /// Whether there are any.
    #[must_use]
    pub const fn is_tracked(self) -> bool {
        !matches!(self, Self::Untracked)
    }
}

/// What becomes of a job that a schedule starts while an earlier job of the same schedule still runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It runs beside the other.
    #[default]
    Allow,
    /// It waits, and runs when the other has ended. The wait does not count as an attempt.
    Queue,
    /// It does not run at all: it is cancelled, and its record says why. One that has begun before, and comes again for
    /// another attempt, waits.
    Skip,
}

/// How long a record is kept after its job has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// After success. Default one day.
    pub succeeded: Duration,
    /// After failure. Default 30 days.
    pub failed: Duration,
    /// After being cancelled. Default one day.
    pub cancelled: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self { succeeded: DAY, failed: 30 * DAY, cancelled: DAY }
    }
}

impl Options {
    /// How long one attempt may take unless the job says otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

    /// The defaults: a minute an attempt, [`Retry::default`], tracked, [`Retention::default`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long one attempt may take. Its invocation's deadline, less a margin, may end it earlier. Lambda's limit is
    /// 15 minutes an invocation.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// When a failed attempt is tried again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Keeps no record of this job even where there is a store: no claim, no history, attempts counted by receives.
    /// The cheapest way for jobs in great numbers that may safely run twice.
    #[must_use]
    pub fn untracked(mut self) -> Self {
        self.tracking = Tracking::Untracked;
        self
    }

    /// Keeps no more records of this job than its claim and its end, and lists it only while there is something to look
    /// at: the cheaper way to leases, histories and attempts that are counted right. On AWS a job that succeeds at once
    /// costs two writes in place of six. A job whose id the sender chose has its record from the beginning all the same,
    /// or there would be nothing to tell a second one by.
    #[must_use]
    pub fn lean(mut self) -> Self {
        self.tracking = Tracking::Lean;
        self
    }

    /// Publishes an event for each success too, not only for each failure, where the backend has events.
    #[must_use]
    pub fn announce_success(mut self) -> Self {
        self.announce_success = true;
        self
    }

    /// How long the record of an ended job is kept.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// What becomes of a job of this type that a schedule starts while an earlier job of the same schedule still runs.
    /// An attempt runs until it ends or its lease does, so a host that dies never holds a schedule up for longer than
    /// that; between two attempts, a job holds up nobody. By default, [`Overlap::Allow`].
    ///
    /// Who runs is known by records: without a store, and for an [untracked](Self::untracked) job, nothing but
    /// [`Overlap::Allow`] is to be had.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Whether the store keeps a record.
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        self.tracking.is_tracked()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Self::DEFAULT_TIMEOUT,
            retry: Retry::default(),
            tracking: Tracking::default(),
            announce_success: false,
            retention: Retention::default(),
            overlap: Overlap::default(),
        }
    }
}
