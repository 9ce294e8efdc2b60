//! Records and leases.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{Accuracy, LimitRequest, ListQuery, Page, StoreError};
use crate::{
    batch::Membership,
    client::Cancellation,
    delivery::DeadLetterReason,
    error::ErrorText,
    id::JobId,
    log::LogLine,
    message::SharedMessage,
    options::{Retention, Tracking},
    record::{AttemptOutcome, JobState, Progress, Record},
};

/// The store of records. Every write to a running job is fenced by its [`Token`]: an attempt that has lost its lease
/// changes nothing.
///
/// A job's id belongs to the queue and the job name under which the store first saw it. A message of another queue or
/// job cannot claim it.
///
/// Calls that an invocation waits for take `by`, the moment by which it needs the answers. A request without a result
/// by then is answered as [unavailable](super::StoreErrorKind::Unavailable), separately from the others; it may still
/// have been carried out.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Claims the right to run each job. The answers come in the order of the requests.
    ///
    /// A job without a record gets one. If a job's lease has ended, its attempt is counted as lost and the caller gets
    /// the job, or the job fails if that was its last attempt. A job with [limits](ClaimRequest::limits) is not given out
    /// while one of them has no place: a lost attempt is then counted later.
    ///
    /// A claim may come again under the same [owner](ClaimRequest::owner), and late. While the attempt that it was given runs,
    /// the answer is the same; when the job's last attempt was that owner's and has been settled, the job is
    /// [busy](Claim::Busy) for it, as nobody would run another.
    async fn claim(&self, requests: Vec<ClaimRequest>, by: Instant) -> Vec<Result<Claim, StoreError>>;

    /// Records how attempts ended. The answers come in the order of the requests.
    ///
    /// A settlement may come more than once, also long after it was applied: it is recognized by its token and its
    /// decision, is answered as applied, and changes nothing more.
    async fn settle(&self, requests: Vec<Completion>, by: Instant) -> Vec<Result<CompletionResult, StoreError>>;

    /// Saves progress or a checkpoint of a running attempt, and returns whether it still holds the lease.
    async fn save_job_data(&self, id: &JobId, token: Token, data: JobData) -> Result<LeaseStatus, StoreError>;

    /// Extends the leases of running attempts, with the places that they have in limits. The answers come in the order of the
    /// requests. An attempt that has lost its lease changes nothing.
    async fn renew(&self, requests: Vec<RenewRequest>, by: Instant) -> Vec<Result<LeaseStatus, StoreError>>;

    /// The record of one job.
    async fn get(&self, id: &JobId) -> Result<Option<Record>, StoreError>;

    /// The records of some jobs, in the order of their ids; `None` where there is none. At most a hundred.
    async fn get_each(&self, ids: &[JobId]) -> Result<Vec<Option<Record>>, StoreError> {
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            records.push(self.get(id).await?);
        }
        Ok(records)
    }

    /// The lines that a job has written, oldest first.
    async fn log(&self, id: &JobId) -> Result<Vec<LogLine>, StoreError>;

    /// Adds a line about an operation to a job's log: once for each operation, and at most [`LogLine::MAX_OF_OPERATORS`] of
    /// them. A job without a record has no log.
    async fn log_operation(&self, id: &JobId, operation: &JobId, line: LogLine) -> Result<(), StoreError>;

    /// Records, newest first, a page at a time.
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError>;

    /// The number of jobs in each state, by queue. A backend whose records cannot be counted on request says of each number
    /// how [accurate](Count::accuracy) it is and from [when](Count::as_of), and leaves out what it has not counted yet.
    async fn counts(&self) -> Result<Vec<Count>, StoreError>;

    /// Cancels a job that has not ended. Returns the state it is in now, or `None` when there is no such job; a job
    /// that had ended stays as it was.
    async fn cancel(&self, id: &JobId, cancellation: &Cancellation) -> Result<Option<JobState>, StoreError>;

    /// Enqueues an ended job again; its history is kept, and its attempts are counted from zero. Returns the state it
    /// is in now, or `None` when there is no such job; a job that has not ended stays as it was.
    async fn retry(&self, id: &JobId) -> Result<Option<JobState>, StoreError>;

    /// As [`retry`](Self::retry), but the caller sends the message: a redrive sends the one from the dead-letter queue.
    /// Until that message arrives, the job is queued and has no message.
    async fn mark_queued(&self, id: &JobId) -> Result<Option<JobState>, StoreError>;

    /// Deletes the record of an ended job, with its attempts, its log and its body. Returns the state in which the job was:
    /// if it had ended, its record is gone now; if not, it stayed as it was. `None` when there is no such job.
    ///
    /// What others hold stays: a dead letter of the job, whose redrive runs it as a new job; its place in the counts of its
    /// batch; and a unique key that is held for a time.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`](super::StoreErrorKind::Invalid) for a [batch](crate::Batch): its record goes when it
    /// expires.
    async fn delete(&self, id: &JobId) -> Result<Option<JobState>, StoreError>;

    /// Gives another time to a job that is scheduled, queued or retrying; a moment that has passed means now. Returns the
    /// state that it is in now, or `None` when there is no such job; one that runs, waits for others or has ended stays as
    /// it was.
    ///
    /// A job that has not begun is then scheduled or queued, as if it had been enqueued for that time. One that has begun
    /// stays queued or retrying: its next attempt is at that time, and counts as it would have. A message that arrives
    /// earlier changes nothing.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`](super::StoreErrorKind::Invalid) for a moment that cannot be stored, and on a FIFO queue
    /// wherever its group would have to wait, or the job to overtake it.
    async fn reschedule(&self, id: &JobId, at: Timestamp) -> Result<Option<JobState>, StoreError>;

    /// Resolves when the job's record may have changed, at the latest after a second.
    async fn changed(&self, id: &JobId) {
        let _ = id;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The fencing token of an attempt: its number, and a random number drawn by its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Token {
    /// The attempt, from 1.
    pub attempt: u32,
    /// The owner.
    pub owner: u64,
}

/// A request for the right to run one job.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// The job's id.
    pub id: JobId,
    /// The queue it came from.
    pub queue: Arc<str>,
    /// The message, for a job that has no record yet.
    pub message: SharedMessage,
    /// [`crate::host::Delivery::receipt`].
    pub receipt: String,
    /// [`crate::host::Delivery::message_id`].
    pub message_id: String,
    /// The claimant: becomes part of the [`Token`].
    pub owner: u64,
    /// The claimant's name, for the history.
    pub host: Arc<str>,
    /// The requested end of the lease.
    pub lease_until: Timestamp,
    /// Executions allowed.
    pub max_attempts: u32,
    /// The retention of the record, if the claim itself ends the job.
    pub retention: Retention,
    /// Which records are kept.
    pub tracking: Tracking,
    /// The limits within which it runs.
    pub limits: Vec<LimitRequest>,
    /// The handle by which the store hides the message and shows it again, while the job waits for a limit. Without one, a
    /// store that is not the queue leaves that to the host.
    pub handle: Option<Arc<str>>,
}

/// The owner of a job's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOwner {
    /// The job's name.
    pub job: String,
    /// The queue that carries it.
    pub queue: String,
}

impl JobOwner {
    /// Returns whether `job` on `queue` is the owner.
    #[must_use]
    pub fn is(&self, job: &str, queue: &str) -> bool {
        self.job == job && self.queue == queue
    }
}

impl ClaimRequest {
    /// A request for one execution, with the default retention, a full record and no limit.
    #[must_use]
    pub fn new(
        id: JobId,
        queue: impl Into<Arc<str>>,
        message: SharedMessage,
        owner: u64,
        lease_until: Timestamp,
    ) -> Self {
        Self {
            id,
            queue: queue.into(),
            message,
            receipt: String::new(),
            message_id: String::new(),
            owner,
            host: "".into(),
            lease_until,
            max_attempts: 1,
            retention: Retention::default(),
            tracking: Tracking::Full,
            limits: Vec::new(),
            handle: None,
        }
    }
}

/// The answer to a [`ClaimRequest`].
#[derive(Debug, Clone)]
pub enum Claim {
    /// Run it, as this attempt.
    Run {
        /// The attempt, from 1.
        attempt: u32,
        /// The value that an earlier attempt saved.
        checkpoint: Option<Box<RawValue>>,
        /// Data that the store needs back when the attempt is settled; opaque to others.
        claim_hint: Option<Box<str>>,
        /// The message to run instead of the one that was delivered: the job was given
        /// [other arguments](crate::Unique::or_replace) after that was sent.
        message: Option<SharedMessage>,
    },
    /// It has ended already, in this state; cancelled and expired jobs included.
    Ended(JobState),
    /// The id belongs to another job, or to one of another queue: nothing was changed.
    Foreign(JobOwner),
    /// It has failed, and this message was to be dead-lettered: it was delivered again, so that was interrupted.
    DeadLetterPending {
        /// Why it is dead-lettered.
        reason: DeadLetterReason,
        /// The last error.
        error: ErrorText,
        /// Attempts used.
        attempts: u32,
    },
    /// Another attempt holds the lease until then.
    Busy(Timestamp),
    /// A limit has no place for it: it comes again at that moment, or earlier.
    Limited {
        /// When it comes again, at the latest.
        until: Timestamp,
        /// Whether the store has hidden the message until then, and shows it again as soon as there is a place.
        is_hidden: bool,
    },
    /// A limit has no place for it, and it is now recorded as cancelled.
    Skipped,
    /// The lease of its last attempt ended without a report, and it is now recorded as failed.
    Exhausted {
        /// Attempts used.
        attempts: u32,
    },
}

/// The end of one attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Completion {
    /// The job's id.
    pub id: JobId,
    /// The queue it came from.
    pub queue: Arc<str>,
    /// [`crate::host::Delivery::receipt`]: a store that is also the queue settles the message in the same transaction.
    #[serde(skip)]
    pub receipt: String,
    /// [`crate::host::Delivery::message_id`]: if the message of a failed job is delivered again, it was not
    /// dead-lettered.
    #[serde(default)]
    pub message_id: String,
    /// The token under which it ran.
    pub token: Token,
    /// The host that ran it.
    pub host: Arc<str>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The decision.
    #[serde(rename = "verdict")]
    pub decision: Decision,
    /// The progress that the handler reported and that is not saved yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The lines of the log that are not saved yet. A settlement that is sent as a message leaves them behind.
    #[serde(skip)]
    pub log: Vec<LogLine>,
    /// Which records are kept.
    #[serde(default)]
    pub tracking: Tracking,
    /// The store's data from the [claim](Claim::Run).
    #[serde(default, rename = "memo", skip_serializing_if = "Option::is_none")]
    pub claim_hint: Option<Box<str>>,
    /// The keys of the limits in which it had a place, which is free from now on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// The batch that it is a job of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Membership>,
}

impl Completion {
    /// The end of the attempt of `token`, which ran from `started_at` to `ended_at`.
    #[must_use]
    pub fn new(
        id: JobId,
        queue: impl Into<Arc<str>>,
        token: Token,
        (started_at, ended_at): (Timestamp, Timestamp),
        decision: Decision,
    ) -> Self {
        Self {
            id,
            queue: queue.into(),
            receipt: String::new(),
            message_id: String::new(),
            token,
            host: "".into(),
            started_at,
            ended_at,
            decision,
            progress: None,
            log: Vec::new(),
            tracking: Tracking::Full,
            claim_hint: None,
            limits: Vec::new(),
            batch: None,
        }
    }
}

/// The decision that follows from an attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")] // externally tagged: serde cannot buffer raw JSON inside an internally tagged enum
pub enum Decision {
    /// Succeeded; the record is kept for `retention`.
    Succeeded {
        /// The handler's output.
        output: Option<Box<RawValue>>,
        /// The retention of the record.
        retention: Duration,
    },
    /// Failed, and tried again after `delay`.
    Retry {
        /// The outcome of the attempt.
        outcome: AttemptOutcome,
        /// The error.
        error: ErrorText,
        /// The delay until the next attempt.
        delay: Duration,
    },
    /// Failed for good; the message is dead-lettered.
    Failed {
        /// The outcome of the attempt.
        outcome: AttemptOutcome,
        /// Why the message is dead-lettered.
        #[serde(default)]
        reason: DeadLetterReason,
        /// The error.
        error: ErrorText,
        /// The retention of the record.
        retention: Duration,
    },
    /// Goes on at once from a checkpoint that has advanced. Attempts are counted anew from there, so that a job of many hours
    /// uses up none of them.
    Continued {
        /// The outcome of the attempt: continued, or timed out after it had saved a checkpoint.
        outcome: AttemptOutcome,
        /// The error of an attempt that timed out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ErrorText>,
        /// The checkpoint, unless it is saved already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<Box<RawValue>>,
    },
    /// Released by the handler or by a stopping host: the attempt does not count.
    #[serde(rename = "put_back")]
    Released {
        /// The delay until it may run again.
        delay: Duration,
    },
}

impl Decision {
    /// The state that it leads to.
    #[must_use]
    pub const fn state(&self) -> JobState {
        match self {
            Self::Succeeded { .. } => JobState::Succeeded,
            Self::Retry { .. } => JobState::Retrying,
            Self::Failed { .. } => JobState::Failed,
            Self::Continued { .. } | Self::Released { .. } => JobState::Queued,
        }
    }
}

/// The answer to a [`Completion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionResult {
    /// Recorded.
    Applied {
        /// The message is settled too; see [`crate::host::Disposition::done`].
        message_done: bool,
    },
    /// The lease was lost: nothing was changed. The job is now in this state, or has no record any more.
    Fenced(Option<JobState>),
}

/// Data to save about a running attempt.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct JobData {
    /// Its progress.
    pub progress: Option<Progress>,
    /// The value for the next attempt.
    pub checkpoint: Option<Box<RawValue>>,
    /// Lines of its log. They are kept whether or not the attempt still holds the lease.
    pub log: Vec<LogLine>,
}

impl JobData {
    /// Progress alone.
    #[must_use]
    pub fn progress(progress: Progress) -> Self {
        Self { progress: Some(progress), ..Self::default() }
    }

    /// Lines of the log alone.
    #[must_use]
    pub fn log(log: Vec<LogLine>) -> Self {
        Self { log, ..Self::default() }
    }

    /// A checkpoint alone.
    #[must_use]
    pub fn checkpoint(value: Box<RawValue>) -> Self {
        Self { checkpoint: Some(value), ..Self::default() }
    }
}

/// A request to extend the lease of a running attempt.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RenewRequest {
    /// The job's id.
    pub id: JobId,
    /// The token under which it runs.
    pub token: Token,
    /// The keys of the limits in which it has a place.
    pub limits: Vec<String>,
    /// The requested end of the lease.
    pub lease_until: Timestamp,
}

impl RenewRequest {
    /// For an attempt without a limit.
    #[must_use]
    pub fn new(id: JobId, token: Token, lease_until: Timestamp) -> Self {
        Self { id, token, limits: Vec::new(), lease_until }
    }
}

/// The status of an attempt's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseStatus {
    /// The attempt still holds it.
    Held,
    /// The attempt has lost it: the job was cancelled, or another attempt has taken over.
    Lost,
}

/// The number of jobs of a queue in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The queue.
    pub queue: String,
    /// The state.
    pub state: JobState,
    /// The number.
    pub jobs: u64,
    /// Whether it is exact.
    pub accuracy: Accuracy,
    /// When it was counted.
    pub as_of: Timestamp,
}
