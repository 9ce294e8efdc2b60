//! What all drivers in Rust share.
//!
//! A driver is a process that makes one measurement of one job queue and prints lines of JSON, each an object with an
//! `event`: `about` (version and durability, as read back), `bulk`, `drain` and `single` (jobs, seconds, and whether
//! all jobs were meant). The drivers in other languages print the same.

use std::{
    collections::HashMap,
    future::Future,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};
use tokio::{sync::Notify, task::JoinSet};

/// The number of jobs in one bulk call: as many as a program would hold in memory at a time.
pub const BULK: usize = 10_000;

/// Why a driver fails.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Jobs are enqueued in bulk, then run.
    Cycle,
    /// Jobs are enqueued one call a job.
    Single,
}

/// The arguments of a driver.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is measured.
    pub measure: Measure,
    /// The name of the settings.
    pub variant: String,
    /// The file, or the server's socket.
    pub place: String,
    /// The number of jobs in a cycle.
    pub jobs: usize,
    /// How long jobs are run at the longest.
    pub window: Duration,
    /// How long jobs are enqueued in bulk at the longest.
    pub bulk_limit: Duration,
    /// The number of callers that enqueue single jobs.
    pub callers: usize,
    /// How long single jobs are enqueued.
    pub seconds: Duration,
}

impl Options {
    /// Reads arguments, pairs of `--name` and a value.
    ///
    /// # Errors
    /// A text, if one is missing or no number.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Self, Error> {
        let all: Vec<String> = arguments.collect();
        let pairs = all.chunks_exact(2).filter_map(|pair| Some((pair[0].strip_prefix("--")?, &*pair[1])));
        let given: HashMap<&str, &str> = pairs.collect();
        let text = |name: &str| given.get(name).copied().ok_or_else(|| format!("--{name} is missing"));
        let number = |name: &str| given.get(name).map_or(Ok(0.0), |value| value.parse::<f64>());
        let count = |name: &str| given.get(name).map_or(Ok(0), |value| value.parse::<usize>());
        Ok(Self {
            measure: if text("measure")? == "cycle" { Measure::Cycle } else { Measure::Single },
            variant: text("variant")?.to_owned(),
            place: text("place")?.to_owned(),
            jobs: count("jobs")?,
            window: Duration::from_secs_f64(number("window")?),
            bulk_limit: Duration::from_secs_f64(number("bulk-limit")?),
            callers: count("callers")?,
            seconds: Duration::from_secs_f64(number("seconds")?),
        })
    }
}

fn emit(event: &str, fields: Value) {
    let mut line = Map::from_iter([("event".to_owned(), json!(event))]);
    if let Value::Object(fields) = fields {
        line.extend(fields);
    }
    println!("{}", Value::Object(line));
}

fn figure(event: &str, jobs: usize, time: Duration, whole: bool) {
    emit(event, json!({ "jobs": jobs, "seconds": time.as_secs_f64(), "whole": whole }));
}

/// Tells the version, what a commit survives (`power`, `process`, `fragile`, `snapshot`), and the settings in force.
pub fn about(version: &str, survives: &str, in_force: &[(String, String)]) {
    let in_force: Map<String, Value> = in_force.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    emit("about", json!({ "version": version, "survives": survives, "in_force": in_force }));
}

/// Returns the version of a package in the text of a `Cargo.lock`.
#[must_use]
pub fn locked_version<'a>(lock: &'a str, name: &str) -> &'a str {
    let start = format!("[[package]]\nname = \"{name}\"\nversion = \"");
    let rest = lock.split_once(&start).map_or("", |(_, rest)| rest);
    rest.split_once('"').map_or("unknown", |(version, _)| version)
}

/// Enqueues the jobs in calls of [`BULK`], and tells the rate. Returns whether all were enqueued within the limit.
///
/// # Errors
/// As `enqueue`.
pub async fn bulk<F>(options: &Options, mut enqueue: impl FnMut(Range<usize>) -> F) -> Result<bool, Error>
where
    F: Future<Output = Result<(), Error>>,
{
    let began = Instant::now();
    let mut jobs = 0;
    while jobs < options.jobs && began.elapsed() < options.bulk_limit {
        let end = options.jobs.min(jobs + BULK);
        enqueue(jobs..end).await?;
        jobs = end;
    }
    let whole = jobs == options.jobs;
    figure("bulk", jobs, began.elapsed(), whole);
    Ok(whole)
}

/// Enqueues one job after the other from each caller for some seconds, and tells the rate.
///
/// # Errors
/// As `enqueue`.
pub async fn single<F>(options: &Options, enqueue: impl Fn(usize) -> F + Clone + Send + 'static) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>> + Send,
{
    let began = Instant::now();
    let end = began + options.seconds;
    let mut callers = JoinSet::new();
    for caller in 0..options.callers {
        let enqueue = enqueue.clone();
        callers.spawn(async move {
            let mut jobs = 0;
            while Instant::now() < end {
                enqueue(caller).await?;
                jobs += 1;
            }
            Ok::<usize, Error>(jobs)
        });
    }
    let mut jobs = 0;
    while let Some(ended) = callers.join_next().await {
        jobs += ended??;
    }
    figure("single", jobs, began.elapsed(), true);
    Ok(())
}

/// Counts the jobs that have run.
#[derive(Debug, Clone)]
pub struct Counter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ran: AtomicUsize,
    jobs: usize,
    all: Notify,
}

impl Counter {
    /// Counts up to the jobs of a cycle.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self(Arc::new(Inner { ran: AtomicUsize::new(0), jobs: options.jobs, all: Notify::new() }))
    }

    /// Counts one. Returns whether it was the last.
    pub fn ran(&self) -> bool {
        let last = self.0.ran.fetch_add(1, Ordering::Relaxed) + 1 >= self.0.jobs;
        if last {
            self.0.all.notify_one();
        }
        last
    }

    fn have_all_run(&self) -> bool {
        self.0.ran.load(Ordering::Relaxed) >= self.0.jobs
    }

    /// Waits until the last job has run, or the window has ended.
    pub async fn wait(&self, window: Duration) {
        // That the window has ended is seen by the number of jobs.
        let _ = tokio::time::timeout(window, self.0.all.notified()).await;
    }
}

/// Waits until all jobs are done, or the window ends, and tells the rate. `done` reads the number of completions that
/// are committed. It is asked only when the last job has run or the window has ended, since asking costs the queue
/// time.
///
/// # Errors
/// As `done`.
pub async fn drain<F>(
    options: &Options,
    began: Instant,
    counter: &Counter,
    mut done: impl FnMut() -> F,
) -> Result<(), Error>
where
    F: Future<Output = Result<usize, Error>>,
{
    counter.wait(options.window.saturating_sub(began.elapsed())).await;
    loop {
        let time = began.elapsed();
        let jobs = done().await?;
        let whole = jobs >= options.jobs;
        if whole || !counter.have_all_run() || time >= options.window {
            figure("drain", jobs, time, whole);
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Tells the rate of a drain that the driver has measured by itself.
pub fn drained(options: &Options, jobs: usize, time: Duration) {
    figure("drain", jobs, time, jobs >= options.jobs);
}
