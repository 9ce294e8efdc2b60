//! Deleting records, and giving jobs another time, with what belongs to that beside the table.

use lamplighter::{
    Batch, EnqueueError, JobId, JobState, Timestamp,
    backend::{StoreError, StoreErrorKind},
};

use super::delayed_sender::DelayedSender;
use crate::dynamo::{Dynamo, Following, FoundToDelete};

impl DelayedSender {
    /// Deletes the record of an ended job.
    pub(super) async fn delete(&self, dynamo: &Dynamo, id: &JobId) -> Result<Option<JobState>, StoreError> {
        for _ in 0..Dynamo::TRIES {
            let ended = match dynamo.find_to_delete(id).await? {
                FoundToDelete::Unknown => return Ok(None),
                FoundToDelete::Open(state) => return Ok(Some(state)),
                FoundToDelete::Batch => return Err(Batch::cannot_be_deleted(id)),
                FoundToDelete::Ended(ended) => ended,
            };
            // The process that ended it may have died before it could do what follows from that.
            if let Some(state) = ended.unfollowed {
                self.follow(dynamo, Following::of(id.as_str(), state)).await?;
            }
            if let Some(counted) = ended.counted.clone() {
                self.tend(dynamo, counted).await?;
            }
            if dynamo.delete_ended(id, &ended).await? {
                return Ok(Some(ended.state()));
            }
        }
        Err(Dynamo::not_deleted(id))
    }

    /// Gives another time to a job that has not begun, or waits for its next attempt.
    pub(super) async fn reschedule(
        &self,
        dynamo: &Dynamo,
        id: &JobId,
        at: Timestamp,
    ) -> Result<Option<JobState>, StoreError> {
        let is_fifo = |queue: &str| self.sqs.queues().get(queue).is_some_and(crate::QueueUrls::is_fifo);
        let Some(rescheduled) = dynamo.reschedule_one(id, at, is_fifo).await? else { return Ok(None) };
        if let Some((request, was_due)) = rescheduled.send {
            let sent = self.send_instead(request, was_due).await;
            sent.map_err(|error| match error {
                EnqueueError::Backend(error) => error,
                error => StoreError::new(StoreErrorKind::Invalid, error),
            })?;
        }
        Ok(Some(rescheduled.state))
    }
}
