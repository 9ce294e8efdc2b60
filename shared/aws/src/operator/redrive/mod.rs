//! Reads dead letters, and moves them back to their queue.
//!
//! There are two ways. SQS moves messages itself, quickly and without us (StartMessageMoveTask); but it can neither
//! select nor inspect them, and does not change the records of their jobs. So selected dead letters, those with
//! records, and those of FIFO queues are moved manually: receive, send, delete, in this order. A crash between two
//! steps duplicates a dead letter, but never loses one.

mod browse;
mod manual;
mod received;
mod task;
mod transport;

use std::collections::BTreeMap;

use lamplighter::{
    backend::{
        DeadLetter, DeadLetterCount, DeadLetterCounts, DeadLetterFilter, Redrive, RedriveProgress, RedriveResult,
        StoreError,
    },
    host::Stop,
};

use self::received::Received;
use super::access::Access;

/// The callback after each step.
type Progress<'a> = &'a (dyn Fn(RedriveProgress) + Send + Sync);

/// A queue and its dead-letter queue.
#[derive(Debug, Clone)]
pub(super) struct DeadLetterQueue<'a> {
    access: &'a Access,
    /// The queue's name, as definitions use it.
    queue: &'a str,
    url: &'a str,
    arn: String,
    dead_url: String,
    dead_arn: String,
    /// The approximate number of dead letters that can be received.
    total: u64,
    fifo: bool,
}

impl<'a> DeadLetterQueue<'a> {
    /// Returns the dead-letter queue of the queue of that name.
    pub(super) async fn of(access: &'a Access, queue: &'a str) -> Result<Self, StoreError> {
        let urls = access.urls(queue)?;
        let arn = access.attributes(&urls.url).await?.arn;
        let dead_url = access.sqs.dead_letter_url(&arn).await?;
        let dead = access.attributes(&dead_url).await?;
        let (total, dead_arn) = (dead.waiting, dead.arn);
        Ok(Self { access, queue, url: &urls.url, arn, dead_url, dead_arn, total, fifo: urls.is_fifo() })
    }

    /// Returns some of the matching dead letters, at most `limit`, oldest first. For a moment they are hidden from
    /// other receivers.
    pub(super) async fn some(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
        stop: &Stop,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut found = Vec::new();
        let take = |Received { dead_letter, .. }: &Received| {
            if filter.fits(dead_letter) {
                found.push(dead_letter.clone());
                return true;
            }
            false
        };
        self.browse(limit as u64, filter.is_all(), stop, take).await?;
        found.sort_by_key(|dead_letter| dead_letter.dead_since);
        Ok(found)
    }

    /// Counts the matching dead letters. For a moment they are hidden from other receivers.
    pub(super) async fn count(&self, filter: &DeadLetterFilter, stop: &Stop) -> Result<DeadLetterCounts, StoreError> {
        let (mut counts, mut seen) = (BTreeMap::<_, u64>::new(), 0);
        let count = |Received { dead_letter, .. }: &Received| {
            seen += 1;
            let fits = filter.fits(dead_letter);
            if fits {
                *counts.entry((dead_letter.job.clone(), dead_letter.reason.clone())).or_default() += 1;
            }
            fits
        };
        self.browse(u64::MAX, true, stop, count).await?;
        let counts = counts.into_iter().map(|((job, reason), number)| DeadLetterCount::new(job, reason, number));
        Ok(DeadLetterCounts::new(counts.collect(), self.total.saturating_sub(seen)))
    }

    /// Moves dead letters back. Each is sent to the queue first and deleted afterwards; its sender's attributes are
    /// kept. Those that are not selected can be received again immediately.
    pub(super) async fn redrive(
        &self,
        redrive: &Redrive,
        stop: &Stop,
        progress: Progress<'_>,
    ) -> Result<RedriveResult, StoreError> {
        let mut before = RedriveProgress::default();
        before.total = self.total.min(redrive.limit.unwrap_or(u64::MAX));
        if self.needs_no_choice(redrive) {
            match self.move_task(stop, progress).await? {
                task::End::Ended(result) => return Ok(result),
                task::End::Unable { moved } => before.moved = moved,
            }
        }
        Ok(self.move_manually(redrive, before, stop, progress).await)
    }

    /// Returns whether SQS can move them by itself.
    fn needs_no_choice(&self, redrive: &Redrive) -> bool {
        let Redrive { filter, limit, per_second, records, discard, .. } = redrive;
        let tracked = *records && self.access.store.is_some();
        !self.fifo && filter.is_all() && limit.is_none() && per_second.is_none() && !tracked && !discard
    }
}
