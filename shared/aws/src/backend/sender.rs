//! Sends jobs: a tracked job gets its record before it is sent, and a job that is due far from now takes another route.
//!
//! First the record, then the message. A crash between the two leaves a queued record without a message, which
//! `maintenance` finds and sends; the reverse would leave a message that runs before its job can be looked up.

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use lamplighter::{
    EnqueueError, Enqueued, Unique,
    backend::{EnqueueRequest, Queues, StoreError},
};

use super::delayed_sender::{DelayRoute, DelayedSender};
#[cfg(feature = "dynamodb")]
use crate::dynamo::{Dynamo, Inserted, Registered};

/// Concurrent calls for single jobs.
const CALLS_AT_ONCE: usize = 32;

/// Sends jobs to queues.
pub(super) struct Sender(pub(super) DelayedSender);

/// The state of a submission.
enum Step {
    /// Answered already.
    #[cfg(feature = "dynamodb")]
    Answered(Result<Enqueued, EnqueueError>),
    /// To be sent; with the nonce of its record, if it has one.
    Go(EnqueueRequest, Option<u64>),
}

impl Sender {
    /// Registers a job that waits for others or is unique. `Ok`: it is to be sent as any other.
    #[cfg(feature = "dynamodb")]
    async fn wait(&self, submission: EnqueueRequest) -> Result<EnqueueRequest, Step> {
        if submission.message.after.is_empty() && submission.unique.is_none() {
            return Ok(submission);
        }
        let job = || submission.message.job.clone();
        let refused = |reason: String| Step::Answered(Err(EnqueueError::Refused { job: job(), reason }));
        let Some(table) = &self.0.table else {
            return Err(refused("it is to wait for other jobs or to be unique, and no records are kept here".into()));
        };
        match table.register(&submission).await {
            Ok(Registered::Ready) => Ok(submission),
            Ok(Registered::Go(nonce)) => Err(Step::Go(submission, Some(nonce))),
            Ok(Registered::Taken(other, state)) => Err(Step::Answered(match &submission.unique {
                Some(Unique { key, is_error: true, .. }) => {
                    Err(EnqueueError::NotUnique { job: job(), key: key.clone(), existing: other })
                }
                _ => Ok(Enqueued::Existing(other, state)),
            })),
            Ok(Registered::Done(Inserted::New(_))) => Err(Step::Answered(Ok(Enqueued::New(submission.id)))),
            Ok(Registered::Done(Inserted::Duplicate(state))) => {
                Err(Step::Answered(Ok(Enqueued::Duplicate(submission.id, state))))
            }
            Ok(Registered::Done(Inserted::Foreign(owner))) => {
                let queue = submission.queue.to_string();
                Err(Step::Answered(Err(EnqueueError::IdTaken { job: job(), queue, id: submission.id.clone(), owner })))
            }
            Ok(Registered::Unknown(other)) => {
                Err(refused(format!("there is no record of job {other}, which it is to wait for")))
            }
            Err(error) => Err(Step::Answered(Err(error.into()))),
        }
    }

    #[cfg(feature = "dynamodb")]
    async fn announce(&self, submission: EnqueueRequest) -> Step {
        let submission = match self.wait(submission).await {
            Ok(submission) => submission,
            Err(step) => return step,
        };
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

    /// Deletes the record of a job that was not sent.
    #[cfg(feature = "dynamodb")]
    async fn take_back(&self, id: &lamplighter::JobId, nonce: u64, error: &EnqueueError) {
        let Some(table) = &self.0.table else { return };
        if let Err(delete_error) = table.take_back(id.as_str(), nonce).await {
            // `maintenance`, which looks for records without a message, will send it after all.
            tracing::warn!(%id, %error, %delete_error, "the job was not sent, and its record could not be deleted");
        }
    }

    #[cfg(not(feature = "dynamodb"))]
    async fn take_back(&self, _: &lamplighter::JobId, _: u64, _: &EnqueueError) {}
}

#[async_trait]
impl Queues for Sender {
    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>> {
        // Jobs that wait for the same one change its record, each in a transaction: they would only be in each other's way.
        let together = submissions.iter().any(|submission| !submission.message.after.is_empty());
        let announcing: Vec<_> = submissions.into_iter().map(|submission| self.announce(submission)).collect();
        let at_once = if together { 1 } else { CALLS_AT_ONCE };
        let steps: Vec<_> = stream::iter(announcing).buffered(at_once).collect().await;
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
        let route = self.0.route(far.len());
        if route == DelayRoute::Queue {
            near.append(&mut far);
        }
        let mut delaying = Vec::with_capacity(far.len());
        for (index, submission) in far {
            delaying.push(async move { (index, self.0.delay(&submission, route).await) });
        }
        let delay: Vec<_> = stream::iter(delaying).buffer_unordered(CALLS_AT_ONCE).collect().await;
        let (places, near): (Vec<_>, Vec<_>) = near.into_iter().unzip();
        let sent = places.into_iter().zip(self.0.sqs.send(near).await);
        for (index, answer) in delay.into_iter().chain(sent) {
            if let (Err(error), Some((id, nonce))) = (&answer, &nonces[index]) {
                self.take_back(id, *nonce, error).await;
            }
            answers[index] = Some(answer);
        }
        let silent = || Err(StoreError::unavailable("AWS did not report whether the job was enqueued").into());
        answers.into_iter().map(|answer| answer.unwrap_or_else(silent)).collect()
    }
}
