//! The queue trigger: one message, one job.

use std::{fmt, sync::Arc};

use lamplighter::{
    JobState,
    backend::StoreError,
    host::{Delivery, MessageAction, Worker, body_as_sent},
};
use tokio::time::{Instant, timeout_at};

use super::{copy::Received, request::Request, threads::Threads};
use crate::{
    AzureQueues,
    contract::{MAX_DELAY, QUEUE_BINDING, invocation_timeout},
    queues::DeadMessage,
};

/// A queue whose jobs are run.
pub(super) struct QueueTrigger {
    pub(super) queue: Arc<str>,
    pub(super) worker: Worker,
    pub(super) queues: AzureQueues,
    pub(super) threads: Arc<Threads>,
    /// Whether the function keeps records.
    pub(super) tracks: bool,
}

/// Why an invocation failed. The host still has the message, and delivers it again.
#[derive(Debug)]
pub(super) struct Failed(pub(super) String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The deadlines of an invocation.
struct Times {
    /// For the worker's answer.
    deadline: Instant,
    /// When waiting for it ends.
    given_up: Instant,
    /// For the calls after it.
    answer_by: Instant,
}

impl QueueTrigger {
    /// Runs the job of a message received at `began`, and stores its result.
    pub(super) async fn run(&self, request: &Request, invocation_id: &str, began: Instant) -> Result<(), Failed> {
        let text = request.text(QUEUE_BINDING).ok_or_else(|| {
            Failed(format!("the request for queue {} has no binding {QUEUE_BINDING:?}; deploy the function.json that `lamp infra azure` writes", self.queue))
        })?;
        let message_id = request.metadata("Id").unwrap_or_else(|| invocation_id.to_owned());
        let receives = request.number("DequeueCount").unwrap_or(1).max(1);
        let received = Received::read(&text);
        let mut delivery = Delivery::new(self.queue.clone(), &*message_id, &*message_id, &*received.body);
        delivery.receive_count = self.receive_count(&received, receives);

        let times = self.times(began);
        let (worker, deadline) = (self.worker.clone(), times.deadline);
        let running = move || {
            let (worker, delivery) = (worker.clone(), delivery.clone());
            async move { worker.perform(delivery, deadline).await }
        };
        let Some(result) = self.threads.run(running, times.given_up).await else {
            return Err(Failed(format!(
                "message {message_id} of queue {} had no answer in time, since handlers block their threads; it comes again",
                self.queue
            )));
        };
        let (delay, executed) = match result.action {
            MessageAction::Ack => return Ok(()),
            MessageAction::DeadLetter(cause) => {
                let dead = DeadMessage {
                    body: &body_as_sent(&received.body),
                    cause: &cause,
                    queue: &self.queue,
                    function: self.worker.function().name(),
                    message_id: &message_id,
                    receives: received.receives_before.saturating_add(receives),
                };
                let sent = in_time(times.answer_by, self.queues.dead_letter(&dead)).await;
                return sent.map_err(|error| self.failed(&message_id, "dead-lettered", &error));
            }
            // A handler may also have snoozed its job: that is not counted.
            MessageAction::Retry(delay) => (delay, result.state != Some(JobState::Queued)),
            MessageAction::Release(delay) => (delay.unwrap_or_else(|| self.worker.function().timeout()), false),
        };
        if delay > MAX_DELAY {
            tracing::warn!(message_id, ?delay, "comes back after 7 days: a queue of Azure delays no message longer");
        }
        let executed = if self.is_tracked(&received) { 0 } else { receives - u32::from(!executed) };
        let copy = received.copy(&message_id, receives, executed);
        let sent = in_time(times.answer_by, self.queues.send_again(&self.queue, &copy, delay.min(MAX_DELAY))).await;
        sent.map_err(|error| self.failed(&message_id, "sent again for later", &error))
    }

    fn times(&self, began: Instant) -> Times {
        let function = self.worker.function();
        let (deadline, answer_by) = (began + function.timeout(), began + invocation_timeout(function));
        Times { deadline, given_up: deadline + (answer_by - deadline) / 4, answer_by }
    }

    /// Returns the receives that count: where receives count attempts, those of this message, since copies carry the
    /// earlier attempts; otherwise all, since they determine how long to wait for a deployment or for a store.
    fn receive_count(&self, received: &Received, receives: u32) -> u32 {
        let known = received.job().is_some_and(|job| self.worker.function().route(job).is_some());
        if known && !self.is_tracked(received) { receives } else { received.receives_before.saturating_add(receives) }
    }

    fn is_tracked(&self, received: &Received) -> bool {
        let route = received.job().and_then(|job| self.worker.function().route(job));
        self.tracks && route.is_some_and(|route| route.options.is_tracked())
    }

    fn failed(&self, message_id: &str, done: &str, error: &StoreError) -> Failed {
        Failed(format!(
            "message {message_id} of queue {} was not {done}, and comes again as it is: {error}",
            self.queue
        ))
    }
}

/// Returns a call's result, if it ends in time.
pub(super) async fn in_time(by: Instant, call: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
    let late = || Err(StoreError::unavailable("there was no answer before the invocation's deadline"));
    timeout_at(by, call).await.unwrap_or_else(|_| late())
}
