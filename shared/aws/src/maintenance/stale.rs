//! Records that were left behind: queued without a message, or leased by someone who is no more.
//!
//! Whether a message is lost cannot be asked. A record that has not changed for long, and a queue in which nothing is
//! visible or delayed, say that it is; and where a queue is never empty, a record that has not changed for a day is
//! given another message in any case. One message too many is acknowledged by the claim. An attempt is taken for lost only
//! while its queue holds nothing at all, since its settlement may travel as a message there; or after a day.

use std::time::Duration;

use lamplighter::{
    Timestamp,
    backend::{Event, Queues, StoreError},
};

use super::{Maintenance, Round};
use crate::dynamo::{Orphan, Repaired};

/// Records of one portion.
const PORTION: usize = 100;
/// Records that one round looks at, at most.
const LOOKED_AT: u64 = 2000;
/// After this time a record gets a message although its queue is busy.
const LONG: Duration = Duration::from_secs(86_400);
/// What a lease has beyond its queue's visibility timeout: then its message would have come back.
const GRACE: Duration = Duration::from_secs(120);

impl Round<'_> {
    /// Goes on through the listing, and repairs what it finds.
    pub(super) async fn repair(&mut self) -> Result<(), StoreError> {
        let mut walk = self.dynamo.walk().await?;
        while !self.is_over() && self.report.looked_at < LOOKED_AT {
            let before = self.env.now().saturating_sub(Maintenance::STALE).unwrap_or(Timestamp::MIN);
            let Some(found) = self.dynamo.next_left(&mut walk, before, PORTION).await? else { break };
            self.report.looked_at += found.len() as u64;
            for left in found {
                self.repair_one(left).await?;
            }
        }
        self.dynamo.keep_walk(&walk).await
    }

    async fn repair_one(&mut self, left: Orphan) -> Result<(), StoreError> {
        let now = self.env.now();
        let since = |moment: Timestamp| Duration::try_from(now.duration_since(moment)).unwrap_or_default();
        let idle = self.queues.is_idle(&left.queue);
        let due = match left.lease_until {
            // It is running. Its message comes back by itself, unless it is gone; and a message that is hidden just now may
            // carry the settlement of this attempt.
            Some(until) => {
                let empty = self.queues.is_empty(&left.queue);
                since(until) > LONG || (empty && since(until) > self.queues.visibility(&left.queue) + GRACE)
            }
            None => {
                let waiting = since(left.untouched_since);
                waiting > LONG || (idle && waiting > Maintenance::STALE)
            }
        };
        if !due {
            return Ok(());
        }
        match self.dynamo.repair(&left, now).await? {
            Repaired::Changed => {}
            Repaired::Failed { attempts, error } => {
                tracing::error!(id = left.id, job = left.job, %error, "job failed");
                (self.report.lost, self.report.failed) = (self.report.lost + 1, self.report.failed + 1);
                self.tell(&left, attempts, now, error).await;
            }
            Repaired::Send { submission, lost } => {
                self.report.lost += u64::from(lost);
                let id = &left.id;
                match self.delayed_sender.sqs.send(vec![*submission]).await.pop() {
                    Some(Ok(_)) => {
                        tracing::warn!(%id, job = left.job, lost, "had no message any more; sent again");
                        self.report.sent_again += 1;
                    }
                    Some(Err(error)) => tracing::error!(%id, %error, "has no message, and could not be sent again"),
                    None => {}
                }
            }
        }
        Ok(())
    }

    async fn tell(&self, left: &Orphan, attempt: u32, at: Timestamp, error: lamplighter::record::ErrorText) {
        let Some(events) = &self.events else { return };
        let Ok(id) = lamplighter::JobId::new(&left.id) else { return };
        let event = Event {
            id,
            job: left.job.clone(),
            queue: left.queue.clone(),
            state: lamplighter::JobState::Failed,
            attempt,
            at,
            schedule: None,
            error: Some(error),
        };
        if let Err(error) = events.publish(vec![event]).await {
            tracing::warn!(id = left.id, %error, "event not published");
        }
    }
}
