//! Starting an engine.

use std::{collections::HashMap, fmt, path::PathBuf, sync::Arc};

use lamplighter::{
    App, Function, Queue, ScheduledJob, Variables,
    backend::StoreError,
    host::{Host, Stop, Worker},
    meter::Meter,
    schedule::ScheduleError,
};
use tokio::sync::watch;

use super::{
    clock::Watched,
    fetch::QueueSettings,
    lock::{EngineLock, Refused},
    outbox::OutboxSource,
    running::{End, Running},
    source::{QueueSource, Upkeep},
    watch::Watch,
};
use crate::{
    backend::SqliteBackend,
    db::{catalog, connection::Location, transaction::Transaction, upkeep},
    error::OpenError,
    measured::FileMeter,
    operations,
    outbox::Outbox,
    state,
    time::HELD,
};

/// Runs functions on one machine as AWS does: receives messages from their queues, hands them to a worker, and starts
/// the jobs of schedules.
#[derive(Debug)]
pub struct Engine;

impl Engine {
    /// Builds an engine for a file.
    pub fn builder(embedded: &SqliteBackend) -> EngineBuilder {
        EngineBuilder {
            embedded: embedded.clone(),
            functions: Vec::new(),
            schedules: Vec::new(),
            outboxes: Vec::new(),
            jobs_at_once: EngineBuilder::JOBS_AT_ONCE,
            meter: None,
        }
    }
}

/// An engine that has not started yet.
#[must_use = "an engine runs nothing until it is started"]
pub struct EngineBuilder {
    embedded: SqliteBackend,
    functions: Vec<Function>,
    schedules: Vec<ScheduledJob>,
    outboxes: Vec<Outbox>,
    jobs_at_once: usize,
    meter: Option<Arc<dyn Meter>>,
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder").field("embedded", &self.embedded).finish_non_exhaustive()
    }
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The functions contradict each other.
    #[error("{}", .0.join("; "))]
    Functions(Vec<String>),
    /// Two functions consume one queue.
    #[error("the functions {first:?} and {second:?} both consume queue {queue:?}; a queue has one consumer")]
    SharedQueue {
        /// The queue.
        queue: &'static str,
        /// One function.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A schedule is not valid.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Two schedules share a name.
    #[error("two schedules have the name {0:?}; give each its own, since the name identifies its runs")]
    SharedSchedule(String),
    /// Another engine runs on the file.
    #[error("an engine already runs on {}, in {by}; stop it first, or name another file", path.display())]
    Running {
        /// The file.
        path: PathBuf,
        /// The process that runs it.
        by: String,
    },
    /// The engine's lock cannot be taken.
    #[error("cannot lock {}: {source}; name a file on a local disk that you may write", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file cannot be opened a second time.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Receives allowed beyond a job's attempts before a message without a record becomes a dead letter. A queue's
/// `maxReceiveCount` has the same slack.
const SLACK: u32 = 5;
/// The number of times that the worker releases an unknown job before it dead-letters it with that reason: this limit
/// must not be reached first.
const LEAST_RECEIVES: u32 = 6;
/// A message is hidden for this many times its function's timeout, as AWS recommends (AWS Lambda Developer Guide,
/// "Configuring a queue to use with Lambda").
const VISIBILITY: u32 = 6;

impl EngineBuilder {
    /// Concurrent jobs of one queue where neither the queue nor its function sets a limit.
    pub const JOBS_AT_ONCE: usize = 256;

    /// Adds a function to run. No other function may consume its queues.
    pub fn function(mut self, function: Function) -> Self {
        self.functions.push(function);
        self
    }

    /// Adds the functions of this app, with settings from these variables, and sets its schedules. A [maintenance
    /// function](Function::maintenance) is left out: it is for a deployment on AWS.
    pub fn app(mut self, app: &App, variables: &Variables) -> Self {
        let functions = app.functions(variables).into_iter().filter(|function| !function.spec().maintenance);
        self.functions.extend(functions);
        self.schedules(app.schedules.iter().cloned())
    }

    /// Sets the deployed schedules. Schedules of an earlier engine that are not among them are removed; those added at
    /// run time stay.
    pub fn schedules(mut self, schedules: impl IntoIterator<Item = ScheduledJob>) -> Self {
        self.schedules.extend(schedules);
        self
    }

    /// Enqueues what is committed into the [outbox](crate::outbox) of this database, mostly within a quarter of a second. The
    /// file and its table may come later.
    pub fn outbox(mut self, path: impl Into<PathBuf>) -> Self {
        self.outboxes.push(Outbox::new(path));
        self
    }

    /// Sets the number of concurrent jobs of one queue where neither the queue ([`Queue::max_concurrency`] times
    /// [`Queue::batch_size`]) nor its function ([`Function::concurrency`]) sets a limit. At least 1; by default
    /// [`Self::JOBS_AT_ONCE`].
    pub fn jobs_at_once(mut self, jobs: usize) -> Self {
        self.jobs_at_once = jobs.max(1);
        self
    }

    /// Sets what takes the measurements of its batches, beside the [roll-ups](lamplighter::Client::rollups) in the file.
    pub fn meter(mut self, meter: Arc<dyn Meter>) -> Self {
        self.meter = Some(meter);
        self
    }

    /// Starts the engine. It ends leases that a dead engine has left: their jobs run again immediately, and the
    /// attempts count as lost.
    ///
    /// # Errors
    /// When functions, queues or schedules contradict each other, when an engine already runs on the file, or when the
    /// file cannot be written.
    pub async fn start(self) -> Result<Running, StartError> {
        self.check()?;
        let Self { embedded, functions, schedules: scheduled, outboxes, jobs_at_once, meter } = self;
        let lock = EngineLock::take(&embedded).map_err(|refused| match refused {
            Refused::Held { by } => StartError::Running { path: embedded.0.location.path().to_owned(), by },
            Refused::Io { path, source } => StartError::Lock { path, source },
        })?;
        let lock = Arc::new(lock);
        compact(&embedded).await;
        let queues: Vec<Queue> = functions.iter().flat_map(Function::queues).collect();
        let declared = queues.clone();
        let prepare = move |tx: &mut Transaction<'_>| {
            let ids = declared.iter().map(|queue| {
                tx.declare(queue)?;
                let id = tx.queue(queue.name())?.id;
                Ok(Known { id, paused: operations::pause::is_paused(tx.connection, id)? })
            });
            let ids = ids.collect::<rusqlite::Result<Vec<_>>>()?;
            operations::schedules::replace(tx, &scheduled)?;
            Ok((ids, end_leases(tx)?))
        };
        let (known, leases) = embedded.0.writer.run(64, prepare).await?;
        if leases > 0 {
            tracing::warn!(jobs = leases, "the last engine died; its attempts count as lost, and their jobs run again");
        }
        let known: HashMap<_, _> = queues.iter().map(|queue| queue.name()).zip(known).collect();
        let stop = Stop::new();
        let (report, failure) = watch::channel(None);
        let watch = Watch::start(&embedded, &lock, &stop, report)?;
        let mut host = Host::new(stop.clone());
        for function in functions {
            let plan = Plan { embedded: &embedded, stop: &stop, jobs_at_once, lock: &lock, meter: meter.as_ref() };
            for source in plan.sources(function, &known) {
                host = host.source(source);
            }
        }
        for outbox in outboxes {
            host = host.source(OutboxSource { outbox, client: embedded.client() });
        }
        let clock = Watched::begin(&embedded);
        let host = host.source(Upkeep(embedded.clone())).start();
        Ok(Running { host, end: End { embedded, watch, clock, lock }, failure })
    }

    fn check(&self) -> Result<(), StartError> {
        let problems: Vec<_> = self.functions.iter().flat_map(Function::problems).collect();
        if !problems.is_empty() {
            return Err(StartError::Functions(problems));
        }
        let mut consumers = HashMap::new();
        for function in &self.functions {
            for queue in function.queues() {
                if let Some(first) = consumers.insert(queue.name(), function.name()) {
                    return Err(StartError::SharedQueue { queue: queue.name(), first, second: function.name() });
                }
            }
        }
        let mut names = Vec::new();
        for job in &self.schedules {
            job.schedule.check()?;
            if names.contains(&&job.schedule.name) {
                return Err(StartError::SharedSchedule(job.schedule.name.clone()));
            }
            names.push(&job.schedule.name);
            if !self.functions.iter().any(|function| function.route(&job.job).is_some()) {
                tracing::warn!(schedule = job.schedule.name, job = &*job.job, "no function here runs this job");
            }
        }
        Ok(())
    }
}

/// A queue's row in the file.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: i64,
    paused: bool,
}

/// The common parts of starting functions.
struct Plan<'a> {
    embedded: &'a SqliteBackend,
    stop: &'a Stop,
    jobs_at_once: usize,
    lock: &'a Arc<EngineLock>,
    meter: Option<&'a Arc<dyn Meter>>,
}

impl Plan<'_> {
    fn sources(&self, function: Function, known: &HashMap<&str, Known>) -> Vec<QueueSource> {
        let host: Arc<str> = format!("{}, process {}", function.name(), std::process::id()).into();
        let env = self.embedded.env().clone();
        let mut backend = self.embedded.backend();
        let meter = FileMeter { store: self.embedded.0.store.clone(), other: self.meter.cloned() };
        backend.meter = Some(Arc::new(meter));
        let worker = Worker::new(function, backend, env, host, self.stop.clone());
        let function = worker.function();
        let queues = function.queues().into_iter().filter_map(|queue| {
            let Known { id, paused } = known.get(queue.name()).copied()?;
            let budget = function.timeout_on(queue.name());
            let settings = QueueSettings {
                embedded: self.embedded.clone(),
                queue: id,
                name: queue.name().into(),
                fifo: queue.is_fifo(),
                slots: function.jobs_at_once(&queue).unwrap_or(self.jobs_at_once),
                of_group: usize::from(queue.batch_size),
                budget,
                visibility: budget.saturating_mul(VISIBILITY),
                max_receives: max_receives(function, &queue),
                paused,
            };
            Some(QueueSource::new(settings, worker.clone(), self.lock.clone()))
        });
        queues.collect()
    }
}

/// Rewrites the file if that is worth it. An error does not stop the start; the next engine tries again.
async fn compact(embedded: &SqliteBackend) {
    let (location, durability) = (embedded.0.location.clone(), embedded.durability());
    if matches!(location, Location::Memory) {
        return;
    }
    match tokio::task::spawn_blocking(move || upkeep::compact(&location, durability, true)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the file could not be rewritten, and keeps its size"),
        Err(error) => tracing::warn!(%error, "the file could not be rewritten"),
    }
}

fn max_receives(function: &Function, queue: &Queue) -> u32 {
    let jobs = function.routes().filter(|route| route.queue.name() == queue.name());
    let attempts = jobs.map(|route| route.options.retry.max_attempts()).max().unwrap_or(0);
    attempts.max(LEAST_RECEIVES).saturating_add(SLACK)
}

const RUNNING: &str = "UPDATE jobs SET lease_until = ?2, \
    visible_at = CASE visible_at WHEN ?3 THEN visible_at ELSE min(visible_at, ?2) END \
    WHERE kind = ?1 AND state = 5 AND state > 2 AND lease_until > ?2";

/// Ends the leases of a dead engine: no live one can hold any. Returns their number.
fn end_leases(tx: &mut Transaction<'_>) -> rusqlite::Result<usize> {
    let mut ended = 0;
    for kind in catalog::queue_jobs(tx.connection)? {
        if catalog::counted(tx.connection, kind.id, state::RUNNING)? > 0 {
            ended += tx.prepare(RUNNING)?.execute([kind.id, tx.now, HELD])?;
        }
    }
    tx.all_places_are_free()?;
    Ok(ended)
}
