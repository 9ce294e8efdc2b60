//! What a backend provides: [`Queues`] to send through, and a [`Store`] of records.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    delivery::Burial,
    error::ErrorText,
    id::JobId,
    message::{Message, SharedMessage},
    options::Retention,
    record::{AttemptOutcome, Progress, Record, State},
};

/// A backend: where messages are sent, and where records are kept, if they are.
#[derive(Clone)]
pub struct Backend {
    /// Where messages are sent.
    pub queues: Arc<dyn Queues>,
    /// Where records are kept.
    pub store: Option<Arc<dyn Store>>,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("tracked", &self.store.is_some()).finish_non_exhaustive()
    }
}

/// Where messages are sent.
#[async_trait]
pub trait Queues: Send + Sync + 'static {
    /// Makes jobs known and puts their messages on their queues. The answers come in the order of the submissions;
    /// one that is refused does not hold up the others. When an answer says that a job is enqueued, it is durable.
    async fn send(&self, submissions: Vec<Submission>) -> Vec<Result<Enqueued, EnqueueError>>;
}

/// One job to be enqueued.
#[derive(Debug, Clone)]
pub struct Submission {
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
    /// Whether a record is kept.
    pub tracked: bool,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// A new job.
    New(JobId),
    /// There is a job of that id already; nothing was enqueued.
    Duplicate(JobId, State),
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

/// The store of records. Every write to a running job is fenced by its [`Token`]: one who has lost the lease changes
/// nothing.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Asks for the right to run each job. The answers come in the order of the requests.
    ///
    /// A job without a record gets one. A job whose lease has ended is counted as lost and given to the asker, or
    /// failed when that was its last attempt.
    async fn claim(&self, requests: Vec<ClaimRequest>) -> Vec<Result<Claim, StoreError>>;

    /// Writes down how attempts ended. The answers come in the order of the requests.
    async fn settle(&self, requests: Vec<Settle>) -> Vec<Result<Settled, StoreError>>;

    /// Keeps progress or a checkpoint of a running attempt, and says whether it still holds the lease.
    async fn note(&self, id: &JobId, token: Token, note: Note) -> Result<LeaseStatus, StoreError>;

    /// The record of one job.
    async fn get(&self, id: &JobId) -> Result<Option<Record>, StoreError>;

    /// Records, newest first, a page at a time.
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError>;

    /// How many jobs stand in each state, by queue.
    async fn counts(&self) -> Result<Vec<Count>, StoreError>;

    /// Cancels a job that has not ended. `Ok(None)`: there is no such job. Otherwise the state it is in now; a job
    /// that had ended stays as it was.
    async fn cancel(&self, id: &JobId) -> Result<Option<State>, StoreError>;

    /// Enqueues a job that has ended once more, with its history kept and its attempts counted anew. `Ok(None)`: there
    /// is no such job. Otherwise the state it is in now; a job that has not ended stays as it was.
    async fn requeue(&self, id: &JobId) -> Result<Option<State>, StoreError>;

    /// Resolves when the job's record may have changed, at the latest after a second.
    async fn changed(&self, id: &JobId) {
        let _ = id;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The right to run a job: the attempt's number, and a number drawn at random by its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Token {
    /// The attempt, from 1.
    pub attempt: u32,
    /// The owner.
    pub owner: u64,
}

/// Asks for the right to run one job.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// The job's id.
    pub id: JobId,
    /// The queue it came from.
    pub queue: Arc<str>,
    /// The message, for a job that has no record yet.
    pub message: SharedMessage,
    /// [`crate::Delivery::receipt`].
    pub receipt: String,
    /// Who asks: becomes part of the [`Token`].
    pub owner: u64,
    /// Who asks, in words, for the history.
    pub host: Arc<str>,
    /// Until when the lease is wanted.
    pub lease_until: Timestamp,
    /// Executions allowed.
    pub max_attempts: u32,
    /// How long the record is kept, should the claim itself end the job.
    pub retention: Retention,
}

/// The answer to a [`ClaimRequest`].
#[derive(Debug, Clone)]
pub enum Claim {
    /// Run it, as this attempt.
    Run {
        /// The attempt, from 1.
        attempt: u32,
        /// What an earlier attempt kept.
        checkpoint: Option<Box<RawValue>>,
    },
    /// It has ended already, as this state says; a cancelled or expired job among them.
    Ended(State),
    /// Another attempt holds the lease until then.
    Busy(Timestamp),
    /// The lease of its last attempt ended without a word, and now it is recorded as failed.
    Exhausted {
        /// Attempts used.
        attempts: u32,
    },
}

/// How one attempt ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settle {
    /// The job's id.
    pub id: JobId,
    /// The queue it came from.
    pub queue: Arc<str>,
    /// [`crate::Delivery::receipt`]: a store that is the queue as well settles the message in the same transaction.
    #[serde(skip)]
    pub receipt: String,
    /// The right under which it ran.
    pub token: Token,
    /// Who ran it.
    pub host: Arc<str>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What follows.
    pub verdict: Verdict,
    /// How far it had come, where the handler told and it is not written down yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")] // tagged from outside: serde can buffer no raw JSON inside an internally tagged enum
pub enum Verdict {
    /// Succeeded; the record is kept for `retention`.
    Succeeded {
        /// What the handler returned.
        output: Option<Box<RawValue>>,
        /// How long the record is kept.
        retention: Duration,
    },
    /// Failed, and tried again after `delay`.
    Retry {
        /// How the attempt ended.
        outcome: AttemptOutcome,
        /// What went wrong.
        error: ErrorText,
        /// How long to wait.
        delay: Duration,
    },
    /// Failed for good; the message is buried.
    Failed {
        /// How the attempt ended.
        outcome: AttemptOutcome,
        /// Why the message is buried.
        #[serde(skip)]
        burial: Option<Burial>,
        /// What went wrong.
        error: ErrorText,
        /// How long the record is kept.
        retention: Duration,
    },
    /// Put back by the handler or by a stopping host: the attempt does not count.
    PutBack {
        /// How long until it may run again.
        delay: Duration,
    },
}

impl Verdict {
    /// The state that it leads to.
    #[must_use]
    pub const fn state(&self) -> State {
        match self {
            Self::Succeeded { .. } => State::Succeeded,
            Self::Retry { .. } => State::Retrying,
            Self::Failed { .. } => State::Failed,
            Self::PutBack { .. } => State::Queued,
        }
    }
}

/// The answer to a [`Settle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Written down.
    Applied {
        /// The message is settled too; see [`crate::Settlement::done`].
        message_done: bool,
    },
    /// The lease was lost: nothing was changed. The job now stands in this state, or has no record any more.
    Fenced(Option<State>),
}

/// Something to keep about a running attempt.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// How far it has come.
    pub progress: Option<Progress>,
    /// What the next attempt shall find.
    pub checkpoint: Option<Box<RawValue>>,
}

/// Whether an attempt still holds its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseStatus {
    /// It does.
    Held,
    /// It does not: the job was cancelled, or another attempt has taken over.
    Lost,
}

/// Which records to list. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// In this state.
    pub state: Option<State>,
    /// Of this job name.
    pub job: Option<String>,
    /// Of this queue.
    pub queue: Option<String>,
    /// Known to the store since this moment.
    pub since: Option<Timestamp>,
    /// Known to the store before this moment.
    pub before: Option<Timestamp>,
    /// [`Page::next`] of the page before.
    pub cursor: Option<String>,
    /// Records a page: 1–1000; 0 means 50.
    pub limit: usize,
}

/// A page of records.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Newest first.
    pub records: Vec<Record>,
    /// Where the next page begins, where there is one.
    pub next: Option<String>,
}

/// How many jobs of a queue stand in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The queue.
    pub queue: String,
    /// The state.
    pub state: State,
    /// The number.
    pub jobs: u64,
}

/// Why a backend did not do what it was asked.
#[derive(Debug, Clone)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: Arc<str>,
}

/// The kinds of [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// Not reachable, or not able to answer now: the same call may go through later.
    Unavailable,
    /// Refused for want of permission or credentials.
    Denied,
    /// The request, or what is stored, does not make sense: the same call would fail again.
    Invalid,
}

impl StoreError {
    /// An error of `kind`; the message says what, why and what to do, in one sentence.
    #[must_use]
    pub fn new(kind: StoreErrorKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string().into() }
    }

    /// An [`StoreErrorKind::Unavailable`].
    #[must_use]
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self::new(StoreErrorKind::Unavailable, message)
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}

/// The internal message that carries a settlement which the store could not take when it was made.
pub(crate) const SETTLE_JOB: &str = "lamplighter.settle";

impl Settle {
    /// The settlement as a message: applied by whichever worker receives it.
    pub(crate) fn to_message(&self) -> Option<Message> {
        let args = serde_json::value::to_raw_value(self).ok()?;
        Message::new(SETTLE_JOB, args).ok()
    }
}
