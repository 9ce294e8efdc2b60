//! Finding the jobs that fit a query.

use super::Client;
use crate::{
    error::Fingerprint,
    ports::{Accuracy, ErrorQuery, Page, StoreError, StoreErrorKind},
    query::{Coverage, MatchCount, Matches, Plan, Query, Search},
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
        let Some((search, plan)) = self.plan(search).await? else {
            return Ok(MatchCount { jobs: 0, is_complete: true });
        };
        if plan.is_counted()
            && let Some(jobs) = self.counted(&plan).await?
        {
            return Ok(MatchCount { jobs, is_complete: true });
        }
        let (mut list, mut jobs, mut looked_at) = (plan.list.clone(), 0, 0);
        let bound = most.max(LOOKED_AT as u64);
        for _ in 0..REQUESTS.max(usize::try_from(bound).unwrap_or(usize::MAX) / LONGEST) {
            list.limit = LONGEST.min(usize::try_from(bound - looked_at).unwrap_or(LONGEST));
            let page = self.list(&list).await?;
            looked_at += page.records.len() as u64;
            jobs += page.records.iter().filter(|record| plan.is_whole || search.fits(record)).count() as u64;
            let is_complete = page.next.is_none();
            if is_complete && jobs <= most {
                return Ok(MatchCount { jobs, is_complete });
            }
            if jobs >= most || looked_at >= bound {
                break;
            }
            list.cursor = page.next;
        }
        Ok(MatchCount { jobs: jobs.min(most), is_complete: false })
    }

    /// The exact number of records in states and queues, if the store knows it.
    async fn counted(&self, plan: &Plan) -> Result<Option<u64>, StoreError> {
        let counts = self.store()?.counts().await?;
        let wanted: Vec<_> = counts
            .iter()
            .filter(|count| plan.list.takes_state(count.state) && plan.list.takes_names(&count.queue, ""))
            .collect();
        let is_exact = counts.iter().all(|count| count.accuracy == Accuracy::Exact);
        Ok(is_exact.then(|| wanted.iter().map(|count| count.jobs).sum()))
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
