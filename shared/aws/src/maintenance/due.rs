//! Sends due jobs, and enqueues what stands in the outbox.

use std::time::Duration;

use futures_util::{StreamExt, future::try_join_all, stream};
use lamplighter::{
    EnqueueError, Timestamp,
    backend::{Queues, StoreError, StoreErrorKind},
};

use super::Round;
use crate::dynamo::{DueKey, Dynamo, EntryKey};

/// Entries of one query per shard. All of their messages are in memory together.
const PORTION: i32 = 25;
/// Concurrent calls for single jobs.
const CALLS_AT_ONCE: usize = 32;
/// A job is sent this long before its time, with the rest of the delay left to SQS: the time until the next round, and
/// some for this one.
const AHEAD: Duration = Duration::from_secs(90);

impl Round<'_> {
    /// Sends the jobs that are due before the next round.
    pub(super) async fn move_due(&mut self) -> Result<(), StoreError> {
        let dynamo = self.dynamo;
        // Each with the place up to which it was read: an entry that cannot be sent now delays no other.
        let mut shards: Vec<(u8, String)> = Dynamo::due_shards().map(|shard| (shard, String::new())).collect();
        while !shards.is_empty() && !self.is_over() {
            let until = self.env.now().saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
            let looks = shards.into_iter().map(|(shard, mut place)| async move {
                let found = dynamo.due(shard, &mut place, until, PORTION).await;
                found.map(|keys| (shard, place, keys))
            });
            let (mut keys, mut rest) = (Vec::new(), Vec::new());
            for (shard, place, found) in try_join_all(looks).await? {
                if !found.is_empty() {
                    rest.push((shard, place));
                    keys.extend(found);
                }
            }
            let (entries, due): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.outbox().is_some());
            self.move_all(due).await?;
            self.enqueue_entries(entries.iter().filter_map(DueKey::outbox).collect()).await?;
            shards = rest;
        }
        Ok(())
    }

    async fn move_all(&mut self, keys: Vec<DueKey>) -> Result<(), StoreError> {
        let dynamo = self.dynamo;
        let mut reading = Vec::with_capacity(keys.len());
        for DueKey { id, place, .. } in &keys {
            reading.push(async move { ((id, place), dynamo.due_entry(id).await) });
        }
        let read: Vec<_> = stream::iter(reading).buffer_unordered(CALLS_AT_ONCE).collect().await;
        let (mut over, mut due) = (Vec::new(), Vec::new());
        for ((id, place), entry) in read {
            match entry {
                // Its job has ended meanwhile.
                Ok(None) => over.push((id.clone(), place.clone())),
                // A FIFO queue has no delays: its jobs are sent when they are due.
                Ok(Some(entry)) if self.is_early(&entry.submission.queue, entry.submission.due_at) => {}
                Ok(Some(entry)) => due.push((entry.submission, place.clone())),
                // An entry that is not valid delays no other. It stays, for inspection.
                Err(error) if error.kind() == StoreErrorKind::Invalid => {
                    tracing::error!(id, %error, "the job is due, and its entry is not valid");
                }
                Err(error) => return Err(error),
            }
        }
        let (due, places): (Vec<_>, Vec<_>) = due.into_iter().unzip();
        let names: Vec<_> = due.iter().map(|submission| submission.id.to_string()).zip(places).collect();
        let answers = self.delayed_sender.sqs.send(due).await;
        for ((id, place), answer) in names.into_iter().zip(answers) {
            match answer {
                Ok(_) => over.push((id, place)),
                Err(EnqueueError::Backend(error)) => {
                    tracing::warn!(id, %error, "the job is due, and could not be sent yet");
                }
                Err(error) => tracing::error!(id, %error, "the job is due, and its queue refuses it"),
            }
        }
        let moved = over.len();
        let deleting = over.iter().map(|(id, place)| dynamo.delete_due(id, place)).collect::<Vec<_>>();
        let deleted: Vec<_> = stream::iter(deleting).buffer_unordered(CALLS_AT_ONCE).collect().await;
        self.report.moved += moved as u64;
        deleted.into_iter().collect()
    }

    /// Enqueues entries of the outbox, in their order, and deletes them: in that order.
    async fn enqueue_entries(&mut self, keys: Vec<EntryKey>) -> Result<(), StoreError> {
        let dynamo = self.dynamo;
        let reading: Vec<_> = keys.iter().map(|key| dynamo.outbox_entry(key)).collect();
        let found: Vec<_> = stream::iter(reading).buffered(CALLS_AT_ONCE).collect().await;
        let (mut over, mut failed, mut sending, mut entries) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for found in found {
            let Some(found) = found? else { continue };
            match found.entry {
                Ok(entry) => {
                    sending.push(found.key);
                    entries.push(entry);
                }
                Err(error) => failed.push((found.key, error)),
            }
        }
        let answers = if entries.is_empty() { Vec::new() } else { self.client.enqueue_entries(entries).await };
        let mut is_late = false;
        for (key, answer) in sending.into_iter().zip(answers) {
            match answer {
                Ok(_) => over.push(key),
                Err(EnqueueError::Backend(error)) => {
                    is_late = true;
                    tracing::warn!(id = key.id, %error, "an entry of the outbox could not be enqueued yet");
                }
                // It may be refused since it waits for one that could not be enqueued.
                Err(EnqueueError::Refused { .. }) if is_late => {}
                Err(error) => failed.push((key, error.to_string())),
            }
        }
        self.report.moved += over.len() as u64;
        for (key, error) in &failed {
            tracing::error!(id = key.id, error, "an entry of the outbox cannot be enqueued");
            dynamo.mark_outbox_entry(key, error).await?;
        }
        let deleting: Vec<_> = over.iter().map(|key| dynamo.delete_outbox_entry(key)).collect();
        let deleted: Vec<_> = stream::iter(deleting).buffer_unordered(CALLS_AT_ONCE).collect().await;
        deleted.into_iter().collect()
    }

    fn is_early(&self, queue: &str, due_at: Option<Timestamp>) -> bool {
        let fifo = self.delayed_sender.sqs.queues().get(queue).is_some_and(crate::QueueUrls::is_fifo);
        fifo && due_at.is_some_and(|due_at| due_at > self.env.now())
    }
}
