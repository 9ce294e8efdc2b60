//! The client: enqueues jobs, reads their records, cancels and retries them.

mod batch;
mod cancel;
mod manage;
mod new_job;
mod operations;
mod outbox;
mod portions;
mod schedule_runs;
mod schedules;
mod search;
mod sending;

use std::{
    borrow::Cow,
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::value::RawValue;

pub use self::{
    batch::EnqueueBatch,
    cancel::{Cancel, Cancellation, CancelledJobs},
    new_job::NewJob,
    outbox::{InvalidEntry, OutboxEntry},
    schedule_runs::{ScheduleRun, ScheduleRunKind},
};
use self::{portions::Portions, sending::Sending};
use crate::{
    after::After,
    declared::Limits,
    env::Env,
    error::{ErrorGroup, ErrorNote, Fingerprint},
    id::JobId,
    job::Job,
    limit,
    log::LogLine,
    message::{Message, Trace, empty_object},
    meter::{Rollup, RollupQuery},
    options::Tracking,
    ports::{
        Backend, EnqueueError, EnqueueRequest, Enqueued, ErrorGroups, ErrorPage, ErrorQuery, ListQuery, Page, Payloads,
        Store, StoreError, StoreErrorKind,
    },
    record::{JobState, Record},
    unique::Unique,
};

/// Enqueues jobs, reads their records, and cancels or retries them. A backend creates it; cloning is cheap.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    origin: Origin,
    /// For a handler's client: the limits that its function declares.
    limits: Option<Arc<Limits>>,
}

struct Shared {
    backend: Backend,
    env: Env,
}

/// The lineage that jobs enqueued through a client inherit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    pub(crate) parent: Option<JobId>,
    pub(crate) hops: u32,
    pub(crate) trace: Option<Trace>,
}

impl Client {
    /// A client over a backend.
    #[must_use]
    pub fn new(backend: Backend, env: Env) -> Self {
        Self { shared: Arc::new(Shared { backend, env }), origin: Origin::default(), limits: None }
    }

    pub(crate) fn limited(mut self, limits: Limits) -> Self {
        self.limits = Some(Arc::new(limits));
        self
    }

    pub(crate) fn env(&self) -> &Env {
        &self.shared.env
    }

    pub(crate) fn messaging_system(&self) -> &'static str {
        self.shared.backend.queues.messaging_system()
    }

    pub(crate) fn child_of(&self, parent: &JobId, message: &Message, trace: Option<&Trace>) -> Self {
        let hops = message.hops.saturating_add(1);
        let origin = Origin { parent: Some(parent.clone()), hops, trace: trace.or(message.trace.as_ref()).cloned() };
        Self { shared: self.shared.clone(), origin, limits: self.limits.clone() }
    }

    /// Enqueues a job. Await it directly, or set options first:
    /// `client.enqueue(job).delay(days(3)).id("order-42").await?`.
    pub fn enqueue<J: Job>(&self, job: J) -> Enqueue<'_> {
        Enqueue { client: self, job: job.into() }
    }

    /// Enqueues a job by name, with arguments as JSON: for senders that do not have its type.
    /// The arguments are not checked here.
    pub fn enqueue_raw(&self, job: &str, queue: &str, tracking: Tracking, args: Box<RawValue>) -> Enqueue<'_> {
        Enqueue { client: self, job: NewJob::raw(job.to_owned(), queue.to_owned(), tracking, args) }
    }

    /// Enqueues many jobs, of one type or several, in as few calls as the backend allows: plain jobs, or [`NewJob`]s
    /// with their own id, delay and so on. The results come in the order of the jobs; a refused job does not affect the
    /// others, and of two jobs with the same id one is enqueued. All jobs are held in memory: split more than some ten
    /// thousand into several calls.
    pub async fn enqueue_all<N: Into<NewJob>>(
        &self,
        jobs: impl IntoIterator<Item = N, IntoIter: Send>,
    ) -> Vec<Result<Enqueued, EnqueueError>> {
        let mut portions = self.portions();
        let mut last = None;
        let mut sending = Sending::many(self);
        for job in jobs {
            let job = job.into();
            let queue = job.queue_after(&mut last);
            let limited_by = job.limited_by();
            let fitted = match job.into_submission(self, queue, &sending) {
                Ok((submission, true)) => self.fitted(submission, &limited_by).await,
                made => made.map(|(submission, _)| submission),
            };
            match fitted {
                Ok(submission) => {
                    sending.add(&submission);
                    portions.add(submission).await;
                }
                Err(error) => portions.answer(Err(error)),
            }
        }
        let answers = portions.end().await;
        sending.end(answers.iter().filter_map(|answer| answer.as_ref().err()));
        answers
    }

    fn portions(&self) -> Portions<'_> {
        Portions::new(&*self.shared.backend.queues)
    }

    async fn send_one(&self, job: NewJob, sending: &mut Sending) -> Result<Enqueued, EnqueueError> {
        let queue = job.queue_name().into();
        let limited_by = job.limited_by();
        let (mut submission, large) = job.into_submission(self, queue, sending)?;
        if large {
            submission = self.fitted(submission, &limited_by).await?;
        }
        sending.add(&submission);
        self.shared.backend.queues.send(vec![submission]).await.pop().unwrap_or_else(no_answer)
    }

    /// Fits a job into a message that is too large for it.
    async fn fitted(
        &self,
        submission: EnqueueRequest,
        limited_by: &[Cow<'static, str>],
    ) -> Result<EnqueueRequest, EnqueueError> {
        match self.shared.backend.payloads.as_deref() {
            Some(payloads) => check_in(payloads, submission, limited_by).await,
            None => Ok(submission),
        }
    }

    /// The record of a job.
    ///
    /// # Errors
    /// When the store cannot be read, or the backend keeps no records.
    pub async fn get(&self, id: &JobId) -> Result<Option<Record>, StoreError> {
        self.store()?.get(id).await
    }

    /// Waits until a job has ended and returns its record.
    ///
    /// # Errors
    /// When that takes longer than `timeout`, when there is no such job, or when the store cannot be read.
    pub async fn wait(&self, id: &JobId, timeout: Duration) -> Result<Record, WaitError> {
        let store = self.store()?;
        let ended = async {
            loop {
                // Subscribe before reading, or a change between the two would be missed.
                let changed = store.changed(id);
                match store.get(id).await? {
                    None => return Err(WaitError::Unknown(id.clone())),
                    Some(record) if record.state.is_final() => return Ok(record),
                    Some(_) => changed.await,
                }
            }
        };
        tokio::time::timeout(timeout, ended)
            .await
            .unwrap_or_else(|_| Err(WaitError::Timeout { id: id.clone(), after: timeout }))
    }

    /// The lines that a job has [written](crate::Context::log), oldest first.
    ///
    /// # Errors
    /// When the store cannot be read, or the backend keeps no records.
    pub async fn log(&self, id: &JobId) -> Result<Vec<LogLine>, StoreError> {
        self.store()?.log(id).await
    }

    /// Records, newest first, a page at a time.
    ///
    /// # Errors
    /// When the store cannot be read, or the backend keeps no records.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.store()?.list(query).await
    }

    /// Groups of failed attempts, the one with the latest failure first, a page at a time.
    ///
    /// # Errors
    /// When the store cannot be read, or the backend keeps no error groups.
    pub async fn error_groups(&self, query: &ErrorQuery) -> Result<ErrorPage, StoreError> {
        self.errors()?.list(query).await
    }

    /// One group of failed attempts. [`ListQuery::error`] finds its jobs.
    ///
    /// # Errors
    /// As [`error_groups`](Self::error_groups).
    pub async fn error_group(&self, fingerprint: Fingerprint) -> Result<Option<ErrorGroup>, StoreError> {
        self.errors()?.get(fingerprint).await
    }

    /// Replaces the note of a group; an [empty](ErrorNote::is_empty) one takes it away. Returns whether there is such a
    /// group.
    ///
    /// # Errors
    /// When the store cannot be written, or as [`error_groups`](Self::error_groups).
    pub async fn annotate_error(&self, fingerprint: Fingerprint, note: ErrorNote) -> Result<bool, StoreError> {
        self.errors()?.annotate(fingerprint, &note.bounded()).await
    }

    fn errors(&self) -> Result<&Arc<dyn ErrorGroups>, StoreError> {
        self.shared.backend.errors.as_ref().ok_or_else(|| {
            let text = "this backend keeps no error groups: they come with records, and no table is configured";
            StoreError::new(StoreErrorKind::Invalid, text)
        })
    }

    /// What workers have measured, by job and queue: what charts show.
    ///
    /// # Errors
    /// When it cannot be read, when the query is [not valid](RollupQuery::minutes), or when the backend keeps no roll-ups.
    pub async fn rollups(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        let rollups = self.shared.backend.rollups.as_ref().ok_or_else(|| {
            StoreError::new(StoreErrorKind::Invalid, "this backend keeps no roll-ups of what its workers measure")
        })?;
        rollups.read(query).await
    }

    /// Runs an ended job again, under the same id and with its history. Returns the state it is in now, or `None` when
    /// there is no such job.
    ///
    /// # Errors
    /// As [`cancel`](Self::cancel).
    pub async fn retry(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        if let Some(limits) = &self.limits {
            limits.check_manages(id, "run again")?;
        }
        self.store()?.retry(id).await
    }

    /// The store of records.
    ///
    /// # Errors
    /// When the backend keeps no records.
    pub fn store(&self) -> Result<&Arc<dyn Store>, StoreError> {
        self.shared.backend.store.as_ref().ok_or_else(|| {
            StoreError::new(StoreErrorKind::Invalid, "this backend keeps no records: no table is configured")
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("tracked", &self.shared.backend.store.is_some()).finish_non_exhaustive()
    }
}

/// Why [`Client::wait`] returned no record.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WaitError {
    /// It took too long.
    #[error("job {id} had not ended after {after:?}")]
    Timeout {
        /// The job.
        id: JobId,
        /// How long the client waited.
        after: Duration,
    },
    /// There is no such job.
    #[error("there is no job {0}")]
    Unknown(JobId),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A job about to be enqueued: await it. It takes the same options as [`NewJob`].
#[must_use = "a job is enqueued when this is awaited"]
pub struct Enqueue<'a> {
    client: &'a Client,
    job: NewJob,
}

impl Enqueue<'_> {
    /// As [`NewJob::delay`].
    pub fn delay(self, delay: Duration) -> Self {
        self.map(|job| job.delay(delay))
    }

    /// As [`NewJob::at`].
    pub fn at(self, moment: Timestamp) -> Self {
        self.map(|job| job.at(moment))
    }

    /// As [`NewJob::id`].
    pub fn id(self, id: impl AsRef<str>) -> Self {
        self.map(|job| job.id(id))
    }

    /// As [`NewJob::expires_in`].
    pub fn expires_in(self, time: Duration) -> Self {
        self.map(|job| job.expires_in(time))
    }

    /// As [`NewJob::group`].
    pub fn group(self, group: impl AsRef<str>) -> Self {
        self.map(|job| job.group(group))
    }

    /// As [`NewJob::after`].
    pub fn after(self, other: impl Into<After>) -> Self {
        self.map(|job| job.after(other))
    }

    /// As [`NewJob::unique`].
    pub fn unique(self, unique: impl Into<Unique>) -> Self {
        self.map(|job| job.unique(unique))
    }

    /// As [`NewJob::trace`].
    pub fn trace(self, trace: Trace) -> Self {
        self.map(|job| job.trace(trace))
    }

    /// As [`NewJob::tag`].
    pub fn tag(self, tag: impl Into<String>) -> Self {
        self.map(|job| job.tag(tag))
    }

    /// As [`NewJob::schedule`].
    pub fn schedule(self, name: impl Into<String>) -> Self {
        self.map(|job| job.schedule(name))
    }

    fn map(self, change: impl FnOnce(NewJob) -> NewJob) -> Self {
        Self { job: change(self.job), ..self }
    }
}

/// Stores arguments that are too large for a message, and puts a claim check into the message instead. Those that the
/// job's limits need are in the message too: whether it may run is known before they are loaded.
async fn check_in(
    payloads: &dyn Payloads,
    submission: EnqueueRequest,
    limited_by: &[Cow<'static, str>],
) -> Result<EnqueueRequest, EnqueueError> {
    let mut message = (*submission.message).clone();
    message.args_at = Some(payloads.put(&submission.id, &message.args, submission.due_at).await?);
    message.args = match limited_by {
        [] => empty_object(),
        names => limit::args_of(names, &message.args),
    };
    Ok(EnqueueRequest { message: Arc::new(message), ..submission })
}

impl<'a> IntoFuture for Enqueue<'a> {
    type Output = Result<Enqueued, EnqueueError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { client, job } = self;
            let mut sending = Sending::one(client, job.queue_name(), job.has_trace());
            let answer = client.send_one(job, &mut sending).await;
            sending.end_with(answer)
        })
    }
}

fn no_answer() -> Result<Enqueued, EnqueueError> {
    Err(StoreError::unavailable("the backend did not say whether the job was enqueued").into())
}
