//! Error groups.

use lamplighter::{
    ListQuery, Record,
    record::{ErrorGroup, ErrorQuery, Fingerprint},
};

use super::{Desk, in_time, items};
use crate::{
    problem::Problem,
    view::{Coverage, ErrorDetail, ErrorView, Page, Part},
};

/// The number of jobs that are shown of one group.
const RECENT: usize = 10;
/// The number of requests for them.
const REQUESTS: usize = 3;
/// Pages that are read for one page of what a viewer sees.
const PAGES: usize = 5;

/// Which error groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorFilter {
    /// Of this job.
    pub job: Option<String>,
    /// Of this queue.
    pub queue: Option<String>,
    /// With a failure since this moment.
    pub since: Option<jiff::Timestamp>,
}

impl Desk {
    /// Error groups, the one with the latest failure first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn errors(
        &self,
        filter: &ErrorFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ErrorView>, Problem> {
        let ErrorFilter { job, queue, since } = filter.clone();
        let limit = items(limit);
        let mut query = ErrorQuery { job, queue, since, cursor: cursor.map(str::to_owned), limit };
        let mut seen = Vec::new();
        for _ in 0..PAGES {
            query.limit = limit - seen.len();
            let page = in_time("the store of error groups", self.client().error_groups(&query)).await?;
            seen.extend(page.groups.into_iter().filter(|group| self.sees(&group.queue)));
            query.cursor = page.next;
            if query.cursor.is_none() || seen.len() >= limit {
                break;
            }
        }
        let items = seen.iter().map(|group| ErrorView::of(group, &[])).collect();
        Ok(Page { items, next: query.cursor, coverage: Coverage::Exact, as_of: self.now() })
    }

    /// One error group, its latest jobs, and the trend of its job.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn error(&self, fingerprint: &str) -> Result<ErrorDetail, Problem> {
        let group = self.group(fingerprint).await?;
        let (recent, trend) = tokio::join!(self.recent(&group), self.activity_of(Some(&group.job), None));
        Ok(ErrorDetail { group: ErrorView::of(&group, &recent?), trend: Part::from(trend), as_of: self.now() })
    }

    pub(super) async fn group(&self, fingerprint: &str) -> Result<ErrorGroup, Problem> {
        let unknown = || Problem::not_found("error group", fingerprint);
        let parsed: Fingerprint = fingerprint.parse().map_err(|_| unknown())?;
        let group = in_time("the store of error groups", self.client().error_group(parsed)).await?;
        group.filter(|group| self.sees(&group.queue)).ok_or_else(unknown)
    }

    /// The latest jobs whose last attempt was such a failure.
    async fn recent(&self, group: &ErrorGroup) -> Result<Vec<Record>, Problem> {
        let (jobs, error) = (vec![group.job.clone()], Some(group.fingerprint));
        let mut query = ListQuery { jobs, error, ..ListQuery::default() };
        let mut recent = Vec::new();
        for _ in 0..REQUESTS {
            query.limit = RECENT - recent.len();
            let page = in_time("the store of records", self.client().list(&query)).await?;
            let seen = page.records.into_iter().filter(|record| self.sees(&record.queue));
            recent.extend(seen.map(|record| self.shown(record)));
            query.cursor = page.next;
            if query.cursor.is_none() || recent.len() >= RECENT {
                break;
            }
        }
        Ok(recent)
    }
}
