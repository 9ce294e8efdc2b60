//! Opens connections before the first invocation.

#[cfg(feature = "dynamodb")]
use std::time::Duration;

use super::Host;

/// The longest delay of the first invocation for connections: some twenty times what they take within a region.
#[cfg(feature = "dynamodb")]
const LIMIT: Duration = Duration::from_secs(1);

/// Connects to the table and to SQS, if jobs have records. A connection that fails is opened again when it is needed,
/// and its error is reported then.
#[cfg(feature = "dynamodb")]
pub(super) async fn warm_up(host: &Host) {
    let Some(table) = host.delayed_sender().and_then(|delayed_sender| delayed_sender.table.as_ref()) else { return };
    let queues = host.function().queues();
    let queue = queues.iter().find_map(|queue| host.sqs().queues().get(queue.name()));
    let to_sqs = async {
        match queue {
            Some(queue) => host.sqs().connect(&queue.url).await,
            None => Ok(()),
        }
    };
    let both = futures_util::future::join(table.connect(), to_sqs);
    match tokio::time::timeout(LIMIT, both).await {
        Ok((table, sqs)) => tracing::debug!(table = ?table.err(), sqs = ?sqs.err(), "connected ahead"),
        Err(_) => tracing::debug!(seconds = LIMIT.as_secs(), "not connected ahead: no answer in time"),
    }
}

/// Without records, there is nothing to connect to before a job has failed.
#[cfg(not(feature = "dynamodb"))]
pub(super) async fn warm_up(_: &Host) {}
