//! A handler's view of its own run.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    client::Client,
    env::Env,
    error::{ErrorText, JobError, JobErrorKind, bad_arguments},
    function::Route,
    host::Stop,
    id::JobId,
    log::{LogBuffer, LogLevel, LogLine},
    message::{SharedMessage, Trace},
    ports::{JobData, LeaseStatus, Store, StoreError, StoreErrorKind, Token},
    record::{Progress, Record},
    redaction::Redactor,
};

/// A handler's view of its own run, and its means to report on it. Cloning is cheap.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) id: JobId,
    pub(crate) message: SharedMessage,
    /// Arguments that the message only refers to, once they have been fetched.
    pub(crate) fetched_args: OnceLock<Box<RawValue>>,
    pub(crate) queue: Arc<str>,
    /// How often the message has been received; zero where no queue delivered it.
    pub(crate) receives: u32,
    pub(crate) token: Token,
    pub(crate) max_attempts: u32,
    pub(crate) deadline: Instant,
    pub(crate) deadline_at: Timestamp,
    pub(crate) stop: Stop,
    /// Created on first use, and cancelled when the lease turns out to be lost.
    pub(crate) lost: OnceLock<CancellationToken>,
    /// Whether the batch renews the lease, and so notices when it is lost.
    pub(crate) is_renewed: bool,
    pub(crate) client: Client,
    /// Created on first use: most jobs enqueue nothing.
    pub(crate) child_client: OnceLock<Client>,
    /// The trace context of this run, where it is traced.
    pub(crate) trace: OnceLock<Box<Trace>>,
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) checkpoint: Option<Box<RawValue>>,
    /// Whether this attempt has saved another checkpoint than the one that it began with.
    pub(crate) advanced: AtomicBool,
    pub(crate) progress: Mutex<ReportedProgress>,
    pub(crate) route: Arc<Route>,
    /// Created on first use: most jobs write no lines.
    pub(crate) log: OnceLock<Box<JobLog>>,
}

/// An attempt's lines, and what hides the sensitive arguments in them.
pub(crate) struct JobLog {
    lines: LogBuffer,
    redactor: Option<Redactor>,
}

#[derive(Debug, Default)]
pub(crate) struct ReportedProgress {
    progress: Option<Progress>,
    written_at: Option<Instant>,
}

impl Context {
    /// The shortest time between two writes of progress to the store, and between two of log lines.
    pub const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

    /// How soon a handler that asks whether it is [cancelled](Self::cancelled) learns that its job is.
    pub const CANCEL_CHECK: Duration = Duration::from_secs(5);
    /// When the lease of a running job that does not ask is first checked, and how often after that.
    const FIRST_CHECK: Duration = Duration::from_secs(10);
    const NEXT_CHECK: Duration = Duration::from_secs(20);
    /// The time a handler has to end on its own after its job was cancelled or another attempt has taken over.
    pub const LOST_GRACE: Duration = Duration::from_secs(10);
    /// The longest time that the store has to save job data.
    const JOB_DATA_TIMEOUT: Duration = Duration::from_secs(10);

    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.0.id
    }

    /// The message that carried the job.
    #[must_use]
    pub fn message(&self) -> &crate::message::Message {
        &self.0.message
    }

    /// The batch that it is a job of. A handler can [add jobs](Client::add_to_batch) to it while it runs.
    #[must_use]
    pub fn batch(&self) -> Option<&JobId> {
        self.0.message.batch.as_ref().map(|batch| &batch.id)
    }

    /// The arguments, also where they did not fit into the message.
    pub(crate) fn args(&self) -> &RawValue {
        self.0.fetched_args.get().unwrap_or(&self.0.message.args)
    }

    pub(crate) fn args_were_fetched(&self, args: Box<RawValue>) {
        // Once an attempt.
        let _ = self.0.fetched_args.set(args);
    }

    pub(crate) fn continue_trace(&self, trace: Trace) {
        // The first, and so outermost, layer's.
        let _ = self.0.trace.set(Box::new(trace));
    }

    pub(crate) fn receives(&self) -> u32 {
        self.0.receives
    }

    /// Whether the job has a record.
    pub(crate) fn is_tracked(&self) -> bool {
        self.0.store.is_some()
    }

    pub(crate) fn env(&self) -> &Env {
        self.0.client.env()
    }

    pub(crate) fn messaging_system(&self) -> &'static str {
        self.0.client.messaging_system()
    }

    pub(crate) fn error_text(&self, error: &JobError) -> ErrorText {
        match error.kind() {
            // Its own text holds no value.
            JobErrorKind::BadArguments => bad_arguments(&self.0.message.job, error),
            _ => error.redacted_text(self.0.route.redactor(self.args()).as_ref()),
        }
    }

    /// The queue that it came from, without any suffix.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.0.queue
    }

    /// The number of this execution, from 1. Without a store it is the number of receives.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.token.attempt
    }

    /// The number of executions that the job's policy allows.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.0.max_attempts
    }

    /// The moment at which the worker ends this attempt: its timeout, or its invocation's deadline minus a margin.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.0.deadline_at
    }

    /// The time left until the [deadline](Self::deadline).
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.0.deadline.saturating_duration_since(Instant::now())
    }

    /// Resolves when the job should end early: its host is stopping, or it has lost its lease, since the job was cancelled
    /// or another attempt has taken over. Unless the lease is lost, the handler's result still counts after that.
    ///
    /// From the first call on, here or of [`is_cancelled`](Self::is_cancelled), the store is asked every
    /// [`Self::CANCEL_CHECK`]: on AWS that is a write unit of DynamoDB each time.
    pub async fn cancelled(&self) {
        tokio::select! {
            () = self.0.stop.draining() => {}
            () = self.lost().cancelled() => {}
        }
    }

    /// Returns whether the job should end early.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.stop.is_draining() || self.lost().is_cancelled()
    }

    fn is_lost(&self) -> bool {
        self.0.lost.get().is_some_and(CancellationToken::is_cancelled)
    }

    /// With the first call, the handler asks.
    fn lost(&self) -> &CancellationToken {
        self.0.lost.get_or_init(CancellationToken::new)
    }

    /// Reports the job's progress. It is kept with the record, and written at most once a second and at the end;
    /// without a store it goes to the log only.
    pub fn progress(&self, done: u64, total: u64) {
        let progress = Progress { done, total };
        let due = {
            let mut known = self.0.progress.lock().unwrap_or_else(PoisonError::into_inner);
            known.progress = Some(progress);
            let due = known.written_at.is_none_or(|at| at.elapsed() >= Self::PROGRESS_INTERVAL);
            if due {
                known.written_at = Some(Instant::now());
            }
            due
        };
        if !due {
            return;
        }
        tracing::debug!(done, total, "progress");
        if self.0.store.is_some() {
            let context = self.clone();
            let data = JobData::progress(progress);
            // Nothing waits for progress: if this write fails, the settlement writes it.
            tokio::spawn(async move {
                if let Err(error) = context.write(data).await {
                    tracing::debug!(%error, "progress not written");
                }
            });
        }
    }

    /// Writes a line to the job's log, which is kept with its record: `lamp job ID --log` shows it, and
    /// [`Client::log`] reads it. Lines are written once a second and with the settlement, so that those of a short job cost
    /// no call of their own; a line has at most
    /// [`LogLine::MAX_BYTES`] bytes, an attempt [`LogLine::MAX_PER_ATTEMPT`] lines. [Sensitive](crate::Sensitive) arguments
    /// are hidden in them. A killed host's last second is lost. Without a store, lines go to tracing at the level `debug`.
    ///
    /// [`LogLine::MAX_BYTES`]: crate::record::LogLine::MAX_BYTES
    /// [`LogLine::MAX_PER_ATTEMPT`]: crate::record::LogLine::MAX_PER_ATTEMPT
    pub fn log(&self, level: LogLevel, text: impl AsRef<str>) {
        let log = self.0.log.get_or_init(|| {
            Box::new(JobLog { lines: LogBuffer::default(), redactor: self.0.route.redactor(self.args()) })
        });
        let text = text.as_ref();
        let text = log.redactor.as_ref().map_or_else(|| text.to_owned(), |redactor| redactor.text(text).into_owned());
        if self.0.store.is_none() {
            tracing::debug!(level = level.as_str(), text, "line of the job's log");
            return;
        }
        if log.lines.push(LogLine::new(self.env().now(), self.attempt(), level, text)) {
            // Nothing waits for lines: the settlement has the last ones.
            tokio::spawn(self.clone().write_log());
        }
    }

    /// Writes lines from time to time, until there are none.
    async fn write_log(self) {
        let Some(log) = self.0.log.get() else { return };
        loop {
            tokio::time::sleep(Self::PROGRESS_INTERVAL).await;
            let Some(lines) = log.lines.take() else { return };
            if let Err(error) = self.write(JobData::log(lines.clone())).await {
                tracing::debug!(%error, "log lines not written");
                log.lines.put_back(lines);
            }
        }
    }

    /// The lines that are not in the store yet.
    pub(crate) fn unwritten_log(&self) -> Vec<LogLine> {
        self.0.log.get().map(|log| log.lines.end()).unwrap_or_default()
    }

    /// Saves a value that the job's next attempt reads with [`resume`](Self::resume) if this one fails or is lost. It
    /// is durable when this returns.
    ///
    /// # Errors
    /// When the value cannot be written as JSON or is larger than [`Record::MAX_VALUE_BYTES`], when there is no store,
    /// or when this attempt has lost its lease: the handler should then end, since another attempt has taken over.
    pub async fn checkpoint(&self, value: &(impl Serialize + Sync)) -> Result<(), StoreError> {
        let value = checkpoint_of(value)?;
        let advances = self.advances(&value);
        match self.write(JobData::checkpoint(value)).await? {
            LeaseStatus::Held => {
                self.0.advanced.store(advances, Ordering::Relaxed);
                Ok(())
            }
            LeaseStatus::Lost => Err(StoreError::new(
                StoreErrorKind::Invalid,
                format_args!("attempt {} of {} has lost its lease", self.attempt(), self.id()),
            )),
        }
    }

    /// Ends this attempt and goes on from a checkpoint in a fresh one, at once: `return ctx.continue_with(&state);`. So work
    /// of hours runs where an invocation has minutes: look at [`remaining`](Self::remaining) between two steps, and continue
    /// before it is used up. The next attempt reads the value with [`resume`](Self::resume).
    ///
    /// Attempts are counted anew from each checkpoint that differs from the one before, also where an attempt that has saved
    /// one with [`checkpoint`](Self::checkpoint) reaches its deadline. With the same value as before, the attempt has failed,
    /// and the retry policy limits how often.
    ///
    /// ```
    /// # use lamplighter::{Context, Job, JobError, Queue, secs};
    /// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// # struct Reindex { pages: u64 }
    /// # impl Job for Reindex {
    /// #     const NAME: &'static str = "search.reindex";
    /// #     const QUEUE: Queue = Queue::standard("search");
    /// # }
    /// # async fn index(page: u64) -> Result<(), std::io::Error> { Ok(()) }
    /// async fn reindex(job: Reindex, ctx: Context) -> Result<(), JobError> {
    ///     for page in ctx.resume().unwrap_or(0)..job.pages {
    ///         if ctx.remaining() < secs(30) || ctx.is_cancelled() {
    ///             return ctx.continue_with(&page);
    ///         }
    ///         index(page).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Always: the error makes the worker continue the job. Where that is impossible, the job fails with the reason: the value
    /// cannot be written as JSON or is larger than [`Record::MAX_VALUE_BYTES`], or the job is not tracked.
    pub fn continue_with<T>(&self, value: &(impl Serialize + Sync)) -> Result<T, JobError> {
        if !self.is_tracked() {
            return Err(JobError::fail(StoreError::new(StoreErrorKind::Invalid, UNTRACKED)));
        }
        let value = checkpoint_of(value).map_err(JobError::fail)?;
        if !self.advances(&value) && !self.has_advanced() {
            return Err(JobError::retry("continued from the checkpoint that it began with: it does not advance"));
        }
        Err(JobError::continue_from(value))
    }

    fn advances(&self, value: &RawValue) -> bool {
        self.0.checkpoint.as_ref().is_none_or(|known| known.get() != value.get())
    }

    /// Whether this attempt has saved another checkpoint than the one that it began with.
    pub(crate) fn has_advanced(&self) -> bool {
        self.0.advanced.load(Ordering::Relaxed)
    }

    /// The value that an earlier attempt saved with [`checkpoint`](Self::checkpoint), if it fits `T`.
    #[must_use]
    pub fn resume<T: DeserializeOwned>(&self) -> Option<T> {
        self.0.checkpoint.as_deref().and_then(|value| serde_json::from_str(value.get()).ok())
    }

    /// Releases the job for `delay` without counting the attempt: `return ctx.snooze(mins(5));`. Without a store the
    /// receive counts.
    ///
    /// # Errors
    /// Always: the error makes the worker release the job.
    pub fn snooze<T>(&self, delay: Duration) -> Result<T, JobError> {
        Err(JobError::snooze(delay))
    }

    /// A client for enqueueing further jobs, which get this one as their parent and continue its trace. It allows what
    /// the function [declares](crate::Function::enqueues), and refuses the rest.
    #[must_use]
    pub fn client(&self) -> &Client {
        let trace = self.0.trace.get().map(|trace| &**trace);
        self.0.child_client.get_or_init(|| self.0.client.child_of(&self.0.id, &self.0.message, trace))
    }

    /// Checks from time to time, while it is polled, whether the attempt still holds its lease, so that a cancelled job
    /// learns of it and the store learns of a job that runs for long: often where the handler asks, and rarely or, where
    /// the batch renews the lease, never where it does not.
    ///
    /// Resolves once the lease has been lost for [`Self::LOST_GRACE`]: a handler that still runs then only keeps a
    /// place that another job could use.
    pub(crate) async fn watch_lease(&self) {
        if self.0.store.is_none() {
            return std::future::pending().await;
        }
        tokio::time::sleep(Self::CANCEL_CHECK).await;
        // Boxed: most jobs have ended by then, and each would carry the size of this future.
        Box::pin(self.check_lease()).await;
    }

    async fn check_lease(&self) {
        let mut unasked = Instant::now() + (Self::FIRST_CHECK - Self::CANCEL_CHECK);
        loop {
            let is_due = !self.0.is_renewed && Instant::now() >= unasked;
            if !self.is_lost() && (is_due || self.0.lost.get().is_some()) {
                if let Err(error) = self.write(JobData::default()).await {
                    tracing::debug!(id = %self.id(), %error, "the lease could not be checked");
                }
                unasked = Instant::now() + Self::NEXT_CHECK;
            }
            if self.is_lost() {
                return tokio::time::sleep(Self::LOST_GRACE).await;
            }
            tokio::time::sleep(Self::CANCEL_CHECK).await;
        }
    }

    /// The batch has found that the attempt has lost its lease.
    pub(crate) fn lease_is_lost(&self) {
        self.lost().cancel();
    }

    pub(crate) fn unwritten_progress(&self) -> Option<Progress> {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner).progress
    }

    async fn write(&self, data: JobData) -> Result<LeaseStatus, StoreError> {
        let Some(store) = &self.0.store else {
            return Err(StoreError::new(StoreErrorKind::Invalid, UNTRACKED));
        };
        let late =
            || StoreError::unavailable(format_args!("the store did not answer within {:?}", Self::JOB_DATA_TIMEOUT));
        let status = timeout(Self::JOB_DATA_TIMEOUT, store.save_job_data(&self.0.id, self.0.token, data))
            .await
            .unwrap_or_else(|_| Err(late()))?;
        if status == LeaseStatus::Lost {
            self.lost().cancel();
        }
        Ok(status)
    }
}

const UNTRACKED: &str = "this job is not tracked, so its checkpoint cannot be kept; configure a table, and do not mark the \
                         job as untracked";

fn checkpoint_of(value: &(impl Serialize + Sync)) -> Result<Box<RawValue>, StoreError> {
    let invalid =
        |text: &dyn std::fmt::Display| StoreError::new(StoreErrorKind::Invalid, format_args!("checkpoint: {text}"));
    let value = serde_json::value::to_raw_value(value).map_err(|error| invalid(&error))?;
    let (bytes, limit) = (value.get().len(), Record::MAX_VALUE_BYTES);
    if bytes > limit {
        let text = format!("it has {bytes} bytes, and a record keeps {limit}: put the data into an object store");
        return Err(invalid(&text));
    }
    Ok(value)
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("id", self.id()).field("attempt", &self.attempt()).finish_non_exhaustive()
    }
}
