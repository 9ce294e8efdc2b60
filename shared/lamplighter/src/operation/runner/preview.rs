//! Previews: what an action would touch now.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{Runner, within};
use crate::{
    host::Stop,
    operation::{Action, JobCount, OperationError, Preview, Target},
    query::Search,
};

/// Jobs that are counted at most.
const MOST: u64 = 10_000;
/// Records per request.
const PAGE: usize = 500;
/// The longest time to count.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Counts(BTreeMap<(String, String), u64>);

impl Counts {
    fn add(&mut self, job: &str, queue: &str, count: u64) {
        *self.0.entry((job.to_owned(), queue.to_owned())).or_default() += count;
    }

    fn total(&self) -> u64 {
        self.0.values().sum()
    }

    fn listed(self) -> Vec<JobCount> {
        let mut all: Vec<_> = self.0.into_iter().map(|((job, queue), jobs)| JobCount { job, queue, jobs }).collect();
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
        if !action.fits(target) {
            return Err(OperationError::Invalid(format!("{action} cannot be done to {target}")));
        }
        let end = match target {
            Target::Query { end, .. } => (*end).min(self.client().env().now()),
            _ => self.client().env().now(),
        };
        let mut counts = Counts::default();
        let is_complete = match (action, target) {
            (Action::Cancel, Target::Batch { id }) | (_, Target::Job { id }) => {
                self.count_ids(action, std::slice::from_ref(id), &mut counts).await?
            }
            (_, Target::Jobs { ids }) => self.count_ids(action, ids, &mut counts).await?,
            (_, Target::Query { .. } | Target::Batch { .. }) => {
                let target = match target {
                    Target::Query { query, .. } => &Target::Query { query: query.clone(), end },
                    other => other,
                };
                match self.search(action, target, end)? {
                    Some(search) => self.count_search(search, action, target, &mut counts).await?,
                    None => true,
                }
            }
            (_, Target::DeadLetters { .. }) => self.count_dead_letters(target, &mut counts).await?,
            (Action::Backfill { from, to }, Target::Schedule { schedule }) => {
                let from = super::schedules::before(*from);
                let ticks = within(self.client().backfill_ticks(schedule, from, *to)).await?;
                let jobs = ticks.len() as u64;
                return Ok(Preview { jobs, is_complete: true, by_job: Vec::new(), end });
            }
            _ => return Ok(Preview { jobs: 1, is_complete: true, by_job: Vec::new(), end }),
        };
        Ok(Preview { jobs: counts.total(), is_complete, by_job: counts.listed(), end })
    }

    async fn count_ids(
        &self,
        action: &Action,
        ids: &[crate::id::JobId],
        counts: &mut Counts,
    ) -> Result<bool, OperationError> {
        for ids in ids.chunks(Self::PAGE) {
            let records = within(self.client().store()?.get_each(ids)).await?;
            for record in records.into_iter().flatten().filter(|record| action.touches(record.state)) {
                counts.add(&record.message.job, &record.queue, 1);
            }
        }
        Ok(true)
    }

    async fn count_search(
        &self,
        search: Search,
        action: &Action,
        target: &Target,
        counts: &mut Counts,
    ) -> Result<bool, OperationError> {
        let began = Instant::now();
        let mut search = search.with_limit(PAGE);
        loop {
            let found = within(self.client().search(&search)).await?;
            for record in &found.records {
                if super::jobs::is_plain(record) && super::jobs::is_wanted(action, target, record) {
                    counts.add(&record.message.job, &record.queue, 1);
                }
            }
            if found.next.is_none() || counts.total() >= MOST || began.elapsed() >= PATIENCE {
                return Ok(found.next.is_none());
            }
            search = search.with_cursor(found.next);
        }
    }

    async fn count_dead_letters(&self, target: &Target, counts: &mut Counts) -> Result<bool, OperationError> {
        let Some((queue, filter)) = target.dead_letter_filter() else { return Ok(true) };
        let stop = Stop::new();
        let counting = self.operator()?.count_dead_letters(queue, &filter, &stop);
        let patience = async {
            tokio::time::sleep(PATIENCE).await;
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
