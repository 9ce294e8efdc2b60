//! What all desks of a site share: answers that are the same for everybody, read at most once a second.

use std::{fmt, sync::Arc, time::Duration};

use lamplighter::{
    backend::{QueueStatus, ScheduleStatus, StoreError},
    meter::{Rollup, RollupQuery},
    record::{Count, ErrorGroup, ErrorQuery},
};

use super::{fresh::Fresh, in_time};
use crate::{
    problem::Problem,
    site::{Examination, Site},
};

type Answer<T> = Result<Arc<T>, Problem>;

/// A site, and what was read of it within the last second.
pub struct Shared {
    pub(super) site: Site,
    queues: Fresh<Answer<Vec<QueueStatus>>>,
    counts: Fresh<Answer<Vec<Count>>>,
    errors: Fresh<Answer<Vec<ErrorGroup>>>,
    schedules: Fresh<Answer<Vec<ScheduleStatus>>>,
    hour: Fresh<Answer<(RollupQuery, Vec<Rollup>)>>,
    day: Fresh<Answer<(RollupQuery, Vec<Rollup>)>>,
    health: Fresh<Answer<Examination>>,
}

/// How long what changes all the time stays fresh.
const SECOND: Duration = Duration::from_secs(1);
/// How long a day's measurements do.
const QUARTER: Duration = Duration::from_secs(15);
/// How long an examination does: the doctor's takes many calls.
const MINUTE: Duration = Duration::from_secs(60);
/// The latest error groups that are read for everybody.
const GROUPS: usize = 50;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

impl Shared {
    /// Nothing read yet.
    #[must_use]
    pub fn new(site: Site) -> Arc<Self> {
        Arc::new(Self {
            site,
            queues: Fresh::lasting(SECOND),
            counts: Fresh::lasting(SECOND),
            errors: Fresh::lasting(SECOND),
            schedules: Fresh::lasting(SECOND),
            hour: Fresh::lasting(SECOND),
            day: Fresh::lasting(QUARTER),
            health: Fresh::lasting(MINUTE),
        })
    }

    /// The site.
    #[must_use]
    pub const fn site(&self) -> &Site {
        &self.site
    }

    pub(crate) async fn queues(&self) -> Answer<Vec<QueueStatus>> {
        self.queues.get(async { in_time("the queues", self.site.operator.queues()).await.map(Arc::new) }).await
    }

    pub(super) async fn counts(&self) -> Answer<Vec<Count>> {
        let read = async {
            let store = self.site.client.store()?;
            store.counts().await.map(Arc::new)
        };
        self.counts.get(in_time::<_, StoreError>("the store of records", read)).await
    }

    /// The groups of the last day with the latest failures.
    pub(crate) async fn errors(&self) -> Answer<Vec<ErrorGroup>> {
        let since = self.site.env.now().saturating_sub(DAY).ok();
        let query = ErrorQuery { since, limit: GROUPS, ..ErrorQuery::default() };
        let read = async { self.site.client.error_groups(&query).await.map(|page| Arc::new(page.groups)) };
        self.errors.get(in_time("the store of error groups", read)).await
    }

    pub(super) async fn schedules(&self) -> Answer<Vec<ScheduleStatus>> {
        let read = async { self.site.client.schedules().await.map(Arc::new) };
        self.schedules.get(in_time("the store of schedules", read)).await
    }

    /// The last sixty minutes.
    pub(crate) async fn hour(&self) -> Answer<(RollupQuery, Vec<Rollup>)> {
        self.hour.get(self.rollups(HOUR, 60)).await
    }

    /// The last day, in points of half an hour.
    pub(super) async fn day(&self) -> Answer<(RollupQuery, Vec<Rollup>)> {
        self.day.get(self.rollups(DAY, 49)).await
    }

    async fn rollups(&self, last: Duration, points: u64) -> Answer<(RollupQuery, Vec<Rollup>)> {
        let now = self.site.env.now();
        let since = now.saturating_sub(last).unwrap_or(now);
        let query = RollupQuery::in_points(since, now, points);
        let read = async { self.site.client.rollups(&query).await };
        let rollups = in_time("the store of measurements", read).await?;
        Ok(Arc::new((query, rollups)))
    }

    pub(super) async fn health(&self) -> Answer<Examination> {
        let Some(source) = &self.site.health else { return Ok(Arc::default()) };
        self.health.get(async { in_time("the examination", source.examine()).await.map(Arc::new) }).await
    }

    /// Forgets what an operator may just have changed.
    pub(super) async fn forget(&self) {
        tokio::join!(self.queues.forget(), self.schedules.forget(), self.errors.forget(), self.counts.forget());
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("site", &self.site).finish_non_exhaustive()
    }
}
