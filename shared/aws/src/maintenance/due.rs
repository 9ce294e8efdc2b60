//! Sends due jobs.

use std::time::Duration;

use futures_util::{StreamExt, future::try_join_all, stream};
use lamplighter::{
    EnqueueError, Timestamp,
    backend::{Queues, StoreError, StoreErrorKind},
};

use super::Round;
use crate::dynamo::Dynamo;

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
                found.map(|ids| (shard, place, ids))
            });
            let (mut ids, mut rest) = (Vec::new(), Vec::new());
            for (shard, place, found) in try_join_all(looks).await? {
                if !found.is_empty() {
                    rest.push((shard, place));
                    ids.extend(found);
                }
            }
            self.move_all(ids).await?;
            shards = rest;
        }
        Ok(())
    }

    async fn move_all(&mut self, ids: Vec<(String, String)>) -> Result<(), StoreError> {
        let dynamo = self.dynamo;
        let mut reading = Vec::with_capacity(ids.len());
        for (id, place) in &ids {
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

    fn is_early(&self, queue: &str, due_at: Option<Timestamp>) -> bool {
        let fifo = self.delayed_sender.sqs.queues().get(queue).is_some_and(crate::QueueUrls::is_fifo);
        fifo && due_at.is_some_and(|due_at| due_at > self.env.now())
    }
}
