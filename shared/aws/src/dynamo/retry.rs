//! Running an ended job once more.

use std::sync::Arc;

use lamplighter::{
    JobId, JobState, Tracking,
    backend::{EnqueueRequest, StoreError},
    message::SharedMessage,
};

use super::{
    Dynamo, TRIES, Written,
    claim::held_to,
    contended,
    expression::Update,
    item::{number, text, time},
    keys::Class,
    listed,
};

/// A job that was asked to run once more.
pub(crate) struct MarkedQueued {
    pub(crate) state: JobState,
    /// The message to send, where it has been revived.
    pub(crate) message: Option<EnqueueRequest>,
}

impl Dynamo {
    /// Makes the record of an ended job that of a queued one, with its history kept and its attempts counted anew. The
    /// message is the caller's to send.
    pub(crate) async fn mark_queued_one(&self, id: &JobId) -> Result<Option<MarkedQueued>, StoreError> {
        let nonce = self.env().random.next_u64();
        for _ in 0..TRIES {
            let Some(item) = self.read_item(id.as_str()).await? else { return Ok(None) };
            if !item.state().is_final() {
                return Ok(Some(MarkedQueued { state: item.state(), message: None }));
            }
            let Some(record) = self.read_record(id).await? else { return Ok(None) };
            let lean = item.is_lean();
            let update = Update::new()
                .set("st", text(JobState::Queued.as_str()))
                .set("n", number(0))
                .set("d", time(self.env().now()))
                .set("z", number(nonce))
                .remove(&["f", "u", "p", "y", "i", "v", "ttl"]);
            let listing_key = item.listing_key();
            let update =
                listed(update, listing_key.as_ref().map(|listing_key| (listing_key, Class::Open)).filter(|_| !lean));
            let done = match self.update(id.as_str(), held_to(update, &item)).await? {
                Written::Applied(_) => true,
                Written::Refused(now) => now.is_some_and(|now| now.number("z") == Some(nonce)),
            };
            if done {
                let tracking = if lean { Tracking::Lean } else { Tracking::Full };
                let message = self.submission(id, record.queue, record.message, item.text("g"), tracking);
                return Ok(Some(MarkedQueued { state: JobState::Queued, message: Some(message) }));
            }
        }
        Err(contended(id.as_str()))
    }
}

impl Dynamo {
    /// Another message of a job that has a record, to be sent now.
    pub(super) fn submission(
        &self,
        id: &JobId,
        queue: String,
        message: SharedMessage,
        group: Option<&str>,
        tracking: Tracking,
    ) -> EnqueueRequest {
        // The record's own id: the message may have come without one.
        let message = match message.id {
            Some(_) => message,
            None => {
                let mut named = (*message).clone();
                named.id = Some(id.clone());
                Arc::new(named)
            }
        };
        EnqueueRequest {
            // A FIFO queue drops a message without a word whose id it has met within five minutes (Amazon SQS Developer
            // Guide, "Using the message deduplication ID"). This is another message of the job, so it has another id.
            id: JobId::generate(self.env()),
            queue: queue.into(),
            message,
            due_at: None,
            group: group.map(Into::into),
            tracking,
            caller_supplied_id: true,
        }
    }
}
