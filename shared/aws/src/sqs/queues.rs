//! Enqueueing: [`Queues`] on SQS.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use lamplighter::{
    EnqueueError, Enqueued,
    backend::{EnqueueRequest, Queues, StoreError, StoreErrorKind},
    message::MAX_MESSAGE_BYTES,
};

use super::{
    MESSAGING_SYSTEM, Sqs,
    batches::{CALLS_AT_ONCE, Outgoing, Rejection},
    text::{escape_json, is_group},
};
use crate::queues::QueueUrls;

/// The longest `DelaySeconds` (Amazon SQS API Reference, SendMessage).
pub(crate) const MAX_DELAY: Duration = Duration::from_secs(900);

#[async_trait]
impl Queues for Sqs {
    fn messaging_system(&self) -> &'static str {
        MESSAGING_SYSTEM
    }

    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>> {
        let mut answers: Vec<Option<Result<Enqueued, EnqueueError>>> = submissions.iter().map(|_| None).collect();
        let mut queues: BTreeMap<Arc<str>, (String, Vec<usize>, Vec<Outgoing>)> = BTreeMap::new();
        for (index, submission) in submissions.iter().enumerate() {
            let prepared = match self.queues().get(&submission.queue) {
                Some(queue) => self.prepare(submission, queue).map(|message| (queue, message)),
                None => Err(EnqueueError::UnknownQueue(submission.queue.to_string())),
            };
            match prepared {
                Ok((queue, message)) => {
                    let lot = queues.entry(submission.queue.clone());
                    let (_, indices, messages) = lot.or_insert_with(|| (queue.url.clone(), Vec::new(), Vec::new()));
                    indices.push(index);
                    messages.push(message);
                }
                Err(error) => answers[index] = Some(Err(error)),
            }
        }
        let lots = stream::iter(queues.into_values().map(async |(url, indices, messages)| {
            let sent = self.send_batches(&url, &messages).await;
            indices.into_iter().zip(sent).collect::<Vec<_>>()
        }));
        let mut sent = lots.buffer_unordered(CALLS_AT_ONCE).flat_map(stream::iter);
        while let Some((index, answer)) = sent.next().await {
            answers[index] = Some(match answer {
                Ok(()) => Ok(Enqueued::New(submissions[index].id.clone())),
                Err(Rejection::Refused(reason)) => {
                    Err(EnqueueError::Refused { job: submissions[index].message.job.clone(), reason })
                }
                Err(Rejection::Failed(error)) => Err(error.into()),
            });
        }
        drop(sent);
        let silent = || Err(StoreError::unavailable("SQS did not report whether the job was enqueued").into());
        answers.into_iter().map(|answer| answer.unwrap_or_else(silent)).collect()
    }
}

impl Sqs {
    fn prepare(&self, submission: &EnqueueRequest, queue: &QueueUrls) -> Result<Outgoing, EnqueueError> {
        let job = || submission.message.job.clone();
        let fifo = queue.is_fifo();
        let delay = submission.due_at.map_or(Duration::ZERO, |due_at| self.0.env.until(due_at));
        let delayed = |reason: &str| EnqueueError::Delay {
            job: job(),
            due_at: submission.due_at.unwrap_or_default(),
            reason: reason.into(),
        };
        if fifo && !delay.is_zero() {
            return Err(delayed("a FIFO queue of SQS cannot delay single messages; use a standard queue"));
        }
        if delay > MAX_DELAY {
            return Err(delayed("SQS can delay a message by at most 15 minutes"));
        }
        let group = match (&submission.group, fifo) {
            (Some(group), _) if !is_group(group) => {
                let reason = format!(
                    "the message group {group:?} is not valid in SQS; use 1 to 128 letters, digits and ASCII punctuation"
                );
                return Err(EnqueueError::Refused { job: job(), reason });
            }
            (Some(group), _) => Some(group.to_string()),
            // Without a group, all jobs of a FIFO queue form one.
            (None, true) => Some(submission.queue.to_string()),
            (None, false) => None,
        };
        let body = escape_json(submission.message.to_json());
        if body.len() > MAX_MESSAGE_BYTES {
            return Err(EnqueueError::TooLarge { job: job(), bytes: body.len(), limit: MAX_MESSAGE_BYTES });
        }
        // Rounded up: a job may be late, never early.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        let delay_seconds = i32::try_from(seconds).map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
        Ok(Outgoing {
            body,
            attributes: Vec::new(),
            group,
            deduplication: fifo.then(|| deduplication(submission)),
            delay_seconds: (delay_seconds > 0).then_some(delay_seconds),
        })
    }
}

/// The longest `MessageDeduplicationId` (Amazon SQS API Reference, SendMessage).
const MAX_DEDUPLICATION: usize = 128;

/// The deduplication id of a FIFO queue. A job without a record shares its id with jobs of other names, so its name is
/// added, if there is room.
fn deduplication(submission: &EnqueueRequest) -> String {
    let EnqueueRequest { id, message, tracking, caller_supplied_id, .. } = submission;
    let with_name = format!("{}:{id}", message.job);
    match !tracking.is_tracked() && *caller_supplied_id && with_name.len() <= MAX_DEDUPLICATION {
        true => with_name,
        false => id.to_string(),
    }
}
