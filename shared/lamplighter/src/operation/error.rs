//! Why an operation was refused, or not carried out.

use crate::{
    id::JobId,
    ports::{EnqueueError, SchedulingError, StoreError, StoreErrorKind},
};

/// Why an operation was refused, or not carried out.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The arguments do not fit the job.
    #[error("the arguments do not fit job {job}: {}", .problems.join("; "))]
    Arguments {
        /// The job.
        job: String,
        /// Why not. No problem quotes a sensitive value.
        problems: Vec<String>,
    },
    /// There is no such job.
    #[error("there is no job {0}")]
    UnknownJob(JobId),
    /// There is no such operation.
    #[error("there is no operation {0}; operations are kept for a year")]
    Unknown(JobId),
    /// The idempotency key belongs to another request.
    #[error("operation {0} was asked for under this idempotency key, with something else in it; use another key")]
    KeyTaken(JobId),
    /// Another runner carries it out.
    #[error("operation {0} is carried out by another process")]
    Held(JobId),
    /// The job was not enqueued.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    /// The schedule could not be changed.
    #[error(transparent)]
    Schedule(#[from] SchedulingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OperationError {
    /// Whether the same may go well later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Held(_)) || self.kind() == Some(StoreErrorKind::Unavailable)
    }

    /// Whether permission is missing.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.kind() == Some(StoreErrorKind::Denied)
    }

    fn kind(&self) -> Option<StoreErrorKind> {
        match self {
            Self::Store(error)
            | Self::Enqueue(EnqueueError::Backend(error))
            | Self::Schedule(
                SchedulingError::Backend(error) | SchedulingError::Enqueue(EnqueueError::Backend(error)),
            ) => Some(error.kind()),
            _ => None,
        }
    }
}
