//! Batches: jobs that are watched as one.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::JobId,
    message::Message,
    ports::{EnqueueError, Enqueued, JobOwner, StoreError, StoreErrorKind},
    record::JobState,
};

/// How a batch stands: a number of jobs that are enqueued together and watched as one.
///
/// A batch has a record of its own, under its own id, as a job has: it is [waiting](JobState::Waiting) while any of its jobs
/// is open, and then has succeeded, if all of them did, or failed. So other jobs can wait for it ([`After`](crate::After)),
/// and it can be [cancelled](crate::Client::cancel), with all of its jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Batch {
    /// Its id.
    pub id: JobId,
    /// `waiting` while jobs are open; then `succeeded`, `failed` or `cancelled`.
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
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

impl Batch {
    /// The job name in a batch's own record.
    pub const JOB: &'static str = "batch";
    /// The queue in a batch's own record: none, since nothing is sent for the batch itself.
    pub const QUEUE: &'static str = "-";
    /// How long the record of a batch is kept after it has ended.
    pub const KEPT: Duration = Duration::from_secs(7 * 86_400);
    /// The largest message of a job in a batch, in bytes. Larger arguments travel as a claim check, where the backend has
    /// [one](crate::backend::Payloads).
    pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

    /// A batch without jobs, that is open.
    #[must_use]
    pub fn new(id: JobId, created_at: Timestamp) -> Self {
        let (total, succeeded, failed, cancelled) = Default::default();
        Self { id, state: JobState::Waiting, total, succeeded, failed, cancelled, created_at, finished_at: None }
    }

    /// The message in a batch's own record.
    #[must_use]
    pub fn message(id: &JobId, created_at: Timestamp) -> Message {
        Message { id: Some(id.clone()), enqueued_at: Some(created_at), ..Message::without_arguments(Self::JOB) }
    }

    /// Whether a record with this owner is that of a batch.
    #[must_use]
    pub fn is_of(owner: &JobOwner) -> bool {
        owner.is(Self::JOB, Self::QUEUE)
    }

    /// The answer for a new batch whose id has this owner already: the same batch, in this state, or a job.
    ///
    /// # Errors
    /// When it is a job.
    pub fn existing(id: JobId, owner: JobOwner, state: JobState) -> Result<Enqueued, EnqueueError> {
        match Self::is_of(&owner) {
            true => Ok(Enqueued::Duplicate(id, state)),
            false => Err(EnqueueError::IdTaken { job: Self::JOB.into(), queue: Self::QUEUE.into(), id, owner }),
        }
    }

    /// Why [`Store::delete`](crate::backend::Store::delete) refuses a batch.
    #[must_use]
    pub fn cannot_be_deleted(id: &JobId) -> StoreError {
        let text = format_args!(
            "{id} is a batch, and its record stays until it expires, since its jobs count in it: delete its jobs instead"
        );
        StoreError::new(StoreErrorKind::Invalid, text)
    }

    /// Why jobs cannot be added to what has this id, if they cannot: nothing, a job, or a batch that has ended. `found` is its
    /// owner and its state.
    #[must_use]
    pub fn closed(id: &JobId, found: Option<(&JobOwner, JobState)>) -> Option<String> {
        match found {
            None => Some(format!("there is no batch {id}")),
            Some((owner, _)) if !Self::is_of(owner) => Some(format!("{id} is a job, not a batch")),
            Some((_, state)) if state.is_final() => Some(format!("batch {id} has ended: {state}")),
            Some(_) => None,
        }
    }

    /// Jobs that have ended.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.succeeded + self.failed + self.cancelled
    }

    /// Jobs that have not ended.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.total.saturating_sub(self.done())
    }

    /// The state of a batch whose jobs have all ended.
    #[must_use]
    pub const fn outcome(&self) -> JobState {
        match self.failed + self.cancelled {
            0 => JobState::Succeeded,
            _ => JobState::Failed,
        }
    }

    /// The counts, as the output of the batch's record: `{"total":3,"succeeded":2,"failed":1,"cancelled":0}`.
    #[must_use]
    pub fn output(&self) -> String {
        let Self { total, succeeded, failed, cancelled, .. } = self;
        format!(r#"{{"total":{total},"succeeded":{succeeded},"failed":{failed},"cancelled":{cancelled}}}"#)
    }
}

/// What makes a job one of a batch. It travels in the job's [message](crate::message::Message).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Membership {
    /// The batch.
    pub id: JobId,
    /// The part of the batch that counts the job, where a store counts a batch in parts.
    #[serde(default, skip_serializing_if = "is_first")]
    pub part: u64,
    /// Its place among the jobs of that part, by which the part knows whether it has counted the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
}

fn is_first(part: &u64) -> bool {
    *part == 0
}

impl Membership {
    /// A job of this batch.
    #[must_use]
    pub const fn of(id: JobId) -> Self {
        Self { id, part: 0, place: None }
    }
}
