//! `host.json`.

use std::time::Duration;

use lamplighter::Function;
use lamplighter_azure::contract::{FAILED_INVOCATION_DELAY, MAX_DEQUEUE_COUNT, host_timeout};

use crate::node::Map;

/// The maximum number of messages that an instance runs at a time, and the number of those left when it fetches more,
/// by the queue trigger's own limits (Azure Functions, "host.json settings" of "Azure Queue storage trigger and
/// bindings").
const BATCH: (u16, u16) = (16, 8);
/// The maximum polling interval of an empty queue. Azure's default is a minute.
const POLL: Duration = Duration::from_secs(5);

/// The settings of the Functions host.
pub(super) fn host(functions: &[Function], handler: &str) -> Map {
    let (batch, threshold) = batch(functions);
    let queues = Map::new()
        .set("batchSize", batch)
        .set("newBatchThreshold", threshold)
        .set("maxDequeueCount", MAX_DEQUEUE_COUNT)
        .set("visibilityTimeout", time(FAILED_INVOCATION_DELAY))
        .set("maxPollingInterval", time(POLL))
        .set("messageEncoding", "base64");
    Map::new()
        .set("version", "2.0")
        .set("functionTimeout", time(host_timeout(functions)))
        .set(
            "extensionBundle",
            Map::new().set("id", "Microsoft.Azure.Functions.ExtensionBundle").set("version", "[4.*, 5.0.0)"),
        )
        .set(
            "customHandler",
            Map::new()
                .set("description", Map::new().set("defaultExecutablePath", handler))
                .set("enableForwardingHttpRequest", false),
        )
        .set("extensions", Map::new().set("queues", queues))
}

/// Returns how many messages of a queue an instance runs at a time, and how few are left when it fetches more. Both are
/// the same for all queues, so the function with the lowest concurrency decides: no more messages are fetched than it
/// may run.
fn batch(functions: &[Function]) -> (u16, u16) {
    let fewest = functions.iter().filter_map(|function| function.spec().concurrency).min();
    match fewest.and_then(|fewest| u16::try_from(fewest).ok()) {
        Some(fewest) if fewest < BATCH.0 + BATCH.1 => (fewest.min(BATCH.0), 0),
        _ => BATCH,
    }
}

/// Formats a time as .NET does: `hh:mm:ss`.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
