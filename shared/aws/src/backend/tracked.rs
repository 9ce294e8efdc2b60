//! Queues with records: what is sent is known before it is sent.
//!
//! First the record, then the message. A crash between the two leaves a queued record without a message, which
//! `maintenance` finds and sends; the reverse would leave a message that runs before anyone can ask after it.

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use lamplighter::{
    Claim, ClaimRequest, Count, EnqueueError, Enqueued, Env, JobId, JobState, LeaseStatus, ListQuery, Note, Page,
    Queues, Record, Settle, Settled, Store, StoreError, StoreErrorKind, Submission, Timestamp, Token,
};

use crate::{
    dynamo::{Dynamo, Inserted, MAX_DUE_BODY},
    sqs::{MAX_DELAY, Sqs},
};

/// Records made at once.
const WRITES_AT_ONCE: usize = 32;

/// Queues and their records.
pub(crate) struct Tracked {
    sqs: Sqs,
    dynamo: Dynamo,
    env: Env,
}

/// A submission on its way.
enum Step {
    /// Answered already.
    Answered(Result<Enqueued, EnqueueError>),
    /// To be sent; with the number of its record's writer, where it has one.
    Send(Submission, Option<u64>),
    /// To be kept until it is due.
    Keep(Submission, Timestamp),
}

impl Tracked {
    pub(crate) fn new(sqs: Sqs, dynamo: Dynamo, env: Env) -> Self {
        Self { sqs, dynamo, env }
    }

    async fn announce(&self, submission: Submission) -> Step {
        let nonce = match Dynamo::announces(&submission) {
            false => None,
            true => match self.dynamo.insert(&submission).await {
                Ok(Inserted::New(nonce)) => Some(nonce),
                Ok(Inserted::Duplicate(state)) => {
                    return Step::Answered(Ok(Enqueued::Duplicate(submission.id, state)));
                }
                Err(error) => return Step::Answered(Err(error.into())),
            },
        };
        match submission.due_at.filter(|due_at| self.is_far(&submission, *due_at)) {
            Some(due_at) => Step::Keep(submission, due_at),
            None => Step::Send(submission, nonce),
        }
    }

    /// Whether SQS cannot keep a message back so long.
    fn is_far(&self, submission: &Submission, due_at: Timestamp) -> bool {
        let delay = self.env.until(due_at);
        let fifo = self.sqs.queues().get(&submission.queue).is_some_and(crate::QueueUrls::is_fifo);
        delay > MAX_DELAY || (fifo && !delay.is_zero())
    }

    async fn keep(&self, submission: Submission, due_at: Timestamp) -> Result<Enqueued, EnqueueError> {
        if self.sqs.queues().get(&submission.queue).is_none() {
            return Err(EnqueueError::UnknownQueue(submission.queue.to_string()));
        }
        if !submission.tracking.is_tracked() && submission.message.to_json().len() > MAX_DUE_BODY {
            return Err(EnqueueError::TooLarge {
                job: submission.message.job.clone(),
                bytes: submission.message.to_json().len(),
                limit: MAX_DUE_BODY,
            });
        }
        self.dynamo.put_due(&submission, due_at).await?;
        Ok(Enqueued::New(submission.id))
    }

    /// Sends, and takes back the records of what was not sent.
    async fn send_all(
        &self,
        lot: Vec<(usize, Submission, Option<u64>)>,
    ) -> Vec<(usize, Result<Enqueued, EnqueueError>)> {
        let mut places = Vec::with_capacity(lot.len());
        let mut submissions = Vec::with_capacity(lot.len());
        for (index, submission, nonce) in lot {
            places.push((index, submission.id.clone(), nonce));
            submissions.push(submission);
        }
        let sent = self.sqs.send(submissions).await;
        let mut answers = Vec::with_capacity(sent.len());
        for ((index, id, nonce), answer) in places.into_iter().zip(sent) {
            if let (Err(error), Some(nonce)) = (&answer, nonce)
                && let Err(left) = self.dynamo.take_back(id.as_str(), nonce).await
            {
                // It will be sent after all, by whoever looks for records without a message.
                tracing::warn!(%id, %error, %left, "not sent, and its record could not be taken back");
            }
            answers.push((index, answer));
        }
        answers
    }
}

#[async_trait]
impl Queues for Tracked {
    async fn send(&self, submissions: Vec<Submission>) -> Vec<Result<Enqueued, EnqueueError>> {
        let steps: Vec<_> = submissions.into_iter().map(|submission| self.announce(submission)).collect();
        let mut answers: Vec<Option<Result<Enqueued, EnqueueError>>> = (0..steps.len()).map(|_| None).collect();
        let (mut to_send, mut to_keep) = (Vec::new(), Vec::new());
        let steps: Vec<_> = stream::iter(steps).buffered(WRITES_AT_ONCE).collect().await;
        for (index, step) in steps.into_iter().enumerate() {
            match step {
                Step::Answered(answer) => answers[index] = Some(answer),
                Step::Send(submission, nonce) => to_send.push((index, submission, nonce)),
                Step::Keep(submission, due_at) => to_keep.push((index, submission, due_at)),
            }
        }
        let mut keeping = Vec::with_capacity(to_keep.len());
        for (index, submission, due_at) in to_keep {
            keeping.push(async move { (index, self.keep(submission, due_at).await) });
        }
        let kept: Vec<_> = stream::iter(keeping).buffer_unordered(WRITES_AT_ONCE).collect().await;
        let sent = self.send_all(to_send).await;
        for (index, answer) in kept.into_iter().chain(sent) {
            answers[index] = Some(answer);
        }
        let silent = || Err(StoreError::unavailable("AWS did not say whether the job was enqueued").into());
        answers.into_iter().map(|answer| answer.unwrap_or_else(silent)).collect()
    }
}

#[async_trait]
impl Store for Tracked {
    async fn claim(&self, requests: Vec<ClaimRequest>) -> Vec<Result<Claim, StoreError>> {
        self.dynamo.claim(&requests).await
    }

    async fn settle(&self, requests: Vec<Settle>) -> Vec<Result<Settled, StoreError>> {
        self.dynamo.settle(&requests).await
    }

    async fn note(&self, id: &JobId, token: Token, note: Note) -> Result<LeaseStatus, StoreError> {
        self.dynamo.write_note(id, token, note).await
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
            // Its message would only be acknowledged; what cannot be deleted now does no harm.
            if let Err(error) = self.dynamo.delete_due(id.as_str()).await {
                tracing::warn!(%id, %error, "cancelled; that it was due could not be forgotten");
            }
        }
        Ok(Some(cancelled.state))
    }

    async fn requeue(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        let Some(revived) = self.dynamo.revive_one(id).await? else { return Ok(None) };
        let Some(message) = revived.message else { return Ok(Some(revived.state)) };
        match self.sqs.send(vec![message]).await.pop() {
            Some(Ok(_)) => Ok(Some(revived.state)),
            Some(Err(EnqueueError::Backend(error))) => Err(error),
            Some(Err(error)) => Err(StoreError::new(StoreErrorKind::Invalid, error)),
            None => Err(StoreError::unavailable(format_args!("SQS did not say whether job {id} was sent"))),
        }
    }
}
