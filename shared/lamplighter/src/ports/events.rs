//! Lifecycle events for subscribers.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use super::StoreError;
use crate::{error::ErrorText, id::JobId, record::JobState};

/// Publishes the ends of jobs, so that others can subscribe to them.
#[async_trait]
pub trait Events: Send + Sync + 'static {
    /// Publishes events. They arrive at least once, or not at all if this fails: the record is the truth, an event only
    /// says that it is worth reading.
    async fn publish(&self, events: Vec<Event>) -> Result<(), StoreError>;
}

/// A job has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// The job's id.
    pub id: JobId,
    /// Its name.
    pub job: String,
    /// The queue that carried it.
    pub queue: String,
    /// The state it is in now: failed, or, where its options ask for it, succeeded.
    pub state: JobState,
    /// Executions in its last run.
    pub attempt: u32,
    /// When it ended.
    pub at: Timestamp,
    /// The schedule that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The last error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorText>,
}

impl Event {
    /// `id`, a `job` of `queue`, is in `state` since `at`.
    pub fn new(id: JobId, job: impl Into<String>, queue: impl Into<String>, state: JobState, at: Timestamp) -> Self {
        Self { id, job: job.into(), queue: queue.into(), state, attempt: 0, at, schedule: None, error: None }
    }

    /// The kind of event: `job.failed`, `job.succeeded`.
    #[must_use]
    pub fn kind(&self) -> String {
        format!("job.{}", self.state)
    }
}
