//! Moving dead letters back: what is asked for, and how it went.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{DeadLetterFilter, StoreError};

/// Which dead letters are moved back, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redrive {
    /// Which ones.
    pub filter: DeadLetterFilter,
    /// How many at most are moved or removed; `None` for all.
    pub limit: Option<u64>,
    /// How many a second at most; `None` for as fast as it goes.
    pub per_second: Option<NonZeroU32>,
    /// Whether any job of the queue may have a record. The record of a failed job is then queued again before its message
    /// is sent, or the worker that receives it would find that the job has ended.
    pub records: bool,
    /// Whether they are deleted instead of moved: they count as [obsolete](RedriveProgress::obsolete), and the records of
    /// their jobs stay as they are.
    pub discard: bool,
}

impl Default for Redrive {
    fn default() -> Self {
        Self { filter: DeadLetterFilter::all(), limit: None, per_second: None, records: true, discard: false }
    }
}

impl Redrive {
    /// All of them, as fast as it goes.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Only these.
    #[must_use]
    pub fn with_filter(mut self, filter: DeadLetterFilter) -> Self {
        self.filter = filter;
        self
    }

    /// At most so many: on the embedded file the oldest ones, on SQS any.
    #[must_use]
    pub fn with_limit(mut self, dead_letters: u64) -> Self {
        self.limit = Some(dead_letters);
        self
    }

    /// At most so many a second.
    #[must_use]
    pub fn with_rate(mut self, per_second: NonZeroU32) -> Self {
        self.per_second = Some(per_second);
        self
    }

    /// Delete them instead.
    #[must_use]
    pub fn discarding(mut self) -> Self {
        self.discard = true;
        self
    }

    /// Of a queue whose jobs keep no records. SQS may then move all dead letters by itself: [`RedriveMethod::MoveTask`].
    #[must_use]
    pub fn without_records(mut self) -> Self {
        self.records = false;
        self
    }
}

/// How far a redrive has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct RedriveProgress {
    /// Dead letters that were moved back.
    pub moved: u64,
    /// Dead letters that were removed without being moved: their jobs have ended otherwise or are under way, since somebody
    /// has retried them. Also those that were to be [deleted](Redrive::discard).
    pub obsolete: u64,
    /// Dead letters that were looked at and stay: they do not fit, or came after the redrive had begun. The embedded file
    /// looks at none of those.
    pub left: u64,
    /// Dead letters to go through, as counted when it began; on SQS about so many.
    pub total: u64,
}

/// How a redrive ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RedriveResult {
    /// How they were moved.
    pub method: RedriveMethod,
    /// How far it came.
    pub progress: RedriveProgress,
    /// Dead letters that were to be moved and are still there.
    pub failed: u64,
    /// Dead letters that were moved and could not be deleted: another redrive moves them a second time.
    pub twice: u64,
    /// Why some are still there, or why it ended early.
    pub error: Option<StoreError>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

impl RedriveResult {
    /// A redrive by that method that came so far, with nothing that failed.
    #[must_use]
    pub fn new(method: RedriveMethod, progress: RedriveProgress) -> Self {
        Self { method, progress, failed: 0, twice: 0, error: None, stopped: false }
    }
}

/// How dead letters are moved back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RedriveMethod {
    /// Together with their records, in transactions.
    Transactions,
    /// One by one: received, sent, then deleted, so that none is lost; after a crash in between, one may be there twice.
    Manual,
    /// By SQS itself (StartMessageMoveTask), which can neither choose nor change them.
    MoveTask,
}
