//! What an action would touch.

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
    /// By job and queue, the most first.
    pub by_job: Vec<JobCount>,
    /// The frozen end: pass it on in [`Target::Query`](super::Target::Query), and what comes later is left alone.
    pub end: Timestamp,
}

/// How many would be touched of one job on one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobCount {
    /// The job's name.
    pub job: String,
    /// The queue.
    pub queue: String,
    /// How many.
    pub jobs: u64,
}
