//! Records in the table, with everything else that belongs to a job.

use async_trait::async_trait;
use lamplighter::{
    EnqueueError, JobId, JobState, ListQuery, Record,
    backend::{
        Claim, ClaimRequest, Completion, CompletionResult, JobData, LeaseStatus, Queues, RenewRequest, Store,
        StoreError, StoreErrorKind, Token,
    },
    record::{Count, Page},
};
use tokio::time::{Instant, timeout_at};

use super::delayed_sender::DelayedSender;
use crate::dynamo::{Dynamo, Following, Settled};

/// Records in the table.
pub(super) struct Records {
    pub(super) dynamo: Dynamo,
    pub(super) delayed_sender: DelayedSender,
}

impl Records {
    /// Starts the jobs that wait for one that has ended.
    async fn follow(&self, id: &JobId, state: JobState, by: Instant) -> Result<(), StoreError> {
        let follow =
            async { self.delayed_sender.follow(&self.dynamo, Following::of(id.as_str(), state)).await.map(drop) };
        let late = || StoreError::unavailable(format_args!("the jobs that wait for {id} could not be started in time"));
        timeout_at(by, follow).await.unwrap_or_else(|_| Err(late()))
    }

    /// The same, where it has not been done yet.
    async fn follow_marked(&self, id: &JobId, by: Instant) -> Result<(), StoreError> {
        match self.dynamo.unfollowed(id).await? {
            Some(state) => self.follow(id, state, by).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Records {
    async fn claim(&self, requests: Vec<ClaimRequest>, by: Instant) -> Vec<Result<Claim, StoreError>> {
        let answers = self.dynamo.claim(&requests, by).await;
        let mut followed = Vec::with_capacity(answers.len());
        for (request, answer) in requests.iter().zip(answers) {
            let has_ended = matches!(
                answer,
                Ok(Claim::Ended(_) | Claim::Skipped | Claim::Exhausted { .. } | Claim::DeadLetterPending { .. })
            );
            followed.push(match has_ended {
                // The host that ended it may have died before it could do this.
                true => self.follow_marked(&request.id, by).await.and(answer),
                false => answer,
            });
        }
        followed
    }

    async fn settle(&self, requests: Vec<Completion>, by: Instant) -> Vec<Result<CompletionResult, StoreError>> {
        let answers = self.dynamo.settle(&requests, by).await;
        let mut followed = Vec::with_capacity(answers.len());
        for (request, answer) in requests.iter().zip(answers) {
            followed.push(match answer {
                Ok(Settled { result, is_followed: true }) if request.decision.state().is_final() => {
                    self.follow(&request.id, request.decision.state(), by).await.map(|()| result)
                }
                answer => answer.map(|settled| settled.result),
            });
        }
        followed
    }

    async fn save_job_data(&self, id: &JobId, token: Token, data: JobData) -> Result<LeaseStatus, StoreError> {
        self.dynamo.write_job_data(id, token, data).await
    }

    async fn renew(&self, requests: Vec<RenewRequest>, by: Instant) -> Vec<Result<LeaseStatus, StoreError>> {
        self.dynamo.renew(&requests, by).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<Record>, StoreError> {
        self.dynamo.read_record(id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.dynamo.read_page(query).await
    }

    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        self.dynamo.count_all().await
    }

    async fn cancel(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        let Some(cancelled) = self.dynamo.cancel_one(id).await? else { return Ok(None) };
        if cancelled.waited_for.is_some() {
            // If it is sent after all, its message is only acknowledged.
            if let Err(error) = self.delayed_sender.forget(id, &cancelled.owner).await {
                tracing::warn!(%id, %error, "the job is cancelled, but its delayed message could not be deleted");
            }
        }
        if cancelled.is_followed {
            self.delayed_sender.follow(&self.dynamo, Following::of(id.as_str(), cancelled.state)).await?;
        }
        Ok(Some(cancelled.state))
    }

    async fn retry(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        let Some(marked_queued) = self.dynamo.mark_queued_one(id).await? else { return Ok(None) };
        let Some(message) = marked_queued.message else { return Ok(Some(marked_queued.state)) };
        match self.delayed_sender.sqs.send(vec![message]).await.pop() {
            Some(Ok(_)) => Ok(Some(marked_queued.state)),
            Some(Err(EnqueueError::Backend(error))) => Err(error),
            Some(Err(error)) => Err(StoreError::new(StoreErrorKind::Invalid, error)),
            None => Err(StoreError::unavailable(format_args!("SQS did not report whether job {id} was sent"))),
        }
    }

    async fn mark_queued(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        Ok(self.dynamo.mark_queued_one(id).await?.map(|marked_queued| marked_queued.state))
    }
}
