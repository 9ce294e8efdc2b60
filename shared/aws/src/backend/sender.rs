//! Sending: what is tracked is known before it is sent, and what is due far from now goes another way.
//!
//! First the record, then the message. A crash between the two leaves a queued record without a message, which
//! `maintenance` finds and sends; the reverse would leave a message that runs before anyone can ask after it.

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use lamplighter::{
    EnqueueError, Enqueued,
    backend::{EnqueueRequest, Queues, StoreError},
};

use super::delayed_sender::{DelayRoute, DelayedSender};
#[cfg(feature = "dynamodb")]
use crate::dynamo::{Dynamo, Inserted};

/// Calls for single jobs that are under way at once.
const CALLS_AT_ONCE: usize = 32;

/// Sends jobs to queues.
pub(super) struct Sender(pub(super) DelayedSender);

/// A submission on its way.
enum Step {
    /// Answered already.
    #[cfg(feature = "dynamodb")]
    Answered(Result<Enqueued, EnqueueError>),
    /// To be sent; with the number of its record's writer, where it has one.
    Go(EnqueueRequest, Option<u64>),
}

impl Sender {
    #[cfg(feature = "dynamodb")]
    async fn announce(&self, submission: EnqueueRequest) -> Step {
        let Some(table) = self.0.table.as_ref().filter(|_| Dynamo::announces(&submission)) else {
            return Step::Go(submission, None);
        };
        match table.insert(&submission).await {
            Ok(Inserted::New(nonce)) => Step::Go(submission, Some(nonce)),
            Ok(Inserted::Foreign(owner)) => {
                let (job, queue) = (submission.message.job.clone(), submission.queue.to_string());
                Step::Answered(Err(EnqueueError::IdTaken { job, queue, id: submission.id, owner }))
            }
            Ok(Inserted::Duplicate(state)) => Step::Answered(Ok(Enqueued::Duplicate(submission.id, state))),
            Err(error) => Step::Answered(Err(error.into())),
        }
    }

    #[cfg(not(feature = "dynamodb"))]
    async fn announce(&self, submission: EnqueueRequest) -> Step {
        Step::Go(submission, None)
    }

    /// Takes the record back of a job that was not sent.
    #[cfg(feature = "dynamodb")]
    async fn take_back(&self, id: &lamplighter::JobId, nonce: u64, error: &EnqueueError) {
        let Some(table) = &self.0.table else { return };
        if let Err(left) = table.take_back(id.as_str(), nonce).await {
            // It will be sent after all, by whoever looks for records without a message.
            tracing::warn!(%id, %error, %left, "not sent, and its record could not be taken back");
        }
    }

    #[cfg(not(feature = "dynamodb"))]
    async fn take_back(&self, _: &lamplighter::JobId, _: u64, _: &EnqueueError) {}
}

#[async_trait]
impl Queues for Sender {
    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>> {
        let announcing: Vec<_> = submissions.into_iter().map(|submission| self.announce(submission)).collect();
        let steps: Vec<_> = stream::iter(announcing).buffered(CALLS_AT_ONCE).collect().await;
        let mut answers: Vec<Option<Result<Enqueued, EnqueueError>>> = (0..steps.len()).map(|_| None).collect();
        let mut nonces = vec![None; steps.len()];
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for (index, step) in steps.into_iter().enumerate() {
            match step {
                #[cfg(feature = "dynamodb")]
                Step::Answered(answer) => answers[index] = Some(answer),
                Step::Go(submission, nonce) => {
                    nonces[index] = nonce.map(|nonce| (submission.id.clone(), nonce));
                    let is_far = self.0.is_far(&submission.queue, submission.due_at);
                    if is_far { far.push((index, submission)) } else { near.push((index, submission)) }
                }
            }
        }
        let road = self.0.road(far.len());
        if road == DelayRoute::Queue {
            near.append(&mut far);
        }
        let mut putting_off = Vec::with_capacity(far.len());
        for (index, submission) in far {
            putting_off.push(async move { (index, self.0.delay(&submission, road).await) });
        }
        let delay: Vec<_> = stream::iter(putting_off).buffer_unordered(CALLS_AT_ONCE).collect().await;
        let (places, near): (Vec<_>, Vec<_>) = near.into_iter().unzip();
        let sent = places.into_iter().zip(self.0.sqs.send(near).await);
        for (index, answer) in delay.into_iter().chain(sent) {
            if let (Err(error), Some((id, nonce))) = (&answer, &nonces[index]) {
                self.take_back(id, *nonce, error).await;
            }
            answers[index] = Some(answer);
        }
        let silent = || Err(StoreError::unavailable("AWS did not say whether the job was enqueued").into());
        answers.into_iter().map(|answer| answer.unwrap_or_else(silent)).collect()
    }
}
