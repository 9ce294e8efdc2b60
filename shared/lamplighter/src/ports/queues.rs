//! Sending.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::{id::JobId, message::SharedMessage, options::Tracking, record::JobState};

/// Where messages are sent.
#[async_trait]
pub trait Queues: Send + Sync + 'static {
    /// Makes jobs known and puts their messages on their queues. The answers come in the order of the submissions;
    /// one that is refused does not hold up the others. When an answer says that a job is enqueued, it is durable.
    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>>;
}

/// One job to be enqueued.
#[derive(Debug, Clone)]
pub struct EnqueueRequest {
    /// The job's id.
    pub id: JobId,
    /// The queue's name, without any suffix.
    pub queue: Arc<str>,
    /// The message, with id and times filled in.
    pub message: SharedMessage,
    /// When it shall run; `None` is now.
    pub due_at: Option<Timestamp>,
    /// The message group: orders on FIFO queues, spreads fairly between tenants on standard ones.
    pub group: Option<Arc<str>>,
    /// Which records are kept.
    pub tracking: Tracking,
    /// Whether the sender chose the id, so that there may be a job of it already. An id drawn at random is new.
    pub caller_supplied_id: bool,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// A new job.
    New(JobId),
    /// There is a job of that id already; nothing was enqueued.
    Duplicate(JobId, JobState),
}

impl Enqueued {
    /// The job's id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        match self {
            Self::New(id) | Self::Duplicate(id, _) => id,
        }
    }

    /// Whether there was a job of that id already.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Duplicate(..))
    }
}

/// Why a job was not enqueued.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// The arguments could not be written as a JSON object.
    #[error("the arguments of {job} cannot be written as a JSON object: {reason}")]
    Arguments {
        /// The job's name.
        job: String,
        /// What is wrong.
        reason: String,
    },
    /// The id is not one.
    #[error(transparent)]
    Id(#[from] crate::id::InvalidJobId),
    /// The id belongs to another job, or to one on another queue; nothing was enqueued.
    #[error(
        "{job} was not enqueued on queue {queue}: its id {id} belongs to {} on queue {}; give it an id of its own, for \
         instance one that begins with the job's name",
        .owner.job,
        .owner.queue
    )]
    IdTaken {
        /// The job's name.
        job: String,
        /// The queue that it was to go to.
        queue: String,
        /// The id.
        id: JobId,
        /// Whom it belongs to.
        owner: super::JobOwner,
    },
    /// The message is larger than the platform takes.
    #[error(
        "the message of {job} has {bytes} bytes; the limit is {limit}. Put the data elsewhere and pass a reference"
    )]
    TooLarge {
        /// The job's name.
        job: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The delay is longer than the backend can keep.
    #[error("{job} cannot be delayed until {due_at}: {reason}")]
    Delay {
        /// The job's name.
        job: String,
        /// The moment asked for.
        due_at: Timestamp,
        /// Why not.
        reason: String,
    },
    /// More jobs begat each other in a row than the limit allows.
    #[error(
        "{job} was not enqueued: {hops} jobs have begotten each other in a row, and {} is the limit",
        crate::message::MAX_HOPS
    )]
    TooManyHops {
        /// The job's name.
        job: String,
        /// The number.
        hops: u32,
    },
    /// The backend knows no queue of that name.
    #[error("there is no queue {0:?} here")]
    UnknownQueue(String),
    /// A handler enqueued what its function does not declare.
    #[error(
        "{job} was not enqueued: function {function:?} does not say that its handlers enqueue it; add .enqueues::<…>() \
         with the job's type to the function, or .enqueues_to(…) with its queue, {queue:?}"
    )]
    Undeclared {
        /// The job's name.
        job: String,
        /// The queue's.
        queue: String,
        /// The handler's function.
        function: String,
    },
    /// What the platform would refuse in the submission.
    #[error("{job} cannot be enqueued: {reason}")]
    Refused {
        /// The job's name.
        job: String,
        /// Why not.
        reason: String,
    },
    /// The backend did not take it.
    #[error(transparent)]
    Backend(#[from] StoreError),
}
