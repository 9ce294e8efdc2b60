//! Batches.

use std::time::Duration;

use futures_util::future::join_all;
use lamplighter::{Batch, JobId, ListQuery, Record};

use super::{Desk, in_time, items, job_id};
use crate::{
    problem::Problem,
    view::{BatchDetail, BatchView, Coverage, MemberView, Page, RelationView},
};

/// The jobs beside a batch that are looked at for its callbacks.
const LOOKED_AT: usize = 20;
/// The jobs of a batch of which it is looked up at once whether the viewer sees them.
const AT_ONCE: usize = 500;
/// The jobs of a batch that are looked up for one answer. The next one goes on from there.
const MOST: usize = 5_000;
/// Batches on a page of somebody who does not see all queues: each is looked into.
const FEW: usize = 10;

impl Desk {
    /// Batches, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn batches(&self, cursor: Option<&str>, limit: usize) -> Result<Page<BatchView>, Problem> {
        let limit = if self.sees_all() { items(limit) } else { items(limit).min(FEW) };
        let query = ListQuery {
            jobs: vec![Batch::JOB.into()],
            queues: vec![Batch::QUEUE.into()],
            cursor: cursor.map(str::to_owned),
            limit,
            ..ListQuery::default()
        };
        let page = in_time("the store of records", self.client().list(&query)).await?;
        let reading = page.records.iter().map(|record| self.seen_batch(&record.id));
        let mut items = Vec::new();
        for batch in join_all(reading).await {
            items.extend(batch?.map(BatchView::from));
        }
        Ok(Page { items, next: page.next, coverage: Coverage::Exact, as_of: self.now() })
    }

    /// One batch, and a page of its jobs.
    ///
    /// # Errors
    /// When there is none, or the store cannot be read.
    pub async fn batch(&self, id: &str, cursor: Option<&str>, limit: usize) -> Result<BatchDetail, Problem> {
        let id = job_id("batch", id)?;
        let batch = self.seen_batch(&id).await?.ok_or_else(|| Problem::not_found("batch", id.as_str()))?;
        let record = in_time("the store of records", self.client().get(&id)).await?;
        let outer = record.and_then(|record| record.message.batch.as_ref().map(|outer| outer.id.clone()));
        let outer = match outer {
            Some(outer) if self.sees_batch(&outer).await? => Some(outer),
            _ => None,
        };
        let (jobs, callbacks) = tokio::join!(self.members(&id, cursor, items(limit)), self.callbacks(&batch));
        Ok(BatchDetail { batch: batch.into(), outer, callbacks, jobs: jobs?, as_of: self.now() })
    }

    /// The jobs that wait for a batch. They were enqueued with it, and after its jobs.
    async fn callbacks(&self, batch: &Batch) -> Vec<RelationView> {
        let after = batch.created_at.saturating_add(Duration::from_micros(1)).ok();
        let query =
            ListQuery { since: Some(batch.created_at), before: after, limit: LOOKED_AT, ..ListQuery::default() };
        let page = in_time("the store of records", self.client().list(&query)).await.unwrap_or_default();
        let relation = |record: &Record| {
            let after = record.message.after.iter().find(|after| after.id == batch.id)?;
            Some(RelationView {
                id: record.id.clone(),
                job: Some(record.message.job.clone()),
                state: Some(record.state),
                on: Some(after.on.as_str().to_owned()),
            })
        };
        page.records.iter().filter(|record| self.sees(&record.queue)).filter_map(relation).collect()
    }

    async fn members(&self, id: &JobId, cursor: Option<&str>, limit: usize) -> Result<Page<MemberView>, Problem> {
        let page = in_time("the store of batches", self.client().batch_jobs(id, cursor, limit)).await?;
        let records = self.records_of(&page.ids).await;
        let member = |id: &JobId| {
            let record = records.get(id);
            let is_batch = record.is_some_and(|record| record.queue == Batch::QUEUE);
            let seen = record.filter(|record| is_batch || self.sees(&record.queue));
            MemberView {
                id: id.clone(),
                job: seen.map(|record| record.message.job.clone()),
                state: seen.map(|record| record.state),
                is_batch,
            }
        };
        let items = page.ids.iter().map(member).collect();
        Ok(Page { items, next: page.next, coverage: Coverage::Exact, as_of: self.now() })
    }

    async fn seen_batch(&self, id: &JobId) -> Result<Option<Batch>, Problem> {
        if self.site().backend.batches.is_none() {
            return Ok(None);
        }
        let batch = in_time("the store of batches", self.client().batch(id)).await?;
        match batch {
            Some(batch) if self.sees_batch(id).await? => Ok(Some(batch)),
            _ => Ok(None),
        }
    }

    /// Whether the viewer sees a batch: all of its jobs are on queues that they see. Of one with very many jobs that is known after
    /// some questions, and until then it is not shown.
    pub(super) async fn sees_batch(&self, id: &JobId) -> Result<bool, Problem> {
        if self.sees_all() {
            return Ok(true);
        }
        let mut known = self.shared.batch_queues(id);
        for _ in 0..MOST / AT_ONCE {
            if !known.queues.iter().all(|queue| self.sees(queue)) {
                return Ok(false);
            }
            let question = self.client().batch_jobs(id, known.cursor.as_deref(), AT_ONCE);
            let page = in_time("the store of batches", question).await?;
            let records = self.records_of(&page.ids).await;
            // What is not there may have been on any queue.
            if records.len() < page.ids.len() {
                return Ok(false);
            }
            known.queues.extend(records.into_values().map(|record| record.queue));
            if page.next.is_none() {
                // Jobs may be added still: this page is asked for again.
                return Ok(!known.queues.is_empty() && known.queues.iter().all(|queue| self.sees(queue)));
            }
            known.cursor = page.next;
            self.shared.know_batch_queues(id, known.clone());
        }
        Ok(false)
    }
}
