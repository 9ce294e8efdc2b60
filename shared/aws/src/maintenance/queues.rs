//! The depth of the queues.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::try_join_all;
use lamplighter::backend::StoreError;

use super::QueueReport;
use crate::sqs::{Depth, Sqs};

/// The depth of every queue, and of its dead-letter queue.
pub(super) struct Depths(BTreeMap<String, (Depth, u64)>);

impl Depths {
    pub(super) async fn read(sqs: &Sqs) -> Result<Self, StoreError> {
        let mut reading = Vec::new();
        for (name, queue) in sqs.queues().iter() {
            reading.push(async move {
                let depth = sqs.depth(&queue.url).await?;
                let dead = match &queue.dlq {
                    Some(dlq) => sqs.depth(dlq).await?.visible,
                    None => 0,
                };
                Ok::<_, StoreError>((name.to_string(), (depth, dead)))
            });
        }
        Ok(Self(try_join_all(reading).await?.into_iter().collect()))
    }

    /// Returns whether a queue holds no message that a record without one could be waiting for.
    pub(super) fn is_idle(&self, queue: &str) -> bool {
        self.0.get(queue).is_some_and(|(depth, _)| depth.visible == 0 && depth.delayed == 0)
    }

    /// Returns whether a queue is empty, hidden messages included.
    pub(super) fn is_empty(&self, queue: &str) -> bool {
        self.is_idle(queue) && self.0.get(queue).is_some_and(|(depth, _)| depth.in_flight == 0)
    }

    /// Returns a queue's visibility timeout.
    pub(super) fn visibility(&self, queue: &str) -> Duration {
        self.0.get(queue).map_or(Duration::from_secs(43_200), |(depth, _)| depth.visibility)
    }

    pub(super) fn report(&self) -> Vec<QueueReport> {
        let of = |(queue, (depth, dead_letters)): (&String, &(Depth, u64))| QueueReport {
            queue: queue.clone(),
            visible: depth.visible,
            in_flight: depth.in_flight,
            delayed: depth.delayed,
            dead_letters: *dead_letters,
        };
        self.0.iter().map(of).collect()
    }
}
