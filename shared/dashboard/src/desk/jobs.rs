//! Jobs.

use futures_util::future::join_all;
use lamplighter::{Batch, JobId, ListQuery, Record, record::LogLine};

use super::{Desk, in_time, items, job_id};
use crate::{
    problem::Problem,
    view::{Coverage, JobDetail, JobView, List, LogLineView, Page, RelationView, Relations},
};

impl Desk {
    /// Jobs that match a query, newest first.
    ///
    /// # Errors
    /// When the query makes no sense, or the store cannot be read.
    pub async fn jobs(&self, query: &str, cursor: Option<&str>, limit: usize) -> Result<Page<JobView>, Problem> {
        let _ = query;
        let query = ListQuery { cursor: cursor.map(str::to_owned), limit: items(limit), ..ListQuery::default() };
        let page = in_time("the store of records", self.client().list(&query)).await?;
        let seen = page.records.into_iter().filter(|record| self.sees(&record.queue));
        let items = seen.map(|record| JobView::from(&self.shown(record))).collect();
        Ok(Page { items, next: page.next, coverage: Coverage::Exact, as_of: self.now() })
    }

    /// One job, and what is around it.
    ///
    /// # Errors
    /// When there is none, or the store cannot be read.
    pub async fn job(&self, id: &str) -> Result<JobDetail, Problem> {
        let id = job_id("job", id)?;
        let record = self.shown(self.record(&id).await?);
        Ok(JobDetail {
            job: JobView::from(&record),
            lease_until: record.lease_until,
            expires_at: record.message.expires_at,
            limit: record.limit.clone(),
            checkpoint: record.checkpoint.clone().map(Into::into),
            is_defined: self.site().definition(&record.message.job).is_some(),
            relations: self.relations(&record).await,
            as_of: self.now(),
        })
    }

    /// The lines that a job has written, and what operators did to it.
    ///
    /// # Errors
    /// As for [`job`](Self::job).
    pub async fn log(&self, id: &str) -> Result<List<LogLineView>, Problem> {
        let id = job_id("job", id)?;
        self.record(&id).await?;
        let log: Vec<LogLine> = in_time("the store of records", self.client().log(&id)).await?;
        let items = log.into_iter().map(LogLineView::from).collect();
        Ok(List { items, coverage: Coverage::Exact, as_of: self.now() })
    }

    /// Whether the viewer may see a record. One of a batch is on no queue: it is seen by those who see its jobs.
    pub(super) async fn sees_record(&self, record: &Record) -> Result<bool, Problem> {
        match record.message.job == Batch::JOB && record.queue == Batch::QUEUE {
            false => Ok(self.sees(&record.queue)),
            true => self.sees_batch(&record.id).await,
        }
    }

    async fn relations(&self, record: &Record) -> Relations {
        let message = &record.message;
        let parent = async {
            match &message.parent {
                Some(parent) => Some(self.relation(parent, None).await),
                None => None,
            }
        };
        let after = join_all(message.after.iter().map(|after| self.relation(&after.id, Some(after.on.as_str()))));
        let (parent, after) = tokio::join!(parent, after);
        Relations { parent, after, children: Vec::new(), has_more_children: false }
    }

    /// Another job, as far as it is known and may be seen.
    pub(super) async fn relation(&self, id: &JobId, on: Option<&str>) -> RelationView {
        let record = self.record(id).await.ok();
        RelationView {
            id: id.clone(),
            job: record.as_ref().map(|record| record.message.job.clone()),
            state: record.as_ref().map(|record| record.state),
            on: on.map(str::to_owned),
        }
    }
}
