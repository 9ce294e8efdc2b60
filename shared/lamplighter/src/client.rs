//! Enqueueing jobs, and asking after them.

mod schedules;

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::{
    declared::Limits,
    env::Env,
    id::{InvalidJobId, JobId},
    job::Job,
    message::{MAX_HOPS, MAX_MESSAGE_BYTES, Message, Trace, empty_object},
    options::Tracking,
    ports::{
        Backend, EnqueueError, Enqueued, ListQuery, Page, Payloads, Store, StoreError, StoreErrorKind, Submission,
    },
    record::{Record, State},
};

/// Enqueues jobs and asks after them. Made by a backend; cloning is cheap.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    origin: Origin,
    /// Of a handler's client: what its function declares.
    limits: Option<Arc<Limits>>,
}

struct Shared {
    backend: Backend,
    env: Env,
}

/// What jobs enqueued through a client inherit.
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

    pub(crate) fn child_of(&self, parent: &JobId, message: &Message) -> Self {
        let origin =
            Origin { parent: Some(parent.clone()), hops: message.hops.saturating_add(1), trace: message.trace.clone() };
        Self { shared: self.shared.clone(), origin, limits: self.limits.clone() }
    }

    /// Enqueues a job. Await the answer as it is, or say more first:
    /// `client.enqueue(job).delay(days(3)).id("order-42").await?`.
    pub fn enqueue<J: Job>(&self, job: J) -> Enqueue<'_> {
        Enqueue::new(self, J::NAME, J::QUEUE.name().into(), J::options().tracking(), arguments(&job, J::NAME))
    }

    /// Enqueues a job by name, with arguments as JSON: for senders that do not have its type.
    /// The arguments are not checked here.
    pub fn enqueue_raw(&self, job: &str, queue: &str, tracking: Tracking, args: Box<RawValue>) -> Enqueue<'_> {
        Enqueue::new(self, job, queue.into(), tracking, Ok(args))
    }

    /// Enqueues many jobs of one type, in as few calls as the backend can. The answers come in the jobs' order; a job
    /// that is refused does not hold up the others.
    pub async fn enqueue_all<J: Job>(
        &self,
        jobs: impl IntoIterator<Item = J, IntoIter: Send>,
    ) -> Vec<Result<Enqueued, EnqueueError>> {
        let (queue, tracking): (Arc<str>, _) = (J::QUEUE.name().into(), J::options().tracking());
        let mut answers = Vec::new();
        let mut submissions = Vec::new();
        for job in jobs {
            let args = arguments(&job, J::NAME);
            let made = Enqueue::new(self, J::NAME, queue.clone(), tracking, args).into_submission();
            let fitted = match made {
                Ok((_, submission, true)) => self.fitted(submission, true).await,
                made => made.map(|(_, submission, _)| submission),
            };
            match fitted {
                Ok(submission) => {
                    submissions.push(submission);
                    answers.push(None);
                }
                Err(error) => answers.push(Some(Err(error))),
            }
        }
        let mut sent = self.shared.backend.queues.send(submissions).await.into_iter();
        answers.into_iter().map(|refused| refused.or_else(|| sent.next()).unwrap_or_else(no_answer)).collect()
    }

    async fn fitted(&self, submission: Submission, large: bool) -> Result<Submission, EnqueueError> {
        match self.shared.backend.payloads.as_deref().filter(|_| large) {
            Some(payloads) => check_in(payloads, submission).await,
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

    /// Waits until a job has ended, and gives its record.
    ///
    /// # Errors
    /// When that takes longer than `timeout`, when there is no such job, or when the store cannot be read.
    pub async fn wait(&self, id: &JobId, timeout: Duration) -> Result<Record, WaitError> {
        let store = self.store()?;
        let ended = async {
            loop {
                // The watch begins before the look, or a change between the two would be missed.
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

    /// Records, newest first, a page at a time.
    ///
    /// # Errors
    /// When the store cannot be read, or the backend keeps no records.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.store()?.list(query).await
    }

    /// Cancels a job that has not ended. Gives the state it is in now, or `None` when there is no such job.
    ///
    /// # Errors
    /// When the store cannot be reached, the backend keeps no records, or this is the client of a handler whose function
    /// does not [say so](crate::Function::manages_jobs).
    pub async fn cancel(&self, id: &JobId) -> Result<Option<State>, StoreError> {
        if let Some(limits) = &self.limits {
            limits.check_manages(id, "cancelled")?;
        }
        self.store()?.cancel(id).await
    }

    /// Runs a job that has ended once more, under the same id and with its history. Gives the state it is in now, or
    /// `None` when there is no such job.
    ///
    /// # Errors
    /// As [`cancel`](Self::cancel).
    pub async fn requeue(&self, id: &JobId) -> Result<Option<State>, StoreError> {
        if let Some(limits) = &self.limits {
            limits.check_manages(id, "run again")?;
        }
        self.store()?.requeue(id).await
    }

    /// The store of records.
    ///
    /// # Errors
    /// When the backend keeps none.
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

/// Why [`Client::wait`] gave no record.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WaitError {
    /// It took too long.
    #[error("job {id} had not ended after {after:?}")]
    Timeout {
        /// The job.
        id: JobId,
        /// How long it was waited for.
        after: Duration,
    },
    /// There is no such job.
    #[error("there is no job {0}")]
    Unknown(JobId),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A job about to be enqueued: await it.
#[must_use = "a job is enqueued when this is awaited"]
pub struct Enqueue<'a> {
    client: &'a Client,
    job: String,
    queue: Arc<str>,
    tracking: Tracking,
    args: Result<Box<RawValue>, EnqueueError>,
    id: Option<Result<JobId, InvalidJobId>>,
    due_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    group: Option<Arc<str>>,
    trace: Option<Trace>,
    schedule: Option<String>,
}

impl<'a> Enqueue<'a> {
    fn new(
        client: &'a Client,
        job: &str,
        queue: Arc<str>,
        tracking: Tracking,
        args: Result<Box<RawValue>, EnqueueError>,
    ) -> Self {
        Self {
            client,
            job: job.into(),
            queue,
            tracking,
            args,
            id: None,
            due_at: None,
            expires_at: None,
            group: None,
            trace: None,
            schedule: None,
        }
    }

    /// Not before this time has passed.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.due_at = Some(self.client.shared.env.now().saturating_add(delay).unwrap_or(Timestamp::MAX));
        self
    }

    /// Not before this moment; one that has passed means now.
    pub fn at(mut self, moment: Timestamp) -> Self {
        self.due_at = Some(moment);
        self
    }

    /// Under this id, which is its idempotency key: where a job of that id exists already, nothing is enqueued, and the
    /// answer says so.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.id = Some(JobId::new(id));
        self
    }

    /// Not after this time has passed: a job that has not begun by then is cancelled.
    pub fn expires_in(mut self, time: Duration) -> Self {
        self.expires_at = Some(self.client.shared.env.now().saturating_add(time).unwrap_or(Timestamp::MAX));
        self
    }

    /// In this message group. On a FIFO queue the jobs of a group run one after the other; without one, all jobs of
    /// the queue form one group. On a standard queue of SQS a group is a tenant: its fair queues let no tenant's backlog
    /// hold up the others' jobs (Amazon SQS Developer Guide, "Amazon SQS fair queues"). The embedded engine takes the
    /// jobs of a standard queue as they come.
    pub fn group(mut self, group: impl AsRef<str>) -> Self {
        self.group = Some(group.as_ref().into());
        self
    }

    /// As a part of this trace.
    pub fn trace(mut self, trace: Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// As caused by this schedule.
    pub fn schedule(mut self, name: impl Into<String>) -> Self {
        self.schedule = Some(name.into());
        self
    }

    /// What is to be sent, and whether it is too large for a message.
    fn into_submission(self) -> Result<(&'a Client, Submission, bool), EnqueueError> {
        let Self { client, job, .. } = self;
        let origin = &client.origin;
        if let Some(limits) = &client.limits {
            limits.check_enqueue(&job, &self.queue)?;
        }
        if origin.hops > MAX_HOPS {
            return Err(EnqueueError::TooManyHops { job, hops: origin.hops });
        }
        let now = client.shared.env.now();
        let own_id = self.id.is_some();
        let id = self.id.transpose()?.unwrap_or_else(|| JobId::generate(&client.shared.env));
        let mut message = Message::new(job, self.args?)
            .map_err(|error| EnqueueError::Arguments { job: "this job".into(), reason: error.to_string() })?;
        message.id = Some(id.clone());
        message.enqueued_at = Some(now);
        message.expires_at = self.expires_at;
        message.schedule = self.schedule;
        message.trace = self.trace.or_else(|| origin.trace.clone());
        message.hops = origin.hops;
        message.parent = origin.parent.clone();
        // The arguments are all that can be large: what surrounds them stays below this.
        const ENVELOPE: usize = 4096;
        let bytes = message.args.get().len();
        let large = bytes > MAX_MESSAGE_BYTES - ENVELOPE && message.to_json().len() > MAX_MESSAGE_BYTES;
        if large && client.shared.backend.payloads.is_none() {
            return Err(EnqueueError::TooLarge { job: message.job, bytes, limit: MAX_MESSAGE_BYTES });
        }
        let submission = Submission {
            id,
            queue: self.queue,
            message: Arc::new(message),
            due_at: self.due_at.filter(|due| *due > now),
            group: self.group,
            tracking: self.tracking,
            own_id,
        };
        Ok((client, submission, large))
    }
}

/// Leaves arguments that are too large for a message elsewhere, and puts a claim check into the message.
async fn check_in(payloads: &dyn Payloads, submission: Submission) -> Result<Submission, EnqueueError> {
    let mut message = (*submission.message).clone();
    message.args_at = Some(payloads.put(&submission.id, &message.args, submission.due_at).await?);
    message.args = empty_object();
    Ok(Submission { message: Arc::new(message), ..submission })
}

impl<'a> IntoFuture for Enqueue<'a> {
    type Output = Result<Enqueued, EnqueueError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (client, submission, large) = self.into_submission()?;
            let submission = client.fitted(submission, large).await?;
            client.shared.backend.queues.send(vec![submission]).await.pop().unwrap_or_else(no_answer)
        })
    }
}

fn arguments<J: Job>(job: &J, name: &str) -> Result<Box<RawValue>, EnqueueError> {
    serde_json::value::to_raw_value(job)
        .map_err(|error| EnqueueError::Arguments { job: name.into(), reason: error.to_string() })
}

fn no_answer() -> Result<Enqueued, EnqueueError> {
    Err(StoreError::unavailable("the backend did not say whether the job was enqueued").into())
}
