//! Batches: sends their jobs, and does what follows from their ends.

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use lamplighter::{
    Batch, EnqueueError, Enqueued, JobId, JobState,
    backend::{BatchJobs, Batches, EnqueueRequest, NewBatch, Queues, StoreError},
};
use tokio::time::Instant;

use super::{delayed_sender::DelayedSender, limits::WAKE, sender::Sender};
use crate::dynamo::{Cancelled, Counted, Dynamo, Following, Member, Tended};

/// Jobs that are cancelled concurrently.
const CALLS_AT_ONCE: usize = 16;

/// Batches in the table.
pub(super) struct AwsBatches {
    pub(super) dynamo: Dynamo,
    pub(super) delayed_sender: DelayedSender,
}

#[async_trait]
impl Batches for AwsBatches {
    async fn create(&self, batch: NewBatch) -> Result<Enqueued, EnqueueError> {
        self.check_queues(batch.jobs.iter().chain(&batch.callbacks))?;
        let id = batch.id.clone();
        let created = self.dynamo.create_batch(batch).await?;
        if matches!(created, Enqueued::New(_)) {
            self.send(&id).await;
        }
        Ok(created)
    }

    async fn add(&self, id: &JobId, jobs: Vec<EnqueueRequest>) -> Result<(), EnqueueError> {
        self.check_queues(jobs.iter())?;
        self.dynamo.add_to_batch(id, jobs).await?;
        self.send(id).await;
        Ok(())
    }

    async fn get(&self, id: &JobId) -> Result<Option<Batch>, StoreError> {
        self.dynamo.read_batch(id).await
    }

    async fn jobs(&self, id: &JobId, cursor: Option<&str>, limit: usize) -> Result<BatchJobs, StoreError> {
        self.dynamo.batch_jobs(id, cursor, limit).await
    }
}

impl AwsBatches {
    /// Finds what would be refused when the jobs are sent, while none of them exists.
    fn check_queues<'a>(&self, jobs: impl Iterator<Item = &'a EnqueueRequest>) -> Result<(), EnqueueError> {
        let queues = self.delayed_sender.sqs.queues();
        for job in jobs {
            if queues.get(&job.queue).is_none() {
                return Err(EnqueueError::UnknownQueue(job.queue.to_string()));
            }
        }
        Ok(())
    }

    /// Sends the jobs of a batch that exists from now on: what cannot be sent now, maintenance sends.
    async fn send(&self, id: &JobId) {
        if let Err(error) = self.delayed_sender.look_after_batch(&self.dynamo, id, None).await {
            tracing::warn!(%id, %error, "not all jobs of the batch could be sent; maintenance sends the rest");
        }
    }
}

impl DelayedSender {
    /// Does what an open batch needs: sends its jobs that are not sent, cancels them where that was begun, and ends it when
    /// all of them have ended. Returns the number of jobs that were sent. After `until`, no more are sent.
    pub(crate) async fn look_after_batch(
        &self,
        dynamo: &Dynamo,
        id: &JobId,
        until: Option<Instant>,
    ) -> Result<u64, StoreError> {
        let mut sent = 0;
        for lot in dynamo.unsent(id).await? {
            for number in lot.sent..lot.chunks {
                if until.is_some_and(|until| Instant::now() >= until) {
                    return Ok(sent);
                }
                let jobs = dynamo.chunk(id, &lot, number).await?;
                sent += self.send_members(dynamo, jobs).await?;
                dynamo.is_sent(id, &lot, number + 1).await?;
            }
        }
        let (tended, cancelling) = dynamo.look_after_batch(id).await?;
        self.follow_batches(dynamo, tended).await?;
        if let Some(reason) = cancelling {
            self.cancel_batch(dynamo, id, Some(&*reason).filter(|reason| !reason.is_empty())).await?;
        }
        Ok(sent)
    }

    async fn send_members(&self, dynamo: &Dynamo, jobs: Vec<Member>) -> Result<u64, StoreError> {
        let requests: Vec<_> = jobs.into_iter().filter_map(Member::request).collect();
        let mut sent = 0;
        let answers = Sender(self.clone()).send(requests.clone()).await;
        for (request, answer) in requests.into_iter().zip(answers) {
            match answer {
                Ok(_) => sent += 1,
                Err(EnqueueError::Backend(error)) => return Err(error),
                // No try would be different: the batch must not wait for it.
                Err(error) => {
                    tracing::error!(id = %request.id, %error, "a job of a batch cannot be enqueued, and is cancelled");
                    let reason = format!("it could not be enqueued: {error}");
                    self.cancel_unsent(dynamo, &request, &reason).await?;
                }
            }
        }
        Ok(sent)
    }

    /// Does what follows from the end of a job that its batch has counted.
    pub(crate) async fn tend(&self, dynamo: &Dynamo, counted: Counted) -> Result<(), StoreError> {
        let tended = dynamo.tend(counted).await?;
        self.follow_batches(dynamo, tended).await
    }

    /// Starts the jobs that wait for batches.
    async fn follow_batches(&self, dynamo: &Dynamo, tended: Tended) -> Result<(), StoreError> {
        for batch in &tended.failed {
            let mut from = None;
            while let Some(ready) = dynamo.failure_callbacks(batch, &mut from).await? {
                self.send_ready(ready).await;
            }
        }
        for (batch, state) in tended.ended {
            self.follow(dynamo, Following::of(batch.as_str(), state)).await?;
        }
        Ok(())
    }

    /// Cancels a batch: its jobs, with those of the batches within it, and then itself.
    pub(crate) async fn cancel_batch(
        &self,
        dynamo: &Dynamo,
        id: &JobId,
        reason: Option<&str>,
    ) -> Result<Option<JobState>, StoreError> {
        let mut state = None;
        let (mut open, mut begun) = (vec![id.clone()], Vec::new());
        while let Some(batch) = open.pop() {
            let now = dynamo.begin_to_cancel(&batch, reason).await?;
            state = state.or(now);
            if now.is_none_or(JobState::is_final) {
                continue;
            }
            let (lots, mut after) = (dynamo.lots(&batch).await?, None);
            loop {
                let found = dynamo.chunks(&batch, &lots, after).await?;
                let Some((last, _)) = found.last() else { break };
                after = Some(last.clone());
                let members = found.into_iter().flat_map(|(_, members)| members);
                let cancelling: Vec<_> = members.map(|member| self.cancel_member(dynamo, member, reason)).collect();
                let answers: Vec<_> = stream::iter(cancelling).buffer_unordered(CALLS_AT_ONCE).collect().await;
                for answer in answers {
                    open.extend(answer?);
                }
            }
            begun.push(batch);
        }
        if begun.is_empty() {
            return Ok(state);
        }
        // The inner ones first: those around them count them.
        for batch in begun.iter().rev() {
            let (tended, _) = dynamo.look_after_batch(batch).await?;
            self.follow_batches(dynamo, tended).await?;
        }
        Ok(Some(JobState::Cancelled))
    }

    /// Cancels a job of a batch; returns the batch, if it is one.
    async fn cancel_member(
        &self,
        dynamo: &Dynamo,
        member: Member,
        reason: Option<&str>,
    ) -> Result<Option<JobId>, StoreError> {
        let request = match member {
            Member::Batch(id) => return Ok(Some(id)),
            job => job.request(),
        };
        let Some(request) = request else { return Ok(None) };
        if self.cancel_job(dynamo, &request.id, reason).await?.is_none() {
            let reason = reason.unwrap_or("its batch was cancelled");
            if !self.cancel_unsent(dynamo, &request, reason).await? {
                // It has just got a record.
                self.cancel_job(dynamo, &request.id, Some(reason)).await?;
            }
        }
        Ok(None)
    }

    async fn cancel_unsent(&self, dynamo: &Dynamo, request: &EnqueueRequest, reason: &str) -> Result<bool, StoreError> {
        let is_new = dynamo.cancel_member(request, reason).await?;
        if let Some(batch) = request.message.batch.clone().filter(|_| is_new) {
            self.tend(dynamo, Counted { batch, state: JobState::Cancelled }).await?;
        }
        Ok(is_new)
    }

    /// Cancels a job or a batch, and does what follows.
    pub(super) async fn cancel(
        &self,
        dynamo: &Dynamo,
        id: &JobId,
        reason: Option<&str>,
    ) -> Result<Option<JobState>, StoreError> {
        match dynamo.cancel_one(id, reason).await? {
            Some(cancelled) if cancelled.is_batch => self.cancel_batch(dynamo, id, reason).await,
            cancelled => self.is_cancelled(dynamo, id, cancelled).await,
        }
    }

    async fn cancel_job(
        &self,
        dynamo: &Dynamo,
        id: &JobId,
        reason: Option<&str>,
    ) -> Result<Option<JobState>, StoreError> {
        let cancelled = dynamo.cancel_one(id, reason).await?;
        self.is_cancelled(dynamo, id, cancelled).await
    }

    /// Does what follows from a job's cancellation.
    async fn is_cancelled(
        &self,
        dynamo: &Dynamo,
        id: &JobId,
        cancelled: Option<Cancelled>,
    ) -> Result<Option<JobState>, StoreError> {
        let Some(cancelled) = cancelled else { return Ok(None) };
        self.wake(cancelled.woken, Instant::now() + WAKE).await;
        if cancelled.waited_for.is_some() {
            // If it is sent after all, its message is only acknowledged.
            if let Err(error) = self.forget(id, &cancelled.owner).await {
                tracing::warn!(%id, %error, "the job is cancelled, but its delayed message could not be deleted");
            }
        }
        if cancelled.is_followed {
            self.follow(dynamo, Following::of(id.as_str(), cancelled.state)).await?;
        }
        if let Some(counted) = cancelled.counted {
            self.tend(dynamo, counted).await?;
        }
        Ok(Some(cancelled.state))
    }
}
