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
use tokio::time::Instant;

use super::delayed_sender::DelayedSender;
use crate::dynamo::Dynamo;

/// Records in the table.
pub(super) struct Records {
    pub(super) dynamo: Dynamo,
    pub(super) delayed_sender: DelayedSender,
}

#[async_trait]
impl Store for Records {
    async fn claim(&self, requests: Vec<ClaimRequest>, by: Instant) -> Vec<Result<Claim, StoreError>> {
        self.dynamo.claim(&requests, by).await
    }

    async fn settle(&self, requests: Vec<Completion>, by: Instant) -> Vec<Result<CompletionResult, StoreError>> {
        self.dynamo.settle(&requests, by).await
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
