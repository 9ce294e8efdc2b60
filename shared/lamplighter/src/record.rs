//! What the store knows about one job.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{id::JobId, message::SharedMessage};

pub use crate::{
    error::ErrorText,
    id::InvalidJobId,
    ports::{Count, Page},
};

/// Where a job stands.
///
/// ```text
/// scheduled ─→ queued ─→ running ─→ succeeded
///                ↑         ↓  ↑
///              waiting    retrying          running | queued ─→ failed
///                                           any that has not ended ─→ cancelled
/// failed | cancelled | succeeded ─→ queued: by hand, a new run of the same id, its history kept
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Enqueued with a delay, and not begun.
    Scheduled,
    /// Waits for another job or batch to end.
    Waiting,
    /// Ready to run.
    Queued,
    /// An attempt holds the lease.
    Running,
    /// An attempt has failed; another follows.
    Retrying,
    /// Done.
    Succeeded,
    /// Attempts used up, or told to fail.
    Failed,
    /// Ended by hand, or expired before it began.
    Cancelled,
}

impl JobState {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::Waiting,
        Self::Queued,
        Self::Running,
        Self::Retrying,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether the job has ended.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The state's name: the word used in the store, the CLI and the dashboard.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Waiting => "waiting",
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

/// A text that names no [`JobState`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no state; states are scheduled, waiting, queued, running, retrying, succeeded, failed and cancelled")]
pub struct UnknownState(String);

/// How an attempt ended.
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
    /// The lease ended without a word: the host crashed or was killed.
    Lost,
    /// The job was cancelled by hand while the handler ran. The handler is told, and what it returns does not count; one
    /// that does not listen is ended at its next await a while later ([`Context::LOST_GRACE`](crate::Context::LOST_GRACE)),
    /// and one that blocks its thread keeps its place in its host until its time is up.
    Cancelled,
}

impl AttemptOutcome {
    /// The outcome in words, as people are shown it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::TimedOut => "timed out",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One execution of a handler, after it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When the handler began.
    pub started_at: Timestamp,
    /// When it ended; for a lost attempt, when its lease ended; for a cancelled one, when its job was cancelled.
    pub ended_at: Timestamp,
    /// Who ran it.
    pub host: String,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// What went wrong, where something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorText>,
}

/// How far a job has come, as its handler last told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
}

/// What the store knows about one job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The job's id.
    pub id: JobId,
    /// The queue that carries it.
    pub queue: String,
    /// Where it stands.
    pub state: JobState,
    /// The message: job name, arguments, relations.
    pub message: SharedMessage,
    /// When it became known to the store.
    pub created_at: Timestamp,
    /// When it may run next; where that is later than now, it waits for that moment.
    pub due_at: Timestamp,
    /// Executions in its present run, the running one included.
    pub attempt: u32,
    /// When the running attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Until when the running attempt holds the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Why it was cancelled, where that was not done by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the handler returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Box<RawValue>>,
    /// How far it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What the handler kept for its next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Box<RawValue>>,
    /// Ended attempts, oldest first, of all runs. At most [`Record::MAX_HISTORY`]: the oldest go first.
    pub attempts: Vec<Attempt>,
}

impl Attempt {
    /// The error of a [cancelled](AttemptOutcome::Cancelled) attempt.
    pub const CANCELLED: &'static str =
        "its job was cancelled while it ran; a handler that blocks its thread keeps its place until its time is up";
}

impl Record {
    /// The largest output, and the largest checkpoint, that a record keeps, in bytes of JSON.
    pub const MAX_VALUE_BYTES: usize = 128 * 1024;

    /// How many ended attempts a record keeps.
    pub const MAX_HISTORY: usize = 50;

    /// Adds an ended attempt to a history and lets go of the oldest beyond [`Record::MAX_HISTORY`].
    pub fn push_attempt(history: &mut Vec<Attempt>, attempt: Attempt) {
        history.push(attempt);
        let surplus = history.len().saturating_sub(Self::MAX_HISTORY);
        history.drain(..surplus);
    }

    /// The last error, where the latest attempt ended with one.
    #[must_use]
    pub fn last_error(&self) -> Option<&ErrorText> {
        self.attempts.last().and_then(|attempt| attempt.error.as_ref())
    }
}
