//! Enqueueing.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::{id::JobId, message::SharedMessage, options::Tracking, record::JobState, unique::Unique};

/// The queues to send messages to.
#[async_trait]
pub trait Queues: Send + Sync + 'static {
    /// Registers jobs and puts their messages on their queues. The answers come in the order of the submissions; a
    /// refused one does not affect the others. A job that is reported as enqueued is durable.
    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>>;

    /// The number of submissions that are best sent at a time. A caller that has more makes the next ones while these are on
    /// their way; each call begins when its future is first polled, and calls take effect in that order. By default, all go
    /// into one call.
    fn portion(&self) -> usize {
        usize::MAX
    }

    /// What carries the messages, as spans name it: the value of `messaging.system` in OpenTelemetry's semantic
    /// conventions for messaging spans, where they have one for it.
    fn messaging_system(&self) -> &'static str {
        LAMPLIGHTER
    }
}

/// The messaging system of queues that are Lamplighter's own.
pub(crate) const LAMPLIGHTER: &str = "lamplighter";

/// One job to be enqueued.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EnqueueRequest {
    /// The job's id.
    pub id: JobId,
    /// The queue's name, without any suffix.
    pub queue: Arc<str>,
    /// The message, with id and times filled in.
    pub message: SharedMessage,
    /// When it is to run; `None` means now.
    pub due_at: Option<Timestamp>,
    /// The message group: orders on FIFO queues, spreads fairly between tenants on standard ones.
    pub group: Option<Arc<str>>,
    /// Which records are kept.
    pub tracking: Tracking,
    /// Whether the caller supplied the id, so that a job with it may exist already. A generated id is new.
    pub caller_supplied_id: bool,
    /// The key of which there is only one job.
    pub unique: Option<Unique>,
    /// Identifies the request where it may be made again, as from an [outbox](crate::outbox): a record that an interrupted
    /// request has left is then known as its own, and its message is sent.
    pub nonce: Option<u64>,
}

impl EnqueueRequest {
    /// A job to run now, with a full record, under an id that nobody else has.
    #[must_use]
    pub fn new(id: JobId, queue: impl Into<Arc<str>>, message: SharedMessage) -> Self {
        Self {
            id,
            queue: queue.into(),
            message,
            due_at: None,
            group: None,
            tracking: Tracking::Full,
            caller_supplied_id: false,
            unique: None,
            nonce: None,
        }
    }
}

/// The result of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// A new job.
    New(JobId),
    /// A job with that id exists already; nothing was enqueued.
    Duplicate(JobId, JobState),
    /// Another job has the [unique key](crate::NewJob::unique): its id, and its state unless its record has expired.
    /// Nothing was enqueued, nor was that job changed.
    Existing(JobId, Option<JobState>),
    /// Another job has the unique key, and now has the arguments and the time of this one: its id. It had not begun.
    Replaced(JobId),
}

impl Enqueued {
    /// The job's id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        match self {
            Self::New(id) | Self::Duplicate(id, _) | Self::Existing(id, _) | Self::Replaced(id) => id,
        }
    }

    /// Returns whether no job was added, since one with that id or that unique key existed already.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        !matches!(self, Self::New(_))
    }

    /// The state of the job that existed already, as far as it is known.
    #[must_use]
    pub fn existing_state(&self) -> Option<JobState> {
        match self {
            Self::New(_) | Self::Replaced(_) => None,
            Self::Duplicate(_, state) => Some(*state),
            Self::Existing(_, state) => *state,
        }
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
        /// The problem.
        reason: String,
    },
    /// The id is invalid.
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
        /// The queue that it was sent to.
        queue: String,
        /// The id.
        id: JobId,
        /// The owner of the id.
        owner: super::JobOwner,
    },
    /// Another job has the unique key, and [that is an error](crate::Unique::or_error).
    #[error("{job} was not enqueued: job {existing} has its unique key {key:?}")]
    NotUnique {
        /// The job's name.
        job: String,
        /// The key.
        key: String,
        /// The job that has it.
        existing: JobId,
    },
    /// Jobs cannot become part of a batch; none of them was enqueued.
    #[error("the jobs of batch {id} were not enqueued: {reason}")]
    Batch {
        /// The batch.
        id: JobId,
        /// Why not.
        reason: String,
    },
    /// The message is larger than the platform accepts.
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
    /// The delay is longer than the backend supports.
    #[error("{job} cannot be delayed until {due_at}: {reason}")]
    Delay {
        /// The job's name.
        job: String,
        /// The requested moment.
        due_at: Timestamp,
        /// Why not.
        reason: String,
    },
    /// The chain of jobs that enqueued each other is longer than the limit.
    #[error(
        "{job} was not enqueued: {hops} jobs enqueued each other in a chain, and the limit is {}",
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
    /// A handler enqueued a job that its function does not declare.
    #[error(
        "{job} was not enqueued: function {function:?} does not say that its handlers enqueue it; add .enqueues::<…>() \
         with the job's type to the function, or .enqueues_to(…) with its queue, {queue:?}"
    )]
    Undeclared {
        /// The job's name.
        job: String,
        /// The queue's name.
        queue: String,
        /// The handler's function.
        function: String,
    },
    /// The platform would refuse the submission.
    #[error("{job} cannot be enqueued: {reason}")]
    Refused {
        /// The job's name.
        job: String,
        /// Why not.
        reason: String,
    },
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] StoreError),
}

impl EnqueueError {
    /// Its kind in a word, for what counts errors.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Arguments { .. } => "arguments",
            Self::Id(_) => "id",
            Self::IdTaken { .. } => "id_taken",
            Self::NotUnique { .. } => "not_unique",
            Self::Batch { .. } => "batch",
            Self::TooLarge { .. } => "too_large",
            Self::Delay { .. } => "delay",
            Self::TooManyHops { .. } => "too_many_hops",
            Self::UnknownQueue(_) => "unknown_queue",
            Self::Undeclared { .. } => "undeclared",
            Self::Refused { .. } => "refused",
            Self::Backend(_) => "backend",
        }
    }
}
