//! Previews: what an action would touch now.

use std::{cmp::Reverse, collections::BTreeMap};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    Runner,
    meant::{Meant, is_plain, touched},
    start::check_fits,
    within,
};
use crate::{
    batch::Batch,
    host::Stop,
    id::JobId,
    operation::{Action, JobCount, OperationError, Preview, PreviewBound, Target},
    query::{Query, Search},
    record::Record,
};

/// Records per request.
const PAGE: usize = 500;
/// Jobs that are told apart by their names, even where the store has counted them by queue.
const TOLD_APART: u64 = 10_000;

/// What was counted, and how far.
struct Counts<'a> {
    action: &'a Action,
    target: &'a Target,
    meant: Meant,
    now: Timestamp,
    by_job: BTreeMap<(String, String), u64>,
    looked_at: u64,
    bound: PreviewBound,
    began: Instant,
}

impl Counts<'_> {
    fn add(&mut self, job: &str, queue: &str, count: u64) {
        *self.by_job.entry((job.to_owned(), queue.to_owned())).or_default() += count;
    }

    /// Adds those that it would touch.
    fn add_records(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            if is_plain(&record) && self.meant.includes(&record, self.now) {
                self.add(&record.message.job, &record.queue, 1);
            }
        }
    }

    fn total(&self) -> u64 {
        self.by_job.values().sum()
    }

    /// The records of the next request; `None` when it was enough.
    fn more(&self) -> Option<usize> {
        let left = self.bound.records.saturating_sub(self.looked_at);
        let is_over = left == 0 || self.total() >= self.bound.jobs || self.began.elapsed() >= self.bound.time;
        (!is_over).then(|| PAGE.min(usize::try_from(left).unwrap_or(PAGE)))
    }

    /// By job and queue. Which jobs are in a batch that is cancelled as a whole, was not asked.
    fn listed(self) -> Vec<JobCount> {
        let by_job = self.by_job.into_iter().filter(|((_, queue), _)| queue != Batch::QUEUE);
        let mut all: Vec<_> = by_job.map(|((job, queue), jobs)| JobCount { job, queue, jobs }).collect();
        all.sort_by_key(|one| Reverse(one.jobs));
        all
    }
}

impl Runner {
    /// What an action would touch: jobs that match and are in a state that it changes, dead letters, or ticks. Counting ends
    /// at 10,000, or after five seconds; then the preview says that there may be more. An action on one thing touches one.
    ///
    /// # Errors
    /// When the action cannot be done to the target, or when the store cannot be read.
    pub async fn preview(&self, action: &Action, target: &Target) -> Result<Preview, OperationError> {
        self.preview_within(action, target, PreviewBound::USUAL).await
    }

    /// As [`preview`](Self::preview), with another bound. Counting ends where the future is dropped.
    ///
    /// # Errors
    /// As for [`preview`](Self::preview).
    pub async fn preview_within(
        &self,
        action: &Action,
        target: &Target,
        bound: PreviewBound,
    ) -> Result<Preview, OperationError> {
        check_fits(action, target)?;
        let now = self.client().env().now();
        let end = match target {
            Target::Query { end, .. } => (*end).min(now),
            _ => now,
        };
        let frozen = match target {
            Target::Query { query, .. } => &Target::Query { query: query.clone(), end },
            other => other,
        };
        let (by_job, began) = (BTreeMap::new(), Instant::now());
        let meant = Meant::by(action, frozen);
        let mut counts = Counts { action, target: frozen, meant, now, by_job, looked_at: 0, bound, began };
        let is_complete = match (action, target) {
            (Action::Cancel, Target::Batch { id }) | (_, Target::Job { id }) => {
                self.count_ids(std::slice::from_ref(id), &mut counts).await?
            }
            (_, Target::Jobs { ids }) => self.count_ids(ids, &mut counts).await?,
            (_, Target::Batch { id }) => self.count_batch(id, &mut counts).await?,
            (_, Target::Query { .. }) => match self.search(action, frozen, end)? {
                Some(search) => {
                    self.count_known(&mut counts, now).await? || self.count_search(&search, &mut counts).await?
                }
                None => true,
            },
            (_, Target::DeadLetters { .. }) => {
                let is_complete = self.count_dead_letters(target, &mut counts).await?;
                if let Action::Redrive { limit: Some(limit) } = action {
                    return Ok(limited(counts, *limit, is_complete, end));
                }
                is_complete
            }
            (Action::Backfill { from, to }, Target::Schedule { schedule }) => {
                let from = super::schedules::before(*from);
                let ticks = within(self.client().backfill_ticks(schedule, from, *to)).await?;
                return Ok(whole(ticks.len() as u64, end));
            }
            _ => return Ok(whole(1, end)),
        };
        let looked_at = Some(counts.looked_at).filter(|looked_at| !is_complete && *looked_at > 0);
        Ok(Preview { jobs: counts.total(), is_complete, looked_at, by_job: counts.listed(), end })
    }

    async fn count_ids(&self, ids: &[JobId], counts: &mut Counts<'_>) -> Result<bool, OperationError> {
        for ids in ids.chunks(Self::PAGE) {
            let records = within(self.client().store()?.get_each(ids)).await?;
            for record in records.into_iter().flatten() {
                // A batch is cancelled with the jobs that are open in it.
                if *counts.action == Action::Cancel && !is_plain(&record) {
                    let open = within(self.client().batch(&record.id)).await?.map_or(0, |batch| batch.open());
                    counts.add(&record.message.job, &record.queue, open);
                } else if counts.meant.includes(&record, counts.now) {
                    counts.add(&record.message.job, &record.queue, 1);
                }
            }
        }
        Ok(true)
    }

    /// The jobs of a batch, which knows them.
    async fn count_batch(&self, id: &JobId, counts: &mut Counts<'_>) -> Result<bool, OperationError> {
        let mut cursor = None;
        while let Some(most) = counts.more() {
            let page = within(self.client().batch_jobs(id, cursor.as_deref(), most)).await?;
            counts.looked_at += page.ids.len() as u64;
            self.count_ids(&page.ids, counts).await?;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds what the store counts anyway, by state and queue, and returns whether that is all that was asked for. Few jobs are
    /// searched for, so that they are told apart.
    async fn count_known(&self, counts: &mut Counts<'_>, now: Timestamp) -> Result<bool, OperationError> {
        let Target::Query { query, end } = counts.target else { return Ok(false) };
        let query: Query = query.parse().map_err(|error| OperationError::Invalid(format!("{error}")))?;
        let Some(query) = touched(counts.action, query).filter(|_| *end >= now) else { return Ok(false) };
        let Some(known) = within(self.client().counts_of(&query)).await? else { return Ok(false) };
        let known: Vec<_> = known.iter().filter(|count| count.jobs > 0 && count.queue != Batch::QUEUE).collect();
        let total: u64 = known.iter().map(|count| count.jobs).sum();
        let is_large = total > counts.bound.records.min(counts.bound.jobs).min(TOLD_APART);
        for count in known.iter().filter(|_| is_large) {
            counts.add(JobCount::ANY, &count.queue, count.jobs);
        }
        Ok(is_large)
    }

    async fn count_search(&self, search: &Search, counts: &mut Counts<'_>) -> Result<bool, OperationError> {
        let Some(mut walk) = within(self.client().walk(search)).await? else { return Ok(true) };
        while let Some(most) = counts.more() {
            let found = within(walk.next(self.client(), most)).await?;
            counts.looked_at = walk.looked_at;
            counts.add_records(found);
            if walk.is_done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn count_dead_letters(&self, target: &Target, counts: &mut Counts<'_>) -> Result<bool, OperationError> {
        let Some((queue, filter)) = target.dead_letter_filter() else { return Ok(true) };
        let stop = Stop::new();
        let counting = self.operator()?.count_dead_letters(queue, &filter, &stop);
        let patience = async {
            tokio::time::sleep(counts.bound.time).await;
            stop.drain();
            // It ends by itself now.
            std::future::pending::<()>().await;
        };
        let counted = tokio::select! {
            counted = within(counting) => counted?,
            () = patience => return Ok(false),
        };
        for one in &counted.counts {
            counts.add(&one.job, queue, one.dead_letters);
        }
        Ok(counted.uncounted == 0 && !stop.is_draining())
    }
}

/// A preview of things that are not told apart.
const fn whole(jobs: u64, end: Timestamp) -> Preview {
    Preview { jobs, is_complete: true, looked_at: None, by_job: Vec::new(), end }
}

/// A preview of dead letters of which so many are moved at most.
fn limited(counts: Counts<'_>, limit: u64, is_complete: bool, end: Timestamp) -> Preview {
    let total = counts.total();
    let (jobs, is_complete) = (total.min(limit), is_complete || total >= limit);
    let mut by_job = counts.listed();
    match &mut by_job[..] {
        [only] => only.jobs = jobs,
        // Which ones these are shows when they are moved.
        _ if jobs < total => by_job.clear(),
        _ => {}
    }
    Preview { jobs, is_complete, looked_at: None, by_job, end }
}
