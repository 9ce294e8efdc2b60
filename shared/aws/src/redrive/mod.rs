//! Moving dead letters back to their queue.
//!
//! There are two roads. SQS moves messages itself, quickly and without us (StartMessageMoveTask); but it can neither
//! choose nor look at them, and leaves the records of their jobs as they are. So what is chosen, what has records, and
//! FIFO queues go by ours: receive, send, delete, in this order. A crash between two steps leaves a letter twice, never
//! none.

mod letter;
mod look;
mod road;
mod task;
mod transport;

use std::{collections::BTreeMap, fmt, num::NonZeroU32, sync::Arc};

use lamplighter::{
    Timestamp,
    backend::{Store, StoreError},
    host::Stop,
};

pub use self::letter::DeadLetter;
use self::letter::Letter;
use crate::operator::Operator;

/// Which dead letters of a queue. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Of this job.
    pub job: Option<String>,
    /// That have lain there since this moment, or came later: see [`DeadLetter::dead_since`].
    pub since: Option<Timestamp>,
}

impl DeadLetterFilter {
    fn takes_all(&self) -> bool {
        self.job.is_none() && self.since.is_none()
    }

    fn fits(&self, letter: &DeadLetter) -> bool {
        self.job.as_ref().is_none_or(|job| *job == letter.job)
            && self.since.is_none_or(|since| letter.dead_since >= since)
    }
}

/// How dead letters are moved back.
#[derive(Clone, Default)]
pub struct Redrive {
    filter: DeadLetterFilter,
    per_second: Option<NonZeroU32>,
    store: Option<Arc<dyn Store>>,
}

impl Redrive {
    /// All of them, as fast as it goes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these.
    #[must_use]
    pub fn filter(mut self, filter: DeadLetterFilter) -> Self {
        self.filter = filter;
        self
    }

    /// No more than so many a second.
    #[must_use]
    pub fn per_second(mut self, letters: NonZeroU32) -> Self {
        self.per_second = Some(letters);
        self
    }

    /// With the store that has the records of their jobs: the record of one that has failed is queued again before its
    /// message is sent, or whoever receives that would be told that the job has ended.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Whether SQS can do it by itself.
    fn is_plain(&self) -> bool {
        self.filter.takes_all() && self.per_second.is_none() && self.store.is_none()
    }
}

impl fmt::Debug for Redrive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, per_second, store } = self;
        let mut f = f.debug_struct("Redrive");
        f.field("filter", filter).field("per_second", per_second).field("tracked", &store.is_some()).finish()
    }
}

/// How far a redrive has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Moved {
    /// Letters moved back.
    pub moved: u64,
    /// Letters removed without being moved: their jobs have ended otherwise, or are under way, because somebody had run
    /// them once more by hand.
    pub obsolete: u64,
    /// Letters looked at and left where they are: not chosen, or buried since the redrive began.
    pub left: u64,
    /// Letters that there were at the beginning, about.
    pub of: u64,
}

/// What became of a redrive.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Redriven {
    /// How far it came.
    pub moved: Moved,
    /// Letters that were to be moved and are still there.
    pub failed: u64,
    /// Letters that were moved, but could not be deleted: another redrive moves them a second time.
    pub twice: u64,
    /// Why some are still there, or why it ended early.
    pub error: Option<StoreError>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// Dead letters of a queue, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterCounts {
    /// How many fit, by job and reason.
    pub by_job_and_reason: BTreeMap<(String, String), u64>,
    /// Letters that were looked at.
    pub looked_at: u64,
    /// Letters that there were at the beginning, about. Of a FIFO queue, only the first ten of each group can be looked
    /// at, and of any queue 120,000.
    pub of: u64,
}

impl Operator {
    /// Moves dead letters of a queue back to it. Jobs keep their ids and their histories, and count their attempts anew.
    ///
    /// Each letter is sent to the queue first and deleted afterwards; what the sender said of it stays as it was. What is
    /// not chosen can be received again at once. `tell` hears now and then how far it has come. When `stop` is told to
    /// drain, what is under way is ended, and no more is begun.
    ///
    /// # Errors
    /// When there is no such queue, when it has no dead-letter queue, or when SQS cannot be asked. What goes wrong later
    /// stands in the answer.
    pub async fn redrive(
        &self,
        queue: &str,
        redrive: &Redrive,
        stop: &Stop,
        tell: impl Fn(Moved) + Send + Sync,
    ) -> Result<Redriven, StoreError> {
        let place = self.place(queue).await?;
        let mut before = Moved { of: place.letters, ..Moved::default() };
        if redrive.is_plain() && !place.fifo {
            match self.move_task(&place, stop, &tell).await? {
                task::End::Ended(redriven) => return Ok(redriven),
                task::End::Unable { moved } => before.moved = moved,
            }
        }
        Ok(self.own_road(&place, redrive, before, stop, &tell).await)
    }

    /// Counts the dead letters of a queue that fit, by job and reason, and moves none. For a moment they are hidden from
    /// others.
    ///
    /// # Errors
    /// As [`redrive`](Self::redrive), and when they cannot be received.
    pub async fn count_dead_letters(
        &self,
        queue: &str,
        filter: &DeadLetterFilter,
        stop: &Stop,
    ) -> Result<DeadLetterCounts, StoreError> {
        let place = self.place(queue).await?;
        let mut counts = DeadLetterCounts { of: place.letters, ..DeadLetterCounts::default() };
        let count = |Letter { letter, .. }: &Letter| {
            counts.looked_at += 1;
            if filter.fits(letter) {
                let key = (letter.job.clone(), letter.reason.clone());
                *counts.by_job_and_reason.entry(key).or_default() += 1;
            }
        };
        self.look_at(&place, u64::MAX, stop, count).await?;
        Ok(counts)
    }

    /// Dead letters of a queue, at most `limit`, in no promised order. For a moment they are hidden from others.
    ///
    /// # Errors
    /// As [`count_dead_letters`](Self::count_dead_letters).
    pub async fn dead_letters(&self, queue: &str, limit: u64, stop: &Stop) -> Result<Vec<DeadLetter>, StoreError> {
        let place = self.place(queue).await?;
        let mut letters = Vec::new();
        self.look_at(&place, limit, stop, |letter| letters.push(letter.letter.clone())).await?;
        letters.sort_by_key(|letter| letter.dead_since);
        Ok(letters)
    }

    async fn place(&self, queue: &str) -> Result<Place, StoreError> {
        let urls = self.urls(queue)?;
        let arn = self.attributes(&urls.url).await?.arn;
        let dead_url = self.dead_letter_url(&arn).await?;
        let dead = self.attributes(&dead_url).await?;
        Ok(Place {
            queue: queue.to_owned(),
            url: urls.url.clone(),
            arn,
            dead_url,
            dead_arn: dead.arn,
            letters: dead.waiting,
            fifo: urls.is_fifo(),
        })
    }
}

/// A queue, and its dead-letter queue.
#[derive(Debug, Clone)]
struct Place {
    /// Its name, as definitions use it.
    queue: String,
    url: String,
    arn: String,
    dead_url: String,
    dead_arn: String,
    /// Letters that can be received, about.
    letters: u64,
    fifo: bool,
}
