//! What an action would touch.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an action would touch, as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Preview {
    /// Jobs, dead letters or ticks.
    pub jobs: u64,
    /// Whether these are all. Counting ends after a while: there may be more.
    pub is_complete: bool,
    /// The records that were looked at, where that ended before the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<u64>,
    /// By job and queue, the most first.
    pub by_job: Vec<JobCount>,
    /// The frozen end: pass it on in [`Target::Query`](super::Target::Query), and what comes later is left alone.
    pub end: Timestamp,
}

/// How many would be touched of one job on one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobCount {
    /// The job's name; [`JobCount::ANY`] where the store has counted by queue alone.
    pub job: String,
    /// The queue.
    pub queue: String,
    /// How many.
    pub jobs: u64,
}

impl JobCount {
    /// All jobs of a queue, as queries write it.
    pub const ANY: &str = "*";
}

/// How far a preview counts. What the store counts anyway, and what is named by id, is counted in full with each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreviewBound {
    /// The most records that are looked at.
    pub records: u64,
    /// The most jobs that are counted.
    pub jobs: u64,
    /// The longest time.
    pub time: Duration,
}

impl PreviewBound {
    /// As much as one page of a search: some milliseconds on a file, whatever is asked for and however many jobs there are.
    pub const GLANCE: Self = Self { records: 2000, jobs: u64::MAX, time: Duration::from_secs(2) };
    /// 10,000 jobs, for five seconds.
    pub const USUAL: Self = Self { records: u64::MAX, jobs: 10_000, time: Duration::from_secs(5) };

    /// Everything, if that does not take longer.
    #[must_use]
    pub const fn all_within(time: Duration) -> Self {
        Self { records: u64::MAX, jobs: u64::MAX, time }
    }
}

impl Default for PreviewBound {
    fn default() -> Self {
        Self::USUAL
    }
}
