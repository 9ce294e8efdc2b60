//! Batches.

use jiff::Timestamp;
use lamplighter::{Batch, JobId, JobState};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Page, schema};

/// How a batch stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BatchView {
    /// Its id.
    #[schema(schema_with = schema::id)]
    pub id: JobId,
    /// `waiting` while jobs are open; then `succeeded`, `failed` or `cancelled`.
    #[schema(schema_with = schema::state)]
    pub state: JobState,
    /// The number of its jobs.
    pub total: u64,
    /// Jobs that have succeeded.
    pub succeeded: u64,
    /// Jobs that have failed for good.
    pub failed: u64,
    /// Jobs that were cancelled, or have expired.
    pub cancelled: u64,
    /// When it was created.
    #[schema(schema_with = schema::moment)]
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub finished_at: Option<Timestamp>,
}

impl BatchView {
    /// Jobs that have ended.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.succeeded + self.failed + self.cancelled
    }
}

impl From<Batch> for BatchView {
    fn from(batch: Batch) -> Self {
        let Batch { id, state, total, succeeded, failed, cancelled, created_at, finished_at, .. } = batch;
        Self { id, state, total, succeeded, failed, cancelled, created_at, finished_at }
    }
}

/// One batch with its jobs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BatchDetail {
    /// The batch.
    #[serde(flatten)]
    pub batch: BatchView,
    /// The batch that this one is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::id)]
    pub outer: Option<JobId>,
    /// Jobs that were enqueued with it, and wait for its end or waited for it.
    pub callbacks: Vec<super::RelationView>,
    /// A page of its jobs, in the order in which they were added.
    pub jobs: Page<MemberView>,
    /// When this was read.
    #[schema(schema_with = schema::moment)]
    pub as_of: Timestamp,
}

/// A job of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MemberView {
    /// Its id.
    #[schema(schema_with = schema::id)]
    pub id: JobId,
    /// Its name, unless there is no record any more, or it may not be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Its state, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::state)]
    pub state: Option<JobState>,
    /// Whether it is a batch itself.
    pub is_batch: bool,
}
