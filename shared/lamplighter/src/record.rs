//! The store's record of a job.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{batch::Batch, id::JobId, message::SharedMessage};

pub use crate::{
    error::{ErrorGroup, ErrorNote, ErrorSample, ErrorText, Fingerprint, InvalidFingerprint},
    id::InvalidJobId,
    log::{LogLevel, LogLine, UnknownLevel},
    ports::{Count, ErrorPage, ErrorQuery, Page},
};

/// The state of a job.
///
/// ```text
/// waiting ─→ queued | scheduled: the jobs that it waits for have ended
/// scheduled ─┬→ running ─→ succeeded
///    queued ─┘   ↓  ↑
///              retrying            queued | running ─→ failed
///                                  any that has not ended ─→ cancelled
/// running ─→ queued: released, without counting the attempt
/// failed | cancelled | succeeded ─→ queued: by hand, a new run of the same id, its history kept
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for other jobs to end.
    Waiting,
    /// Enqueued with a delay, and not begun.
    Scheduled,
    /// Ready to run.
    Queued,
    /// An attempt holds the lease.
    Running,
    /// An attempt has failed; another follows.
    Retrying,
    /// Done.
    Succeeded,
    /// Attempts used up, or failed for good by its handler.
    Failed,
    /// Cancelled by hand, or expired before it began.
    Cancelled,
}

impl JobState {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Scheduled,
        Self::Queued,
        Self::Running,
        Self::Retrying,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Every change of state that a job makes, from the one to the other. A first state is `Waiting`, `Queued` or `Scheduled`,
    /// or `Running` for a record that begins with its claim. The record of a [batch](crate::Batch) is `Waiting` until it ends.
    pub const TRANSITIONS: &[(Self, Self)] = &[
        (Self::Waiting, Self::Queued),
        (Self::Waiting, Self::Scheduled),
        (Self::Waiting, Self::Cancelled),
        (Self::Scheduled, Self::Queued),
        (Self::Scheduled, Self::Running),
        (Self::Scheduled, Self::Cancelled),
        (Self::Queued, Self::Scheduled),
        (Self::Queued, Self::Running),
        (Self::Queued, Self::Failed),
        (Self::Queued, Self::Cancelled),
        (Self::Running, Self::Queued),
        (Self::Running, Self::Retrying),
        (Self::Running, Self::Succeeded),
        (Self::Running, Self::Failed),
        (Self::Running, Self::Cancelled),
        (Self::Retrying, Self::Running),
        (Self::Retrying, Self::Cancelled),
        (Self::Succeeded, Self::Queued),
        (Self::Failed, Self::Queued),
        (Self::Cancelled, Self::Queued),
    ];

    /// Returns whether the job has ended.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The state's name: the word used in the store, the CLI and the dashboard.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| UnknownState(text.into()))
    }
}

/// A text that is not the name of a [`JobState`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a state; states are waiting, scheduled, queued, running, retrying, succeeded, failed and cancelled"
)]
pub struct UnknownState(String);

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The handler returned its output.
    Succeeded,
    /// The handler returned an error.
    Error,
    /// The handler panicked.
    Panic,
    /// The handler took longer than its timeout, or than its invocation's deadline allowed.
    TimedOut,
    /// The lease ended without a report: the host crashed or was killed.
    Lost,
    /// The job was cancelled by hand while the handler ran. The handler is notified, and its result does not count; a
    /// handler that ignores this is dropped at its next await after
    /// [`Context::LOST_GRACE`](crate::Context::LOST_GRACE), and one that blocks its thread keeps its place in its host
    /// until its timeout.
    Cancelled,
    /// The handler [went on from a checkpoint](crate::Context::continue_with) in the next attempt.
    Continued,
}

impl AttemptOutcome {
    /// The outcome as it is shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::TimedOut => "timed out",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
            Self::Continued => "continued",
        }
    }
}

/// One execution of a handler, after it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When the handler began.
    pub started_at: Timestamp,
    /// When it ended; for a lost attempt, when its lease ended; for a cancelled one, when its job was cancelled.
    pub ended_at: Timestamp,
    /// The host that ran it.
    pub host: String,
    /// Its outcome.
    pub outcome: AttemptOutcome,
    /// The error, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorText>,
    /// The fingerprint of a failure, by which it belongs to an [`ErrorGroup`]. Failures that earlier versions recorded
    /// have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

impl Attempt {
    /// An attempt that ran from `started_at` to `ended_at`, without an error.
    pub fn new(
        number: u32,
        host: impl Into<String>,
        (started_at, ended_at): (Timestamp, Timestamp),
        outcome: AttemptOutcome,
    ) -> Self {
        Self { number, started_at, ended_at, host: host.into(), outcome, error: None, fingerprint: None }
    }

    /// With an error, where there is one.
    #[must_use]
    pub fn with_error(mut self, error: Option<ErrorText>) -> Self {
        self.error = error;
        self
    }

    /// With the fingerprint of a failure, where it is one.
    #[must_use]
    pub fn with_fingerprint(mut self, fingerprint: Option<Fingerprint>) -> Self {
        self.fingerprint = fingerprint;
        self
    }
}

/// A job's progress, as its handler last reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in total.
    pub total: u64,
}

/// The store's record of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The job's id.
    pub id: JobId,
    /// The queue that carries it.
    pub queue: String,
    /// Its state.
    pub state: JobState,
    /// The message: job name, arguments, relations.
    pub message: SharedMessage,
    /// When the store first saw it.
    pub created_at: Timestamp,
    /// When it may run next; where that is later than now, it waits for that moment.
    pub due_at: Timestamp,
    /// Executions in its current run, the running one included.
    pub attempt: u32,
    /// When the running attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// The end of the running attempt's lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Why it was cancelled, and by whom, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The key of the limit in which it waits for a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The handler's output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Box<RawValue>>,
    /// Its progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The value that the handler saved for its next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Box<RawValue>>,
    /// Ended attempts, oldest first, of all runs. At most [`Record::MAX_HISTORY`]: the oldest are dropped.
    pub attempts: Vec<Attempt>,
}

impl Attempt {
    /// The error of a [cancelled](AttemptOutcome::Cancelled) attempt, with the reason, if there is one.
    #[must_use]
    pub fn cancelled(reason: Option<&str>) -> ErrorText {
        let mut text = ErrorText::new(
            "its job was cancelled while it ran; a handler that blocks its thread keeps its place until its timeout",
        );
        text.chain.extend(reason.map(str::to_owned));
        text
    }
}

impl Record {
    /// A record of a job that has not run yet, and is due at once.
    pub fn new(
        id: JobId,
        queue: impl Into<String>,
        state: JobState,
        message: SharedMessage,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            queue: queue.into(),
            state,
            message,
            created_at,
            due_at: created_at,
            attempt: 0,
            started_at: None,
            lease_until: None,
            finished_at: None,
            reason: None,
            limit: None,
            output: None,
            progress: None,
            checkpoint: None,
            attempts: Vec::new(),
        }
    }

    /// The largest output, and the largest checkpoint, that a record keeps, in bytes of JSON.
    pub const MAX_VALUE_BYTES: usize = 128 * 1024;

    /// The most ended attempts that a record keeps.
    pub const MAX_HISTORY: usize = 50;

    /// Adds an ended attempt to a history and drops the oldest beyond [`Record::MAX_HISTORY`].
    pub fn push_attempt(history: &mut Vec<Attempt>, attempt: Attempt) {
        history.push(attempt);
        let surplus = history.len().saturating_sub(Self::MAX_HISTORY);
        history.drain(..surplus);
    }

    /// Whether it is the record of a [batch](crate::Batch), which is no job that runs.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.message.job == Batch::JOB && self.queue == Batch::QUEUE
    }

    /// The last error, if the latest attempt ended with one.
    #[must_use]
    pub fn last_error(&self) -> Option<&ErrorText> {
        self.attempts.last().and_then(|attempt| attempt.error.as_ref())
    }
}
