//! Records, and the right to run a job.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::StoreError;
use crate::{
    delivery::DeadLetterReason,
    error::ErrorText,
    id::JobId,
    message::SharedMessage,
    options::{Retention, Tracking},
    record::{AttemptOutcome, JobState, Progress, Record},
};

/// The store of records. Every write to a running job is fenced by its [`Token`]: one who has lost the lease changes
/// nothing.
///
/// A job belongs to the queue and the job name that it was first known under. Under its id nobody else's message can
/// claim it.
///
/// Calls that an invocation waits for name the moment `by` which it needs the answers. What is not known by then is
/// answered as [unavailable](super::StoreErrorKind::Unavailable), each request by itself; it may have been done all the
/// same.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Asks for the right to run each job. The answers come in the order of the requests.
    ///
    /// A job without a record gets one. A job whose lease has ended is counted as lost and given to the asker, or
    /// failed when that was its last attempt. One that must hold something [alone](ClaimRequest::lock) is given to
    /// nobody while another job holds that: a lost attempt is then counted later.
    async fn claim(&self, requests: Vec<ClaimRequest>, by: Instant) -> Vec<Result<Claim, StoreError>>;

    /// Writes down how attempts ended. The answers come in the order of the requests.
    ///
    /// A settlement may come more than once, also long after it was applied: it is recognized by its token and its
    /// verdict, is answered as applied, and changes nothing more.
    async fn settle(&self, requests: Vec<Completion>, by: Instant) -> Vec<Result<CompletionResult, StoreError>>;

    /// Keeps progress or a checkpoint of a running attempt, and says whether it still holds the lease.
    async fn save_job_data(&self, id: &JobId, token: Token, note: JobData) -> Result<LeaseStatus, StoreError>;

    /// The record of one job.
    async fn get(&self, id: &JobId) -> Result<Option<Record>, StoreError>;

    /// Records, newest first, a page at a time.
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError>;

    /// How many jobs stand in each state, by queue.
    async fn counts(&self) -> Result<Vec<Count>, StoreError>;

    /// Cancels a job that has not ended. `Ok(None)`: there is no such job. Otherwise the state it is in now; a job
    /// that had ended stays as it was.
    async fn cancel(&self, id: &JobId) -> Result<Option<JobState>, StoreError>;

    /// Enqueues a job that has ended once more, with its history kept and its attempts counted anew. `Ok(None)`: there
    /// is no such job. Otherwise the state it is in now; a job that has not ended stays as it was.
    async fn retry(&self, id: &JobId) -> Result<Option<JobState>, StoreError>;

    /// As [`retry`](Self::retry), but the caller sends the message: a redrive does so with the one that lay in the
    /// dead-letter queue. Until that message comes, the job is queued and nobody delivers it.
    async fn mark_queued(&self, id: &JobId) -> Result<Option<JobState>, StoreError>;

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
    /// [`crate::host::Delivery::receipt`].
    pub receipt: String,
    /// [`crate::host::Delivery::message_id`].
    pub message_id: String,
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
    /// Which records are kept.
    pub tracking: Tracking,
    /// What it must hold alone to run, where there is something.
    pub lock: Option<Lock>,
}

/// Whom a job's id belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOwner {
    /// The job's name.
    pub job: String,
    /// The queue that carries it.
    pub queue: String,
}

impl JobOwner {
    /// Whether `job` on `queue` is the owner.
    #[must_use]
    pub fn is(&self, job: &str, queue: &str) -> bool {
        self.job == job && self.queue == queue
    }
}

/// What one job at a time may hold, by the key's text: with the right to run, it gets that of the key, and both end
/// together.
///
/// The right of a key is a lease like the job's own, until [`ClaimRequest::lease_until`] and under the same owner. It is
/// free again as soon as the attempt is settled, in whichever way, or its job is cancelled or recorded as failed; and
/// when its time is over, though nobody said a word. Another one's right is never taken away by this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The key: at most 256 characters.
    pub key: String,
    /// What happens while another job holds it.
    pub on_busy: OnBusy,
}

/// What happens to a claim while another job holds what it must hold alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnBusy {
    /// [`Claim::Locked`].
    Wait,
    /// [`Claim::Skipped`] for a job of which no attempt has begun in its present run; [`Claim::Locked`] for any other.
    Cancel {
        /// Why, for the record.
        reason: String,
    },
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
        /// What the store wants to see again when the attempt is settled; means nothing to anybody else.
        claim_hint: Option<Box<str>>,
    },
    /// It has ended already, as this state says; a cancelled or expired job among them.
    Ended(JobState),
    /// The id belongs to another job, or to one of another queue: nothing was changed.
    Foreign(JobOwner),
    /// It has failed, and this very message was to be buried: it has come back, so that was cut off.
    DeadLetterPending {
        /// Why it is buried.
        reason: DeadLetterReason,
        /// What went wrong last.
        error: ErrorText,
        /// Attempts used.
        attempts: u32,
    },
    /// Another attempt holds the lease until then.
    Busy(Timestamp),
    /// Another job holds what this one must hold alone: ask again at that moment. Nothing was changed.
    Locked(Timestamp),
    /// Another job holds what this one must hold alone, and now it is recorded as cancelled.
    Skipped,
    /// The lease of its last attempt ended without a word, and now it is recorded as failed.
    Exhausted {
        /// Attempts used.
        attempts: u32,
    },
}

/// How one attempt ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Completion {
    /// The job's id.
    pub id: JobId,
    /// The queue it came from.
    pub queue: Arc<str>,
    /// [`crate::host::Delivery::receipt`]: a store that is the queue as well settles the message in the same transaction.
    #[serde(skip)]
    pub receipt: String,
    /// [`crate::host::Delivery::message_id`]: should the message of a failed job come back, it was not buried.
    #[serde(default)]
    pub message_id: String,
    /// The right under which it ran.
    pub token: Token,
    /// Who ran it.
    pub host: Arc<str>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What follows.
    #[serde(rename = "verdict")]
    pub decision: Decision,
    /// How far it had come, where the handler told and it is not written down yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Which records are kept.
    #[serde(default)]
    pub tracking: Tracking,
    /// What the store gave with the [claim](Claim::Run).
    #[serde(default, rename = "memo", skip_serializing_if = "Option::is_none")]
    pub claim_hint: Option<Box<str>>,
    /// The key of what it held alone, which is free from now on.
    #[serde(default, rename = "exclusive", skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")] // tagged from outside: serde can buffer no raw JSON inside an internally tagged enum
pub enum Decision {
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
        /// Why the message is dead-lettered.
        #[serde(default)]
        reason: DeadLetterReason,
        /// What went wrong.
        error: ErrorText,
        /// How long the record is kept.
        retention: Duration,
    },
    /// Put back by the handler or by a stopping host: the attempt does not count.
    #[serde(rename = "put_back")]
    Released {
        /// How long until it may run again.
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
            Self::Released { .. } => JobState::Queued,
        }
    }
}

/// The answer to a [`Completion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionResult {
    /// Written down.
    Applied {
        /// The message is settled too; see [`crate::host::Disposition::done`].
        message_done: bool,
    },
    /// The lease was lost: nothing was changed. The job now stands in this state, or has no record any more.
    Fenced(Option<JobState>),
}

/// Something to keep about a running attempt.
#[derive(Debug, Clone, Default)]
pub struct JobData {
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
    pub state: Option<JobState>,
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
    pub state: JobState,
    /// The number.
    pub jobs: u64,
}
