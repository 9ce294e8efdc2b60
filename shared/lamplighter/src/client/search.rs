//! Finding the jobs that fit a query.

use super::Client;
use crate::{
    error::Fingerprint,
    ports::{Accuracy, Count, ErrorQuery, ListQuery, Page, StoreError, StoreErrorKind},
    query::{Coverage, MatchCount, Matches, Plan, Query, Search},
    record::Record,
};

/// The most records that are looked at for a page.
const LOOKED_AT: usize = 2000;
/// Records per request, where not all of them fit.
const CHUNK: usize = 500;
/// The most requests for a page: on DynamoDB, some find nothing.
const REQUESTS: usize = 10;
/// The largest page.
const LONGEST: usize = 1000;
/// The page size without a limit.
const USUAL: usize = 50;
/// The error groups that are looked at to complete a fingerprint.
const GROUPS: usize = 1000;

impl Client {
    /// Jobs that fit a query, newest first, a page at a time.
    ///
    /// States, names of jobs and queues, times, a fingerprint and the beginning of an id are found by the store's index. All
    /// else is tested on the records, of which one page looks at 2,000 at most; [`Matches::coverage`] says how far it
    /// came, and [`Matches::next`] goes on from there.
    ///
    /// # Errors
    /// When the store cannot be read, the backend keeps no records, or the cursor is not from this store.
    pub async fn search(&self, search: &Search) -> Result<Matches, StoreError> {
        let now = self.env().now();
        let limit = if search.limit == 0 { USUAL } else { search.limit.min(LONGEST) };
        let Some((search, plan)) = self.plan(search).await? else {
            return Ok(Matches { records: Vec::new(), next: None, coverage: Coverage::Exact });
        };
        let mut list = plan.list.clone();
        list.cursor.clone_from(&search.cursor);
        let (mut records, mut looked_at, mut back_to) = (Vec::new(), 0, plan.end(now));
        for _ in 0..REQUESTS {
            let wanted = limit - records.len();
            list.limit = if plan.is_whole { wanted } else { CHUNK.min(LOOKED_AT - looked_at) };
            let page = loop {
                let mut page = self.list(&list).await?;
                let fits: Vec<bool> = page.records.iter().map(|record| plan.is_whole || search.fits(record)).collect();
                let last = fits.iter().enumerate().filter(|(_, fits)| **fits).nth(wanted - 1).map(|(at, _)| at + 1);
                match last {
                    // A cursor is the end of a page, so this one has to end with the last record that is wanted.
                    Some(length) if length < page.records.len() => list.limit = length,
                    _ => {
                        looked_at += page.records.len();
                        back_to = page.records.last().map_or(back_to, |record| record.created_at);
                        let mut fits = fits.into_iter();
                        page.records.retain(|_| fits.next().unwrap_or(false));
                        break page;
                    }
                }
            };
            let Page { records: mut found, next } = page;
            records.append(&mut found);
            list.cursor = next;
            if records.len() >= limit || list.cursor.is_none() {
                return Ok(Matches { records, next: list.cursor, coverage: Coverage::Exact });
            }
            if looked_at >= LOOKED_AT {
                break;
            }
        }
        let coverage = Coverage::Searched { records: looked_at as u64, back_to };
        Ok(Matches { records, next: list.cursor, coverage })
    }

    /// The number of jobs that fit a query. Where it asks for states and queues only, and the store counts those exactly,
    /// that is their number; else jobs are counted up to `most`.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub async fn count_matches(&self, query: &Query, most: u64) -> Result<MatchCount, StoreError> {
        self.count_search(&Search::new(query.clone()), most).await
    }

    /// As [`count_matches`](Self::count_matches), of what a search finds: also for somebody who does not see
    /// [everything](Search::with_redactions).
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub async fn count_search(&self, search: &Search, most: u64) -> Result<MatchCount, StoreError> {
        let Some(mut walk) = self.walk(search).await? else {
            return Ok(MatchCount { jobs: 0, is_complete: true });
        };
        if walk.plan.is_counted()
            && let Some(counts) = self.counted(&walk.plan.list).await?
        {
            return Ok(MatchCount { jobs: counts.iter().map(|count| count.jobs).sum(), is_complete: true });
        }
        let (mut jobs, bound) = (0, most.max(LOOKED_AT as u64));
        for _ in 0..REQUESTS.max(usize::try_from(bound).unwrap_or(usize::MAX) / LONGEST) {
            let left = usize::try_from(bound - walk.looked_at).unwrap_or(LONGEST);
            jobs += walk.next(self, LONGEST.min(left)).await?.len() as u64;
            if walk.is_done && jobs <= most {
                return Ok(MatchCount { jobs, is_complete: true });
            }
            if jobs >= most || walk.looked_at >= bound {
                break;
            }
        }
        Ok(MatchCount { jobs: jobs.min(most), is_complete: false })
    }

    /// The exact numbers of the jobs that fit, by state and queue; `None` where the query asks for more than states and queues,
    /// or the store does not count those exactly. No record is read.
    pub(crate) async fn counts_of(&self, query: &Query) -> Result<Option<Vec<Count>>, StoreError> {
        match Plan::of(query) {
            None => Ok(Some(Vec::new())),
            Some(plan) if plan.is_counted() => self.counted(&plan.list).await,
            Some(_) => Ok(None),
        }
    }

    async fn counted(&self, list: &ListQuery) -> Result<Option<Vec<Count>>, StoreError> {
        let mut counts = self.store()?.counts().await?;
        let is_exact = counts.iter().all(|count| count.accuracy == Accuracy::Exact);
        counts.retain(|count| list.takes_state(count.state) && list.takes_names(&count.queue, ""));
        Ok(is_exact.then_some(counts))
    }

    /// What a search looks at, a chunk at a time; `None` when nothing can fit.
    pub(crate) async fn walk(&self, search: &Search) -> Result<Option<Walk>, StoreError> {
        let planned = self.plan(search).await?;
        Ok(planned.map(|(search, plan)| Walk { search, plan, looked_at: 0, is_done: false }))
    }

    /// The search with moments in place of times ago and whole fingerprints where that can be known, and what of it the
    /// store finds by index; `None` when nothing can fit.
    async fn plan(&self, search: &Search) -> Result<Option<(Search, Plan)>, StoreError> {
        let mut search = search.clone();
        search.query = search.query.pinned(self.env().now());
        let starts: Vec<String> = search.query.fingerprints.iter().filter(|start| start.len() < 16).cloned().collect();
        if !starts.is_empty()
            && let Some(known) = self.fingerprints().await?
        {
            let fits = |known: &String| starts.iter().any(|start| known.starts_with(start.as_str()));
            let found: Vec<_> = known.into_iter().filter(fits).collect();
            // A group may have gone before the records of its jobs.
            if !found.is_empty() {
                search.query.fingerprints.retain(|start| start.len() == 16);
                search.query.fingerprints.extend(found);
            }
        }
        Ok(Plan::of(&search.query).map(|plan| (search, plan)))
    }

    /// The fingerprints of all error groups; `None` if there are too many, or none are kept.
    async fn fingerprints(&self) -> Result<Option<Vec<String>>, StoreError> {
        let query = ErrorQuery { limit: GROUPS, ..ErrorQuery::default() };
        match self.error_groups(&query).await {
            Ok(page) if page.next.is_some() => Ok(None),
            Ok(page) => Ok(Some(page.groups.iter().map(|group| Fingerprint::to_string(&group.fingerprint)).collect())),
            Err(error) if error.kind() == StoreErrorKind::Invalid => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The records that a search looks at, newest first.
pub(crate) struct Walk {
    search: Search,
    plan: Plan,
    /// How many it has looked at.
    pub(crate) looked_at: u64,
    /// Whether there are no others.
    pub(crate) is_done: bool,
}

impl Walk {
    /// Looks at so many further records, and returns those that fit.
    pub(crate) async fn next(&mut self, client: &Client, most: usize) -> Result<Vec<Record>, StoreError> {
        self.plan.list.limit = most;
        let Page { mut records, next } = client.list(&self.plan.list).await?;
        self.looked_at += records.len() as u64;
        records.retain(|record| self.plan.is_whole || self.search.fits(record));
        self.is_done = next.is_none();
        self.plan.list.cursor = next;
        Ok(records)
    }
}
