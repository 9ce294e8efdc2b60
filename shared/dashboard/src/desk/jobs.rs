//! Jobs.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use lamplighter::{
    JobId, Record,
    query::{InvalidQuery, Query, Search, name_fits},
    record::LogLine,
};

use super::{Desk, in_time, items, job_id};
use crate::{
    problem::Problem,
    view::{Coverage, JobDetail, JobView, List, LogLineView, Page, RelationView, Relations},
};

/// The children of a job that are shown with it.
const CHILDREN: usize = 20;
/// The most by which the clocks of two hosts are taken to differ.
const CLOCKS: Duration = Duration::from_secs(60);

pub(super) fn invalid_query(error: &InvalidQuery) -> Problem {
    Problem::parameter("q", format!("The query is not understood: {error}."))
}

impl Desk {
    /// Jobs that match a query, newest first.
    ///
    /// # Errors
    /// When the query makes no sense, or the store cannot be read.
    pub async fn jobs(&self, query: &str, cursor: Option<&str>, limit: usize) -> Result<Page<JobView>, Problem> {
        let search = match self.narrowed(query.parse().map_err(|error| invalid_query(&error))?) {
            Some(query) => self.search(query).with_cursor(cursor.map(str::to_owned)).with_limit(items(limit)),
            None => return Ok(Page { items: Vec::new(), next: None, coverage: Coverage::Exact, as_of: self.now() }),
        };
        let found = in_time("the store of records", self.client().search(&search)).await?;
        let seen = found.records.into_iter().filter(|record| self.sees_in_list(record));
        let mut items: Vec<_> = seen.map(|record| JobView::listed(&self.shown(record))).collect();
        self.hide_parents(&mut items).await;
        Ok(Page { items, next: found.next, coverage: found.coverage.into(), as_of: self.now() })
    }

    /// Leaves out the ids of parents that the viewer does not see.
    async fn hide_parents(&self, jobs: &mut [JobView]) {
        if self.sees_all() {
            return;
        }
        let parents: BTreeSet<_> = jobs.iter().filter_map(|job| job.parent.clone()).collect();
        let records = self.records_of(&Vec::from_iter(parents)).await;
        let is_seen = |id: &JobId| records.get(id).is_some_and(|record| self.sees(&record.queue));
        for job in jobs {
            job.parent = job.parent.take().filter(is_seen);
        }
    }

    /// A search for what is shown: hidden arguments are not found by their values.
    pub(super) fn search(&self, query: Query) -> Search {
        Search::new(query).with_redactions((*self.site().redactions).clone())
    }

    /// The query, of the queues that the viewer sees. `None` if nothing can fit.
    pub(super) fn narrowed(&self, query: Query) -> Option<Query> {
        let Some(seen) = self.viewer.rights.queues() else { return Some(query) };
        let fits = |patterns: &[String], name: &str| patterns.iter().any(|pattern| name_fits(pattern, name));
        let wanted = |name: &&String| {
            let is_named = query.queues().is_empty() || fits(query.queues(), name);
            // In a query, a star is not a star.
            is_named && !fits(query.excluded_queues(), name) && !name.contains('*')
        };
        let names: Vec<_> = seen.iter().filter(wanted).map(String::as_str).collect();
        (!names.is_empty()).then(|| query.in_queues(names))
    }

    /// Whether a listed record is shown. Batches are listed by themselves.
    fn sees_in_list(&self, record: &Record) -> bool {
        self.sees(&record.queue)
    }

    /// One job, and what is around it.
    ///
    /// # Errors
    /// When there is none, or the store cannot be read.
    pub async fn job(&self, id: &str) -> Result<JobDetail, Problem> {
        let id = job_id("job", id)?;
        let record = self.shown(self.record(&id).await?);
        let mut job = JobView::from(&record);
        self.hide_parents(std::slice::from_mut(&mut job)).await;
        Ok(JobDetail {
            job,
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
        match record.is_batch() {
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
        let (parent, after, children) = tokio::join!(parent, after, self.children(record));
        // Of a job that is not there any more, nobody knows whether it may be seen.
        let is_shown = |relation: &RelationView| self.sees_all() || relation.job.is_some();
        let (parent, after) = (parent.filter(is_shown), after.into_iter().filter(is_shown).collect());
        let has_more_children = children.as_ref().is_some_and(|found| found.next.is_some());
        let children = children.into_iter().flat_map(|found| found.items).map(|child| RelationView {
            id: child.id,
            job: Some(child.job),
            state: Some(child.state),
            on: None,
        });
        Relations { parent, after, children: children.collect(), has_more_children }
    }

    /// Jobs that a job has enqueued. They are from between its first moment and its end, by clocks that may differ a little:
    /// few others are looked at.
    async fn children(&self, record: &Record) -> Option<Page<JobView>> {
        let mut query = Query::new().parent(&record.id).since(record.created_at.saturating_sub(CLOCKS).ok()?);
        if let Some(end) = record.finished_at {
            query = query.before(end.saturating_add(CLOCKS).ok()?);
        }
        self.jobs(&query.to_string(), None, CHILDREN).await.ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        desk::Shared,
        testing,
        viewer::{Rights, Viewer},
    };

    fn desk(rights: Rights) -> Desk {
        Desk::new(Shared::new(testing::site()), Viewer::new("ada", rights))
    }

    #[tokio::test]
    async fn a_query_asks_for_queues_that_the_viewer_sees() {
        let team = desk(Rights::operator().only_queues(["orders", "mails", "o*"]));
        let narrowed = |query: &str| {
            let narrowed = team.narrowed(query.parse().unwrap());
            narrowed.map(|query| query.to_string())
        };
        let own = |queues: &str| Some(format!("state:failed queue:{queues}"));
        assert_eq!(narrowed("state:failed"), own("mails,orders"));
        assert_eq!(narrowed("state:failed queue:orders"), own("orders"));
        assert_eq!(narrowed("state:failed queue:o*"), own("orders"));
        assert_eq!(narrowed("state:failed queue:orders,invoices"), own("orders"));
        assert_eq!(narrowed("queue:invoices"), None);
        assert_eq!(narrowed("-queue:orders,mails"), None);
        let quoted = narrowed(r#"error:"a \" queue:x " queue:orders"#).unwrap();
        assert_eq!(quoted, r#"queue:orders error:"a \" queue:x ""#);
        let all = desk(Rights::reader()).narrowed("queue:x".parse().unwrap());
        assert_eq!(all.unwrap().to_string(), "queue:x");
    }
}
