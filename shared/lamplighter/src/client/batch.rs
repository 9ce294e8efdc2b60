//! Enqueueing jobs as a batch, and watching it.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
};

use super::{Client, NewJob, check_in, new_job::bytes_up_to, sending::Sending};
use crate::{
    after::{After, Outcome},
    batch::Batch,
    id::{InvalidJobId, JobId},
    ports::{BatchJobs, Batches, EnqueueError, EnqueueRequest, Enqueued, NewBatch, StoreError, StoreErrorKind},
};

/// A batch about to be enqueued: await it.
#[must_use = "a batch is enqueued when this is awaited"]
pub struct EnqueueBatch<'a> {
    client: &'a Client,
    jobs: Vec<NewJob>,
    id: Option<Result<JobId, InvalidJobId>>,
    outer: Option<JobId>,
    callbacks: Vec<(NewJob, Outcome)>,
}

impl Client {
    /// Enqueues jobs as a batch, of one type or several: all or none. Await it directly, or set options first:
    /// `client.enqueue_batch(jobs).id("import-42").on_success(Report { … }).await?`.
    ///
    /// The jobs get generated ids and name the batch ([`Context::batch`](crate::Context::batch)). They are plain jobs
    /// otherwise; only they have no id, no unique key and no other jobs to wait for. A batch without jobs has succeeded at
    /// once. All jobs are held in memory: some 100 MB for 100,000 of them.
    ///
    /// # Errors
    /// When one of the jobs cannot be enqueued, or the backend keeps no records. Then none is enqueued.
    pub fn enqueue_batch<N: Into<NewJob>>(&self, jobs: impl IntoIterator<Item = N>) -> EnqueueBatch<'_> {
        let jobs = jobs.into_iter().map(Into::into).collect();
        EnqueueBatch { client: self, jobs, id: None, outer: None, callbacks: Vec::new() }
    }

    /// Adds jobs to a batch that has not ended, all or none: a job of the batch may do so with further ones.
    ///
    /// # Errors
    /// As for [`enqueue_batch`](Self::enqueue_batch), and when the batch has ended or does not exist.
    pub async fn add_to_batch<N: Into<NewJob>>(
        &self,
        id: &JobId,
        jobs: impl IntoIterator<Item = N, IntoIter: Send>,
    ) -> Result<(), EnqueueError> {
        let batches = self.batches().map_err(EnqueueError::from)?.clone();
        let mut sending = Sending::many(self);
        let added = match self.members(id, jobs.into_iter().map(Into::into), &mut sending).await {
            Ok(jobs) => batches.add(id, jobs).await,
            Err(error) => Err(error),
        };
        sending.end_with(added)
    }

    /// How a batch stands; `None` when there is none with that id.
    ///
    /// # Errors
    /// When the store cannot be read, or the backend keeps no records.
    pub async fn batch(&self, id: &JobId) -> Result<Option<Batch>, StoreError> {
        self.batches()?.get(id).await
    }

    /// The ids of a batch's jobs, in the order in which they were added: at most `limit` after `cursor`, and at least one.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    pub async fn batch_jobs(&self, id: &JobId, cursor: Option<&str>, limit: usize) -> Result<BatchJobs, StoreError> {
        self.batches()?.jobs(id, cursor, limit.max(1)).await
    }

    fn batches(&self) -> Result<&Arc<dyn Batches>, StoreError> {
        self.shared.backend.batches.as_ref().ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Invalid,
                "batches need records, and this backend keeps none: no table is configured",
            )
        })
    }

    /// The requests for jobs of a batch.
    async fn members(
        &self,
        id: &JobId,
        jobs: impl Iterator<Item = NewJob> + Send,
        sending: &mut Sending,
    ) -> Result<Vec<EnqueueRequest>, EnqueueError> {
        let mut requests = Vec::with_capacity(jobs.size_hint().0);
        let mut last = None;
        for job in jobs {
            let job = job.of_batch(id)?;
            let queue = job.queue_after(&mut last);
            requests.push(self.member(job, queue, sending).await?);
        }
        Ok(requests)
    }

    async fn member(
        &self,
        job: NewJob,
        queue: Arc<str>,
        sending: &mut Sending,
    ) -> Result<EnqueueRequest, EnqueueError> {
        let limited_by = job.limited_by();
        let (request, _) = job.into_submission(self, queue, sending)?;
        sending.add(&request);
        let bytes = bytes_up_to(Batch::MAX_MESSAGE_BYTES, &request.message);
        match self.shared.backend.payloads.as_deref() {
            _ if bytes <= Batch::MAX_MESSAGE_BYTES => Ok(request),
            Some(payloads) => check_in(payloads, request, &limited_by).await,
            None => {
                let job = request.message.job.clone();
                Err(EnqueueError::TooLarge { job, bytes, limit: Batch::MAX_MESSAGE_BYTES })
            }
        }
    }
}

impl EnqueueBatch<'_> {
    /// Sets the batch's id, its idempotency key: when a batch with that id exists already, nothing is enqueued, and the
    /// answer says so.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.id = Some(JobId::new(id));
        self
    }

    /// Makes it a part of another batch that has not ended: there it counts as one job, which succeeds when all jobs of this
    /// one have.
    pub fn within(mut self, outer: &JobId) -> Self {
        self.outer = Some(outer.clone());
        self
    }

    /// Enqueues a job with the batch that runs when all of the batch's jobs have succeeded.
    pub fn on_success(self, job: impl Into<NewJob>) -> Self {
        self.on(job, Outcome::Success)
    }

    /// Enqueues a job with the batch that runs as soon as the first of the batch's jobs has failed or was cancelled.
    pub fn on_failure(self, job: impl Into<NewJob>) -> Self {
        self.on(job, Outcome::Failure)
    }

    /// Enqueues a job with the batch that runs when all of the batch's jobs have ended.
    pub fn on_end(self, job: impl Into<NewJob>) -> Self {
        self.on(job, Outcome::End)
    }

    fn on(mut self, job: impl Into<NewJob>, outcome: Outcome) -> Self {
        self.callbacks.push((job.into(), outcome));
        self
    }

    async fn into_batch(self, sending: &mut Sending) -> Result<NewBatch, EnqueueError> {
        let Self { client, jobs, id, outer, callbacks } = self;
        let id = id.transpose()?.unwrap_or_else(|| JobId::generate(client.env()));
        let jobs = client.members(&id, jobs.into_iter(), sending).await?;
        let mut waiting = Vec::with_capacity(callbacks.len());
        for (job, on) in callbacks {
            let job = job.callback_of(After { on, ..After::success(id.clone()) })?;
            let queue = job.queue_name().into();
            waiting.push(client.member(job, queue, sending).await?);
        }
        Ok(NewBatch { id, jobs, callbacks: waiting, outer })
    }
}

impl<'a> IntoFuture for EnqueueBatch<'a> {
    type Output = Result<Enqueued, EnqueueError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let batches = self.client.batches().map_err(EnqueueError::from)?.clone();
            let mut sending = Sending::many(self.client);
            let created = match self.into_batch(&mut sending).await {
                Ok(batch) => batches.create(batch).await,
                Err(error) => Err(error),
            };
            sending.end_with(created)
        })
    }
}

impl fmt::Debug for EnqueueBatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnqueueBatch").field("id", &self.id).field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}
