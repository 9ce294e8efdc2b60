//! Enqueueing: [`Queues`] on Azure Storage queues.

use std::time::Duration;

use async_trait::async_trait;
use azure_storage_queue::models::{QueueClientSendMessageOptions, QueueMessage};
use futures_util::{StreamExt, stream};
use lamplighter::{
    EnqueueError, Enqueued,
    backend::{EnqueueRequest, Queues, StoreError, StoreErrorKind},
};

use super::{
    AzureQueues, body,
    error::{explain, is_missing},
};
use crate::contract::{MAX_DELAY, MAX_MESSAGE_BYTES, MAX_QUEUE_NAME, is_queue_name};

/// Concurrent calls: each sends one message.
const CALLS_AT_ONCE: usize = 16;
/// The time to live of a message that never expires.
const NEVER: i32 = -1;

/// Why a message was not sent.
pub(super) enum NotSent {
    /// The queue does not exist.
    NoQueue,
    Failed(StoreError),
}

#[async_trait]
impl Queues for AzureQueues {
    /// OpenTelemetry's conventions have no name for these queues.
    fn messaging_system(&self) -> &'static str {
        "azure_storage_queue"
    }

    /// Sends each job as a message of its own. A group has no effect: it orders nothing on a standard queue.
    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>> {
        let calls = submissions.into_iter().map(|submission| async move { self.enqueue(&submission).await });
        stream::iter(calls).buffered(CALLS_AT_ONCE).collect().await
    }
}

impl AzureQueues {
    async fn enqueue(&self, submission: &EnqueueRequest) -> Result<Enqueued, EnqueueError> {
        let job = || submission.message.job.clone();
        let queue = &*submission.queue;
        if !is_queue_name(queue) {
            let reason = format!(
                "Azure Storage has no queue {queue:?}; a name is 3 to {MAX_QUEUE_NAME} of a-z 0-9 -, with single hyphens inside"
            );
            return Err(EnqueueError::Refused { job: job(), reason });
        }
        let body = submission.message.to_json();
        if body.len() > MAX_MESSAGE_BYTES {
            return Err(EnqueueError::TooLarge { job: job(), bytes: body.len(), limit: MAX_MESSAGE_BYTES });
        }
        let delay = submission.due_at.map_or(Duration::ZERO, |due_at| self.0.env.until(due_at));
        if delay > MAX_DELAY {
            let reason = "an Azure Storage queue can delay a message by at most 7 days".into();
            return Err(EnqueueError::Delay { job: job(), due_at: submission.due_at.unwrap_or_default(), reason });
        }
        match self.put(queue, &body, delay).await {
            Ok(()) => Ok(Enqueued::New(submission.id.clone())),
            Err(NotSent::NoQueue) => Err(EnqueueError::UnknownQueue(queue.to_owned())),
            Err(NotSent::Failed(error)) => Err(error.into()),
        }
    }

    /// Sends a received message again, hidden for the delay: at most [`MAX_DELAY`].
    ///
    /// # Errors
    /// When it is not known to be there: then the received one must not be deleted.
    #[cfg(feature = "handler")]
    pub(crate) async fn send_again(&self, queue: &str, body: &str, delay: Duration) -> Result<(), StoreError> {
        self.put(queue, body, delay).await.map_err(|error| match error {
            NotSent::NoQueue => {
                StoreError::new(StoreErrorKind::Invalid, format_args!("there is no queue {queue:?} here"))
            }
            NotSent::Failed(error) => error,
        })
    }

    /// Sends a message with this body, hidden for the delay: at most [`MAX_DELAY`], rounded up to seconds, since a job
    /// may be late, never early.
    pub(super) async fn put(&self, queue: &str, body: &str, delay: Duration) -> Result<(), NotSent> {
        let client = self.client(queue).map_err(NotSent::Failed)?;
        let message = QueueMessage { message_text: Some(body::encode(body)) };
        let doing = format!("send to queue {queue:?}");
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        let options = QueueClientSendMessageOptions {
            message_time_to_live: Some(NEVER),
            visibility_timeout: i32::try_from(seconds).ok().filter(|seconds| *seconds > 0),
            ..Default::default()
        };
        let message = message.try_into().map_err(|error| NotSent::Failed(explain(&error, &doing)))?;
        match client.send_message(message, Some(options)).await {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error) => Err(NotSent::NoQueue),
            Err(error) => Err(NotSent::Failed(explain(&error, &doing))),
        }
    }
}
