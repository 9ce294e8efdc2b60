//! Deleting records, and giving jobs another time.

use jiff::Timestamp;

use super::Client;
use crate::{id::JobId, ports::StoreError, record::JobState};

impl Client {
    /// Deletes the record of an ended job, with its attempts, its log, its body and its stored arguments. Returns the state
    /// in which the job was: if it had ended, its record is gone now; if not, it stayed as it was. `None` when there is no
    /// such job.
    ///
    /// Its dead letter stays, and a redrive of that runs it as a new job; so does its place in the counts of its batch, and
    /// a unique key that is held for a time. A second message of the job that is still on its way is acknowledged without
    /// being run, for as long as its queue can hold one. On AWS, a mark that does this keeps the id for 15 days: a job that
    /// is enqueued under it meanwhile is a duplicate.
    ///
    /// # Errors
    /// As [`cancel`](Self::cancel), and for a [batch](crate::Batch), whose record goes when it expires.
    pub async fn delete(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        if let Some(limits) = &self.limits {
            limits.check_manages(id, "deleted")?;
        }
        let store = self.store()?;
        let aside = match &self.shared.backend.payloads {
            None => None,
            Some(payloads) => {
                let record = store.get(id).await?;
                record.and_then(|record| record.message.args_at.clone()).map(|reference| (payloads, reference))
            }
        };
        let was = store.delete(id).await?;
        if let Some((payloads, reference)) = aside.filter(|_| was.is_some_and(JobState::is_final))
            && let Err(error) = payloads.delete(&reference).await
        {
            tracing::warn!(%id, %error, "the job is deleted; its stored arguments stay until they expire");
        }
        Ok(was)
    }

    /// Gives another time to a job that is scheduled, queued or retrying; a moment that has passed means now. Returns the
    /// state that it is in now, or `None` when there is no such job; one that runs, waits for others or has ended stays as
    /// it was.
    ///
    /// The attempt at that time counts as it would have. Arguments that are kept beside the message are kept for some time
    /// only, and a job that expires before its new time is cancelled then.
    ///
    /// # Errors
    /// As [`cancel`](Self::cancel), and on a FIFO queue wherever its group would have to wait, or the job to overtake it.
    pub async fn reschedule(&self, id: &JobId, at: Timestamp) -> Result<Option<JobState>, StoreError> {
        if let Some(limits) = &self.limits {
            limits.check_manages(id, "rescheduled")?;
        }
        self.store()?.reschedule(id, at).await
    }
}
