//! Lifecycle events, for whoever wants to hear of them.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use super::StoreError;
use crate::{error::ErrorText, id::JobId, record::JobState};

/// Where it is told that jobs have ended, so that others can subscribe.
#[async_trait]
pub trait Events: Send + Sync + 'static {
    /// Publishes events. They are told at least once, or, where this fails, not at all: a record is the truth, an event
    /// only says that it is worth a look.
    async fn publish(&self, events: Vec<Event>) -> Result<(), StoreError>;
}

/// A job has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// When.
    pub at: Timestamp,
    /// The schedule that had caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The last error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorText>,
}

impl Event {
    /// What kind of event it is: `job.failed`, `job.succeeded`.
    #[must_use]
    pub fn kind(&self) -> String {
        format!("job.{}", self.state)
    }
}
