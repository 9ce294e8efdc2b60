//! What all desks of a site share: answers that are the same for everybody, read at most once a second.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lamplighter::{
    JobId,
    backend::{QueueFlow, QueueStatus, ScheduleStatus, StoreError},
    host::Stop,
    meter::{Rollup, RollupQuery},
    operation::{Operation, OperationQuery, Runner},
    record::{Count, ErrorGroup, ErrorQuery},
};
use tokio::sync::{Semaphore, SemaphorePermit};

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
    health: Fresh<Answer<Examination>>,
    flow: Fresh<Answer<Vec<QueueFlow>>>,
    operations: Fresh<Answer<Vec<Operation>>>,
    batches: Mutex<HashMap<JobId, BatchQueues>>,
    runner: Runner,
    running: Semaphore,
    counting: Semaphore,
    stop: Stop,
    within: Option<Duration>,
}

/// The queues of a batch's first jobs. A batch only ever gets more jobs, at its end.
#[derive(Debug, Clone, Default)]
pub(super) struct BatchQueues {
    pub(super) queues: BTreeSet<String>,
    /// Where its next jobs are.
    pub(super) cursor: Option<String>,
}

/// The batches of which that is remembered.
const MOST_BATCHES: usize = 1_000;
/// How long what changes all the time stays fresh.
const SECOND: Duration = Duration::from_secs(1);
/// How long an examination does: the doctor's takes many calls.
const MINUTE: Duration = Duration::from_secs(60);
/// The latest error groups that are read for everybody.
const GROUPS: usize = 50;
/// The operations of which charts show marks.
const LATEST: usize = 50;
/// The operations that are carried out at once.
const AT_ONCE: usize = 4;
/// The viewers for whom all that match are counted at once.
const COUNTING_AT_ONCE: usize = 2;
/// How long that may take.
const COUNTING: Duration = Duration::from_secs(60);
/// How long it takes until operations that nobody carries out are looked for again, and how often.
const AGAIN: Duration = Duration::from_secs(20);
const TRIES: usize = 30;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

impl Shared {
    /// Nothing read yet.
    #[must_use]
    pub fn new(site: Site) -> Arc<Self> {
        Self::with(site, None)
    }

    /// On a host that freezes after an answer: operations are carried out within a request, for so long, and go on with what
    /// resumes open ones there.
    #[must_use]
    pub fn within(site: Site, time: Duration) -> Arc<Self> {
        Self::with(site, Some(time))
    }

    fn with(site: Site, within: Option<Duration>) -> Arc<Self> {
        let runner = Runner::new(site.client.clone(), site.definitions.to_vec())
            .with_operator(site.operator.clone())
            .with_check(site.check.clone());
        Arc::new(Self {
            runner,
            running: Semaphore::new(AT_ONCE),
            counting: Semaphore::new(COUNTING_AT_ONCE),
            stop: Stop::new(),
            within,
            site,
            flow: Fresh::lasting(SECOND),
            operations: Fresh::lasting(SECOND),
            batches: Mutex::default(),
            queues: Fresh::lasting(SECOND),
            counts: Fresh::lasting(SECOND),
            errors: Fresh::lasting(SECOND),
            schedules: Fresh::lasting(SECOND),
            hour: Fresh::lasting(SECOND),
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
        self.hour.get(self.rollups(HOUR, 61)).await
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

    /// What the latest examination found, if there was one lately: an overview does not begin one.
    pub(super) fn seen_health(&self) -> Option<Arc<Examination>> {
        self.health.seen(10 * MINUTE).and_then(Result::ok)
    }

    /// How fast messages come in and jobs end.
    pub(super) async fn flow(&self) -> Answer<Vec<QueueFlow>> {
        self.flow.get(async { in_time("the queues", self.site.operator.flow()).await.map(Arc::new) }).await
    }

    /// The latest operations.
    pub(super) async fn operations(&self) -> Answer<Vec<Operation>> {
        let query = OperationQuery::new(LATEST);
        let read = async { self.site.client.operations(&query).await.map(|page| Arc::new(page.operations)) };
        self.operations.get(in_time("the store of operations", read)).await
    }

    /// The queues of a batch's jobs, as far as they were looked up before.
    pub(super) fn batch_queues(&self, id: &JobId) -> BatchQueues {
        let batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.get(id).cloned().unwrap_or_default()
    }

    pub(super) fn know_batch_queues(&self, id: &JobId, known: BatchQueues) {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        if batches.len() >= MOST_BATCHES && !batches.contains_key(id) {
            batches.clear();
        }
        batches.insert(id.clone(), known);
    }

    /// A turn to count all that match.
    pub(super) async fn counting(&self) -> Option<SemaphorePermit<'_>> {
        self.counting.acquire().await.ok()
    }

    /// How long a request may count: a minute, or as long as the host lets one run.
    pub(crate) fn patience(&self) -> Duration {
        self.within.unwrap_or(COUNTING)
    }

    pub(super) const fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Carries an operation out: by a task of its own, or as far as a request allows.
    pub(super) async fn carry_out(self: &Arc<Self>, operation: Operation) -> Operation {
        if operation.state.is_final() {
            return operation;
        }
        match self.within {
            None => {
                let (shared, id) = (self.clone(), operation.id.clone());
                tokio::spawn(async move {
                    let Ok(_place) = shared.running.acquire().await else { return };
                    if let Err(error) = shared.runner.run(&id, &shared.stop, None).await {
                        tracing::warn!(operation = %id, %error, "an operation could not go on; it is tried again");
                        return shared.clone().resume().await;
                    }
                    shared.forget().await;
                });
                operation
            }
            Some(time) => {
                let until = tokio::time::Instant::now() + time;
                let run = self.runner.run(&operation.id, &self.stop, Some(until)).await;
                self.forget().await;
                run.unwrap_or(operation)
            }
        }
    }

    /// Goes on with operations whose runner has died, until none is open.
    pub(crate) async fn resume(self: Arc<Self>) {
        if self.site.backend.operations.is_none() {
            return;
        }
        for _ in 0..TRIES {
            match self.runner.run_open(&self.stop, None).await {
                Ok(resumed) if resumed.open == 0 && resumed.left == 0 => return,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "open operations could not be read"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Forgets what an operator may just have changed.
    pub(super) async fn forget(&self) {
        tokio::join!(
            self.queues.forget(),
            self.schedules.forget(),
            self.errors.forget(),
            self.counts.forget(),
            self.operations.forget()
        );
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("site", &self.site).finish_non_exhaustive()
    }
}
