//! Batches.

use async_trait::async_trait;

use super::{EnqueueError, EnqueueRequest, Enqueued, StoreError};
use crate::{batch::Batch, id::JobId};

/// The store of batches. It is also the store of records and the queue, or knows both: a batch's counters change in the
/// transaction in which one of its jobs ends, and each of its jobs counts once, when it first ends.
#[async_trait]
pub trait Batches: Send + Sync + 'static {
    /// Creates a batch, with all of its jobs or none. A batch that is reported as new is durable, and all of its jobs run;
    /// they may still be on their way to their queues. [`Enqueued::Duplicate`] where the batch exists already.
    async fn create(&self, batch: NewBatch) -> Result<Enqueued, EnqueueError>;

    /// Adds jobs to a batch that has not ended: all or none.
    async fn add(&self, id: &JobId, jobs: Vec<EnqueueRequest>) -> Result<(), EnqueueError>;

    /// How a batch stands; `None` when there is none with that id.
    async fn get(&self, id: &JobId) -> Result<Option<Batch>, StoreError>;

    /// The ids of a batch's jobs, in the order in which they were added: at most `limit` after `cursor`, which is at least one,
    /// and the cursor of the next page, if there is one.
    async fn jobs(&self, id: &JobId, cursor: Option<&str>, limit: usize) -> Result<BatchJobs, StoreError>;
}

/// A batch to be created.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewBatch {
    /// Its id.
    pub id: JobId,
    /// Its jobs. Their messages name the batch, and their ids are new.
    pub jobs: Vec<EnqueueRequest>,
    /// Jobs that wait for the batch, and for nothing else: their messages say for which of its outcomes.
    pub callbacks: Vec<EnqueueRequest>,
    /// The batch that it is a part of: it counts there as one job.
    pub outer: Option<JobId>,
}

/// Some jobs of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchJobs {
    /// Their ids.
    pub ids: Vec<JobId>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

impl BatchJobs {
    /// A page.
    #[must_use]
    pub const fn new(ids: Vec<JobId>, next: Option<String>) -> Self {
        Self { ids, next }
    }
}
