//! Sends jobs whose wait for others is over.

use futures_util::{StreamExt, stream};
use lamplighter::backend::{EnqueueRequest, Queues, StoreError};

use super::delayed_sender::DelayedSender;
use crate::dynamo::{Dynamo, Following};

/// Concurrent calls for delayed jobs.
const CALLS_AT_ONCE: usize = 32;

impl DelayedSender {
    /// Starts the jobs that have waited for others, and returns their number.
    pub(crate) async fn follow(&self, dynamo: &Dynamo, mut following: Following) -> Result<u64, StoreError> {
        let mut started = 0;
        while let Some(ready) = dynamo.next_ready(&mut following).await? {
            started += ready.len() as u64;
            self.send_ready(ready).await;
        }
        Ok(started)
    }

    /// Sends jobs whose records are queued or scheduled already. Where that fails, the record remains without a message:
    /// maintenance sends it.
    pub(crate) async fn send_ready(&self, ready: Vec<EnqueueRequest>) {
        let (far, near): (Vec<_>, Vec<_>) =
            ready.into_iter().partition(|request| self.is_far(&request.queue, request.due_at));
        let route = self.route(far.len());
        let delaying = far.iter().map(async |request| (request.message.id.clone(), self.delay(request, route).await));
        let delaying: Vec<_> = delaying.collect();
        let mut answers: Vec<_> = stream::iter(delaying).buffer_unordered(CALLS_AT_ONCE).collect().await;
        if !near.is_empty() {
            let ids: Vec<_> = near.iter().map(|request| request.message.id.clone()).collect();
            answers.extend(ids.into_iter().zip(self.sqs.send(near).await));
        }
        for (id, answer) in answers {
            let id = id.map(|id| id.to_string()).unwrap_or_default();
            match answer {
                Ok(_) => tracing::debug!(id, "the jobs that it waited for have ended: sent"),
                Err(error) => {
                    tracing::warn!(
                        id, %error,
                        "the jobs that it waited for have ended, and it could not be sent; maintenance sends it"
                    );
                }
            }
        }
    }
}
