//! Sets when received messages become visible again: ChangeMessageVisibilityBatch.

use std::time::Duration;

use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use futures_util::{FutureExt, StreamExt, stream};
use lamplighter::backend::StoreError;

use super::{
    Sqs,
    batches::{CALLS_AT_ONCE, Called, MAX_ENTRIES, Rejection, incomplete, until_answered},
};
use crate::sdk::explain;

/// The longest time a message can stay hidden, counted from its receive; extending does not restart that clock (Amazon
/// SQS Developer Guide, "Visibility timeout").
pub(crate) const MAX_VISIBILITY: Duration = Duration::from_secs(12 * 3600);

/// A message to become visible again after a delay.
#[derive(Debug, Clone)]
pub(crate) struct Postponed {
    /// Its receipt handle.
    pub(crate) receipt: String,
    /// From now; rounded up to whole seconds, at most [`MAX_VISIBILITY`].
    pub(crate) delay: Duration,
}

impl Postponed {
    fn seconds(&self) -> i32 {
        let seconds = self.delay.as_secs().saturating_add(u64::from(self.delay.subsec_nanos() > 0));
        i32::try_from(seconds.min(MAX_VISIBILITY.as_secs())).unwrap_or(i32::MAX)
    }
}

impl Sqs {
    /// Sets when messages of one queue become visible again. The answers are in the messages' order; if one is an
    /// error, the message returns when its current visibility timeout ends.
    pub(crate) async fn postpone(&self, url: &str, messages: &[Postponed]) -> Vec<Result<(), StoreError>> {
        let mut calls = Vec::new();
        for chunk in messages.chunks(MAX_ENTRIES) {
            calls.push(self.postpone_batch(url, chunk).boxed());
        }
        let answers: Vec<_> = stream::iter(calls).buffered(CALLS_AT_ONCE).flat_map(stream::iter).collect().await;
        let error = |rejection| match rejection {
            Rejection::Refused(why) => StoreError::new(lamplighter::backend::StoreErrorKind::Invalid, why),
            Rejection::Failed(error) => error,
        };
        answers.into_iter().map(|answer| answer.map_err(error)).collect()
    }

    async fn postpone_batch(&self, url: &str, messages: &[Postponed]) -> Vec<Result<(), Rejection>> {
        until_answered(messages.len(), async |open: Vec<usize>| {
            let client = self.client().await?;
            let entries = open.iter().map(|&index| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(&messages[index].receipt)
                    .visibility_timeout(messages[index].seconds())
                    .build()
            });
            let entries = entries.collect::<Result<_, _>>().map_err(incomplete)?;
            let changed =
                client.change_message_visibility_batch().queue_url(url).set_entries(Some(entries)).send().await;
            let changed = changed.map_err(|error| explain(&error, &format!("delay messages of {url}")))?;
            let done = changed.successful.iter().filter_map(|entry| entry.id.parse().ok()).collect();
            Ok(Called { done, failed: changed.failed })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_rounded_up_and_bounded() {
        let seconds = |delay| Postponed { receipt: "r".into(), delay }.seconds();
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_millis(2000)), 2);
        assert_eq!(seconds(Duration::from_secs(43_201)), 43_200);
        assert_eq!(seconds(Duration::MAX), 43_200);
    }
}
