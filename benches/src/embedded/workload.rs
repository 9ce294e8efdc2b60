//! The jobs that are measured, and the measurements.

use std::{
    collections::HashMap,
    future::Future,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use lamplighter::{Client, Context, EnqueueError, Function, Job, JobError, JobId, JobState, Queue, State};
use lamplighter_embedded::{Durability, Engine, Running, Settings, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    BenchError,
    idle::{self, Idle},
    report::Sample,
    stats::rate,
    yardstick,
};

/// The rows of one run of the yardstick: enough to take a noticeable time, and few enough to run between all figures.
const YARDSTICK: usize = 20_000;
/// Concurrent callers.
pub(crate) const CALLERS: usize = 64;
/// The number of jobs that they enqueue in total.
const SINGLES: usize = 32_000;
/// The number of jobs that one caller enqueues alone.
const ALONE: usize = 8_000;
/// The time from one job to the next, and the number of jobs, of a busy engine.
const BUSY: (Duration, usize) = (Duration::from_micros(50), 100_000);
/// The number of jobs in one `enqueue_all`: as many as a program would hold in memory at a time.
const BULK: usize = 10_000;
/// The id of the batch.
const BATCH: &str = "batch";
/// The number of jobs whose pick-up is timed in a round.
const PICK_UPS: usize = 200;

/// A job that does nothing.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Noop {
    number: usize,
}

impl Job for Noop {
    const NAME: &'static str = "bench.noop";
    const QUEUE: Queue = Queue::standard("bench");
}

/// Counts executions.
#[derive(Clone)]
struct Counter {
    begun: Arc<AtomicUsize>,
    target: usize,
    tell: mpsc::UnboundedSender<(usize, Instant)>,
}

async fn noop(job: Noop, _: Context, State(counter): State<Counter>) -> Result<(), JobError> {
    let now = Instant::now();
    if counter.begun.fetch_add(1, Ordering::Relaxed) + 1 >= counter.target {
        // The receiver is dropped once the figure is known.
        let _ = counter.tell.send((job.number, now));
    }
    Ok(())
}

/// The environment of a benchmark.
pub(crate) struct Bench<'a> {
    folder: &'a Path,
    durability: Durability,
    pragmas: Arc<[(String, String)]>,
    files: AtomicU32,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(folder: &'a Path, durability: Durability) -> Result<Self, BenchError> {
        let embedded = SqliteBackend::open(folder.join("settings.db"), Settings::default().durability(durability))?;
        Ok(Self { folder, durability, pragmas: embedded.pragmas().into(), files: AtomicU32::new(0) })
    }

    /// Returns SQLite's settings, as read from the engine's own connection.
    pub(crate) fn pragmas(&self) -> &[(String, String)] {
        &self.pragmas
    }

    /// Returns a smaller number if each commit waits for the disk.
    fn fewer(&self, number: usize) -> usize {
        if self.durability == Durability::Full { number / 8 } else { number }
    }

    /// Measures a figure, with the yardstick before and after it.
    pub(crate) async fn beside_yardstick(
        &self,
        figure: impl Future<Output = Result<(usize, Duration), BenchError>>,
    ) -> Result<Sample, BenchError> {
        let before = self.yardstick().await?;
        let (jobs, time) = figure.await?;
        let after = self.yardstick().await?;
        let per_second = rate(jobs, time);
        Ok(Sample { jobs, per_second, ratio: per_second / f64::midpoint(before, after), yardstick: [before, after] })
    }

    async fn yardstick(&self) -> Result<f64, BenchError> {
        let (folder, pragmas, rows) = (self.folder.to_owned(), self.pragmas.clone(), self.fewer(YARDSTICK));
        let run = tokio::task::spawn_blocking(move || yardstick::measure(&folder, &pragmas, rows));
        Ok(run.await.map_err(|error| BenchError::Engine(error.to_string()))??)
    }

    /// Creates an empty file.
    pub(crate) fn fresh(&self) -> Result<Waiting, BenchError> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let file = self.folder.join(format!("jobs-{number}.db"));
        let embedded = SqliteBackend::open(&file, Settings::default().durability(self.durability))?;
        Ok(Waiting { embedded, file })
    }

    /// Enqueues many jobs, in calls of [`BULK`].
    pub(crate) async fn enqueue_bulk(&self, waiting: &Waiting, jobs: usize) -> Result<(usize, Duration), BenchError> {
        let client = waiting.embedded.client();
        let began = Instant::now();
        for start in (0..jobs).step_by(BULK) {
            let batch = (start..jobs.min(start + BULK)).map(|number| Noop { number });
            for answer in client.enqueue_all(batch).await {
                answer.map_err(BenchError::engine)?;
            }
        }
        Ok((jobs, began.elapsed()))
    }

    /// Enqueues one job after the other from each of so many callers.
    pub(crate) async fn enqueue_singly(&self, callers_at_once: usize) -> Result<(usize, Duration), BenchError> {
        let waiting = self.fresh()?;
        let jobs = self.fewer(if callers_at_once == 1 { ALONE } else { SINGLES });
        let began = Instant::now();
        let mut callers = JoinSet::new();
        for caller in 0..callers_at_once {
            let client = waiting.embedded.client();
            let own = (caller..jobs).step_by(callers_at_once);
            callers.spawn(async move {
                for number in own {
                    client.enqueue(Noop { number }).await?;
                }
                Ok::<_, EnqueueError>(())
            });
        }
        while let Some(ended) = callers.join_next().await {
            ended.map_err(BenchError::engine)?.map_err(BenchError::engine)?;
        }
        Ok((jobs, began.elapsed()))
    }

    /// Starts the engine over a backlog and waits until every success is committed.
    pub(crate) async fn drain(&self, waiting: &Waiting, jobs: usize) -> Result<(usize, Duration), BenchError> {
        let (tell, mut heard) = mpsc::unbounded_channel();
        let counter = Counter { begun: Arc::default(), target: jobs, tell };
        let began = Instant::now();
        let running = start(&waiting.embedded, counter).await?;
        // Counting costs the store time, so it begins when the last job does.
        let _ = heard.recv().await;
        while succeeded(&waiting.embedded.client()).await? < jobs {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let time = began.elapsed();
        running.drain(Duration::from_secs(10)).await;
        Ok((jobs, time))
    }

    /// Enqueues jobs as one batch.
    pub(crate) async fn enqueue_batch(&self, waiting: &Waiting, jobs: usize) -> Result<(usize, Duration), BenchError> {
        let client = waiting.embedded.client();
        let began = Instant::now();
        client.enqueue_batch((0..jobs).map(|number| Noop { number })).id(BATCH).await.map_err(BenchError::engine)?;
        Ok((jobs, began.elapsed()))
    }

    /// Starts the engine over a batch and waits until it has ended.
    pub(crate) async fn drain_batch(&self, waiting: &Waiting, jobs: usize) -> Result<(usize, Duration), BenchError> {
        let (tell, mut heard) = mpsc::unbounded_channel();
        let counter = Counter { begun: Arc::default(), target: jobs, tell };
        let client = waiting.embedded.client();
        let id = JobId::new(BATCH).map_err(BenchError::engine)?;
        let began = Instant::now();
        let running = start(&waiting.embedded, counter).await?;
        let _ = heard.recv().await;
        let batch = loop {
            let batch = client.batch(&id).await.map_err(BenchError::engine)?;
            match batch.filter(|batch| batch.state.is_final()) {
                Some(batch) => break batch,
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        let time = began.elapsed();
        running.drain(Duration::from_secs(10)).await;
        match usize::try_from(batch.succeeded) == Ok(jobs) {
            true => Ok((jobs, time)),
            false => Err(BenchError::Engine(format!("the batch has counted {} of {jobs} jobs", batch.succeeded))),
        }
    }

    /// Measures the time, in milliseconds, from the call of `enqueue` on an idle engine to the handler.
    pub(crate) async fn pick_up(&self) -> Result<Vec<f64>, BenchError> {
        let waiting = self.fresh()?;
        let (tell, mut heard) = mpsc::unbounded_channel();
        let running = start(&waiting.embedded, Counter { begun: Arc::default(), target: 0, tell }).await?;
        let client = waiting.embedded.client();
        let mut times = Vec::with_capacity(PICK_UPS);
        for number in 0..PICK_UPS {
            // Pauses of different lengths, so that they do not coincide with an interval of the engine.
            tokio::time::sleep(Duration::from_millis(fastrand::u64(5..25))).await;
            let called = Instant::now();
            client.enqueue(Noop { number }).await.map_err(BenchError::engine)?;
            let Some((_, begun)) = heard.recv().await else { break };
            times.push(begun.duration_since(called).as_secs_f64() * 1000.0);
        }
        running.drain(Duration::from_secs(10)).await;
        Ok(times)
    }
}

impl Bench<'_> {
    /// Measures the time, in milliseconds, from the call of `enqueue` to the handler, while [`CALLERS`] enqueue a job every
    /// [`BUSY`].
    pub(crate) async fn loaded_pick_up(&self) -> Result<Vec<f64>, BenchError> {
        let waiting = self.fresh()?;
        let (tell, mut heard) = mpsc::unbounded_channel();
        let running = start(&waiting.embedded, Counter { begun: Arc::default(), target: 0, tell }).await?;
        let (pause, jobs) = (BUSY.0, self.fewer(BUSY.1));
        let began = Instant::now();
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let client = waiting.embedded.client();
            callers.spawn(async move {
                let mut called = Vec::new();
                for number in (caller..jobs).step_by(CALLERS) {
                    let at = began + pause.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
                    tokio::time::sleep_until(at.into()).await;
                    called.push((number, Instant::now()));
                    client.enqueue(Noop { number }).await?;
                }
                Ok::<_, EnqueueError>(called)
            });
        }
        let mut called = HashMap::with_capacity(jobs);
        while let Some(ended) = callers.join_next().await {
            called.extend(ended.map_err(BenchError::engine)?.map_err(BenchError::engine)?);
        }
        let mut times = Vec::with_capacity(jobs);
        while times.len() < jobs {
            let Some((number, begun)) = heard.recv().await else { break };
            times.extend(called.get(&number).map(|at| begun.saturating_duration_since(*at).as_secs_f64() * 1000.0));
        }
        running.drain(Duration::from_secs(10)).await;
        Ok(times)
    }

    /// Measures an idle engine, which has run a job before.
    pub(crate) async fn idle(&self) -> Result<Idle, BenchError> {
        let waiting = self.fresh()?;
        let (tell, mut heard) = mpsc::unbounded_channel();
        let running = start(&waiting.embedded, Counter { begun: Arc::default(), target: 0, tell }).await?;
        waiting.embedded.client().enqueue(Noop { number: 0 }).await.map_err(BenchError::engine)?;
        let _ = heard.recv().await;
        let idle = idle::measure().await.map_err(BenchError::engine)?;
        running.drain(Duration::from_secs(10)).await;
        Ok(idle)
    }
}

/// An embedded file, which is removed from the disk when dropped.
pub(crate) struct Waiting {
    embedded: SqliteBackend,
    file: PathBuf,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.file.clone().into_os_string();
            name.push(suffix);
            // Files that cannot be removed now are removed with the folder.
            let _ = std::fs::remove_file(name);
        }
    }
}

async fn start(embedded: &SqliteBackend, counter: Counter) -> Result<Running, BenchError> {
    let function = Function::new("bench").job(noop).with_state(counter);
    Engine::builder(embedded).function(function).start().await.map_err(BenchError::engine)
}

async fn succeeded(client: &Client) -> Result<usize, BenchError> {
    let counts = client.store().map_err(BenchError::engine)?.counts().await.map_err(BenchError::engine)?;
    let jobs = counts.iter().filter(|count| count.state == JobState::Succeeded).map(|count| count.jobs).sum::<u64>();
    Ok(usize::try_from(jobs).unwrap_or(usize::MAX))
}
