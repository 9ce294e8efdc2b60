//! Jobs of which there is to be only one.

use std::time::Duration;

/// A key that one job of its type has at a time. A text converts into one.
///
/// ```
/// use lamplighter::{Unique, mins};
///
/// let until_it_ends = Unique::key("order-42");
/// let until_it_starts = Unique::key("refresh").until_started();
/// let once_in_ten_minutes = Unique::key("alarm").for_time(mins(10)).or_error();
/// let the_last_one = Unique::key("reindex-7").or_replace();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Unique {
    /// The key, within the job's type and queue: 1 to 256 bytes.
    pub key: String,
    /// How long the job has it.
    pub hold: UniqueHold,
    /// What enqueueing another job does while this one has the key.
    pub on_conflict: UniqueConflict,
}

/// What enqueueing does while another job has the key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UniqueConflict {
    /// Nothing: the answer [names](crate::Enqueued::Existing) the one that has it.
    #[default]
    Existing,
    /// It is an [error](crate::EnqueueError::NotUnique).
    Error,
    /// The other one gets the new arguments and the new time, unless it [has begun](crate::Enqueued::Existing).
    Replace,
}

/// How long a job has its key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UniqueHold {
    /// Until its first attempt begins.
    UntilStarted,
    /// Until it has ended.
    #[default]
    UntilEnded,
    /// For a time from enqueueing, whatever happens to it.
    For(Duration),
}

impl Unique {
    /// The longest key, in bytes.
    pub const MAX_LEN: usize = 256;

    /// A key that the job has until it has ended.
    #[must_use]
    pub fn key(key: impl Into<String>) -> Self {
        Self { key: key.into(), hold: UniqueHold::default(), on_conflict: UniqueConflict::default() }
    }

    /// The job has the key only until its first attempt begins: another one may be enqueued while it runs.
    #[must_use]
    pub fn until_started(mut self) -> Self {
        self.hold = UniqueHold::UntilStarted;
        self
    }

    /// The job has the key for this time from enqueueing, also when it has ended before.
    #[must_use]
    pub fn for_time(mut self, time: Duration) -> Self {
        self.hold = UniqueHold::For(time);
        self
    }

    /// Makes enqueueing another job an [error](crate::EnqueueError::NotUnique).
    #[must_use]
    pub fn or_error(mut self) -> Self {
        self.on_conflict = UniqueConflict::Error;
        self
    }

    /// Gives the arguments, the time and the expiry of this job to the one that has the key, as long as that one has not
    /// begun; it then has the key for as long as this one would. The answer is [`Enqueued::Replaced`](crate::Enqueued::Replaced),
    /// or [`Enqueued::Existing`](crate::Enqueued::Existing) where the other one has begun or ended: then nothing has changed.
    ///
    /// The job keeps its id, its message group and the jobs that it waits for. A job that may replace another waits for no others
    /// itself.
    ///
    /// Enqueued with a delay each time that something happens, it runs once, that time after the last of them.
    #[must_use]
    pub fn or_replace(mut self) -> Self {
        self.on_conflict = UniqueConflict::Replace;
        self
    }
}

impl From<&str> for Unique {
    fn from(key: &str) -> Self {
        Self::key(key)
    }
}

impl From<String> for Unique {
    fn from(key: String) -> Self {
        Self::key(key)
    }
}
