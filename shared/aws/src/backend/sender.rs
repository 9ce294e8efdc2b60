//! Sends jobs: a tracked job gets its record before it is sent, and a job that is due far from now takes another route.
//!
//! First the record, then the message. A crash between the two leaves a queued record without a message, which
//! `maintenance` finds and sends; the reverse would leave a message that runs before its job can be looked up.

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use lamplighter::{
    EnqueueError, Enqueued,
    backend::{EnqueueRequest, Queues, StoreError},
};

use super::delayed_sender::DelayedSender;
#[cfg(feature = "dynamodb")]
use crate::dynamo::{Dynamo, Inserted, Registered, Replaced};
use crate::sqs::MESSAGING_SYSTEM;

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
    /// Writes the record of a job that gets one before it is sent.
    #[cfg(feature = "dynamodb")]
    async fn announce(&self, submission: EnqueueRequest) -> Step {
        let is_plain = submission.message.after.is_empty() && submission.unique.is_none();
        let refused = |submission: EnqueueRequest, reason: String| {
            Step::Answered(Err(EnqueueError::Refused { job: submission.message.job.clone(), reason }))
        };
        let table = match &self.0.table {
            Some(table) if !is_plain || Dynamo::announces(&submission) => table,
            None if !is_plain => {
                let reason = "it is to wait for other jobs or to be unique, and no records are kept here";
                return refused(submission, reason.into());
            }
            _ => return Step::Go(submission, None),
        };
        let registered = match is_plain {
            true => Ok(Registered::Ready),
            false => table.register(&submission).await,
        };
        let inserted = match registered {
            Ok(Registered::Ready) if !Dynamo::announces(&submission) => return Step::Go(submission, None),
            Ok(Registered::Ready) => match table.insert(&submission).await {
                Ok(Inserted::New(nonce)) => return Step::Go(submission, Some(nonce)),
                inserted => inserted,
            },
            Ok(Registered::Go(nonce)) => return Step::Go(submission, Some(nonce)),
            Ok(Registered::Done(inserted)) => Ok(inserted),
            Ok(Registered::Replaced(id, replaced)) => return Step::Answered(self.resend(id, replaced).await),
            Ok(Registered::Taken(existing, state)) => return Step::Answered(taken(&submission, existing, state)),
            Ok(Registered::Unknown(other)) => {
                return refused(submission, format!("there is no record of job {other}, which it is to wait for"));
            }
            Err(error) => Err(error),
        };
        Step::Answered(match inserted {
            Ok(Inserted::New(_)) => Ok(Enqueued::New(submission.id)),
            Ok(Inserted::Duplicate(state)) => Ok(Enqueued::Duplicate(submission.id, state)),
            Ok(Inserted::Foreign(owner)) => {
                let (job, queue) = (submission.message.job.clone(), submission.queue.to_string());
                Err(EnqueueError::IdTaken { job, queue, id: submission.id, owner })
            }
            Err(error) => Err(error.into()),
        })
    }

    /// Sends the new message of a job that was given other arguments and another time, and takes away what was to send the
    /// former one later. Any message that is left of that one runs the new arguments, and not before the new time.
    #[cfg(feature = "dynamodb")]
    async fn resend(&self, id: lamplighter::JobId, replaced: Replaced) -> Result<Enqueued, EnqueueError> {
        let Replaced { send, was_due } = replaced;
        let Some(request) = send else { return Ok(Enqueued::Replaced(id)) };
        self.0.send_instead(request, was_due).await?;
        Ok(Enqueued::Replaced(id))
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

/// The answer for a job whose unique key another one has.
#[cfg(feature = "dynamodb")]
fn taken(
    submission: &EnqueueRequest,
    existing: lamplighter::JobId,
    state: Option<lamplighter::JobState>,
) -> Result<Enqueued, EnqueueError> {
    match &submission.unique {
        Some(unique) if unique.on_conflict == lamplighter::backend::UniqueConflict::Error => {
            let (job, key) = (submission.message.job.clone(), unique.key.clone());
            Err(EnqueueError::NotUnique { job, key, existing })
        }
        _ => Ok(Enqueued::Existing(existing, state)),
    }
}

#[async_trait]
impl Queues for Sender {
    fn messaging_system(&self) -> &'static str {
        MESSAGING_SYSTEM
    }

    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>> {
        // Jobs that wait for the same one change its record, each in a transaction: they would only be in each other's way.
        let together = submissions.iter().any(|submission| !submission.message.after.is_empty());
        let announcing: Vec<_> = submissions.into_iter().map(|submission| self.announce(submission)).collect();
        let at_once = if together { 1 } else { CALLS_AT_ONCE };
        let steps: Vec<_> = stream::iter(announcing).buffered(at_once).collect().await;
        let mut answers: Vec<Option<Result<Enqueued, EnqueueError>>> = (0..steps.len()).map(|_| None).collect();
        let (mut places, mut sending) = (Vec::new(), Vec::new());
        for (index, step) in steps.into_iter().enumerate() {
            match step {
                #[cfg(feature = "dynamodb")]
                Step::Answered(answer) => answers[index] = Some(answer),
                Step::Go(submission, nonce) => {
                    places.push((index, nonce.map(|nonce| (submission.id.clone(), nonce))));
                    sending.push(submission);
                }
            }
        }
        for ((index, record), answer) in places.into_iter().zip(self.0.dispatch(sending).await) {
            if let (Err(error), Some((id, nonce))) = (&answer, record) {
                self.take_back(&id, nonce, error).await;
            }
            answers[index] = Some(answer);
        }
        let silent = || Err(StoreError::unavailable("AWS did not report whether the job was enqueued").into());
        answers.into_iter().map(|answer| answer.unwrap_or_else(silent)).collect()
    }
}
