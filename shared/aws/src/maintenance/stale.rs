//! Repairs orphaned records: queued without a message, or leased by a host that no longer exists.
//!
//! There is no way to ask whether a message is lost. It counts as lost if the record has not changed for long, and its
//! queue has nothing visible or delayed; and if a queue is never empty, a record that has not changed for a day gets
//! another message in any case. A surplus message is acknowledged by the claim. An attempt counts as lost only while
//! its queue is completely empty, since its settlement may travel there as a message; or after a day.

use std::time::Duration;

use lamplighter::{
    JobId, Timestamp,
    backend::{Event, Queues, StoreError},
};

use super::{Maintenance, Round};
use crate::dynamo::{Following, Orphan, Repaired};

/// Records of one portion.
const PORTION: usize = 100;
/// The largest number of records that one round reads.
const LOOKED_AT: u64 = 2000;
/// After this time a record gets a message even if its queue is busy.
const LONG: Duration = Duration::from_secs(86_400);
/// A lease exceeds its queue's visibility timeout by this much; by then its message would have returned.
const GRACE: Duration = Duration::from_secs(120);

impl Round<'_> {
    /// Continues through the listing, and repairs what it finds.
    pub(super) async fn repair(&mut self) -> Result<(), StoreError> {
        let mut walk = self.dynamo.walk().await?;
        while !self.is_over() && self.report.looked_at < LOOKED_AT {
            let before = self.env.now().saturating_sub(Maintenance::STALE).unwrap_or(Timestamp::MIN);
            let Some(found) = self.dynamo.next_left(&mut walk, before, PORTION).await? else { break };
            self.report.looked_at += found.len() as u64;
            for orphan in found {
                self.repair_one(orphan).await?;
            }
        }
        self.dynamo.keep_walk(&walk).await
    }

    async fn repair_one(&mut self, orphan: Orphan) -> Result<(), StoreError> {
        if orphan.is_batch {
            if let Ok(id) = JobId::new(&orphan.id) {
                self.report.sent_again +=
                    self.delayed_sender.look_after_batch(self.dynamo, &id, Some(self.deadline)).await?;
            }
            return Ok(());
        }
        if orphan.is_waiting {
            // The host that ended the last of the jobs that it waits for may have died.
            let (following, ready) = self.dynamo.look_after(&orphan.id).await?;
            self.report.sent_again +=
                u64::from(ready.is_some()) + self.delayed_sender.follow(self.dynamo, following).await?;
            self.delayed_sender.send_ready(ready.into_iter().collect()).await;
            return Ok(());
        }
        let now = self.env.now();
        let since = |moment: Timestamp| Duration::try_from(now.duration_since(moment)).unwrap_or_default();
        let idle = self.queues.is_idle(&orphan.queue);
        let due = match orphan.lease_until {
            // It is running. Its message returns on its own, unless it is lost; and a message that is hidden just now
            // may carry the settlement of this attempt.
            Some(until) => {
                let empty = self.queues.is_empty(&orphan.queue);
                since(until) > LONG || (empty && since(until) > self.queues.visibility(&orphan.queue) + GRACE)
            }
            None => {
                let waiting = since(orphan.untouched_since);
                waiting > LONG || (idle && waiting > Maintenance::STALE)
            }
        };
        if !due {
            return Ok(());
        }
        match self.dynamo.repair(&orphan, now).await? {
            Repaired::Changed => {}
            Repaired::Failed { attempts, error, counted } => {
                tracing::error!(id = orphan.id, job = orphan.job, %error, "job failed");
                (self.report.lost, self.report.failed) = (self.report.lost + 1, self.report.failed + 1);
                self.publish_failure(&orphan, attempts, now, error).await;
                let failed = Following::of(&orphan.id, lamplighter::JobState::Failed);
                self.delayed_sender.follow(self.dynamo, failed).await?;
                if let Some(counted) = counted {
                    self.delayed_sender.tend(self.dynamo, counted).await?;
                }
            }
            Repaired::Send { submission, lost } => {
                self.report.lost += u64::from(lost);
                let id = &orphan.id;
                match self.delayed_sender.sqs.send(vec![*submission]).await.pop() {
                    Some(Ok(_)) => {
                        tracing::warn!(%id, job = orphan.job, lost, "the job had no message any more; sent again");
                        self.report.sent_again += 1;
                    }
                    Some(Err(error)) => {
                        tracing::error!(%id, %error, "the job has no message, and could not be sent again");
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }

    async fn publish_failure(
        &self,
        orphan: &Orphan,
        attempt: u32,
        at: Timestamp,
        error: lamplighter::record::ErrorText,
    ) {
        let Some(events) = &self.events else { return };
        let Ok(id) = JobId::new(&orphan.id) else { return };
        let (job, queue) = (orphan.job.as_str(), orphan.queue.as_str());
        let mut event = Event::new(id, job, queue, lamplighter::JobState::Failed, at);
        event.attempt = attempt;
        event.error = Some(error);
        if let Err(error) = events.publish(vec![event]).await {
            tracing::warn!(id = orphan.id, %error, "the job's event could not be published");
        }
    }
}
