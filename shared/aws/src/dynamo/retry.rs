//! Retrying an ended job by hand.

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

/// A job that was retried.
pub(crate) struct MarkedQueued {
    pub(crate) state: JobState,
    /// The message to send, if the job was marked queued.
    pub(crate) message: Option<EnqueueRequest>,
}

impl Dynamo {
    /// Marks the record of an ended job queued, keeps its history, and counts its attempts from one. The caller sends
    /// the message.
    pub(crate) async fn mark_queued_one(&self, id: &JobId) -> Result<Option<MarkedQueued>, StoreError> {
        let nonce = self.env().random.next_u64();
        for _ in 0..TRIES {
            let Some(item) = self.read_item(id.as_str()).await? else { return Ok(None) };
            // A batch does not run: its jobs do.
            if !item.state().is_final() || item.is_batch() {
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
    /// Returns another message of a job that has a record, to be sent now.
    pub(super) fn submission(
        &self,
        id: &JobId,
        queue: String,
        message: SharedMessage,
        group: Option<&str>,
        tracking: Tracking,
    ) -> EnqueueRequest {
        // The record's own id: the message may not contain one.
        let message = match message.id {
            Some(_) => message,
            None => {
                let mut named = (*message).clone();
                named.id = Some(id.clone());
                Arc::new(named)
            }
        };
        // A FIFO queue silently drops a message whose id it has received within five minutes (Amazon SQS Developer
        // Guide, "Using the message deduplication ID"). This is another message of the job, so it has another id.
        let mut request = EnqueueRequest::new(JobId::generate(self.env()), queue, message);
        request.group = group.map(Into::into);
        request.tracking = tracking;
        request.caller_supplied_id = true;
        request
    }
}
