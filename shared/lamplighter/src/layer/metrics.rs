//! How often jobs run, how they end, and how long they take.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task,
    time::Duration,
};

use tokio::time::Instant;

use super::{Execution, Layer, Output, Service};
use crate::{
    context::Context,
    error::{JobError, JobErrorKind},
    handler::{Outcome, OutcomeFuture},
};

/// A layer that counts executions, by job and by how they end, and how long they take.
///
/// All clones count into the same numbers, which belong to this process: on Lambda each execution environment has its own.
/// [`snapshot`](Self::snapshot) reads them at any time. There is one entry for each job of the functions that the layer
/// is put around, and nothing runs in the background.
///
/// An execution counts when it reaches the layer. Put around a [`CircuitBreaker`](super::CircuitBreaker), it counts jobs
/// that are handed back as snoozed; put inside, it does not see them.
///
/// ```
/// # use lamplighter::{Function, Job, JobError, Queue};
/// # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # pub struct Greet { pub name: String }
/// # impl Job for Greet { const NAME: &'static str = "greeting.say"; const QUEUE: Queue = Queue::standard("greetings"); }
/// # async fn greet(job: Greet) -> Result<String, JobError> { Ok(format!("Hello, {}!", job.name)) }
/// use lamplighter::{layer::{EndKind, Metrics}, testing::TestRun};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let metrics = Metrics::new();
/// let function = Function::new("greetings").job(greet).layer(metrics.clone());
/// TestRun::of(function).run(&Greet { name: "Ada".into() }).await;
///
/// let jobs = metrics.snapshot();
/// assert_eq!(jobs["greeting.say"].started, 1);
/// assert_eq!(jobs["greeting.say"].ended(EndKind::Succeeded).count, 1);
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<RwLock<BTreeMap<&'static str, Arc<Cells>>>>);

impl Metrics {
    /// A layer that has counted nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The numbers so far, by job. Executions that end while they are read may be missing from some of them.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<&'static str, JobMetrics> {
        let jobs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().map(|(job, cells)| (*job, cells.read())).collect()
    }

    fn cells(&self, job: &'static str) -> Arc<Cells> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(job).cloned();
        known.unwrap_or_else(|| self.0.write().unwrap_or_else(PoisonError::into_inner).entry(job).or_default().clone())
    }
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EndKind {
    /// The handler returned a value.
    Succeeded,
    /// It returned an error, and attempts are left.
    Retried,
    /// It returned an error, and the job has failed: it was the last attempt, trying again could not help, or the
    /// arguments do not fit.
    Failed,
    /// The job was put back, uncounted.
    Snoozed,
    /// It goes on from a checkpoint in a fresh attempt.
    Continued,
    /// It reached its deadline.
    TimedOut,
    /// It panicked.
    Panicked,
    /// It was given up before its deadline: its host stopped, or its job was cancelled or taken over.
    Abandoned,
}

impl EndKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Succeeded,
        Self::Retried,
        Self::Failed,
        Self::Snoozed,
        Self::Continued,
        Self::TimedOut,
        Self::Panicked,
        Self::Abandoned,
    ];

    /// Its name: `succeeded`, `retried`, `failed`, `snoozed`, `continued`, `timed_out`, `panicked` or `abandoned`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Snoozed => "snoozed",
            Self::Continued => "continued",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::Abandoned => "abandoned",
        }
    }

    /// How the execution with this context and this outcome ended.
    #[must_use]
    pub fn of(outcome: &Result<Output, JobError>, context: &Context) -> Self {
        match outcome {
            Ok(_) => Self::Succeeded,
            Err(error) => match error.kind() {
                JobErrorKind::Snooze => Self::Snoozed,
                JobErrorKind::Continue => Self::Continued,
                JobErrorKind::Retry if context.attempt() < context.max_attempts() => Self::Retried,
                JobErrorKind::Retry | JobErrorKind::Fail | JobErrorKind::BadArguments => Self::Failed,
            },
        }
    }

    /// How an execution ended that is dropped now, without an outcome. For a `Drop`: during a panic, it is that one.
    #[must_use]
    pub fn of_dropped(context: &Context) -> Self {
        if std::thread::panicking() {
            Self::Panicked
        } else if context.remaining().is_zero() {
            Self::TimedOut
        } else {
            Self::Abandoned
        }
    }
}

/// The numbers of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobMetrics {
    /// Executions that have begun.
    pub started: u64,
    ended: [Histogram; EndKind::ALL.len()],
}

impl JobMetrics {
    /// How many executions have ended so, and how long they took.
    #[must_use]
    pub fn ended(&self, kind: EndKind) -> &Histogram {
        &self.ended[kind as usize]
    }

    /// Executions that have begun and not ended.
    #[must_use]
    pub fn running(&self) -> u64 {
        let ended = self.ended.iter().map(|histogram| histogram.count).sum();
        self.started.saturating_sub(ended)
    }
}

/// How long executions took, in fixed buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histogram {
    /// How many there were.
    pub count: u64,
    /// How long they took together.
    pub sum: Duration,
    /// How many took at most as long as the [bound](Self::BOUNDS) of the same place and longer than the one before; at the
    /// end those that took longer than any bound.
    pub buckets: [u64; Self::BOUNDS.len() + 1],
}

impl Histogram {
    /// The bounds: from 5 ms to the 15 minutes that a Lambda invocation may take.
    pub const BOUNDS: [Duration; 15] = [
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2500),
        Duration::from_secs(5),
        Duration::from_secs(10),
        Duration::from_secs(30),
        Duration::from_secs(60),
        Duration::from_secs(300),
        Duration::from_secs(900),
    ];
}

/// The numbers of one job, while they are counted.
#[derive(Debug, Default)]
struct Cells {
    started: AtomicU64,
    ended: [HistogramCells; EndKind::ALL.len()],
}

#[derive(Debug, Default)]
struct HistogramCells {
    micros: AtomicU64,
    buckets: [AtomicU64; Histogram::BOUNDS.len() + 1],
}

impl Cells {
    fn read(&self) -> JobMetrics {
        // The ends first: what ends meanwhile then counts as running, and never the other way round.
        let ended = std::array::from_fn(|kind| self.ended[kind].read());
        JobMetrics { started: self.started.load(Relaxed), ended }
    }
}

impl HistogramCells {
    fn add(&self, took: Duration) {
        let bucket = Histogram::BOUNDS.iter().position(|bound| took <= *bound).unwrap_or(Histogram::BOUNDS.len());
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
        self.buckets[bucket].fetch_add(1, Relaxed);
    }

    fn read(&self) -> Histogram {
        let buckets = std::array::from_fn(|bucket| self.buckets[bucket].load(Relaxed));
        Histogram { count: buckets.iter().sum(), sum: Duration::from_micros(self.micros.load(Relaxed)), buckets }
    }
}

impl<S> Layer<S> for Metrics {
    type Service = MetricsService<S>;

    fn layer(&self, inner: S) -> MetricsService<S> {
        MetricsService { inner, metrics: self.clone() }
    }
}

/// The service of [`Metrics`].
#[derive(Debug, Clone)]
pub struct MetricsService<S> {
    inner: S,
    metrics: Metrics,
}

impl<S> Service<Execution> for MetricsService<S>
where
    S: Service<Execution, Response = Output, Error: Into<JobError>, Future: Send + 'static>,
{
    type Response = Output;
    type Error = JobError;
    type Future = OutcomeFuture;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> task::Poll<Result<(), JobError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, execution: Execution) -> OutcomeFuture {
        let cells = self.metrics.cells(execution.job());
        let timing = Timing { cells, context: execution.context().clone(), began: Instant::now(), over: false };
        timing.cells.started.fetch_add(1, Relaxed);
        let future = self.inner.call(execution);
        Box::pin(async move {
            let outcome = future.await.map_err(Into::into);
            timing.end(&outcome);
            outcome
        })
    }
}

/// An execution under way.
struct Timing {
    cells: Arc<Cells>,
    context: Context,
    began: Instant,
    over: bool,
}

impl Timing {
    fn end(mut self, outcome: &Outcome) {
        self.over = true;
        self.add(EndKind::of(outcome, &self.context));
    }

    fn add(&self, kind: EndKind) {
        self.cells.ended[kind as usize].add(self.began.elapsed());
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.add(EndKind::of_dropped(&self.context));
    }
}
