//! The consumers of a queue, and switching them: event source mappings, workers, or both.

use lamplighter::backend::{Consumer, ConsumerKind, ConsumerState, StoreError, StoreErrorKind};

use super::{access::Access, mapping};
use crate::sqs::LOOK;

/// A worker may have received its last message this much later than its tag says: a receive may be in progress.
const LATE: std::time::Duration = std::time::Duration::from_secs(2);

/// Returns the consumer of the queue with that URL and ARN.
pub(super) async fn consumer(access: &Access, url: &str, arn: &str) -> Result<Consumer, StoreError> {
    let state = mapping::state(access, arn).await?;
    if state != ConsumerState::Missing {
        return Ok(Consumer { kind: ConsumerKind::EventSourceMapping, state });
    }
    let tags = access.sqs.tags(url).await?;
    let state = match (tags.is_paused, tags.is_polled(access.env().now())) {
        (true, _) => ConsumerState::Paused,
        (false, true) => ConsumerState::Active,
        (false, false) => ConsumerState::Missing,
    };
    let kind =
        if tags.was_polled() || tags.is_paused { ConsumerKind::Worker } else { ConsumerKind::EventSourceMapping };
    Ok(Consumer { kind, state })
}

/// Pauses or resumes the queue of that name, and returns when that has taken effect.
pub(super) async fn switch(access: &Access, queue: &str, to: ConsumerState) -> Result<(), StoreError> {
    let url = &access.urls(queue)?.url;
    let is_mapped = mapping::switch(access, queue, to).await?;
    let tags = access.sqs.tags(url).await?;
    let paused = to == ConsumerState::Paused;
    if !is_mapped && !tags.was_polled() {
        let text = format!(
            "nothing takes messages from queue {queue}: no function is mapped to it, and no worker has polled it; deploy its \
             stack again, or start `lamp work`"
        );
        return Err(StoreError::new(StoreErrorKind::Invalid, text));
    }
    if tags.is_paused == paused || !(tags.was_polled() || tags.is_paused) {
        return Ok(());
    }
    access.sqs.set_paused(url, paused).await?;
    if paused && tags.is_polled(access.env().now()) {
        tokio::time::sleep(LOOK + LATE).await;
    }
    Ok(())
}
