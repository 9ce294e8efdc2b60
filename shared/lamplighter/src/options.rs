//! A job's options.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{limit::Limit, retry::Retry};

/// The options of a job. Everything has a default. Read the fields; set them with the methods of the same names.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// The longest time of one attempt.
    pub timeout: Duration,
    /// The number and the delays of attempts.
    pub retry: Retry,
    /// Which records are kept.
    pub tracking: Tracking,
    /// Whether successes are published as events; failures always are.
    pub announce_success: bool,
    /// The retention of ended jobs' records.
    pub retention: Retention,
    /// The policy for a schedule's job that is due while an earlier one still runs.
    pub overlap: Overlap,
    /// The limits that it shares with other jobs.
    pub limits: Vec<Limit>,
}

/// The records that a store keeps of a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tracking {
    /// No record.
    Untracked,
    /// A record from its first claim on, listed while the job is delayed, runs for long, is retried, has failed or was
    /// cancelled. A backend that lists everything at no further cost may do so.
    Lean,
    /// A record from the moment it is enqueued, listed in every state.
    #[default]
    Full,
}

impl Tracking {
    /// Returns whether a record is kept.
    #[must_use]
    pub const fn is_tracked(self) -> bool {
        !matches!(self, Self::Untracked)
    }
}

/// The policy for a job that a schedule starts while an earlier job of the same schedule still runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It runs concurrently with the other.
    #[default]
    Allow,
    /// It waits, and runs when the other has ended. The wait does not count as an attempt.
    Queue,
    /// It does not run: it is cancelled, and its record says why. A job that has begun before, and returns for another
    /// attempt, waits.
    Skip,
}

/// The retention of a record after its job has ended.
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
    /// The default [timeout](Self::timeout) of one attempt.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

    /// The defaults: a minute per attempt, [`Retry::default`], tracked, [`Retention::default`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the longest time of one attempt. Its invocation's deadline, minus a margin, may end it earlier. Lambda's
    /// limit is 15 minutes per invocation.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the retry policy.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Keeps no record of this job even where there is a store: no claim, no history, attempts counted by receives.
    /// The cheapest option for large numbers of jobs that may safely run twice.
    #[must_use]
    pub fn untracked(mut self) -> Self {
        self.tracking = Tracking::Untracked;
        self
    }

    /// Records only the job's claim and its end, and lists it only while it needs attention: a cheaper way to leases,
    /// histories and exact counts of attempts. On AWS a job that succeeds on its first attempt costs two writes instead
    /// of six. A job with a caller-supplied id still has its record from the beginning: a duplicate could not be
    /// recognized without it.
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

    /// Sets the retention of an ended job's record.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Sets the policy for a job of this type that a schedule starts while an earlier job of the same schedule still
    /// runs. An attempt counts as running until it ends or its lease does, so a host that dies never blocks a schedule
    /// for longer than that; between two attempts, a job blocks no other. Default: [`Overlap::Allow`].
    ///
    /// Records show which jobs run: without a store, and for an [untracked](Self::untracked) job, only
    /// [`Overlap::Allow`] is available.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Adds a limit on how many jobs run at once, or begin in a time: see [`Limit`]. A job begins when all of its limits, up to
    /// [`Limit::MAX_OF_JOB`], have a place for it.
    ///
    /// A store keeps the places: a stateless function, or an [untracked](Self::untracked) job, can have no limit.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    /// Returns whether a job of this type may have to wait for others: by a limit, or by its overlap policy.
    pub(crate) fn may_wait(&self) -> bool {
        !self.limits.is_empty() || self.overlap != Overlap::Allow
    }

    /// Returns whether the store keeps a record.
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
            limits: Vec::new(),
        }
    }
}
