//! Jobs that wait for a place in a limit: their messages are hidden, and shown again when there is one.

use std::{collections::BTreeMap, time::Duration};

use lamplighter::backend::{Claim, ClaimRequest, StoreError};
use tokio::time::{Instant, timeout_at};

use super::delayed_sender::DelayedSender;
use crate::{
    dynamo::{Claimed, Dynamo, Wait, Woken},
    sqs::Postponed,
};

/// The longest time for waking jobs: they come by themselves later.
pub(super) const WAKE: Duration = Duration::from_secs(2);
/// How much longer than its lease the message of a job is hidden that runs after all.
const MARGIN: Duration = Duration::from_secs(60);

impl DelayedSender {
    /// Hides the message of a job that a limit has refused, puts the job into the line, and asks once more: a place may have
    /// become free before the job was in the line. Without an answer in time, the message comes again soon.
    pub(super) async fn park(&self, dynamo: &Dynamo, request: ClaimRequest, claimed: Claimed, by: Instant) -> Claimed {
        let (Claim::Limited { .. }, Some(wait), Some(handle)) = (&claimed.claim, &claimed.wait, &request.handle) else {
            return claimed;
        };
        let (wait, handle) = (wait.clone(), handle.clone());
        let parked = timeout_at(by, self.hide_in_line(dynamo, request, &wait, &handle, by));
        match parked.await {
            Ok(Ok(parked)) => Claimed { woken: [claimed.woken, parked.woken].concat(), ..parked },
            Ok(Err(error)) => {
                tracing::warn!(key = wait.key, %error, "a job cannot wait in the line of its limit; it asks again");
                claimed
            }
            Err(_) => claimed,
        }
    }

    async fn hide_in_line(
        &self,
        dynamo: &Dynamo,
        request: ClaimRequest,
        wait: &Wait,
        handle: &str,
        by: Instant,
    ) -> Result<Claimed, StoreError> {
        // Before it is in the line: later, this would hide a message that has just been woken.
        self.show_in(&request.queue, handle, self.env.until(wait.until)).await?;
        let hidden = Claimed::alone(Claim::Limited { until: wait.until, is_hidden: true });
        if wait.has_turn() {
            return Ok(hidden);
        }
        dynamo.join_line(&request, wait, handle).await?;
        let again = dynamo.claim(std::slice::from_ref(&request), by).await.pop();
        match again {
            Some(Ok(claimed)) if matches!(claimed.claim, Claim::Limited { .. }) => {
                Ok(Claimed { woken: claimed.woken, ..hidden })
            }
            Some(Ok(claimed)) => {
                if matches!(claimed.claim, Claim::Run { .. }) {
                    // As long as if it had never been hidden, should this host die.
                    let lease = self.env.until(request.lease_until) + MARGIN;
                    if let Err(error) = self.show_in(&request.queue, handle, lease).await {
                        tracing::debug!(id = %request.id, %error, "its message stays hidden for longer than its lease");
                    }
                }
                Ok(claimed)
            }
            Some(Err(error)) => {
                tracing::debug!(id = %request.id, %error, "its limit could not be asked once more");
                Ok(hidden)
            }
            None => Ok(hidden),
        }
    }

    async fn show_in(&self, queue: &str, handle: &str, delay: Duration) -> Result<(), StoreError> {
        let url = self.sqs.queues().get(queue).map(|queue| queue.url.clone());
        let url = url.ok_or_else(|| StoreError::unavailable(format_args!("the queue {queue:?} is not known here")))?;
        let message = Postponed { receipt: handle.to_owned(), delay };
        self.sqs.postpone(&url, &[message]).await.pop().unwrap_or(Ok(()))
    }

    /// Makes the messages of jobs visible for which there is a place. One that cannot be woken comes by itself later.
    pub(super) async fn wake(&self, woken: Vec<Woken>, by: Instant) {
        let mut queues: BTreeMap<String, (Vec<String>, Vec<Postponed>)> = BTreeMap::new();
        for Woken { id, queue, handle } in woken {
            let (ids, messages) = queues.entry(queue).or_default();
            ids.push(id);
            messages.push(Postponed { receipt: handle, delay: Duration::ZERO });
        }
        let by = by.min(Instant::now() + WAKE);
        for (queue, (ids, messages)) in queues {
            let Some(url) = self.sqs.queues().get(&queue).map(|queue| queue.url.clone()) else {
                tracing::debug!(queue, jobs = ids.len(), "jobs of a queue that is not known here come by themselves");
                continue;
            };
            let answers = timeout_at(by, self.sqs.postpone(&url, &messages)).await.unwrap_or_default();
            for (id, error) in ids.iter().zip(answers).filter_map(|(id, answer)| Some((id, answer.err()?))) {
                tracing::info!(id, %error, "there is a place in its limit, and it could not be woken: it comes by itself");
            }
        }
    }
}
